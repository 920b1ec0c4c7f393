package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What govulncheck writes: its configuration, what the database says of the modules, and a finding for each level.
const (
	config    = `{"config": {"protocol_version": "v1.0.0"}}`
	about     = `{"osv": {"id": "GO-2026-0001", "summary": "Panic in Parse"}}`
	inModule  = `{"finding": {"osv": "GO-2026-0001", "fixed_version": "v1.2.0", "trace": [{"module": "example.org/m", "version": "v1.1.0"}]}}`
	inPackage = `{"finding": {"osv": "GO-2026-0001", "fixed_version": "v1.2.0", "trace": [{"module": "example.org/m", "version": "v1.1.0", "package": "example.org/m/p"}]}}`
	called    = `{"finding": {"osv": "GO-2026-0001", "fixed_version": "v1.2.0", "trace": [{"module": "example.org/m", "version": "v1.1.0", "package": "example.org/m/p", "function": "Parse"}]}}`
	unfixed   = `{"finding": {"osv": "GO-2026-0002", "trace": [{"module": "example.org/n", "version": "v2.0.0"}]}}`
)

func TestJudge(t *testing.T) {
	t.Parallel()
	today := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	waived := func(until string) []waiver {
		return []waiver{{ID: "GO-2026-0001", Module: "example.org/m", Reason: "Parse sees our own files", Until: until}}
	}
	for _, test := range []struct {
		name    string
		level   string
		found   []string
		waivers []waiver
		want    []string
	}{
		{name: "nothing_found_is_no_complaint", level: module, want: nil},
		{name: "what_the_database_knows_and_the_build_has_in_a_fixed_version_is_no_complaint", level: module, found: []string{about}},
		{name: "a_vulnerable_version_is_one_complaint_at_module_level", level: module, found: []string{about, inModule, inPackage},
			want: []string{"GO-2026-0001: example.org/m v1.1.0: Panic in Parse; fixed in v1.2.0"}},
		{name: "a_vulnerability_without_a_fix_says_so", level: module, found: []string{unfixed},
			want: []string{"GO-2026-0002: example.org/n v2.0.0: ; there is no fix"}},
		{name: "what_is_not_called_is_no_complaint_at_symbol_level", level: symbol, found: []string{about, inModule, inPackage}},
		{name: "what_is_called_is_a_complaint_at_symbol_level", level: symbol, found: []string{about, inModule, inPackage, called},
			want: []string{"GO-2026-0001: example.org/m v1.1.0: Panic in Parse; fixed in v1.2.0"}},
		{name: "a_waiver_covers_it_on_its_last_day", level: module, found: []string{about, inModule}, waivers: waived("2026-11-30")},
		{name: "a_waiver_is_in_use_at_symbol_level_when_the_version_is_vulnerable", level: symbol, found: []string{about, inModule}, waivers: waived("2026-12-31")},
		{name: "a_waiver_of_another_module_does_not_cover_it", level: module, found: []string{unfixed},
			waivers: []waiver{{ID: "GO-2026-0002", Module: "example.org/other", Reason: "r", Until: "2027-01-01"}},
			want: []string{"GO-2026-0002: example.org/n v2.0.0: ; there is no fix",
				"the waiver of GO-2026-0002 for example.org/other covers nothing: remove it"}},
		{name: "an_expired_waiver_is_a_complaint", level: module, found: []string{about, inModule}, waivers: waived("2026-11-29"),
			want: []string{"the waiver of GO-2026-0001 for example.org/m expired on 2026-11-29; it said: Parse sees our own files"}},
		{name: "an_unused_waiver_is_a_complaint", level: module, found: []string{about}, waivers: waived("2027-01-01"),
			want: []string{"the waiver of GO-2026-0001 for example.org/m covers nothing: remove it"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			scanned, err := parse(strings.NewReader(config + strings.Join(test.found, "\n")))
			require.NoError(t, err)
			assert.Equal(t, test.want, judge(scanned, test.level, test.waivers, today))
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, err string }{
		"an_empty_stream":           {"", "it is empty"},
		"a_stream_that_is_cut":      {config + inModule[:40], "unexpected EOF"},
		"a_finding_without_a_trace": {config + `{"finding": {"osv": "GO-2026-0001"}}`, "GO-2026-0001 has no trace"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parse(strings.NewReader(test.text))
			require.ErrorContains(t, err, test.err)
		})
	}
}

func TestReadWaivers(t *testing.T) {
	t.Parallel()
	const whole = `{id: GO-2026-0001, module: example.org/m, reason: "no input of others", until: 2027-01-31}`
	for name, test := range map[string]struct {
		text, err string
		want      int
	}{
		"a_list":                   {text: "- " + whole, want: 1},
		"an_empty_list":            {text: "[]"},
		"no_reason":                {text: `- {id: GO-2026-0001, module: example.org/m, until: 2027-01-31}`, err: "lacks its id, module or reason"},
		"no_date":                  {text: `- {id: GO-2026-0001, module: example.org/m, reason: r}`, err: "until"},
		"a_date_that_is_none":      {text: `- {id: GO-2026-0001, module: example.org/m, reason: r, until: 2027-02-30}`, err: "until"},
		"a_field_that_is_not_ours": {text: `- {id: GO-2026-0001, module: example.org/m, reason: r, until: 2027-01-31, forever: true}`, err: "forever"},
		"one_twice":                {text: "- " + whole + "\n- " + whole, err: "twice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "waivers.yaml")
			require.NoError(t, os.WriteFile(path, []byte(test.text), 0o600))
			waivers, err := readWaivers(path)
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				return
			}
			require.NoError(t, err)
			assert.Len(t, waivers, test.want)
		})
	}
}

// TestRun scans a module that requires a vulnerable version of another, with a database of one entry: govulncheck itself says what it finds.
func TestRun(t *testing.T) {
	database := t.TempDir()
	write := func(directory, name, text string) {
		path := filepath.Join(directory, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	write(database, "index/db.json", `{"modified": "2026-11-01T00:00:00Z"}`)
	write(database, "index/modules.json", `[{"path": "example.org/m", "vulns": [{"id": "GO-2026-0001", "modified": "2026-11-01T00:00:00Z", "fixed": "1.2.0"}]}]`)
	write(database, "ID/GO-2026-0001.json", `{"schema_version": "1.3.1", "id": "GO-2026-0001", "modified": "2026-11-01T00:00:00Z", "published": "2026-11-01T00:00:00Z",
		"summary": "Panic in Parse", "affected": [{"package": {"name": "example.org/m", "ecosystem": "Go"},
		"ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.2.0"}]}],
		"ecosystem_specific": {"imports": [{"path": "example.org/m", "symbols": ["Parse"]}]}}]}`)

	// scan runs over a module whose main function has the given body.
	scan := func(t *testing.T, level, body, waivers string) (string, error) {
		module := t.TempDir()
		write(module, "go.mod", "module example.org/main\n\ngo 1.26\n\nrequire example.org/m v1.1.0\n")
		write(module, "main.go", fmt.Sprintf("package main\n\nimport \"example.org/m\"\n\nfunc main() { %s }\n", body))
		write(module, "vendor/modules.txt", "# example.org/m v1.1.0\n## explicit; go 1.26\nexample.org/m\n")
		write(module, "vendor/example.org/m/m.go", "package m\n\nfunc Parse() {}\n\nfunc Format() {}\n")
		write(module, "waivers.yaml", waivers)
		t.Chdir(module)
		var out strings.Builder
		err := run(t.Context(), []string{"-db", database, "-level", level, "-waivers", "waivers.yaml", "./..."}, &out)
		return out.String(), err
	}
	waiver := `[{id: GO-2026-0001, module: example.org/m, reason: "it parses our own files", until: 2100-01-01}]`
	t.Run("a_vulnerable_version_fails_at_module_level", func(t *testing.T) {
		out, err := scan(t, module, "m.Format()", "[]")
		require.Error(t, err)
		assert.Contains(t, out, "GO-2026-0001: example.org/m v1.1.0: Panic in Parse; fixed in v1.2.0")
	})
	t.Run("a_waiver_covers_it", func(t *testing.T) {
		out, err := scan(t, module, "m.Format()", waiver)
		require.NoError(t, err)
		assert.Contains(t, out, "1 waived")
	})
	t.Run("what_is_not_called_passes_at_symbol_level", func(t *testing.T) {
		_, err := scan(t, symbol, "m.Format()", "[]")
		require.NoError(t, err)
	})
	t.Run("what_is_called_fails_at_symbol_level", func(t *testing.T) {
		out, err := scan(t, symbol, "m.Parse()", "[]")
		require.Error(t, err)
		assert.Contains(t, out, "GO-2026-0001")
	})
	t.Run("a_package_that_does_not_compile_is_an_error", func(t *testing.T) {
		_, err := scan(t, symbol, "m.Missing()", "[]")
		require.Error(t, err)
	})
	t.Run("a_database_that_is_not_there_is_an_error", func(t *testing.T) {
		waivers := filepath.Join(t.TempDir(), "waivers.yaml")
		require.NoError(t, os.WriteFile(waivers, []byte("[]"), 0o600))
		err := run(t.Context(), []string{"-db", filepath.Join(t.TempDir(), "none"), "-waivers", waivers, "."}, &strings.Builder{})
		require.Error(t, err)
	})
}
