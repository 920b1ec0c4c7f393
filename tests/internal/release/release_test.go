package release

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/tests/internal/cluster"
)

// script is a command that says its name and its arguments.
func script(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\necho \"${0##*/} $*\"\n"), 0o700))
	return path
}

func TestTheCommandIsChosenByAVariable(t *testing.T) {
	mine := script(t, "mine")
	t.Setenv(Variable, mine)
	r := New(t, &cluster.Cluster{Kubeconfig: "kubeconfig"}, "space", "q")
	said := func(r *Release) string {
		out, err := r.Helm(t, "history", "q")
		require.NoError(t, err)
		return strings.TrimSpace(out)
	}
	assert.Equal(t, "mine history --kubeconfig kubeconfig --namespace space q", said(r))
	other := r.Using(t, script(t, "other"))
	assert.Equal(t, "other history --kubeconfig kubeconfig --namespace space q", said(other))
	assert.Equal(t, "mine history --kubeconfig kubeconfig --namespace space q", said(r), "Using leaves the release that it was called on")
}

func TestWithoutTheVariableItIsHelm3(t *testing.T) {
	t.Setenv(Variable, "")
	assert.Equal(t, Helm3, Command())
}

func TestRequireNamesTheCommandThatIsMissing(t *testing.T) {
	present := script(t, "present")
	require.NoError(t, Require(present))
	assert.EqualError(t, Require(present, "no-such-helm"), "no-such-helm is neither in bin/ nor on PATH; run: make tools")
	t.Setenv(Variable, "none-of-mine")
	assert.EqualError(t, Require(), "none-of-mine is neither in bin/ nor on PATH; run: make tools")
}

func TestAFailureCarriesWhatTheCommandSaid(t *testing.T) {
	failing := filepath.Join(t.TempDir(), "failing")
	require.NoError(t, os.WriteFile(failing, []byte("#!/bin/sh\necho conflict with the autoscaler >&2\nexit 1\n"), 0o700))
	t.Setenv(Variable, failing)
	err := New(t, &cluster.Cluster{Kubeconfig: "kubeconfig"}, "space", "q").RollbackE(t, 1)
	assert.ErrorContains(t, err, "failing rollback to 1 of release q: ")
	assert.ErrorContains(t, err, "conflict with the autoscaler")
}
