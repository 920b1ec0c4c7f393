//go:build compose

package compose

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/wait"
	"github.com/qdrant-shepherd/shepherd/tests/internal/images"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// upTimeout covers the first probe, which Docker makes after one interval (30 s), and a slow start before it.
const upTimeout = 3 * time.Minute

// stack is one run of the compose files under a name of its own.
type stack struct {
	project string
	files   []string
	env     map[string]string
}

// newStack prepares a stack of the given services and compose files, and skips the test where it could not run. Variables are those
// of .env.example; ports are free ones unless they say otherwise. Nothing is started yet.
func newStack(t *testing.T, services []string, variables map[string]string, files ...string) *stack {
	t.Helper()
	if err := images.EngineAnswers(t.Context()); err != nil {
		t.Skipf("SKIP: %v", err)
	}
	if _, err := composeCommand(); err != nil {
		t.Skipf("SKIP: %v", err)
	}
	s := &stack{
		project: "qdrant-test-" + strings.ToLower(rand.Text()[:8]),
		files:   files,
		env: map[string]string{
			"QDRANT_HTTP_PORT": "0",
			"QDRANT_GRPC_PORT": "0",
			"PROMETHEUS_PORT":  "0",
			"GRAFANA_PORT":     "0",
		},
	}
	for name, value := range variables {
		s.env[name] = value
	}
	var needed []string
	for _, service := range services {
		needed = append(needed, s.config(t).Services[service].Image)
	}
	if err := images.Present(t.Context(), needed...); err != nil {
		t.Skipf("SKIP: %v", err)
	}
	s.fitOpenFiles(t)

	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), timeouts.Evidence)
		defer cancel()
		if t.Failed() {
			t.Logf("evidence (logs, inspect, config) is in %s", s.collect(ctx, t))
		}
		if _, err := s.compose(ctx, "down", "--volumes", "--remove-orphans", "--timeout", "10"); err != nil {
			t.Errorf("removing stack %s: %v", s.project, err)
		}
	})
	return s
}

// composeCommand finds compose as a plugin of Docker or as a program of its own.
var composeCommand = sync.OnceValues(func() ([]string, error) {
	for _, command := range [][]string{{"docker", "compose"}, {"docker-compose"}} {
		if exec.Command(command[0], append(command[1:], "version")...).Run() == nil {
			return command, nil
		}
	}
	return nil, errors.New("docker compose (v2) is not installed: https://docs.docker.com/compose/install/")
})

// compose runs docker compose on the stack. Neither the variables of the caller's shell nor a .env file get through to it.
func (s *stack) compose(ctx context.Context, args ...string) (string, error) {
	command, err := composeCommand()
	if err != nil {
		return "", err
	}
	full := slices.Concat(command, []string{"--project-name", s.project, "--env-file", os.DevNull})
	for _, file := range s.files {
		full = append(full, "--file", file)
	}
	return run(ctx, s.environ(), append(full, args...)...)
}

func (s *stack) environ() []string {
	environ := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		for _, prefix := range []string{"COMPOSE_", "QDRANT_", "PROMETHEUS_", "GRAFANA_"} {
			if strings.HasPrefix(entry, prefix) {
				return true
			}
		}
		return false
	})
	for name, value := range s.env {
		environ = append(environ, name+"="+value)
	}
	return environ
}

// must is compose, and the end of the test where it fails.
func (s *stack) must(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), upTimeout)
	defer cancel()
	out, err := s.compose(ctx, args...)
	require.NoError(t, err)
	return out
}

// config is what compose makes of the files and variables.
type config struct {
	Services map[string]struct {
		Image   string `json:"image"`
		Ulimits map[string]struct {
			Hard int `json:"hard"`
		} `json:"ulimits"`
	} `json:"services"`
}

func (s *stack) config(t *testing.T) config {
	t.Helper()
	var c config
	require.NoError(t, json.Unmarshal([]byte(s.must(t, "config", "--format", "json")), &c))
	return c
}

// fitOpenFiles lowers the limit of open files where the Docker daemon, itself bound by one, may not grant it.
func (s *stack) fitOpenFiles(t *testing.T) {
	t.Helper()
	server := s.config(t).Services["qdrant"]
	limit := server.Ulimits["nofile"].Hard
	try := []string{"docker", "run", "--rm", "--network", "none", "--entrypoint", "bash"}
	_, err := run(t.Context(), nil, append(try, "--ulimit", fmt.Sprintf("nofile=%d:%d", limit, limit), server.Image, "-c", "true")...)
	if err == nil || !strings.Contains(err.Error(), "rlimit") {
		require.NoError(t, err)
		return
	}
	granted, err := run(t.Context(), nil, append(try, server.Image, "-c", "ulimit -Hn")...)
	require.NoError(t, err)
	t.Logf("NOTE: this Docker daemon may not raise nofile to %d; the stack runs with its limit, QDRANT_NOFILE=%s", limit, granted)
	s.env["QDRANT_NOFILE"] = granted
}

// container is the service's container, stopped ones included.
func (s *stack) container(t *testing.T, service string) string {
	t.Helper()
	id := s.must(t, "ps", "--all", "--quiet", service)
	require.NotEmpty(t, id, "there is no container of %s", service)
	return id
}

// inspection is the part of `docker inspect` that the tests look at.
type inspection struct {
	State struct {
		Status   string
		ExitCode int
		Health   struct{ Status string }
	}
	Config struct {
		Env         []string
		User        string
		StopTimeout int
		Healthcheck struct {
			Test              []string
			Interval, Timeout time.Duration
		}
	}
	HostConfig struct {
		NanoCpus       int64
		Memory         int64
		Init           *bool
		ReadonlyRootfs bool
		CapDrop        []string
		SecurityOpt    []string
		Ulimits        []struct {
			Name       string
			Soft, Hard int
		}
	}
	NetworkSettings struct {
		Ports map[string][]struct{ HostIP, HostPort string }
	}
}

func (s *stack) inspect(t *testing.T, service string) inspection {
	t.Helper()
	out, err := run(t.Context(), nil, "docker", "inspect", s.container(t, service))
	require.NoError(t, err)
	var found []inspection
	require.NoError(t, json.Unmarshal([]byte(out), &found))
	require.Len(t, found, 1)
	return found[0]
}

// exec runs a command in the service's container.
func (s *stack) exec(ctx context.Context, service string, command ...string) (string, error) {
	return s.compose(ctx, append([]string{"exec", "--no-TTY", service}, command...)...)
}

// address is where the service's port is published.
func (s *stack) address(t *testing.T, service, port string) string {
	t.Helper()
	address := s.must(t, "port", service, port)
	host, _, err := net.SplitHostPort(address)
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1", host, "port %s of %s is reachable from outside", port, service)
	return address
}

// collect writes what is left of a failed stack to a directory and returns its name.
func (s *stack) collect(ctx context.Context, t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", s.project+"-evidence-") //nolint:usetesting // it has to outlive the test
	if err != nil {
		return fmt.Sprintf("no directory: %v", err)
	}
	write := func(name, content string, err error) {
		if err != nil {
			content += "\n" + err.Error()
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Logf("writing evidence: %v", err)
		}
	}
	out, err := s.compose(ctx, "config")
	write("config.yaml", out, err)
	out, err = s.compose(ctx, "ps", "--all")
	write("ps.txt", out, err)
	out, err = s.compose(ctx, "logs", "--timestamps")
	write("logs.txt", out, err)
	ids, err := s.compose(ctx, "ps", "--all", "--quiet")
	if err == nil && ids != "" {
		out, err = run(ctx, nil, append([]string{"docker", "inspect"}, strings.Fields(ids)...)...)
		write("inspect.json", out, err)
	}
	return dir
}

// run runs a command and returns what it printed, without the white space around it; in an error, also what it complained of.
func run(ctx context.Context, environ []string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, args[0], args[1:]...)
	command.Env = environ
	// A child that outlives a killed command (docker exec) would keep its pipe open.
	command.WaitDelay = time.Second
	var out, complaint bytes.Buffer
	command.Stdout, command.Stderr = &out, &complaint
	if err := command.Run(); err != nil {
		return strings.TrimSpace(out.String()), fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(complaint.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

// eventually asks again and again until what is asked says yes (nil), and ends the test with its last answer when that takes too
// long.
func eventually(t *testing.T, within time.Duration, what string, ask func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), within, fmt.Errorf("not within %s", within))
	defer cancel()
	require.NoError(t, wait.Until(ctx, what, wait.Options{Every: timeouts.Tick}, ask))
}
