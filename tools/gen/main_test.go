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
	root, client, docs := t.TempDir(), t.TempDir(), t.TempDir()
	chart := filepath.Join(root, "charts", "qdrant")
	require.NoError(t, os.MkdirAll(chart, 0o755))
	for name, text := range map[string]string{
		".github/workflows/nightly.yaml":  "        qdrant: [v1.0.9, v1.1.0]\n",
		"client/qdranttest/cluster.go":    "const DefaultVersion = \"1.1.0\"\n",
		"compose/compose.yaml":            "    image: docker.io/qdrant/qdrant:v1.1.0-unprivileged\n",
		"tests/internal/images/images.go": "a = \"docker.io/qdrant/qdrant:v1.1.0-unprivileged\"\nb = \"docker.io/qdrant/qdrant:v1.1.0\"\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o600))
	}
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
	write("Chart.yaml", "appVersion: \"1.2.3\"\n")

	code, stderr := gen("-check")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "values.schema.json is out of date")
	assert.Contains(t, stderr, "README.md is out of date")
	assert.Contains(t, stderr, "compose.yaml is out of date")
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
	for name, want := range map[string]string{
		".github/workflows/nightly.yaml":  "        qdrant: [v1.0.9, v1.2.3]\n",
		"client/qdranttest/cluster.go":    "const DefaultVersion = \"1.2.3\"\n",
		"compose/compose.yaml":            "    image: docker.io/qdrant/qdrant:v1.2.3-unprivileged\n",
		"tests/internal/images/images.go": "a = \"docker.io/qdrant/qdrant:v1.2.3-unprivileged\"\nb = \"docker.io/qdrant/qdrant:v1.2.3\"\n",
	} {
		pinned, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		assert.Equal(t, want, string(pinned))
	}
	code, stderr = gen("-check")
	assert.Zero(t, code, stderr)

	write("values.yaml", "# -- A.\na: 2\n")
	code, stderr = gen("-check")
	assert.Equal(t, 1, code, stderr)

	before, err := os.ReadFile(filepath.Join(chart, "values.schema.json"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(root, "compose", "compose.yaml"), []byte("image: another\n"), 0o600))
	code, stderr = gen("-check")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "compose.yaml does not name the version of Qdrant where it did")

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
