package project

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestChangelogSection(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "CHANGELOG.md")
	require.NoError(t, os.WriteFile(log, []byte(`# Changelog

## 1.3.0 - unreleased

- Three.

## 1.2.3 - 2026-01-01

### Added

- Two.

## 1.2.2 - 2025-12-01

## 1.2.0 - 2025-01-01

- One.
`), 0o600))
	for _, test := range []struct{ name, version, want, err string }{
		{name: "a_section_ends_where_the_next_one_begins", version: "1.2.3", want: "### Added\n\n- Two.\n\n"},
		{name: "a_tag_has_a_v_before_the_version", version: "v1.2.0", want: "- One.\n"},
		{name: "what_is_unreleased_is_no_release", version: "1.3.0", err: "still marked as unreleased"},
		{name: "a_version_that_is_not_there", version: "1.2", err: "has no entry for 1.2"},
		{name: "an_empty_section", version: "1.2.2", err: "has no entry for 1.2.2"},
		{name: "no_version", err: "no version"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			command := exec.CommandContext(t.Context(), "make", "--no-print-directory", "changelog-section", "VERSION="+test.version)
			command.Dir = root
			command.Env = append(os.Environ(), "CHANGELOG="+log)
			out, err := command.CombinedOutput()
			if test.err != "" {
				require.Error(t, err)
				assert.Contains(t, string(out), test.err)
				return
			}
			require.NoError(t, err, "%s", out)
			assert.Equal(t, test.want, string(out))
		})
	}
}
