package project

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"
)

const (
	rootModule   = "github.com/qdrant-shepherd/shepherd"
	clientModule = rootModule + "/client"
)

// TestVersionsOfTheModules: a release tags both modules, and the root module requires the client of the same release.
func TestVersionsOfTheModules(t *testing.T) {
	t.Parallel()
	released := regexp.MustCompile(`(?m)^version: (.*)$`).FindStringSubmatch(read(t, "charts/qdrant/Chart.yaml"))
	require.NotNil(t, released)
	main, client := mod(t, "go.mod"), mod(t, "client/go.mod")
	workspace, err := modfile.ParseWork("go.work", []byte(read(t, "go.work")), nil)
	require.NoError(t, err)

	assert.Equal(t, "v"+released[1], required(t, main, clientModule))
	require.Len(t, workspace.Replace, 1)
	assert.Equal(t, module.Version{Path: clientModule, Version: "v" + released[1]}, workspace.Replace[0].Old)
	for name, file := range map[string]*modfile.File{"go.mod": main, "client/go.mod": client} {
		assert.Empty(t, file.Replace, "%s: `go install …@version` refuses a module with replacements", name)
		assert.Equal(t, "1.26.0", file.Go.Version, "%s: a patch release would be forced on everybody who imports the module", name)
		assert.Equal(t, workspace.Toolchain.Name, file.Toolchain.Name, name)
	}
	for _, dependency := range client.Require {
		assert.NotRegexp(t, `^(k8s\.io|sigs\.k8s\.io|helm\.sh)/`, dependency.Mod.Path, "the client drags no Kubernetes along")
		if version := version(main, dependency.Mod.Path); version != "" && !dependency.Indirect {
			assert.Equal(t, version, dependency.Mod.Version, "%s: the workspace would build with another version than the module alone", dependency.Mod.Path)
		}
	}
}

func mod(t *testing.T, path string) *modfile.File {
	t.Helper()
	file, err := modfile.Parse(path, []byte(read(t, path)), nil)
	require.NoError(t, err)
	return file
}

func version(file *modfile.File, path string) string {
	for _, r := range file.Require {
		if r.Mod.Path == path {
			return r.Mod.Version
		}
	}
	return ""
}

func required(t *testing.T, file *modfile.File, path string) string {
	t.Helper()
	v := version(file, path)
	require.NotEmpty(t, v, "%s does not require %s", file.Module.Mod.Path, path)
	return v
}

// TestModulesAsTheyArePublished: Given a module proxy with this tree; When somebody installs both commands from it, or imports the client
// into a program with an older client-go; Then that works, and nothing of the program is raised.
func TestModulesAsTheyArePublished(t *testing.T) {
	t.Parallel()
	proxy := t.TempDir()
	version := stage(t, proxy)
	goCommand := func(directory string, environment []string, arguments ...string) string {
		t.Helper()
		command := exec.CommandContext(t.Context(), "go", arguments...)
		command.Dir, command.Stderr = directory, os.Stderr
		command.Env = append(append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0"), environment...)
		out, err := command.Output()
		require.NoError(t, err, "go %s", strings.Join(arguments, " "))
		return strings.TrimSpace(string(out))
	}
	goproxy := goCommand(".", nil, "env", "GOPROXY")
	environment := []string{
		"GOPROXY=file://" + filepath.ToSlash(proxy) + "," + goproxy,
		// The checksum database does not know what is not published.
		"GONOSUMDB=" + rootModule + "," + rootModule + "/*",
		"GOFLAGS=-modcacherw", "GOBIN=" + filepath.Join(proxy, "bin"),
	}
	// The version is one of this test's own, so what it leaves in the module cache is nobody else's.
	modules := goCommand(".", nil, "env", "GOMODCACHE")
	t.Cleanup(func() {
		for _, path := range []string{rootModule, clientModule} {
			path = filepath.FromSlash(path)
			downloads, err := filepath.Glob(filepath.Join(modules, "cache", "download", path, "@v", version+".*"))
			assert.NoError(t, err)
			for _, left := range append(downloads, filepath.Join(modules, path+"@"+version)) {
				assert.NoError(t, os.RemoveAll(left))
			}
		}
	})

	outside := t.TempDir()
	for _, command := range []string{clientModule + "/cmd/vector", rootModule + "/cmd/shepherd"} {
		goCommand(outside, environment, "install", command+"@"+version)
		name := filepath.Join(proxy, "bin", filepath.Base(command))
		out, err := exec.CommandContext(t.Context(), name, "version").CombinedOutput()
		require.NoError(t, err, "%s: %s", name, out)
	}

	const older = "v0.34.1"
	require.NoError(t, os.WriteFile(filepath.Join(outside, "go.mod"), []byte(`module example.org/program

go 1.26.0

require (
	`+clientModule+" "+version+`
	k8s.io/client-go `+older+`
)
`), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(outside, "main.go"), []byte(`package main

import (
	"fmt"

	"k8s.io/client-go/util/homedir"

	"`+clientModule+`/vector"
)

func main() { fmt.Println(vector.Where("lang").Is("en"), homedir.HomeDir() != "") }
`), 0o644))
	goCommand(outside, environment, "build", "-mod=mod", "-o", os.DevNull, ".")
	assert.Equal(t, older, goCommand(outside, environment, "list", "-mod=mod", "-m", "-f", "{{.Version}}", "k8s.io/client-go"))
	assert.Equal(t, "1.26.0", goCommand(outside, environment, "list", "-mod=mod", "-m", "-f", "{{.GoVersion}}"))
}

// stage fills a module proxy with both modules of the tree at one version, which depends on what they hold.
func stage(t *testing.T, proxy string) (version string) {
	t.Helper()
	files := tracked(t)
	sum := sha256.New()
	for _, name := range files {
		content := read(t, name)
		_, _ = sum.Write([]byte(name + "\x00" + content + "\x00"))
	}
	version = "v0.0.0-test." + hex.EncodeToString(sum.Sum(nil))[:16]
	for path, prefix := range map[string]string{rootModule: "", clientModule: "client/"} {
		copied := t.TempDir()
		for _, name := range files {
			inside, has := strings.CutPrefix(name, prefix)
			if !has {
				continue
			}
			content := read(t, name)
			if inside == "go.mod" {
				content = strings.Replace(content, clientModule+" v", clientModule+" "+version+" // v", 1)
			}
			to := filepath.Join(copied, filepath.FromSlash(inside))
			require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
			require.NoError(t, os.WriteFile(to, []byte(content), 0o644))
		}
		directory := filepath.Join(proxy, filepath.FromSlash(path), "@v")
		require.NoError(t, os.MkdirAll(directory, 0o755))
		info, err := json.Marshal(map[string]string{"Version": version})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(directory, version+".info"), info, 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(directory, "list"), []byte(version+"\n"), 0o644))
		gomod, err := os.ReadFile(filepath.Join(copied, "go.mod"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(directory, version+".mod"), gomod, 0o644))
		archive, err := os.Create(filepath.Join(directory, version+".zip"))
		require.NoError(t, err)
		require.NoError(t, modzip.CreateFromDir(archive, module.Version{Path: path, Version: version}, copied))
		require.NoError(t, archive.Close())
	}
	return version
}

// tracked are the files of the repository.
func tracked(t *testing.T) []string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	command.Dir = root
	out, err := command.Output()
	require.NoError(t, err, "listing the files of the repository")
	var files []string
	for _, name := range strings.Split(strings.Trim(string(out), "\x00"), "\x00") {
		if _, err := os.Stat(filepath.Join(root, name)); err == nil { // one that is deleted may not be committed yet
			files = append(files, name)
		}
	}
	require.NotEmpty(t, files)
	return files
}
