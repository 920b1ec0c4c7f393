package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, file, text string
		shellcheck       bool // what only shellcheck sees
		want, err        string
	}{
		{name: "a_script_that_parses_passes", file: "a.sh", text: "echo one\n", want: "1 scripts\n"},
		{name: "a_script_that_does_not_parse_is_named", file: "a.sh", text: "if true; then\n", err: "1 of 1 scripts", want: "a.sh:"},
		{name: "a_file_in_a_manifest_is_a_script", file: "a.yaml", text: "data:\n  start.sh: |\n    #!/bin/bash\n    while\n", err: "1 of 1 scripts"},
		{name: "a_command_in_a_manifest_is_a_script", file: "a.yaml", text: "command: [/bin/bash, -c, 'echo (']\n", err: "1 of 1 scripts"},
		{name: "the_second_document_is_looked_at", file: "a.yaml", text: "a: b\n---\ncommand: [bash, -c, 'done']\n", err: "1 of 1 scripts"},
		{name: "the_notes_of_a_golden_file_are_no_yaml", file: "a.yaml", text: "---\n# templates/NOTES.txt\nReach it: [\n---\ncommand: [bash, -c, 'true']\n", want: "1 scripts\n"},
		{name: "the_same_script_counts_once", file: "a.yaml", text: "a: {command: [bash, -c, 'true']}\nb: {command: [bash, -c, 'true']}\n", want: "1 scripts\n"},
		{name: "two_dollars_of_compose_are_one", file: "a.yaml", text: "test: [CMD, bash, -c, '[ \"$$status\" = 200 ]']\n", want: "1 scripts\n"},
		{name: "no_script_at_all_is_an_error", file: "a.yaml", text: "a: b\n", err: "no script"},
		{name: "yaml_that_does_not_parse_is_an_error", file: "a.yaml", text: "a: [\n", err: "reading"},
		{name: "a_word_that_is_split_fails_where_shellcheck_is", file: "a.sh", text: "rm -r $1\n", shellcheck: true, err: "1 of 1 scripts", want: "SC2086"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			shellcheck := ""
			if test.shellcheck {
				var err error
				if shellcheck, err = exec.LookPath("shellcheck"); err != nil {
					t.Skip("SKIP: there is no shellcheck; run: apt-get install shellcheck")
				}
			}
			path := filepath.Join(t.TempDir(), test.file)
			require.NoError(t, os.WriteFile(path, []byte(test.text), 0o600))
			var out strings.Builder
			err := run(t.Context(), shellcheck, []string{path}, &out)
			assert.Contains(t, out.String(), test.want)
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				return
			}
			require.NoError(t, err)
		})
	}
}
