package commandline_test

import (
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
)

func TestRead(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		args      []string
		env       map[string]string
		text      string
		number    int
		given     []string
		wantError string
	}{
		{"defaults", []string{"--text", "a"}, nil, "a", 3, []string{"text"}, ""},
		{"the_environment", nil, map[string]string{"TEXT": "b", "NUMBER": "5"}, "b", 5, []string{}, ""},
		{"the_command_line_first", []string{"--number", "7", "--text", "a"}, map[string]string{"TEXT": "b", "NUMBER": "5"}, "a", 7, []string{"text", "number"}, ""},
		{"an_empty_variable", []string{"--text", "a"}, map[string]string{"NUMBER": ""}, "a", 3, []string{"text"}, ""},
		{"a_variable_of_the_wrong_type", []string{"--text", "a"}, map[string]string{"NUMBER": "five"}, "a", 3, []string{"text"}, `NUMBER (--number): "five" is not a int`},
		{"a_wrong_variable_that_the_command_line_overrides", []string{"--text", "a", "--number", "1"}, map[string]string{"NUMBER": "five"}, "a", 1, []string{"text", "number"}, ""},
		{"a_required_flag_is_missing", nil, nil, "", 3, []string{}, "set TEXT or --text"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			set := commandline.Of(pflag.NewFlagSet("test", pflag.ContinueOnError))
			text, number := set.String("text", "", "a text"), set.Int("number", 3, "a number")
			set.From("TEXT", "text")
			set.From("NUMBER", "number")
			set.Require("text")
			require.NoError(t, set.Parse(test.args))
			err := set.Read(func(name string) string { return test.env[name] })
			assert.Equal(t, test.given, set.Given("text", "number"))
			assert.Equal(t, test.text, *text)
			if test.wantError != "" {
				require.EqualError(t, err, test.wantError)
				require.ErrorAs(t, err, new(commandline.UsageError))
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.number, *number)
		})
	}
}
