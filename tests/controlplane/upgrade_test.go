//go:build controlplane

package controlplane

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/qdrant-shepherd/shepherd/internal/local/helm"
	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
)

// TestWhatAnUpgradeCannotChangeIsRefused: the API server says no, nothing at all is changed, and the next upgrade is as any other.
func TestWhatAnUpgradeCannotChangeIsRefused(t *testing.T) {
	t.Parallel()
	const forbidden = "field is immutable" // up to Kubernetes 1.36: updates to statefulset spec for fields other than …
	s := production
	d := s.start(t)
	before := d.listObjects(t)
	for name, values := range map[string]string{
		"size":              "persistence: {data: {size: 77Gi}}",
		"size of snapshots": "persistence: {snapshots: {size: 77Gi}}",
		"storage class":     "persistence: {data: {storageClass: another}}",
		"access modes":      "persistence: {data: {accessModes: [ReadWriteOncePod]}}",
		"labels of claims":  "persistence: {data: {labels: {tier: gold}}}",
		"no snapshots":      "persistence: {snapshots: {enabled: false}}",
	} {
		err := d.upgrade(t, s.with(t, values))
		assert.ErrorContains(t, err, "spec.volumeClaimTemplates", name)
		assert.ErrorContains(t, err, forbidden, name)
	}
	assert.Empty(t, changes(before, d.listObjects(t)), "no object and no pod was touched")
	assert.Equal(t, replaced(downFrom(s.replicas)...), d.podsDuring(t, func() {
		require.NoError(t, d.upgrade(t, s.with(t, "persistence: {scratch: {enabled: true, size: 3Gi}}")))
		d.awaitReady(t, s.replicas)
	}), "scratch space is no claim of the StatefulSet: it may change")
}

// TestARenameIsRefused: another name would make another cluster, an empty one, and end the one that is there.
func TestARenameIsRefused(t *testing.T) {
	t.Parallel()
	s := fixedCount
	d := s.start(t)
	before := d.listObjects(t)
	for key, values := range map[string]string{"nameOverride": "nameOverride: another", "fullnameOverride": "fullnameOverride: another"} {
		assert.ErrorContains(t, d.upgrade(t, s.with(t, values)), key)
	}
	assert.Empty(t, changes(before, d.listObjects(t)))
}

// TestRollback: `helm rollback` puts back what a refused upgrade has done half, without touching a pod, and what a good one has done.
func TestRollback(t *testing.T) {
	eachSetup(t, func(t *testing.T, s setup) {
		d := s.start(t)
		before := d.listObjects(t)
		// Helm changes and makes what comes before the StatefulSet, and is refused there.
		require.Error(t, d.upgrade(t, s.with(t, "persistence: {data: {size: 77Gi}}", "logging: {level: WARN}", extra)))
		half := d.listObjects(t)
		assert.Contains(t, half, "ConfigMap/extra")
		assert.NotEqual(t, before["ConfigMap/q-qdrant"], half["ConfigMap/q-qdrant"])
		require.NoError(t, d.helm.Rollback(d.name, 0))
		assert.Empty(t, changes(before, d.listObjects(t)))
		assert.Equal(t, release.StatusDeployed, d.revision(t, 3).Info.Status)

		require.NoError(t, d.upgrade(t, s.with(t, revised(1), "logging: {level: WARN}", extra)))
		d.awaitReady(t, s.replicas)
		assert.Equal(t, replaced(downFrom(s.replicas)...), d.podsDuring(t, func() {
			require.NoError(t, d.helm.Rollback(d.name, 0))
			d.awaitReady(t, s.replicas)
		}))
		assert.Empty(t, changes(made(before), made(d.listObjects(t))))
	}, development, production)
}

// extra makes one more object, before the StatefulSet.
const extra = "extraObjects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: extra}}]"

// TestRollbackUnderAutoscaling: `helm rollback` puts back the number of pods that was current then, as docs/operations/rollback.md says; its steps do not.
func TestRollbackUnderAutoscaling(t *testing.T) {
	t.Parallel()
	s := production
	d := s.start(t)
	replicasDuring := func(do func() error) []int32 {
		return d.replicasDuring(t, func() { require.NoError(t, do()) })
	}

	d.scale(t, 5)
	d.awaitReady(t, 5)
	require.Equal(t, []int32{5}, replicasDuring(func() error { return d.upgrade(t, s.with(t, revised(1))) }))
	d.awaitReady(t, 5)
	require.Equal(t, []int32{5, 3}, replicasDuring(func() error { return d.helm.Rollback(d.name, 1) }))
	d.awaitReady(t, 3)

	d.scale(t, 5)
	d.awaitReady(t, 5)
	require.NoError(t, d.upgrade(t, s.with(t, revised(1))))
	require.Equal(t, []int32{5}, replicasDuring(func() error { return d.upgrade(t, d.revision(t, 1).Config) }), "the recipe")
	d.awaitReady(t, 5)
	assert.Equal(t, []string{"", "", "", "", ""}, d.revisions(t))

	// What tend writes when a collection asks for four copies.
	_, err := suite.CoreV1().ConfigMaps(d.namespace).Patch(t.Context(), d.name+"-shepherd", types.MergePatchType,
		[]byte(`{"data":{"minReplicas":"4"}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	assert.Equal(t, []int32{5}, d.replicasDuring(t, func() {
		assert.ErrorContains(t, d.helm.Rollback(d.name, 1), "replicas: 3 peers cannot hold the 4 copies of each shard")
		require.NoError(t, d.upgrade(t, s.with(t, revised(2))))
	}), "the guard refuses a rollback too, and the next upgrade is as any other")
}

// TestTurningAutoscalingOff sets the count to `replicas`, as docs/operations/rollback.md says, also where old values turn it off: the recipe for a rollback
// has the present count beside them.
func TestTurningAutoscalingOff(t *testing.T) {
	t.Parallel()
	s := fixedCount
	d := s.start(t)
	require.NoError(t, d.upgrade(t, production.with(t)))
	d.scale(t, 5)
	d.awaitReady(t, 5)
	old := d.revision(t, 1).Config
	assert.Equal(t, []int32{5}, d.replicasDuring(t, func() { require.NoError(t, d.upgrade(t, chart.Merge(old, chart.Values(t, "replicas: 5")))) }))
	assert.Equal(t, []int32{5, 3}, d.replicasDuring(t, func() { require.NoError(t, d.upgrade(t, old)) }))
	d.awaitReady(t, 3)
}

// beforeShepherd is the chart at commit 593b731, the last without shepherd; its version is that of today's, for neither was released.
const beforeShepherd = "testdata/qdrant-before-shepherd.tgz"

// TestUpgradeFromBeforeShepherd: pods are replaced one by one, with shepherd and without, whose start script has other messages now; the
// claims are the same, and nothing is left over that a new release would not have.
func TestUpgradeFromBeforeShepherd(t *testing.T) {
	old, err := helm.Load(beforeShepherd)
	require.NoError(t, err)
	eachSetup(t, func(t *testing.T, s setup) {
		d := newDeployment(t, namespace(t), "q")
		values := s.with(t)
		for _, unknown := range []string{"shepherd", "guard"} {
			delete(values, unknown)
		}
		require.NoError(t, d.install(t, old, values))
		d.awaitReady(t, s.replicas)
		claims := d.lasting(t)

		assert.Equal(t, replaced(downFrom(s.replicas)...), d.podsDuring(t, func() {
			require.NoError(t, d.upgrade(t, s.with(t)))
			d.awaitReady(t, s.replicas)
		}))
		assert.Equal(t, claims, d.lasting(t))

		fresh := s.start(t)
		assert.Equal(t, fresh.names(made(fresh.listObjects(t))), d.names(made(d.listObjects(t))))
	}, development, production)
}

// revision is what Helm remembers of one.
func (d *deployment) revision(t *testing.T, number int) *release.Release {
	t.Helper()
	found, err := storage.Init(driver.NewSecrets(suite.CoreV1().Secrets(d.namespace))).Get(d.name, number)
	require.NoError(t, err)
	return found
}

// autoscalerManager is the manager of fields that the autoscaler writes as.
const autoscalerManager = "kube-controller-manager"

// scale is what the autoscaler does, and `kubectl scale` under another manager.
func (d *deployment) scale(t *testing.T, replicas int32) {
	t.Helper()
	_, err := suite.AppsV1().StatefulSets(d.namespace).UpdateScale(t.Context(), d.fullname(), &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Name: d.fullname(), Namespace: d.namespace}, Spec: autoscalingv1.ScaleSpec{Replicas: replicas},
	}, metav1.UpdateOptions{FieldManager: autoscalerManager})
	require.NoError(t, err)
}

// replicasDuring records every value that spec.replicas takes while something is done.
func (d *deployment) replicasDuring(t *testing.T, do func()) []int32 {
	t.Helper()
	record, err := suite.WatchReplicas(t.Context(), d.namespace, d.fullname())
	require.NoError(t, err)
	do()
	values, err := record.Stop(t.Context())
	require.NoError(t, err)
	return values
}
