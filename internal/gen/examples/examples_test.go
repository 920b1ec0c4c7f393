package examples_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/internal/gen/examples"
)

const source = `package p

func ExampleOne() {
	// why
	if one() {
		two()
	}
	// Output:
	// 2
}

func helper() {}

func ExampleT_Two() { three() }
`

func TestInsert(t *testing.T) {
	t.Parallel()
	document := "a\n<!-- example: One -->\nold\n<!-- end -->\nb\n<!-- example: T_Two -->\n<!-- end -->\n"
	want := "a\n<!-- example: One -->\n```go\n// why\nif one() {\n\ttwo()\n}\n// Output:\n// 2\n```\n<!-- end -->\nb\n" +
		"<!-- example: T_Two -->\n```go\n three() \n```\n<!-- end -->\n"
	got, err := examples.Insert([]byte(document), []byte(source))
	require.NoError(t, err)
	assert.Equal(t, want, string(got))
	again, err := examples.Insert(got, []byte(source))
	require.NoError(t, err)
	assert.Equal(t, want, string(again), "a second run changes nothing")
}

func TestInsertRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ document, source, want string }{
		"a place without an example": {"<!-- example: Three -->\n<!-- end -->\n", source, "line 1: there is no func ExampleThree"},
		"a place without an end":     {"\n<!-- example: One -->\n", source, "line 2: example One has no <!-- end -->"},
		"an example without a place": {"<!-- example: One -->\n<!-- end -->\n", source, "func ExampleT_Two has no place"},
		"no examples":                {"", "package p", "there are none"},
		"no Go":                      {"", "pakage", "reading the examples"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := examples.Insert([]byte(c.document), []byte(c.source))
			require.ErrorContains(t, err, c.want)
		})
	}
}
