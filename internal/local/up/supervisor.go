package up

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"

	"github.com/qdrant-shepherd/shepherd/internal/local/controlplane"
)

// Supervise runs what is in a directory of the local world until the context ends, and then stops it in good order. It is the program
// that `make up` leaves behind; its kubeconfig says that all is up, its failure file why nothing is.
func Supervise(ctx context.Context, directory string, logTo io.Writer) error {
	settings := Settings{Directory: directory}
	err := supervise(ctx, settings, slog.New(slog.NewTextHandler(logTo, nil)))
	if err != nil {
		_ = os.WriteFile(settings.path(failureFile), []byte(err.Error()), 0o644) // it is in the log, too
	}
	return err
}

func supervise(ctx context.Context, settings Settings, log *slog.Logger) error {
	klog.SetSlogLogger(log) // client-go speaks through klog
	lock := flock.New(settings.path(supervisorLock))
	free, err := lock.TryLock()
	if err != nil || !free {
		return fmt.Errorf("another supervisor is at work in %s", settings.Directory)
	}
	defer func() { _ = lock.Unlock() }()
	state, err := settings.state()
	if err != nil {
		return err
	}
	plane, err := controlplane.Start(ctx, controlplane.Options{
		Assets: state.Assets, Directory: settings.path(planeDirectory), Nodes: controlplane.Nodes(replicas, "zone-a", "zone-b", "zone-c"), Log: log,
	})
	if err != nil {
		return err
	}
	defer plane.Stop()
	api, err := kubernetes.NewForConfig(plane.Config)
	if err != nil {
		return fmt.Errorf("reaching Kubernetes: %w", err)
	}
	key, err := prepareNamespace(ctx, api)
	if err != nil {
		return err
	}
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return awaitEnd(running, plane) })
	if state.Server == "" {
		servers, err := startStandIn(running, ports{state.Port}, key, log)
		if err != nil {
			return err
		}
		defer servers.stop()
	} else {
		k := newKubelet(plane.Config, api, settings, state, key, log)
		group.Go(func() error { return k.run(running) })
	}
	if err := publishKubeconfig(plane.Kubeconfig, settings.kubeconfig()); err != nil {
		return err
	}
	return group.Wait()
}

// awaitEnd ends with the control plane, or with the context.
func awaitEnd(ctx context.Context, plane *controlplane.ControlPlane) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if err := plane.Gone(); err != nil {
				return err
			}
		}
	}
}

func publishKubeconfig(from, to string) error {
	content, err := os.ReadFile(from)
	if err == nil {
		err = writeWhole(to, content)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Base(to), err)
	}
	return nil
}
