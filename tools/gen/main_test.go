package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGeneratedFilesAreUpToDate(t *testing.T) {
	t.Parallel()
	require.NoError(t, writeReferences(filepath.Join("..", "..", "docs", "reference"), true))
	require.NoError(t, generate(filepath.Join("..", "..", "charts", "qdrant"), true))
	require.NoError(t, copyExamples(filepath.Join("..", "..", "client", "vector"), true))
}

func TestRun(t *testing.T) {
	t.Parallel()
	chart, client, docs := t.TempDir(), t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(client, "example_test.go"), []byte("package p\n\nfunc Example() {\n\tp()\n}\n"), 0o600))
	clientReadme := filepath.Join(client, "README.md")
	require.NoError(t, os.WriteFile(clientReadme, []byte("<!-- example:  -->\n<!-- end -->\n"), 0o600))
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(chart, name), []byte(text), 0o600))
	}
	gen := func(args ...string) (int, string) {
		var stderr bytes.Buffer
		code := run(append([]string{"-chart", chart, "-client", client, "-docs", docs}, args...), &stderr)
		return code, stderr.String()
	}
	const readme = "<!-- values:begin -->\n<!-- values:end -->\n"
	write("values.yaml", "# -- A.\na: 1\n")
	write("README.md", readme)

	code, stderr := gen("-check")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "values.schema.json is out of date")
	assert.Contains(t, stderr, "README.md is out of date")
	assert.Contains(t, stderr, "make generate")
	assert.NoFileExists(t, filepath.Join(chart, "values.schema.json"), "-check must not write")

	code, stderr = gen()
	assert.Zero(t, code, stderr)
	filled, err := os.ReadFile(clientReadme)
	require.NoError(t, err)
	assert.Contains(t, string(filled), "```go\np()\n```")
	for _, name := range []string{"shepherd", "vector"} {
		reference, err := os.ReadFile(filepath.Join(docs, "reference", name+".md"))
		require.NoError(t, err)
		assert.Contains(t, string(reference), "## `"+name+" version`")
	}
	code, stderr = gen("-check")
	assert.Zero(t, code, stderr)

	write("values.yaml", "# -- A.\na: 2\n")
	code, stderr = gen("-check")
	assert.Equal(t, 1, code, stderr)

	before, err := os.ReadFile(filepath.Join(chart, "values.schema.json"))
	require.NoError(t, err)
	write("README.md", "no markers")
	code, stderr = gen()
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "values:begin")
	after, err := os.ReadFile(filepath.Join(chart, "values.schema.json"))
	require.NoError(t, err)
	assert.Equal(t, string(before), string(after), "an error must leave both files as they were")

	write("README.md", readme)
	write("values.yaml", "a: 2\n")
	code, stderr = gen()
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "line 1: a: no comment")

	code, _ = gen("stray")
	assert.Equal(t, 2, code)
}

func TestFrequentWordsThatCannotBeMade(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("WINK_EMBEDDINGS_TGZ", filepath.Join(t.TempDir(), "missing.tgz"))
	words := filepath.Join(t.TempDir(), "frequent.i8")
	require.NoError(t, os.WriteFile(words, []byte("old"), 0o600))
	var stderr bytes.Buffer

	assert.Equal(t, 1, run([]string{"-words", words}, &stderr))

	assert.Contains(t, stderr.String(), "gen: making "+words)
	content, err := os.ReadFile(words)
	require.NoError(t, err)
	assert.Equal(t, "old", string(content), "an error leaves the file as it was")
}
