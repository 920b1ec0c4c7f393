package up

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"github.com/qdrant-shepherd/shepherd/client/wait"
	"github.com/qdrant-shepherd/shepherd/internal/local/controlplane"
)

const (
	// replicas are those of values-prod.
	replicas = 3
	// beginTime is how long the supervisor may take to start the control plane, which gives up before, and endTime to stop everything.
	beginTime = 11 * time.Minute
	endTime   = time.Minute
	tick      = 50 * time.Millisecond
	// Supervisor is the argument that makes the program the supervisor.
	Supervisor = "supervise"
)

// Files and directories of the local world.
const (
	program        = "up" // a copy of this one: what go run builds is deleted when it ends
	supervisorLock = "supervisor.lock"
	supervisorPID  = "supervisor.pid"
	supervisorLog  = "supervisor.log"
	failureFile    = "failure"
	planeDirectory = "kubernetes"
	podsDirectory  = "pods"
)

// local is a control plane without containers.
type local struct {
	settings Settings
	state    State
	// begun says that the supervisor is this run's.
	begun bool
}

// newLocal checks what can be wrong before anything is said or started.
func newLocal(ctx context.Context, settings Settings, noEngine bool) (*local, error) {
	state := State{World: inLocal, NoEngine: noEngine, Port: settings.Port, Server: settings.Server}
	if settings.Server != "" {
		version, err := serverVersion(ctx, settings.Server)
		if err != nil {
			return nil, err
		}
		state.Version = version
	}
	return &local{settings: settings, state: state}, nil
}

// serverVersion runs a program that should be a Qdrant server.
func serverVersion(ctx context.Context, server string) (string, error) {
	info, err := os.Stat(server)
	switch {
	case err != nil:
		return "", fmt.Errorf("QDRANT_BIN: there is no file %s", server)
	case info.IsDir() || info.Mode()&0o111 == 0:
		return "", fmt.Errorf("QDRANT_BIN: %s is not an executable file", server)
	}
	said, err := exec.CommandContext(ctx, server, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("QDRANT_BIN: %s --version: %w", server, err)
	}
	version, found := strings.CutPrefix(strings.TrimSpace(string(said)), "qdrant ")
	if !found {
		return "", fmt.Errorf("QDRANT_BIN: %s is no Qdrant server: it does not tell a version", server)
	}
	return version, nil
}

func (l *local) introduce() string {
	why := "UP=local: Kubernetes without Docker."
	if l.state.NoEngine {
		why = "There is no Docker here, so this is Kubernetes without containers."
	}
	servers := "a stand-in for tests in one process (client/qdranttest). It is not Qdrant; QDRANT_BIN=/path/to/qdrant runs real servers"
	simulated := "nodes, pods and volumes: no container is started, and Services lead nowhere"
	if l.state.Server != "" {
		simulated = "nodes and pods: no container is started, Services lead nowhere, and volumes are directories"
		servers = fmt.Sprintf("a real server process on loopback for each pod (%s %s); shepherd's own code starts, stops and tends them", l.state.Server, l.state.Version)
	}
	return why + "\n" +
		"  real       the API server, controllers, scheduler and admission of Kubernetes " + controlplane.Version + ", and Helm's install of the chart\n" +
		"  simulated  " + simulated + "\n" +
		"  Qdrant     " + servers + "\n"
}

func (l *local) ports() ports { return ports{l.state.Port} }

func (l *local) begin(ctx context.Context, screen *screen) error {
	if l.settings.supervised() {
		return l.await(ctx, nil)
	}
	screen.title("Kubernetes " + controlplane.Version)
	if err := free(ctx, l.neededPorts()); err != nil {
		return err
	}
	var err error
	if l.state.Assets, err = controlplane.Assets(ctx, slog.New(slog.NewTextHandler(screen.out, nil))); err != nil {
		return err
	}
	if err := l.settings.emptyDirectory(); err != nil {
		return err
	}
	if err := l.settings.keep(l.state); err != nil {
		return err
	}
	gone, err := l.launch(ctx)
	if err != nil {
		return err
	}
	l.begun = true
	if err := l.await(ctx, gone); err != nil {
		l.abandon(ctx)
		return err
	}
	screen.line("etcd, API server, controllers, scheduler and three nodes of three zones are up")
	return nil
}

func (l *local) neededPorts() []int {
	var all []int
	for ordinal := range replicas {
		if l.state.Server == "" {
			all = append(all, l.ports().served(ordinal)...)
		} else {
			all = append(all, l.ports().all(ordinal)...)
		}
	}
	if l.state.Server != "" {
		all = append(all, l.ports().tendMetrics())
	}
	slices.Sort(all)
	return all
}

// supervised says that the supervisor lives, for as long as which it holds its lock.
func (s Settings) supervised() bool {
	if _, err := os.Stat(s.path(supervisorPID)); err != nil {
		return false
	}
	lock := flock.New(s.path(supervisorLock))
	free, err := lock.TryLock()
	if free {
		_ = lock.Unlock()
	}
	return err == nil && !free
}

// launch starts a copy of this program that outlives it and its terminal. The channel is closed when that has ended.
func (l *local) launch(ctx context.Context) (<-chan struct{}, error) {
	own, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("starting the supervisor: %w", err)
	}
	if err := copyProgram(own, l.settings.path(program)); err != nil {
		return nil, fmt.Errorf("starting the supervisor: %w", err)
	}
	log, err := os.Create(l.settings.path(supervisorLog))
	if err != nil {
		return nil, fmt.Errorf("starting the supervisor: %w", err)
	}
	defer func() { _ = log.Close() }() // the supervisor has its own
	command := exec.CommandContext(context.WithoutCancel(ctx), l.settings.path(program), Supervisor)
	command.Dir = l.settings.Directory
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + l.settings.Directory}
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("starting the supervisor: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		_ = command.Wait()
		close(ended)
	}()
	// Before it has its lock it is known by this file.
	if err := os.WriteFile(l.settings.path(supervisorPID), []byte(strconv.Itoa(command.Process.Pid)), 0o644); err != nil {
		_ = command.Process.Kill()
		return nil, fmt.Errorf("starting the supervisor: %w", err)
	}
	return ended, nil
}

func copyProgram(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	if err = errors.Join(err, target.Close()); err != nil {
		_ = os.Remove(to) // half of it takes the space that may be lacking
	}
	return err
}

// await returns when the supervisor has written the kubeconfig, which it does when all is up. Where it is not this run's, it has ended
// when its lock is free.
func (l *local) await(ctx context.Context, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, beginTime)
	defer cancel()
	err := wait.Until(ctx, "the control plane", wait.Options{Every: tick}, func(context.Context) error {
		_, err := os.Stat(l.settings.kubeconfig())
		if err == nil {
			return nil
		}
		select {
		case <-ended:
			return wait.Permanent(l.failure())
		default:
		}
		if ended == nil && !l.settings.supervised() {
			return wait.Permanent(l.failure())
		}
		return err
	})
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w; the log is %s", err, l.settings.path(supervisorLog))
	}
	return err
}

// failure is what the supervisor says it has ended of.
func (l *local) failure() error {
	said, err := os.ReadFile(l.settings.path(failureFile))
	if err != nil {
		return fmt.Errorf("the supervisor has ended; its log is %s", l.settings.path(supervisorLog))
	}
	return errors.New(string(said))
}

func (l *local) values() map[string]any {
	// No proxy has to hear of a pod that goes, so none has to wait for that.
	values := map[string]any{"preStopSeconds": 1}
	if l.state.Server != "" {
		values["podAnnotations"] = map[string]any{controlplane.HoldAnnotation: "up", controlplane.LingerAnnotation: "up"}
	}
	return values
}

func (l *local) reach(context.Context) (addresses, error) {
	return addresses{rest: loopback(l.ports().rest(0)), grpc: loopback(l.ports().grpc(0))}, nil
}

func (l *local) describe() closing {
	c := closing{
		Kubernetes: controlplane.Version + " as processes of this machine; nodes and pods are simulated",
		Qdrant:     fmt.Sprintf("none: client/qdranttest, a stand-in for tests, has three servers on ports %d, %d and %d; it keeps nothing", l.ports().rest(0), l.ports().rest(1), l.ports().rest(2)),
		Shepherd:   "does not run: it has nothing to start, stop or tend",
		REST:       "http://" + loopback(l.ports().rest(0)), GRPC: loopback(l.ports().grpc(0)),
		Logs:    l.settings.path(supervisorLog),
		Deletes: "all of it",
	}
	if l.state.Server == "" {
		c.StandIn, c.Real = true, "QDRANT_BIN=/path/to/qdrant make up"
		return c
	}
	c.Qdrant = fmt.Sprintf("%s %s, a process for each pod; pod N's REST is on port %d + %d N, gRPC one above", l.state.Server, l.state.Version, l.state.Port, apart)
	c.Shepherd = "start, watch and tend run in the supervisor, as the chart configures them"
	c.Status = l.settings.path(program) + " shepherd status"
	c.Tended = true
	c.Logs += ", " + l.settings.path(podsDirectory, "*", "qdrant.log")
	return c
}

// abandon ends what this run has started; what an earlier one did stays.
func (l *local) abandon(ctx context.Context) {
	if l.begun {
		_ = l.end(context.WithoutCancel(ctx)) // why it is abandoned is the news
	}
}

// end stops the supervisor, which stops all else, and what a killed one may have left.
func (l *local) end(ctx context.Context) error {
	if l.settings.supervised() {
		if err := l.stopSupervisor(ctx); err != nil {
			return err
		}
	}
	return l.settings.endLeft(ctx)
}

func (l *local) stopSupervisor(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, endTime)
	defer cancel()
	process, err := l.supervisor()
	if err != nil {
		return err
	}
	if err := process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping the supervisor: %w", err)
	}
	err = wait.Until(ctx, "the supervisor to end", wait.Options{Every: tick}, func(context.Context) error {
		if l.settings.supervised() {
			return errors.New("it runs")
		}
		return nil
	})
	if err != nil {
		_ = process.Kill() // what it leaves behind is ended as after any other kill
	}
	return nil
}

func (l *local) supervisor() (*os.Process, error) {
	content, err := os.ReadFile(l.settings.path(supervisorPID))
	if err != nil {
		return nil, fmt.Errorf("finding the supervisor: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return nil, fmt.Errorf("finding the supervisor: %w", err)
	}
	return os.FindProcess(pid)
}

// sweep ends what is left of a supervisor that is not there any more, and deletes its directory, so that it says nothing about what is up.
// It reports whether there was a control plane, whose data is lost.
func sweep(ctx context.Context, settings Settings) (left bool, err error) {
	state, err := settings.state()
	if err != nil || state.World != inLocal || settings.supervised() {
		return false, nil //nolint:nilerr // what can't be read is told when it is needed
	}
	if err := settings.endLeft(ctx); err != nil {
		return false, err
	}
	_, err = os.Stat(settings.path(planeDirectory))
	return err == nil, settings.emptyDirectory()
}

// endLeft ends a supervisor whose start was cut short, and what is left of the servers and the control plane of one that was killed.
func (s Settings) endLeft(ctx context.Context) error {
	var failures []error
	for _, directory := range []string{"", podsDirectory, planeDirectory} {
		_, err := controlplane.EndLeft(ctx, s.path(directory))
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}
