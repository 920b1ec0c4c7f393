package main

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"debug/elf"
	"encoding/binary"
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
	var out, said bytes.Buffer
	require.NoError(t, run(t.Context(), append([]string{"-module", module}, args...), &out, &said))
	assert.Contains(t, said.String(), "compiling shepherd for linux/"+runtime.GOARCH)
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

// filesOf reads the files of an image.
func filesOf(t *testing.T, image v1.Image) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
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
	}
	return files
}

func checkFiles(t *testing.T, image v1.Image) {
	files := filesOf(t, image)
	require.Len(t, files, 2)
	assert.Less(t, len(files["etc/ssl/certs/ca-certificates.crt"])+len(files["shepherd"]), largest)

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

// program writes the smallest file that is a program for a processor; one that is not static asks for a loader.
func program(t *testing.T, machine elf.Machine, static bool) string {
	t.Helper()
	header := elf.Header64{
		Ident:   [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:    uint16(elf.ET_EXEC),
		Machine: uint16(machine),
		Version: uint32(elf.EV_CURRENT),
		Ehsize:  uint16(binary.Size(elf.Header64{})),
	}
	var content bytes.Buffer
	if !static {
		header.Phoff, header.Phentsize, header.Phnum = uint64(header.Ehsize), uint16(binary.Size(elf.Prog64{})), 1
	}
	require.NoError(t, binary.Write(&content, binary.LittleEndian, header))
	if !static {
		require.NoError(t, binary.Write(&content, binary.LittleEndian, elf.Prog64{Type: uint32(elf.PT_INTERP)}))
	}
	path := filepath.Join(t.TempDir(), machine.String())
	require.NoError(t, os.WriteFile(path, content.Bytes(), 0o600))
	return path
}

// TestBinariesThatAreBuiltAlready: the module is an empty directory, so that nothing could be compiled.
func TestBinariesThatAreBuiltAlready(t *testing.T) {
	t.Parallel()
	empty, file := t.TempDir(), filepath.Join(t.TempDir(), "image.tar")
	amd, arm := program(t, elf.EM_X86_64, true), program(t, elf.EM_AARCH64, true)
	dynamic := program(t, elf.EM_X86_64, false)

	var both, said bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-module", empty, "-platform", "linux/amd64,linux/arm64", "-binary", "linux/amd64=" + amd, "-binary", "linux/arm64=" + arm}, &both, &said))
	assert.Regexp(t, "^sha256:[0-9a-f]{64}\n$", both.String())
	assert.Empty(t, said.String(), "nothing is compiled")
	var one bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-module", empty, "-platform", "linux/arm64", "-binary", "linux/arm64=" + arm, "-tarball", file}, &one, &said))
	image, err := tarball.ImageFromPath(file, nil)
	require.NoError(t, err)
	config, err := image.ConfigFile()
	require.NoError(t, err)
	assert.Equal(t, "arm64", config.Architecture)
	want, err := os.ReadFile(arm)
	require.NoError(t, err)
	assert.Equal(t, want, filesOf(t, image)["shepherd"])

	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"a_binary_for_another_processor":     {[]string{"-platform", "linux/amd64", "-binary", "linux/amd64=" + arm}, "is a program for EM_AARCH64"},
		"a_binary_that_is_not_static":        {[]string{"-platform", "linux/amd64", "-binary", "linux/amd64=" + dynamic}, "is not static"},
		"a_platform_that_cannot_be_checked":  {[]string{"-platform", "linux/riscv64", "-binary", "linux/riscv64=" + amd}, "is a program for EM_X86_64"},
		"a_file_that_is_no_program":          {[]string{"-platform", "linux/amd64", "-binary", "linux/amd64=main.go"}, "main.go: bad magic number"},
		"a_missing_file":                     {[]string{"-platform", "linux/amd64", "-binary", "linux/amd64=" + amd + ".gone"}, "reading the binary for linux/amd64: open"},
		"a_platform_that_nothing_asks_for":   {[]string{"-platform", "linux/amd64", "-binary", "linux/amd64=" + amd, "-binary", "linux/arm64=" + arm}, "-platform does not name"},
		"two_binaries_for_one_platform":      {[]string{"-binary", "linux/amd64=" + amd, "-binary", "linux/amd64=" + arm}, "linux/amd64 has two binaries"},
		"a_binary_without_a_platform":        {[]string{"-binary", amd}, "it must be PLATFORM=FILE"},
		"a_binary_for_a_platform_of_nothing": {[]string{"-binary", "a/b/c/d=" + amd}, "reading platform"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.ErrorContains(t, run(t.Context(), append([]string{"-module", empty}, test.args...), io.Discard, io.Discard), test.want)
		})
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
			require.ErrorContains(t, run(t.Context(), test.args, io.Discard, io.Discard), test.want)
		})
	}
}
