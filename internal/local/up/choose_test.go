package up

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/internal/local/controlplane"
)

// script writes a program that prints a line and ends with a code.
func script(t *testing.T, directory, name, line string, code int) string {
	t.Helper()
	path := filepath.Join(directory, name)
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, "#!/bin/sh\necho %s\nexit %d\n", line, code), 0o755))
	return path
}

func newSettings(t *testing.T) Settings {
	t.Helper()
	return Settings{Directory: filepath.Join(t.TempDir(), "up"), Root: "/clone", Port: DefaultPort}
}

func TestChoiceOfTheWorld(t *testing.T) {
	const none = -1 // no docker at all
	for _, test := range []struct {
		name   string
		asked  string
		docker int // its exit code
		world  world
		err    string
	}{
		{name: "an_engine_answers", docker: 0, world: &kind{}},
		{name: "no_engine_answers", docker: 1, world: &local{}},
		{name: "no_docker", docker: none, world: &local{}},
		{name: "local_in_spite_of_an_engine", asked: "local", docker: 0, world: &local{}},
		{name: "kind", asked: "kind", docker: 0, world: &kind{}},
		{name: "kind_without_an_engine", asked: "kind", docker: 1, err: "UP=kind: no Docker engine answers"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := t.TempDir()
			t.Setenv("PATH", path)
			if test.docker != none {
				script(t, path, "docker", "28.0", test.docker)
			}
			settings := newSettings(t)
			settings.World = test.asked
			w, err := choose(t.Context(), settings)
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				return
			}
			require.NoError(t, err)
			assert.IsType(t, test.world, w)
			if l, is := w.(*local); is {
				assert.Equal(t, test.docker != 0, l.state.NoEngine, "the first lines say why")
			}
		})
	}
}

func TestWhatIsUpStays(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Settings)
		err    string
	}{
		{name: "the_same_again", change: func(*Settings) {}},
		{name: "another_world", change: func(s *Settings) { s.World = inKind }, err: "UP=kind: Kubernetes " + controlplane.Version + " on this machine is up"},
		{name: "other_servers", change: func(s *Settings) { s.Server = "/elsewhere/qdrant" }, err: "QDRANT_BIN: Kubernetes " + controlplane.Version + " on this machine is up"},
	} {
		t.Run(test.name, func(t *testing.T) {
			settings := newSettings(t)
			require.NoError(t, os.MkdirAll(settings.Directory, 0o755))
			require.NoError(t, settings.keep(State{World: inLocal, Port: 7333, Server: "/some/qdrant"}))
			test.change(&settings)
			w, err := choose(t.Context(), settings)
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				assert.ErrorContains(t, err, "UP_DIR="+settings.Directory+" make down first")
				return
			}
			require.NoError(t, err)
			assert.Equal(t, 7333, w.(*local).state.Port, "what is up has the ports that it has")
		})
	}
}

func TestAServerIsTriedBeforeAnythingStarts(t *testing.T) {
	directory := t.TempDir()
	plain := filepath.Join(directory, "plain")
	require.NoError(t, os.WriteFile(plain, []byte("text"), 0o644))
	for path, says := range map[string]string{
		filepath.Join(directory, "none"): "QDRANT_BIN: there is no file",
		plain:                            "is not an executable file",
		directory:                        "is not an executable file",
		script(t, directory, "fails", "qdrant 1.18.3", 3): "--version: exit status 3",
		script(t, directory, "other", "postgres 19", 0):   "is no Qdrant server",
	} {
		_, err := serverVersion(t.Context(), path)
		assert.ErrorContains(t, err, says)
	}
	version, err := serverVersion(t.Context(), script(t, directory, "good", "qdrant 1.18.3", 0))
	require.NoError(t, err)
	assert.Equal(t, "1.18.3", version)
}

func TestTwoRunsAtOnce(t *testing.T) {
	settings := newSettings(t)
	first, err := settings.lock()
	require.NoError(t, err)
	_, err = settings.lock()
	require.ErrorContains(t, err, "another make up or make down is at work in "+settings.Directory)
	first.release()
	second, err := settings.lock()
	require.NoError(t, err)
	second.release()
}

func TestOnlyItsOwnDirectoryIsEmptied(t *testing.T) {
	settings := newSettings(t)
	require.NoError(t, os.MkdirAll(settings.Directory, 0o755))
	theirs := settings.path("thesis.txt")
	require.NoError(t, os.WriteFile(theirs, nil, 0o644))
	require.ErrorContains(t, settings.emptyDirectory(), "has files in it that are not of make up")
	assert.FileExists(t, theirs)

	require.NoError(t, settings.keep(State{World: inLocal}))
	require.NoError(t, settings.emptyDirectory())
	assert.NoFileExists(t, theirs)
}

func TestASupervisorLivesWhileItHoldsItsLock(t *testing.T) {
	settings := newSettings(t)
	require.NoError(t, os.MkdirAll(settings.Directory, 0o755))
	assert.False(t, settings.supervised(), "there is none")
	require.NoError(t, os.WriteFile(settings.path(supervisorPID), []byte("1"), 0o644))
	assert.False(t, settings.supervised(), "it was killed")
	lock := flock.New(settings.path(supervisorLock))
	_, err := lock.TryLock()
	require.NoError(t, err)
	assert.True(t, settings.supervised())
}

func TestWhatAKilledSupervisorLeftIsSweptAndNothingElse(t *testing.T) {
	settings := newSettings(t)
	require.NoError(t, os.MkdirAll(settings.Directory, 0o755))
	require.NoError(t, settings.keep(State{World: inKind}))
	_, err := sweep(t.Context(), settings)
	require.NoError(t, err)
	assert.FileExists(t, settings.path(stateFile), "kind's clusters have no supervisor")

	require.NoError(t, settings.keep(State{World: inLocal}))
	_, err = sweep(t.Context(), settings)
	require.NoError(t, err)
	assert.NoFileExists(t, settings.path(stateFile))
}

func TestSettingsThatMakeNoSense(t *testing.T) {
	t.Chdir("../../..")
	for name, env := range map[string]map[string]string{
		`UP: "mars" is neither kind nor local`: {"UP": "mars"},
		`PORT: "web" is no port`:               {"PORT": "web"},
		`PORT: "80" is no port from 1024`:      {"PORT": "80"},
	} {
		_, err := Read(func(name string) string { return env[name] })
		assert.ErrorContains(t, err, name)
	}
	settings, err := Read(func(string) string { return "" })
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(settings.Root, "artifacts", "up"), settings.Directory)
	assert.Equal(t, "make down", settings.command("down"))
}
