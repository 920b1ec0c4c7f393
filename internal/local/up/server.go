package up

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/qdrant-shepherd/shepherd/client/childprocess"
	"github.com/qdrant-shepherd/shepherd/client/qdrantprocess"
)

// serverContainer is the chart's name for it.
const serverContainer = "qdrant"

const (
	// stopTime is what the chart's start script gives a server that was told to stop, which may wait for its peers for ever.
	stopTime = 30 * time.Second
	// hurry is the same when everything is stopped.
	hurry = 5 * time.Second
)

// serve keeps a server running until the context ends.
func (p *pod) serve(ctx context.Context, arguments []string) {
	restarts := 0
	again(ctx, func(ctx context.Context) {
		p.report.running(ctx, p, restarts)
		code, err := p.runServer(ctx, arguments)
		if ctx.Err() != nil {
			return
		}
		restarts++
		why := lastWords(p.path("qdrant.log"))
		switch {
		case err != nil:
			why = err.Error()
		case code > signalled:
			why = "ended by signal " + strconv.Itoa(code-signalled)
		}
		p.log.Warn("the server has ended", "pod", p.object.Name, "code", code, "why", why)
		p.report.crashed(ctx, p, restarts, code, why)
	})
}

// runServer runs a server until it ends, or stops it when the context does.
func (p *pod) runServer(ctx context.Context, arguments []string) (code int, err error) {
	config, err := p.config(ctx)
	if err != nil {
		return 0, err
	}
	env, err := p.serverEnvironment(ctx)
	if err != nil {
		return 0, err
	}
	// It is told to stop below, in peace. The path in its arguments tells whose it is, should this program be killed.
	command := exec.CommandContext(context.WithoutCancel(ctx), p.state.Server, append([]string{"--config-path", config}, arguments...)...)
	command.Dir = p.path()
	command.Env = env
	log, err := p.logFile(p.object.Name, "qdrant")
	if err != nil {
		return 0, err
	}
	process, err := childprocess.Start(command, childprocess.Files{
		Log: log, PID: p.settings.path(podsDirectory, p.object.Name+".pid"),
	})
	if err != nil {
		return 0, fmt.Errorf("starting the server: %w", err)
	}
	select {
	case <-process.Exited():
	case <-ctx.Done():
		if err := process.Stop(p.patience()); err != nil {
			p.log.Warn("the server did not stop by itself", "pod", p.object.Name, "error", err.Error())
		}
	}
	return exitCode(command.ProcessState), nil
}

// patience is how long a server may take to stop.
func (p *pod) patience() time.Duration {
	select {
	case <-p.deleted:
		return stopTime
	default:
		return hurry
	}
}

// signalled and the number of the signal are what a shell calls the end of a process by that signal.
const signalled = 128

// exitCode is what a shell calls the end of a process.
func exitCode(state *os.ProcessState) int {
	if status, unix := state.Sys().(syscall.WaitStatus); unix && status.Signaled() {
		return signalled + int(status.Signal())
	}
	return state.ExitCode()
}

// config writes the chart's configuration to where the server reads it.
func (p *pod) config(ctx context.Context) (string, error) {
	for _, volume := range p.object.Spec.Volumes {
		if volume.Name != "qdrant-config" || volume.ConfigMap == nil {
			continue
		}
		from, err := p.api.CoreV1().ConfigMaps(p.object.Namespace).Get(ctx, volume.ConfigMap.Name, metav1.GetOptions{})
		if err != nil {
			return "", fmt.Errorf("reading the configuration: %w", err)
		}
		path := p.path("production.yaml")
		if err := writeWhole(path, []byte(from.Data["production.yaml"])); err != nil {
			return "", fmt.Errorf("writing the configuration: %w", err)
		}
		return path, nil
	}
	return "", fmt.Errorf("pod %s has no configuration", p.object.Name)
}

// serverEnvironment has the chart's variables, and over its configuration what is different on this machine: directories and ports.
func (p *pod) serverEnvironment(ctx context.Context) ([]string, error) {
	chart, err := readEnvironment(ctx, p.api, p.object.ObjectMeta, *p.container(serverContainer))
	if err != nil {
		return nil, err
	}
	var env []string
	for name, value := range chart {
		env = append(env, name+"="+value)
	}
	at, ordinal := p.ports, p.ordinal()
	storage := p.volume("qdrant-storage")
	env = append(env, qdrantprocess.Environment(p.path(), at.rest(ordinal), at.grpc(ordinal))...)
	return append(env,
		"QDRANT__STORAGE__STORAGE_PATH="+storage,
		"QDRANT__STORAGE__SNAPSHOTS_PATH="+p.volume("qdrant-snapshots"),
		"QDRANT__STORAGE__TEMP_PATH="+p.path("scratch"),
		"QDRANT__AUDIT__DIR="+filepath.Join(storage, "audit"),
		"QDRANT__CLUSTER__P2P__PORT="+strconv.Itoa(at.p2p(ordinal)),
		"QDRANT__SERVICE__METRICS_PORT="+strconv.Itoa(at.metrics(ordinal)),
	), nil
}

// lastWords is the last line of a server's log that says something, without what is around it.
func lastWords(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	last := strings.TrimSpace(lines[len(lines)-1])
	var line struct {
		Fields struct{ Message string }
	}
	if json.Unmarshal([]byte(last), &line) == nil && line.Fields.Message != "" {
		return line.Fields.Message
	}
	return last
}
