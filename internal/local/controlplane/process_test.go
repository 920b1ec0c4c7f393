package controlplane

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sleeper starts a process whose command line names the directory, as all of ours do.
func sleeper(t *testing.T, directory string) *process {
	t.Helper()
	p, err := startProcess(t.Context(), directory, "sleeper", "/bin/sh", "-c", "trap 'exit 0' TERM; while true; do sleep 0.05; done", filepath.Join(directory, "data"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Stop(stopTime) })
	return p
}

func TestAProcessOfAKilledRunIsEnded(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	p := sleeper(t, directory)

	ended, err := EndLeft(t.Context(), directory)

	require.NoError(t, err)
	assert.Equal(t, []string{"sleeper"}, ended)
	select {
	case <-p.Exited():
	case <-time.After(stopTime):
		t.Fatal("it still runs")
	}
	assert.NoFileExists(t, pidFile(directory, "sleeper"))
}

// TestAForeignProcessIsLeftAlone: the pid of a pid file has gone to somebody else meanwhile.
func TestAForeignProcessIsLeftAlone(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	foreign := exec.CommandContext(t.Context(), "sleep", "60")
	require.NoError(t, foreign.Start())
	gone := make(chan struct{})
	go func() { _ = foreign.Wait(); close(gone) }()
	for name, pid := range map[string]int{"etcd": foreign.Process.Pid, "kwok": 1<<22 + 1} { // the second is nobody's
		require.NoError(t, os.WriteFile(pidFile(directory, name), []byte(strconv.Itoa(pid)), 0o644))
	}
	require.NoError(t, os.WriteFile(pidFile(directory, "half"), []byte("12"), 0o644), "half written")
	require.NoError(t, os.WriteFile(pidFile(directory, "empty"), nil, 0o644))

	ended, err := EndLeft(t.Context(), directory)

	require.NoError(t, err)
	assert.Empty(t, ended)
	select {
	case <-gone:
		t.Fatal("somebody else's process was ended")
	default:
	}
	left, err := filepath.Glob(filepath.Join(directory, "*.pid"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestAProcessThatEndsSaysWhy(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"listen tcp 127.0.0.1:1: bind: address already in use": "somebody took its port",
		"write /x: no space left on device":                    "no space left in",
		"one\ntwo\nthree\nfour\nfive\nthe flag is not a flag":  "the flag is not a flag",
	} {
		directory := t.TempDir()
		p, err := startProcess(t.Context(), directory, "etcd", "/bin/sh", "-c", fmt.Sprintf("printf '%%s' %s", strconv.Quote(said)))
		require.NoError(t, err)
		<-p.Exited()
		gone := p.gone()
		require.ErrorContains(t, gone, want)
		assert.NotContains(t, gone.Error(), "\n", "it is one line")
		_ = p.Stop(stopTime)
	}
}

func TestADirectoryIsForOneRun(t *testing.T) {
	t.Parallel()
	directory := filepath.Join(t.TempDir(), "plane")
	first := &ControlPlane{options: Options{Directory: directory}}
	require.NoError(t, first.claimDirectory(t.Context()))
	second := &ControlPlane{options: Options{Directory: directory}}
	require.ErrorContains(t, second.claimDirectory(t.Context()), "another run uses "+directory)
	second.Stop()
	first.Stop()
	third := &ControlPlane{options: Options{Directory: directory}}
	require.NoError(t, third.claimDirectory(t.Context()))
	third.Stop()
}
