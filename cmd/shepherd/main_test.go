package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRun(t *testing.T) {
	t.Parallel()
	var out, said bytes.Buffer
	code := run(t.Context(), []string{"version"}, func(string) string { return "" }, strings.NewReader(""), &out, &said)
	assert.Zero(t, code)
	assert.Equal(t, "dev\n", out.String())
}

func TestOutsideAClusterTheAPIServerIsNotFound(t *testing.T) {
	t.Parallel()
	var out, said bytes.Buffer
	env := map[string]string{"SHEPHERD_NAMESPACE": "search", "SHEPHERD_STATEFULSET": "q", "SHEPHERD_DOMAIN": "d"}
	code := run(t.Context(), []string{"status"}, func(name string) string { return env[name] }, strings.NewReader(""), &out, &said)
	assert.Equal(t, 1, code)
	assert.Contains(t, said.String(), "finding the API server")
}
