//go:build controlplane

package controlplane

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/qdrant-shepherd/shepherd/client/childprocess"
)

// runVariable makes the test binary a run that never ends, in the directory that it names.
const runVariable = "LOCALKUBE_TEST_RUN"

func TestMain(m *testing.M) {
	if directory := os.Getenv(runVariable); directory != "" {
		if err := runForever(directory); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func runForever(directory string) error {
	assets, err := Assets(context.Background(), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	if _, err := Start(context.Background(), Options{Assets: assets, Directory: directory, Nodes: Nodes(1, "a")}); err != nil {
		return err
	}
	fmt.Println("it runs")
	select {}
}

// TestARunAfterAKilledOne: Given a run with six processes; When it is killed; Then they end, and another run works in the same directory
// and leaves none itself.
func TestARunAfterAKilledOne(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "plane")
	killed := exec.CommandContext(t.Context(), os.Args[0])
	killed.Env = append(os.Environ(), runVariable+"="+directory)
	said, err := killed.StdoutPipe()
	require.NoError(t, err)
	process, err := childprocess.Start(killed, childprocess.Files{})
	require.NoError(t, err)
	line, err := bufio.NewReader(said).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "it runs\n", line)
	assets, err := Assets(t.Context(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	options := Options{Assets: assets, Directory: directory, Nodes: Nodes(2, "a", "b")}
	_, err = Start(t.Context(), options)
	require.ErrorContains(t, err, "another run uses", "as long as it runs")
	require.NoError(t, killed.Process.Kill())
	_ = process.Wait()
	pids, err := filepath.Glob(filepath.Join(directory, "*.pid"))
	require.NoError(t, err)
	require.Len(t, pids, 6)
	for _, file := range pids {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		pid := parsePID(content)
		require.Greater(t, pid, 1)
		assert.Eventually(t, func() bool { return !ours(t.Context(), pid, directory) }, startTime, 50*time.Millisecond, file)
	}

	c, err := Start(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(c.Stop)

	client, err := kubernetes.NewForConfig(c.Config)
	require.NoError(t, err)
	nodes, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	assert.Len(t, nodes.Items, 2)
	version, err := client.Discovery().ServerVersion()
	require.NoError(t, err)
	assert.Equal(t, Version, version.GitVersion)
	c.Stop()
	ended, err := EndLeft(t.Context(), directory)
	require.NoError(t, err)
	assert.Empty(t, ended)
}

// TestBothModulesCompileTheSameVersions: what this module and tools/kubernetes both compile, client-go and its dependencies above all, is in
// Go's cache once. That takes the same versions.
func TestBothModulesCompileTheSameVersions(t *testing.T) {
	t.Parallel()
	nested, err := source()
	require.NoError(t, err)
	ours := versions(t, filepath.Dir(filepath.Dir(nested)), "", "./...", "tool")
	theirs := versions(t, nested, "off", "./...")
	shared, differ := 0, map[string]string{}
	for path, module := range ours {
		other, both := theirs[path]
		if !both {
			continue
		}
		shared++
		if other != module {
			differ[module] = other
		}
	}
	require.Greater(t, shared, 500, "packages of both modules")
	assert.Empty(t, differ, "versions here, and in tools/kubernetes; raise the lower ones by go get and go mod tidy")
}

// versions has the module of each package, as module@version, in a workspace or without one ("off").
func versions(t *testing.T, directory, workspace string, patterns ...string) map[string]string {
	t.Helper()
	const format = "{{with .Module}}{{$.ImportPath}} {{.Path}}@{{with .Replace}}{{.Version}}{{else}}{{.Version}}{{end}}{{end}}"
	list := exec.CommandContext(t.Context(), "go", append([]string{"list", "-deps", "-f", format}, patterns...)...)
	list.Dir = directory
	list.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK="+workspace)
	list.Stderr = os.Stderr
	printed, err := list.Output()
	require.NoError(t, err)
	of := map[string]string{}
	for line := range strings.Lines(string(printed)) {
		if path, module, found := strings.Cut(strings.TrimSpace(line), " "); found {
			of[path] = module
		}
	}
	require.NotEmpty(t, of)
	return of
}
