package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/qdrantprocess"
	"github.com/qdrant-shepherd/shepherd/client/qdranttest"
)

// patience is the time that one call may take, on a machine that is busy with other things too.
const patience = "30m"

// neighboursOfKing is a line of the table at the end.
const neighboursOfKing = `(?m)^  king +prince 0\.\d\d +queen 0\.\d\d`

func TestWrongCalls(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"-words", "5"}, 2, "flag provided but not defined: -words"},
		{[]string{"now"}, 2, `smoke: unexpected argument "now"`},
		{[]string{"-h"}, 0, "-api-key-file"},
	} {
		var out, errors strings.Builder
		assert.Equal(t, test.code, run(t.Context(), test.args, &out, &errors), "%v", test.args)
		assert.Contains(t, errors.String(), test.says)
		assert.Empty(t, out.String())
	}
}

func TestSmoke(t *testing.T) {
	t.Setenv("API_KEY", "")
	cluster := qdrantprocess.Start(t, 3, qdrantprocess.Options{APIKey: "sesame"})
	server := cluster.Servers[0]
	keyFile := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(keyFile, []byte("sesame\n"), 0o600))
	args := []string{"-target", server.GRPC(), "-rest", server.URL(), "-n", "2000", "-timeout", patience}

	for range 2 { // the second time it replaces what the first has left
		var out, errors strings.Builder
		require.Equal(t, 0, run(t.Context(), append(args, "-api-key-file", keyFile), &out, &errors), errors.String())
		t.Log("\n" + out.String())
		assert.Contains(t, out.String(), "a cluster of 3 peers")
		assert.Contains(t, out.String(), "3 shards, 2 replicas each")
		assert.Contains(t, out.String(), "2000 English words")
		assert.Contains(t, out.String(), "every answer was right")
		assert.Regexp(t, neighboursOfKing, out.String())
	}

	t.Run("with the key in the environment", func(t *testing.T) {
		t.Setenv("API_KEY", "sesame")
		var out, errors strings.Builder
		assert.Equal(t, 0, run(t.Context(), append(args, "-n", "1000"), &out, &errors), errors.String())
	})
	for name, args := range map[string][]string{
		"without the key": args,
		"without server":  {"-target", "127.0.0.1:1", "-rest", "http://127.0.0.1:1"},
		"without keyfile": append(args, "-api-key-file", keyFile+"s"),
	} {
		t.Run(name, func(t *testing.T) {
			var out, errors strings.Builder
			assert.Equal(t, 1, run(t.Context(), args, &out, &errors))
			assert.Equal(t, 1, strings.Count(errors.String(), "\n"), errors.String())
			assert.True(t, strings.HasPrefix(errors.String(), "smoke: "), errors.String())
			t.Log(errors.String())
		})
	}
}

func TestSmokeOfTheStandIn(t *testing.T) {
	t.Setenv("API_KEY", "sesame")
	cluster := qdranttest.Start(t, 3, qdranttest.Options{APIKey: "sesame", ForgetCalls: true})
	args := []string{"-stand-in", "-target", cluster.Server(0).GRPC(), "-rest", cluster.Server(0).URL(), "-n", "2000", "-timeout", patience}
	var out, errors strings.Builder
	require.Equal(t, 0, run(t.Context(), args, &out, &errors), errors.String())
	assert.Contains(t, out.String(), "a stand-in for Qdrant (client/qdranttest)")
	assert.NotContains(t, out.String(), "indexed", "it has no index")
	assert.Contains(t, out.String(), "every answer was right")
	assert.Regexp(t, neighboursOfKing, out.String())
	t.Run("too many words", func(t *testing.T) {
		var errors strings.Builder
		assert.Equal(t, 1, run(t.Context(), append(args, "-n", "5001"), io.Discard, &errors))
		assert.Equal(t, "smoke: reading 5001 frequent words: there are 1 to 5000\n", errors.String())
	})
}
