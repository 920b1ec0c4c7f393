package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRead(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, lines string
		want        Results
	}{
		{
			name: "a_test_with_subtests_counts_by_them",
			lines: `{"Action":"pass","Package":"p","Test":"TestA/one"}
{"Action":"pass","Package":"p","Test":"TestA/two"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p"}`,
			want: Results{Passed: 2},
		},
		{
			name: "a_skip_has_its_reason",
			lines: `{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: SKIP: no Docker; start it\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- SKIP: TestA (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestA"}`,
			want: Results{Skipped: 1, Skips: []string{"p TestA: no Docker; start it"}},
		},
		{
			name: "a_package_that_does_not_build_is_a_failure",
			lines: `# p
p/a.go:1:1: undefined: x
{"Action":"fail","Package":"p"}`,
			want: Results{Failed: 1, Failures: []string{"p"}},
		},
		{
			name: "a_failed_test_is_counted_once",
			lines: `{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p"}`,
			want: Results{Failed: 1, Failures: []string{"p TestA"}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := Read(strings.NewReader(test.lines))
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
		})
	}
}
