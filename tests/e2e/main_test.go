//go:build e2e

// Package e2e proves the chart's promises on a real Kubernetes cluster with a real Qdrant. It starts one kind cluster for
// the whole package (or uses the one that E2E_KUBECONFIG names), gives each test a namespace, and deletes both.
//
// suites.yaml groups the tests by subject. E2E_SUITE names the suite of a run, which then has to use the permissions that the list
// expects of it. A run that leaves a namespace, a claim, a Lease, a cordoned node or a container behind fails.
//
// It needs Docker, kind's node image, Qdrant's image and helm. Where one is missing every test is skipped, with the command
// that helps. FULL=1 searches among more vectors; KEEP=1 leaves the cluster; ARTIFACTS=directory
// is where failed tests leave their evidence; E2E_TIMEOUT_SCALE=2 doubles every timeout; E2E_LOSE_WRITE=1 takes an acknowledged write
// away before each verdict, to see that every suite then fails.
package e2e

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/qdrant-shepherd/shepherd/tests/internal/cluster"
	"github.com/qdrant-shepherd/shepherd/tests/internal/images"
	"github.com/qdrant-shepherd/shepherd/tests/internal/release"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// What TestMain leaves for the tests; requireCluster hands it out.
var suite struct {
	cluster *cluster.Cluster
	missing error // why there is no cluster
}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

// run is TestMain with deferred calls, which os.Exit would leave out.
func run(m *testing.M) (code int) {
	if list := flag.Lookup("test.list"); list != nil && list.Value.String() != "" {
		return m.Run() // names only
	}
	fmt.Printf("e2e: suite=%s full=%t keep=%t kubeconfig=%s node-image=%s qdrant-image=%s artifacts=%s timeout-scale=%g\n",
		cmp.Or(os.Getenv(suiteVariable), "(all)"), full(), cluster.Keep(), cmp.Or(cluster.Existing(), "(a new kind cluster)"), images.Node(), images.Qdrant(),
		cmp.Or(os.Getenv("ARTIFACTS"), "(temporary)"), timeouts.Scale)

	ctx := context.Background()
	if suite.missing = missing(ctx); suite.missing != nil {
		fmt.Printf("SKIP: %v\n", suite.missing)
		return m.Run()
	}
	c, err := cluster.Start(ctx, cluster.Options{})
	if err != nil {
		fmt.Fprintf(os.Stderr, "e2e: %v\n", err)
		return 1
	}
	fail := func(err error) {
		if err != nil {
			fmt.Fprintf(os.Stderr, "FAIL: %v\n", err)
			code = max(code, 1)
		}
	}
	defer func() { fail(closeCluster(ctx, c)) }()
	before, err := c.Inventory(ctx)
	if err != nil {
		fail(err)
		return code
	}
	earlier := 0 // requests that an existing cluster has in its audit log from before
	if requests, err := c.Requests(ctx); err == nil {
		earlier = len(requests)
	}
	suite.cluster = c
	code = m.Run()
	fail(checkPermissions(ctx, c, earlier))
	if code != 0 && c.Kept {
		fmt.Println("e2e: the namespaces of failed tests stay, so what is left behind is not looked for")
		return code
	}
	fail(c.AwaitNothingLeft(ctx, before))
	return code
}

// closeCluster deletes a cluster of this run's own, and makes sure that none of its containers stays.
func closeCluster(ctx context.Context, c *cluster.Cluster) error {
	if err := c.Close(); err != nil || c.Kept {
		return err
	}
	left, err := c.Containers(ctx)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("containers left behind: %v", left)
	}
	return err
}

// missing says what this machine lacks to run any test of this package, with the command that helps.
func missing(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, timeouts.Request)
	defer cancel()
	if err := release.Require(); err != nil {
		return err
	}
	if cluster.Existing() != "" {
		return nil // whatever its nodes need they pull, or have
	}
	if err := images.EngineAnswers(ctx); err != nil {
		return err
	}
	return images.Present(ctx, images.Node(), images.Qdrant())
}

func full() bool {
	value := os.Getenv("FULL")
	return value != "" && value != "0" && value != "false"
}

// requireCluster is the first call of every test.
func requireCluster(t *testing.T) *cluster.Cluster {
	t.Helper()
	if suite.missing != nil {
		t.Skipf("SKIP: %v", suite.missing)
	}
	return suite.cluster
}

// requireImages skips the test where the engine lacks an image beyond Qdrant's, and puts it onto the nodes.
func requireImages(t *testing.T, c *cluster.Cluster, names ...string) {
	t.Helper()
	if c.NodesAreContainers() {
		if err := images.Present(t.Context(), names...); err != nil {
			t.Skipf("SKIP: %v", err)
		}
	}
	if err := c.LoadImages(t.Context(), names...); err != nil {
		t.Fatal(err)
	}
}

// requireNetworkPolicy skips the test where the network plugin lets through what a policy denies.
func requireNetworkPolicy(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	enforced, err := c.EnforcesNetworkPolicy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !enforced {
		t.Skip("SKIP: this cluster's network plugin does not enforce NetworkPolicies; set E2E_KUBECONFIG to a cluster whose plugin does")
	}
}

// step runs one part of a test and logs how long it took, so that the output reads as the story of the test. It stops
// the test where the part failed.
func step(t *testing.T, what string, part func()) {
	t.Helper()
	begin := time.Now()
	t.Logf("▶ %s", what)
	part()
	if t.Failed() {
		t.Fatalf("✗ %s, after %.1f s", what, time.Since(begin).Seconds())
	}
	t.Logf("✓ %s, %.1f s", what, time.Since(begin).Seconds())
}
