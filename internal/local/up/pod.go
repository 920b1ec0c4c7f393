package up

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/start"
)

const (
	// probePeriod is how often readiness is asked for.
	probePeriod = time.Second
	// probeTime bounds one answer, as the chart does.
	probeTime = 3 * time.Second
)

// pod is one whose containers run here.
type pod struct {
	*kubelet
	object *corev1.Pod // as it was when it was placed
	tends  bool        // it is tend's

	kill     context.CancelFunc // ends it without grace
	deletion sync.Once
	deleted  chan struct{} // closed when it should stop
	grace    time.Duration // how long that may take; set before deleted is closed
	gone     chan struct{} // closed when nothing of it runs

	report  report
	env     environment          // of watch, or of tend
	account kubernetes.Interface // the API server with the rights of the pod's account
}

// place is what the pod must have for itself.
func (p *pod) place() string {
	if p.tends {
		return tendContainer
	}
	return p.object.Name
}

func (p *pod) names() kube.Names { return p.env.names() }
func (p *pod) ordinal() int      { return p.names().Ordinal(p.object.Name) }

func (p *pod) path(names ...string) string {
	return p.settings.path(append([]string{podsDirectory, p.object.Name}, names...)...)
}

func (p *pod) shared() string { return p.path("shared") }

// live is the pod's life, from its placement until nothing of it runs.
func (p *pod) live(ctx context.Context) {
	log := p.log.With("pod", p.object.Name)
	run := p.liveAsServer
	if p.tends {
		run = p.liveAsTend
	}
	log.Info("placed", "node", p.object.Spec.NodeName)
	trying, stop := p.untilDeleted(ctx)
	defer stop()
	failures := 0
	again(trying, func(context.Context) {
		p.report.starting(ctx, p)
		var err error
		if p.account, err = as(p.admin, p.object.Spec); err == nil {
			err = run(ctx)
		}
		if err != nil && trying.Err() == nil {
			failures++
			log.Error("it can't run", "error", err.Error())
			p.report.failed(ctx, p, failures, err)
			return
		}
		stop()
	})
	if !p.tends && ctx.Err() == nil {
		p.remove(ctx)
	}
	log.Info("gone")
}

// liveAsTend runs tend until the pod is deleted.
func (p *pod) liveAsTend(ctx context.Context) error {
	if err := p.readRole(ctx, tendContainer); err != nil {
		return err
	}
	p.env["SHEPHERD_METRICS_LISTEN"] = loopback(p.ports.tendMetrics())
	ctx, cancel := p.untilDeleted(ctx)
	defer cancel()
	return p.runRole(ctx, tendContainer, -1)
}

// liveAsServer starts a server if and as shepherd's start says, keeps it running, and stops it when shepherd's watch lets it go.
func (p *pod) liveAsServer(ctx context.Context) error {
	arguments, err := p.prepare(ctx)
	if err != nil {
		select {
		case <-p.deleted:
			return nil // in time: nothing runs yet
		default:
			return err
		}
	}
	// The sidecar outlives the server, which must find it when it stops.
	watching, stopWatching := context.WithCancel(ctx)
	serving, stopServing := context.WithCancel(watching)
	var sidecar, server sync.WaitGroup
	sidecar.Go(func() {
		if err := p.runRole(watching, "watch", p.ordinal()); err != nil {
			p.log.Error("the sidecar can't run", "pod", p.object.Name, "error", err.Error())
		}
	})
	server.Go(func() { p.serve(serving, arguments) })
	server.Go(func() { p.probe(serving) })
	select {
	case <-p.deleted:
		p.preStop(ctx)
	case <-ctx.Done():
	}
	stopServing()
	server.Wait()
	stopWatching()
	sidecar.Wait()
	return nil
}

// prepare mounts the volumes and returns the arguments that start has decided on. That may take for ever.
func (p *pod) prepare(ctx context.Context) ([]string, error) {
	ctx, cancel := p.untilDeleted(ctx)
	defer cancel()
	if err := p.readRole(ctx, "shepherd-watch"); err != nil {
		return nil, err
	}
	if err := p.mount(ctx); err != nil {
		return nil, err
	}
	p.env["SHEPHERD_STORAGE"], p.env["SHEPHERD_SHARED"] = p.volume("qdrant-storage"), p.shared()
	p.env["SHEPHERD_LISTEN"] = loopback(p.ports.watch(p.ordinal()))
	p.env["SHEPHERD_METRICS_LISTEN"] = loopback(p.ports.watchMetrics(p.ordinal()))
	if err := free(ctx, p.ports.all(p.ordinal())); err != nil {
		return nil, err
	}
	log, err := p.openLog(p.object.Name, "start")
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	err = start.Run(ctx, start.Options{
		Names: p.names(), Pod: p.object.Name, URI: p.uri, Client: p.client, Kubernetes: kube.New(p.account, p.names()),
		Storage: p.env["SHEPHERD_STORAGE"], Shared: p.shared(), Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		return nil, err
	}
	arguments, err := os.ReadFile(filepath.Join(p.shared(), start.ArgumentsFile))
	if err != nil {
		return nil, fmt.Errorf("reading the arguments: %w", err)
	}
	return strings.Fields(string(arguments)), nil
}

// uri is how peers know the server of a pod. No name would lead them there: the servers know only the machine's own DNS.
func (p *pod) uri(pod string) string {
	return "http://" + loopback(p.ports.p2p(p.names().Ordinal(pod)))
}

// callers keep no connection open, which a server that stops would wait for.
var callers = &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}

func (p *pod) client(pod string) *clusterapi.Client {
	return clusterapi.NewWithHTTP("http://"+loopback(p.ports.rest(p.names().Ordinal(pod))), p.key, callers)
}

// readRole reads what the chart tells a container of shepherd's. Nothing is written to it any more once the role runs.
func (p *pod) readRole(ctx context.Context, container string) (err error) {
	if p.env, err = readEnvironment(ctx, p.api, p.object.ObjectMeta, *p.container(container)); err != nil {
		return err
	}
	p.env["SHEPHERD_LOG_FORMAT"] = "text"
	return nil
}

// runRole runs one of shepherd's daemons until the context ends.
func (p *pod) runRole(ctx context.Context, role string, ordinal int) error {
	log, err := p.openLog(p.object.Name, role)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	again(ctx, func(ctx context.Context) {
		runShepherd(ctx, p.account, p.env, p.ports.dialer(ordinal), log, log, role)
	})
	return nil
}

// probe reports whether watch calls the pod ready.
func (p *pod) probe(ctx context.Context) {
	ticker := time.NewTicker(probePeriod)
	defer ticker.Stop()
	for {
		asked, cancel := context.WithTimeout(ctx, probeTime)
		status, why, err := p.ask(asked, "/ready")
		cancel()
		if err != nil {
			why = err.Error()
		}
		p.report.ready(ctx, p, err == nil && status == http.StatusOK, why)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// preStop asks watch for the stop, and returns when it lets the server go or the grace period has ended.
func (p *pod) preStop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, p.grace)
	defer cancel()
	_, why, err := p.ask(ctx, "/stop")
	p.log.Info("the server may stop", "pod", p.object.Name, "why", why, "error", err)
}

// ask calls the sidecar.
func (p *pod) ask(ctx context.Context, path string) (status int, why string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.env["SHEPHERD_LISTEN"]+path, nil)
	if err != nil {
		return 0, "", err
	}
	// The stop is answered when it is time.
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, strings.TrimSpace(string(body)), err
}

// remove deletes the object for good, as a kubelet does when all containers have ended.
func (p *pod) remove(ctx context.Context) {
	now := metav1.DeleteOptions{GracePeriodSeconds: new(int64(0)), Preconditions: &metav1.Preconditions{UID: &p.object.UID}}
	if err := p.api.CoreV1().Pods(p.object.Namespace).Delete(ctx, p.object.Name, now); err != nil {
		p.log.Error("deleting the pod for good", "pod", p.object.Name, "error", err.Error())
	}
}

func (p *pod) untilDeleted(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-p.deleted:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// container is the one of a name, which the chart gives it.
func (p *pod) container(name string) *corev1.Container {
	for _, list := range [][]corev1.Container{p.object.Spec.InitContainers, p.object.Spec.Containers} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return &corev1.Container{Name: name}
}

// mount makes the pod's directories: those of claims stay as they are, unless the claim is another one of the same name; all others are new.
func (p *pod) mount(ctx context.Context) error {
	for _, fresh := range []string{p.shared(), p.path("scratch")} {
		if err := errors.Join(os.RemoveAll(fresh), os.MkdirAll(fresh, 0o755)); err != nil {
			return fmt.Errorf("mounting the volumes: %w", err)
		}
	}
	for _, volume := range p.object.Spec.Volumes {
		if volume.PersistentVolumeClaim == nil {
			continue
		}
		claim, err := p.api.CoreV1().PersistentVolumeClaims(p.object.Namespace).Get(ctx, volume.PersistentVolumeClaim.ClaimName, metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("mounting the volumes: %w", err)
		}
		if err := provide(p.volume(volume.Name), string(claim.UID)); err != nil {
			return fmt.Errorf("mounting the volumes: %w", err)
		}
	}
	return nil
}

// volume is the directory of a claim.
func (p *pod) volume(name string) string {
	for _, volume := range p.object.Spec.Volumes {
		if volume.Name == name && volume.PersistentVolumeClaim != nil {
			return p.settings.path("volumes", volume.PersistentVolumeClaim.ClaimName)
		}
	}
	return p.path(name)
}

// provide makes a directory for a claim, empty if it is not the one that the directory was made for.
func provide(directory, uid string) error {
	owner := directory + ".uid"
	if was, err := os.ReadFile(owner); err == nil && string(was) == uid {
		return nil
	}
	if err := os.RemoveAll(directory); err != nil {
		return err
	}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	return writeWhole(owner, []byte(uid))
}
