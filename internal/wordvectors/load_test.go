package wordvectors

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tarballOf packs a document as the package does.
func tarballOf(t *testing.T, document string) []byte {
	t.Helper()
	var content bytes.Buffer
	packed := gzip.NewWriter(&content)
	archive := tar.NewWriter(packed)
	require.NoError(t, archive.WriteHeader(&tar.Header{Name: "package/" + name + ".json", Size: int64(len(document)), Mode: 0o600}))
	_, err := archive.Write([]byte(document))
	require.NoError(t, errors.Join(err, archive.Close(), packed.Close()))
	return content.Bytes()
}

// madeUp is a small edition of the package, and its tarball.
func madeUp(t *testing.T, words int) (edition, []byte) {
	t.Helper()
	var document strings.Builder
	document.WriteString(`{"words":[],"vectors":{`)
	for i := range words {
		if i > 0 {
			document.WriteByte(',')
		}
		fmt.Fprintf(&document, `"word%d":[%d,1,0,9,%d]`, i, i, i)
	}
	document.WriteString(`}}`)
	content := tarballOf(t, document.String())
	sum := sha256.Sum256(content)
	return edition{dim: 3, digest: hex.EncodeToString(sum[:])}, content
}

// registryOf answers with a tarball and counts how often.
func registryOf(t *testing.T, content []byte) *atomic.Int32 {
	t.Helper()
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path != "/"+name+"/-/"+name+"-"+version+".tgz" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(content)
	}))
	t.Cleanup(server.Close)
	t.Setenv(tarballVariable, "")
	t.Setenv("npm_config_registry", server.URL)
	return &asked
}

func TestTheWholeVocabularyIsDownloadedOnce(t *testing.T) {
	const words = Queries + 50
	made, content := madeUp(t, words)
	asked := registryOf(t, content)
	cache := filepath.Join(t.TempDir(), "cache")

	for range 2 {
		vocabulary, err := made.open(t.Context(), cache)
		require.NoError(t, err)
		data, err := vocabulary.load(50)
		require.NoError(t, err)
		assert.Equal(t, 50, data.Base.Len())
		assert.Equal(t, Queries, data.Queries.Len())
		_, err = vocabulary.load(51)
		require.EqualError(t, err, "loading 51 words: there are 1 to 50")
		for i, word := range data.Base.Words {
			assert.Equal(t, fmt.Sprintf("word%d", data.Base.Ranks[i]), word)
			assert.InDelta(t, 1, dot(data.Base.Vectors[i], data.Base.Vectors[i]), 1e-5)
		}
		vocabulary.close()
	}

	assert.EqualValues(t, 1, asked.Load())
	left, err := filepath.Glob(filepath.Join(cache, "*"))
	require.NoError(t, err)
	assert.Len(t, left, 1, "only the compact file stays")
}

func TestATarballFetchedByOtherMeans(t *testing.T) {
	made, content := madeUp(t, 5)
	path := filepath.Join(t.TempDir(), "words.tgz")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	t.Setenv(tarballVariable, path)
	t.Setenv("npm_config_registry", "nowhere")

	vocabulary, err := made.open(t.Context(), t.TempDir())

	require.NoError(t, err)
	defer vocabulary.close()
	assert.Equal(t, []string{"word0", "word1", "word2", "word3", "word4"}, vocabulary.words)
	assert.FileExists(t, path, "it stays")
}

// TestWordsThatAreUnavailable: whatever the cause, the error says so by its type, and nothing stays behind.
func TestWordsThatAreUnavailable(t *testing.T) {
	made, content := madeUp(t, 5)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		tarball, registry string
		withoutNPM        bool
		ctx               context.Context
		served            []byte
		want              string
	}{
		"without npm":                    {registry: "", withoutNPM: true, want: "asking npm for its registry"},
		"a context that is over":         {registry: "", ctx: over, want: "asking npm for its registry: context canceled"},
		"a download that is cancelled":   {registry: "served", ctx: over, want: "context canceled"},
		"a registry that is no address":  {registry: "undefined", want: `"undefined" is no address`},
		"a registry that is not there":   {registry: "http://127.0.0.1:1", want: "connection refused"},
		"a registry without the package": {registry: "served/elsewhere", want: "404"},
		"another content":                {registry: "served", served: []byte("something else"), want: "not " + made.digest},
		"a missing tarball":              {tarball: "missing.tgz", want: "no such file"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			cache := t.TempDir()
			if test.served == nil {
				test.served = content
			}
			registryOf(t, test.served)
			if rest, ok := strings.CutPrefix(test.registry, "served"); ok {
				test.registry = os.Getenv("npm_config_registry") + rest
			}
			t.Setenv("npm_config_registry", test.registry)
			t.Setenv("NPM_CONFIG_REGISTRY", "")
			t.Setenv(tarballVariable, test.tarball)
			if test.withoutNPM {
				t.Setenv("PATH", t.TempDir())
			}
			if test.ctx == nil {
				test.ctx = t.Context()
			}

			_, err := made.open(test.ctx, cache)

			require.ErrorIs(t, err, ErrUnavailable)
			require.ErrorContains(t, err, test.want)
			require.ErrorContains(t, err, tarballVariable, "it says what helps")
			left, err := filepath.Glob(filepath.Join(cache, "*"))
			require.NoError(t, err)
			assert.Empty(t, left, "nothing stays behind")
		})
	}
}

func TestLoadWithoutAPlaceForTheCache(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	_, err := Load(t.Context(), 10)
	require.ErrorIs(t, err, ErrUnavailable)
	_, err = MakeFrequent(t.Context())
	require.ErrorIs(t, err, ErrUnavailable)
}

func TestRegistry(t *testing.T) {
	t.Setenv("npm_config_registry", "")
	t.Setenv("NPM_CONFIG_REGISTRY", "https://mirror.example/npm/")
	found, err := registry(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "https://mirror.example/npm", found)

	npm := filepath.Join(t.TempDir(), "npm")
	require.NoError(t, os.WriteFile(npm, []byte("#!/bin/sh\necho https://of-npm.example/\n"), 0o755))
	t.Setenv("NPM_CONFIG_REGISTRY", "")
	t.Setenv("PATH", filepath.Dir(npm))
	found, err = registry(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "https://of-npm.example", found)
}

func TestADownloadHasAnEnd(t *testing.T) {
	t.Parallel()
	var kept bytes.Buffer
	endless := strings.NewReader(strings.Repeat("x", 1000))
	require.ErrorContains(t, verify(endless, &kept, published.digest, 100), "more than 100 bytes")
	assert.Less(t, kept.Len(), 110)
	require.ErrorContains(t, verify(strings.NewReader(strings.Repeat("x", 100)), io.Discard, published.digest, 100), "SHA-256")
}

func TestConvertingATarball(t *testing.T) {
	t.Parallel()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		ctx     context.Context
		content []byte
		dim     int
		want    string
	}{
		"that has vectors of another length": {t.Context(), tarballOf(t, document), 100, "numbers instead of 102"},
		"that is interrupted":                {over, tarballOf(t, document), 3, "context canceled"},
		"that is none":                       {t.Context(), []byte("no tarball"), 3, "unpacking"},
		"that is cut off":                    {t.Context(), tarballOf(t, document)[:60], 3, "unpacking"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			tarball := filepath.Join(t.TempDir(), "words.tgz")
			require.NoError(t, os.WriteFile(tarball, test.content, 0o600))
			to, err := os.Create(filepath.Join(t.TempDir(), "words.f32"))
			require.NoError(t, err)
			defer func() { _ = to.Close() }()
			require.ErrorContains(t, convertTarball(test.ctx, tarball, to, test.dim), test.want)
		})
	}
}
