//go:build controlplane

package controlplane

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/releaseutil"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// peers is how many each release has.
const peers = 10

// scaleValues are production's with as many pods as fit on the nodes. The autoscaler's controller looks every second here, 15 times as
// often as in a cluster: a hundred of them would be most of what is measured.
const scaleValues = `
replicas: 10
autoscaling: {enabled: false}
resources: {requests: {cpu: 100m, memory: 256Mi}}
`

// releases is how many there are in one namespace: few enough for two cores and a quarter of a minute, or 100 with FULL=1.
func releases() int {
	if os.Getenv("FULL") == "1" {
		return 100
	}
	return 12
}

// installed is what an install took.
type installed struct {
	took    time.Duration
	calls   int64
	objects int
}

// TestScale fills one namespace with releases, and looks at how what each takes grows with those that are there. Tend knows the pods and
// claims of its whole namespace, so that this is the worst case for it. It runs alone: the figures are of an idle machine.
func TestScale(t *testing.T) {
	namespace := namespace(t)
	values := scenario(t, "values-prod.yaml", scaleValues)
	all := releases()
	var course []installed
	var last *deployment
	footprints := map[int]footprint{}
	begin, ready := time.Now(), time.Duration(0)
	for n := 1; n <= all; n++ {
		last = newDeployment(t, namespace, fmt.Sprintf("r%02d", n))
		course = append(course, last.measuredInstall(t, values))
		if n == 1 || n == all/2 || n == all {
			awaitAll(t, namespace, n)
			ready = time.Since(begin)
			footprints[n] = last.tendFootprint(t)
		}
	}
	t.Logf("FIGURE releases of %d pods: %d in %s, until the last pod was ready", peers, all, ready.Round(100*time.Millisecond))
	tellInstalls(t, course)
	assert.Positive(t, course[1].calls)
	// The very first reads what the API server has, too, and leaves it on disk for the others.
	assert.LessOrEqual(t, float64(course[all-1].calls), 1.2*float64(course[1].calls), "calls of the last install, and of the second")
	checkFootprints(t, footprints)
}

func (d *deployment) measuredInstall(t *testing.T, values map[string]any) installed {
	t.Helper()
	begin := time.Now()
	made, err := d.helm.Install(t.Context(), d.name, chart.Loaded(t), values)
	took := time.Since(begin)
	require.NoError(t, err)
	require.Empty(t, d.warned.all(), "the API server warned")
	return installed{took, d.calls.n.Load(), len(releaseutil.SplitManifests(made.Manifest))}
}

// awaitAll waits until all pods of the first n releases are ready, tend's among them.
func awaitAll(t *testing.T, namespace string, n int) {
	t.Helper()
	require.NoError(t, k8s.Poll(t.Context(), timeouts.Patience, fmt.Sprintf("the pods of %d releases", n), func(ctx context.Context) error {
		sets, err := suite.AppsV1().StatefulSets(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		ready := 0
		for _, set := range sets.Items {
			ready += int(set.Status.ReadyReplicas)
		}
		if ready != n*peers {
			return fmt.Errorf("%d of %d are ready", ready, n*peers)
		}
		return nil
	}))
}

func tellInstalls(t *testing.T, course []installed) {
	t.Helper()
	t.Logf("FIGURE objects of a release: %d", course[0].objects)
	t.Logf("FIGURE %-10s %8s %6s", "install", "ms", "calls")
	row := func(name string, some []installed) {
		t.Logf("FIGURE %-10s %8d %6d", name, median(some, func(i installed) int64 { return i.took.Milliseconds() }), median(some, func(i installed) int64 { return i.calls }))
	}
	row("first", course[:1])
	row("early ones", course[1:len(course)/2])
	row("late ones", course[len(course)/2:])
}

func median(some []installed, of func(installed) int64) int64 {
	var values []int64
	for _, one := range some {
		values = append(values, of(one))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// checkFootprints: a release more in the namespace takes as much with many there as with few, and all of them fit well into what the chart
// gives tend.
func checkFootprints(t *testing.T, footprints map[int]footprint) {
	t.Helper()
	all := releases()
	half := all / 2
	t.Logf("FIGURE %-10s %10s %9s %9s", "releases", "resident", "own", "heap")
	for _, n := range []int{1, half, all} {
		f := footprints[n]
		t.Logf("FIGURE %-10d %6.1f MiB %5.1f MiB %5.1f MiB", n, mebibytes(f.Resident), mebibytes(f.Own), mebibytes(f.Heap))
	}
	early := float64(footprints[half].Heap-footprints[1].Heap) / float64(half-1)
	late := float64(footprints[all].Heap-footprints[half].Heap) / float64(all-half)
	t.Logf("FIGURE heap for each release of %d pods: %.0f KiB up to release %d, %.0f KiB from there on", peers, early/1024, half, late/1024)
	assert.Less(t, late, 1.5*early, "tend's memory grows faster than what it knows")

	text, given := chart.At(chart.Loaded(t).Values, "shepherd.tend.resources.limits.memory")
	require.True(t, given)
	limit := resource.MustParse(fmt.Sprint(text))
	if runtime.GOOS != "linux" {
		t.Log("FIGURE resident and own: skipped, for there is no /proc")
		return
	}
	assert.Positive(t, footprints[all].Own)
	assert.Lessf(t, footprints[all].Own, limit.Value()/2, "tend's own memory with %d releases, and half of its limit", all)
}

func mebibytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }
