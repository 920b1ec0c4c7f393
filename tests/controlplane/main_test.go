//go:build controlplane

// Package controlplane installs the chart into a real API server with the real controllers and scheduler, and asserts what only they can
// show: admission and defaulting, the order of rollouts, budgets, autoscaling, permissions, policies, upgrades. It needs Go and nothing
// else; internal/local/controlplane builds and runs it all. Nodes, pods and volumes are simulated: what needs a running Qdrant is in tests/e2e.
//
// CONTROLPLANE_DIR names another directory than artifacts/controlplane for its data and logs.
package controlplane

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	authorizationv1 "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"

	"github.com/qdrant-shepherd/shepherd/internal/local/controlplane"
	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
)

// zones are those of the simulated nodes, by turns.
var zones = []string{"a", "b", "c"}

// nodes is how many there are before a test adds its own.
const nodes = 50

// suite is what TestMain leaves for the tests.
var suite struct {
	*k8s.Client
	plane *controlplane.ControlPlane
	// reviews asks what accounts may do, some ten thousand times: so not in JSON.
	reviews authorizationv1.AuthorizationV1Interface
}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

// run is TestMain with deferred calls, which os.Exit would leave out.
func run(m *testing.M) int {
	if list := flag.Lookup("test.list"); list != nil && list.Value.String() != "" {
		return m.Run() // names only
	}
	rest.SetDefaultWarningHandler(rest.NoWarnings{}) // tests that care have a handler of their own
	ctx := context.Background()
	log := slog.New(slog.NewTextHandler(os.Stdout, nil))
	plane, err := start(ctx, log)
	if err != nil {
		fmt.Fprintf(os.Stderr, "controlplane: %v\n", err)
		return 1
	}
	defer plane.Stop()
	if err := connect(plane); err != nil {
		fmt.Fprintf(os.Stderr, "controlplane: %v\n", err)
		return 1
	}
	return m.Run()
}

func connect(plane *controlplane.ControlPlane) (err error) {
	suite.plane = plane
	if suite.Client, err = k8s.New(plane.Kubeconfig); err != nil {
		return err
	}
	brief := rest.CopyConfig(suite.Config)
	brief.ContentType = runtime.ContentTypeProtobuf
	suite.reviews, err = authorizationv1.NewForConfig(brief)
	return err
}

func start(ctx context.Context, log *slog.Logger) (*controlplane.ControlPlane, error) {
	assets, err := controlplane.Assets(ctx, log)
	if err != nil {
		return nil, err
	}
	return controlplane.Start(ctx, controlplane.Options{
		Assets:       assets,
		Directory:    cmp.Or(os.Getenv("CONTROLPLANE_DIR"), filepath.Join(chart.Root(), "artifacts", "controlplane")),
		Nodes:        controlplane.Nodes(nodes, zones...),
		Provisioners: []string{"ebs.csi.aws.com"}, // the class of values-prod
		ControllerFlags: []string{
			// 15 seconds, and 5 minutes in which a new pod does not count: nobody has so long.
			"--horizontal-pod-autoscaler-sync-period=1s", "--horizontal-pod-autoscaler-cpu-initialization-period=1s",
			"--horizontal-pod-autoscaler-initial-readiness-delay=1s",
			// 5 minutes of calm where an autoscaler names no window: one that must never shrink would not be seen to want it.
			"--horizontal-pod-autoscaler-downscale-stabilization=1s",
			// Endpoints are what EndpointSlices have replaced. Nobody here reads them, and they change with every pod.
			"--controllers=*,-endpoints-controller,-endpointslice-mirroring-controller",
		},
		Log: log,
	})
}
