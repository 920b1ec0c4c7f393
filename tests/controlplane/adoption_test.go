//go:build controlplane

package controlplane

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/internal/local/helm"
	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
)

// TestAdoption follows docs/operations/adopt-official-chart.md; tests/e2e runs it with data. The stand-in for that chart is
// the one of tests/e2e.
func TestAdoption(t *testing.T) {
	t.Parallel()
	// Production as far as it fits to a release of the official chart with its defaults.
	s := setup{file: "values-prod.yaml", replicas: 3, over: `
auth: {existingSecret: null, enforceInternal: false}
persistence: {data: {size: 1Gi}, snapshots: {enabled: false, size: 1Gi}, scratch: {size: 1Gi}}
`}
	official, err := helm.Load(filepath.Join(chart.Root(), "tests", "e2e", "testdata", "official"))
	require.NoError(t, err)
	d := newDeployment(t, namespace(t), "q")
	require.NoError(t, d.install(t, official, nil))
	d.awaitReady(t, s.replicas)
	claims := d.lasting(t)
	require.Len(t, claims, int(s.replicas))

	// The new StatefulSet takes the pods over and replaces them.
	w := d.watchPods(t)
	d.orphanPods(t)
	require.NoError(t, d.upgrade(t, s.with(t)))
	w.awaitEvents(t, replaced(downFrom(s.replicas)...))
	assert.Equal(t, replaced(downFrom(s.replicas)...), w.end(t))
	assert.Equal(t, claims, d.lasting(t))

	testSnapshotsVolume(t, d, s)
	for claim, volume := range claims {
		assert.Equal(t, volume, d.lasting(t)[claim], claim)
	}
	fresh := s.start(t, "persistence: {snapshots: {enabled: true}}")
	assert.Equal(t, fresh.names(made(fresh.listObjects(t))), d.names(made(d.listObjects(t))), "nothing is left of the official chart's")
}

// testSnapshotsVolume gives snapshots a volume. Kubernetes replaces no pod that lacks a claim of its StatefulSet, and makes none anew
// while one of a lower ordinal is such, so a person deletes them, from ordinal 0 up.
func testSnapshotsVolume(t *testing.T, d *deployment, s setup) {
	t.Helper()
	w := d.watchPods(t)
	d.orphanPods(t)
	require.NoError(t, d.upgrade(t, s.with(t, "persistence: {snapshots: {enabled: true}}")))
	w.awaitOnly(t, nil)

	var want []int
	for ordinal := range int(s.replicas) {
		d.deletePod(t, ordinal)
		want = append(want, ordinal)
		w.awaitEvents(t, replaced(want...))
	}
	assert.Equal(t, replaced(want...), w.end(t))
	d.awaitReady(t, s.replicas)
	assert.Len(t, d.lasting(t), 2*int(s.replicas))
}
