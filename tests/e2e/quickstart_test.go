//go:build e2e

package e2e

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/childprocess"
	"github.com/qdrant-shepherd/shepherd/client/qdrantprocess"
	"github.com/qdrant-shepherd/shepherd/internal/repository"
	"github.com/qdrant-shepherd/shepherd/tests/internal/images"
	"github.com/qdrant-shepherd/shepherd/tests/internal/quickstart"
)

// TestQuickStart: Given a Docker engine; When somebody runs the quick start of README.md; Then a kind cluster is up, and prints what README.md
// shows; make down deletes it. The test gives the cluster a name, a directory and a port of its own.
func TestQuickStart(t *testing.T) {
	if c := requireCluster(t); !c.NodesAreContainers() {
		t.Skip("SKIP: the quick start makes a kind cluster, which takes a Docker engine; unset E2E_KUBECONFIG")
	}
	root, err := repository.Root()
	require.NoError(t, err)
	start, err := quickstart.Read()
	require.NoError(t, err)
	ports, err := qdrantprocess.FreePorts(t.Context(), 1)
	require.NoError(t, err)
	port := strconv.Itoa(ports[0])
	directory, own := filepath.Join(t.TempDir(), "up"), filepath.Join(t.TempDir(), "cities.jsonl")
	name := "qdrant-e2e-quickstart-" + port

	run := func(ctx context.Context, script string) string {
		t.Helper()
		command := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
		command.Dir = root
		command.Env = append(os.Environ(), "UP=kind", "UP_DIR="+directory, "CLUSTER="+name, "KIND_NODE_IMAGE="+images.Node(),
			"QDRANT_TARGET="+net.JoinHostPort("localhost", port), "PATH="+filepath.Join(root, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
		var said strings.Builder
		command.Stdout, command.Stderr = &said, &said
		require.NoError(t, childprocess.Run(ctx, command), said.String())
		return said.String()
	}
	t.Cleanup(func() { run(context.Background(), "make down") })
	said := ""
	step(t, "make up", func() { said = run(t.Context(), start.Up) })
	step(t, "vectors of one's own", func() {
		script := strings.NewReplacer("$PWD/artifacts/up/", directory+"/", " 6334 &", " "+port+":6334 >/dev/null &", "cities.jsonl", own).
			Replace(start.Access + start.Forward + "trap 'kill %1' EXIT\n" + start.Vectors)
		said += run(t.Context(), script)
	})
	assert.Empty(t, start.Missing(said, true), said)
	step(t, "make down", func() { run(t.Context(), "make down") })
	left, err := exec.CommandContext(t.Context(), "docker", "ps", "--all", "--quiet", "--filter", "name="+name).Output()
	require.NoError(t, err)
	assert.Empty(t, string(left), "containers of the cluster stay")
}
