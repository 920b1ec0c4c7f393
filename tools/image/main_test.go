package main

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"debug/elf"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// largest is what the image may have, uncompressed.
const largest = 40_000_000

const module = "../.."

// build runs the command as a person does and returns the digest it prints.
func build(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), append([]string{"-module", module}, args...), &out))
	return strings.TrimSpace(out.String())
}

func TestTheSameSourcesGiveTheSameImage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "image.tar")
	first := build(t, "-version", "1.2.3", "-tarball", file, "-tag", "qdrant-shepherd:dev")

	// What another machine may have set otherwise.
	t.Setenv("GOFLAGS", "-tags=other")
	t.Setenv("GOAMD64", "v3")
	t.Setenv("CGO_ENABLED", "1")
	second := build(t, "-version", "1.2.3")

	assert.Equal(t, first, second)
	assert.Regexp(t, "^sha256:[0-9a-f]{64}$", first)

	image, err := tarball.ImageFromPath(file, nil)
	require.NoError(t, err)
	t.Run("holds the binary and authorities and nothing else", func(t *testing.T) { checkFiles(t, image) })
	t.Run("runs as nobody in particular", func(t *testing.T) { checkConfig(t, image) })
}

func checkFiles(t *testing.T, image v1.Image) {
	files, size := map[string][]byte{}, 0
	reader := tar.NewReader(mutate.Extract(image))
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		assert.True(t, header.ModTime.Equal(time.Unix(0, 0)), header.Name)
		assert.Zero(t, header.Mode&0o022, "%s can be written to", header.Name)
		if header.Typeflag != tar.TypeReg {
			continue
		}
		content, err := io.ReadAll(reader)
		require.NoError(t, err)
		files[header.Name] = content
		size += len(content)
	}
	require.Len(t, files, 2)
	assert.Less(t, size, largest)

	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(files["etc/ssl/certs/ca-certificates.crt"]))
	assert.Greater(t, bytes.Count(files["etc/ssl/certs/ca-certificates.crt"], []byte("BEGIN CERTIFICATE")), 50)

	program, err := elf.NewFile(bytes.NewReader(files["shepherd"]))
	require.NoError(t, err)
	for _, part := range program.Progs {
		assert.NotEqual(t, elf.PT_INTERP, part.Type, "there is no loader on an empty base")
	}
	if runtime.GOOS == "linux" {
		path := filepath.Join(t.TempDir(), "shepherd")
		require.NoError(t, os.WriteFile(path, files["shepherd"], 0o700))
		said, err := exec.CommandContext(t.Context(), path, "version").Output()
		require.NoError(t, err)
		assert.Equal(t, "1.2.3\n", string(said))
	}
}

func checkConfig(t *testing.T, image v1.Image) {
	file, err := image.ConfigFile()
	require.NoError(t, err)
	assert.Equal(t, "1000:2000", file.Config.User)
	assert.Equal(t, []string{"/shepherd"}, file.Config.Entrypoint)
	assert.Equal(t, []string{"PATH=/"}, file.Config.Env)
	assert.Equal(t, runtime.GOARCH, file.Architecture)
	assert.Equal(t, "linux", file.OS)
	assert.True(t, file.Created.Equal(time.Unix(0, 0)))
}

func TestAnIndexNamesEachPlatform(t *testing.T) {
	t.Parallel()
	var images []v1.Image
	for _, platform := range []v1.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}} {
		image, err := assemble([]byte("binary of "+platform.Architecture), "1.2.3", platform)
		require.NoError(t, err)
		images = append(images, image)
	}
	index, err := together(images)
	require.NoError(t, err)

	manifest, err := index.IndexManifest()
	require.NoError(t, err)
	require.Len(t, manifest.Manifests, 2)
	for i, platform := range []string{"linux/amd64", "linux/arm64"} {
		digest, err := images[i].Digest()
		require.NoError(t, err)
		assert.Equal(t, platform, manifest.Manifests[i].Platform.String())
		assert.Equal(t, digest, manifest.Manifests[i].Digest)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"a tarball of two platforms": {[]string{"-platform", "linux/amd64,linux/arm64", "-tarball", "x.tar"}, "a tarball has one platform"},
		"a platform that is none":    {[]string{"-platform", "a/b/c/d"}, "reading platform"},
		"no such module":             {[]string{"-module", t.TempDir()}, "building shepherd for linux/"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.ErrorContains(t, run(t.Context(), test.args, io.Discard), test.want)
		})
	}
}
