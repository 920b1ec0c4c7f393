//go:build controlplane

package controlplane

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/qdrant-shepherd/shepherd/internal/shepherd/apikeys"
	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// fixedCount is production without an autoscaler, so that `replicas` counts.
var fixedCount = setup{name: "fixed_count", file: "values-prod.yaml", replicas: 3, over: "autoscaling: {enabled: false}"}

// TestClaims: a pod has a claim for each of its volumes, bound, of the size, class and labels that the values say.
func TestClaims(t *testing.T) {
	t.Parallel()
	own := func(release string, more map[string]string) map[string]string {
		labels := map[string]string{"app": "qdrant", "app.kubernetes.io/name": "qdrant", "app.kubernetes.io/instance": release}
		maps.Copy(labels, more)
		return labels
	}
	for _, c := range []struct {
		setup
		volumes map[string]string // what each pod has, and its size
		class   string
		labels  map[string]string // of the data claims, over those that each claim has
	}{
		{setup: development, volumes: map[string]string{"qdrant-storage": "2Gi", "qdrant-snapshots": "2Gi"}, class: "standard"},
		{setup: production, volumes: map[string]string{"qdrant-storage": "200Gi", "qdrant-snapshots": "100Gi", "scratch": "20Gi"}, class: "standard"},
		{
			setup: setup{name: "one_volume_of_another_class", file: "values-prod.yaml", replicas: 3, over: `
persistence:
  data: {size: 1.5Ti, storageClass: another-class, labels: {tier: gold}}
  snapshots: {enabled: false}
  scratch: {enabled: false}
storageClass: {create: true, name: another-class}
`},
			volumes: map[string]string{"qdrant-storage": "1536Gi"}, class: "another-class", labels: map[string]string{"tier": "gold"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := c.start(t)
			claims := d.claims(t)
			require.Len(t, claims, int(c.replicas)*len(c.volumes))
			for _, pod := range d.pods(t) {
				for volume, size := range c.volumes {
					claim, labels := claims[volume+"-"+pod.Name], own(d.name, c.labels)
					if volume == "scratch" {
						claim, labels = claims[pod.Name+"-qdrant-scratch"], own(d.name, nil)
					}
					assert.Equalf(t, corev1.ClaimBound, claim.Status.Phase, "%s of %s", volume, pod.Name)
					assert.Equal(t, size, claim.Spec.Resources.Requests.Storage().String(), claim.Name)
					assert.Equal(t, c.class, *claim.Spec.StorageClassName, claim.Name)
					assert.Equal(t, labels, claim.Labels, claim.Name)
					assert.Equal(t, volume == "scratch", metav1.IsControlledBy(&claim, &pod), "only scratch space goes with its pod")
				}
			}
		})
	}
}

// TestClaimsOutliveTheirPods: scaling down, to nothing and up again leaves each pod the claims that it had.
func TestClaimsOutliveTheirPods(t *testing.T) {
	t.Parallel()
	s := fixedCount
	d := s.start(t)
	before := d.lasting(t)
	require.Len(t, before, 6)
	for _, replicas := range []int32{2, 0, 3} {
		require.NoError(t, d.upgrade(t, s.with(t, fmt.Sprintf("replicas: %d", replicas))))
		d.awaitReady(t, replicas)
		assert.Equal(t, before, d.lasting(t), "with %d pods", replicas)
	}
	err := newDeployment(t, d.namespace, "other").install(t, chart.Loaded(t), s.with(t, "persistence: {retentionPolicy: {whenScaled: Delete}}"))
	assert.ErrorContains(t, err, "persistence.retentionPolicy.whenScaled: Delete can erase the only copy of data")
}

// TestGrowingVolumes follows docs/operations/grow-volumes.md: no pod is restarted, and the same claims are larger.
func TestGrowingVolumes(t *testing.T) {
	eachSetup(t, func(t *testing.T, s setup) {
		d := s.start(t)
		before := d.lasting(t)
		assert.Empty(t, d.podsDuring(t, func() {
			for ordinal := range s.replicas {
				d.patchClaim(t, "qdrant-storage-"+d.pod(int(ordinal)), `{"spec":{"resources":{"requests":{"storage":"400Gi"}}}}`)
			}
			d.orphanPods(t)
			require.NoError(t, d.upgrade(t, s.with(t, "persistence: {data: {size: 400Gi}}")))
			d.awaitReady(t, s.replicas)
		}), "no pod is touched")

		assert.Equal(t, before, d.lasting(t))
		claims := d.claims(t)
		for ordinal := range s.replicas {
			name := "qdrant-storage-" + d.pod(int(ordinal))
			require.Contains(t, claims, name)
			requests := claims[name].Spec.Resources.Requests
			assert.Equal(t, "400Gi", requests.Storage().String(), name)
		}
		assert.Equal(t, replaced(downFrom(s.replicas)...), d.podsDuring(t, func() {
			require.NoError(t, d.upgrade(t, s.with(t, "persistence: {data: {size: 400Gi}}", revised(1))))
			d.awaitReady(t, s.replicas)
		}), "the next upgrade is as any other")
	}, development, setup{
		// The claims belong to the StatefulSet that is deleted, and must not go with it.
		name: "production_whose_claims_go_with_it", file: "values-prod.yaml", replicas: 3, over: "persistence: {retentionPolicy: {whenDeleted: Delete}}",
	})
}

// TestUninstallLeavesTheClaims: what a release leaves behind is what docs/operations/uninstall.md says, and nothing else; the next one finds its volumes.
func TestUninstallLeavesTheClaims(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		setup
		claims []string // which claims of a pod stay
		stays  []string // what else does, NS standing for the namespace
	}{
		{setup: development, claims: []string{"qdrant-storage", "qdrant-snapshots"}},
		{
			setup: production, claims: []string{"qdrant-storage", "qdrant-snapshots"},
			stays: []string{"ValidatingAdmissionPolicy/NS.ends-qdrant.keeper", "ValidatingAdmissionPolicyBinding/NS.ends-qdrant.keeper"},
		},
		{
			setup: setup{name: "all_that_there_is", file: "values-prod.yaml", replicas: 3, over: `
auth: {existingSecret: null, generate: true}
loadBalancer: {enabled: true, sourceRanges: [10.0.0.0/8]}
ingress: {enabled: true, hosts: [{host: qdrant.example.org, paths: [{path: /, pathType: Prefix, port: http}]}]}
metrics: {dashboard: {enabled: true}}
storageClass: {create: true, name: a-kept-class}
persistence: {data: {storageClass: a-kept-class}, retentionPolicy: {whenDeleted: Delete}}
extraObjects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: extra}}]
`},
			stays: []string{
				"Secret/ends-qdrant-keys", "StorageClass/a-kept-class",
				"ValidatingAdmissionPolicy/NS.ends-qdrant.keeper", "ValidatingAdmissionPolicyBinding/NS.ends-qdrant.keeper",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newDeployment(t, namespace(t), "ends")
			// Nothing runs in the pod of the job that makes the keys: it is done in its place.
			if slices.Contains(c.stays, "Secret/ends-qdrant-keys") {
				_, err := apikeys.Ensure(t.Context(), suite, d.namespace, d.fullname()+"-keys", []string{"api-key"}, func() string { return "a-key" })
				require.NoError(t, err)
			}
			require.NoError(t, d.install(t, chart.Loaded(t), c.with(t)))
			d.awaitReady(t, c.replicas)
			before := d.lasting(t)

			// A namespace has these from the start, or the test has put them there.
			want := slices.Concat(c.stays, []string{"ConfigMap/kube-root-ca.crt", "Secret/qdrant-keys", "ServiceAccount/default"})
			for ordinal := range c.replicas {
				for _, claim := range c.claims {
					want = append(want, "PersistentVolumeClaim/"+claim+"-"+d.pod(int(ordinal)))
				}
			}
			slices.Sort(want)
			require.NoError(t, d.helm.Uninstall(d.name))
			require.NoError(t, k8s.Poll(t.Context(), timeouts.Patience, "the release to be gone", func(ctx context.Context) error {
				left, err := d.objects(ctx)
				if got := d.names(left); err == nil && !slices.Equal(got, want) {
					err = fmt.Errorf("left are %q, not %q", got, want)
				}
				return err
			}))

			require.NoError(t, d.install(t, chart.Loaded(t), c.with(t)))
			d.awaitReady(t, c.replicas)
			if len(c.claims) > 0 {
				assert.Equal(t, before, d.lasting(t), "the volumes are found again")
			}
		})
	}
}

// claims are all claims of the release's namespace, by name.
func (d *deployment) claims(t *testing.T) map[string]corev1.PersistentVolumeClaim {
	t.Helper()
	list, err := suite.CoreV1().PersistentVolumeClaims(d.namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	found := map[string]corev1.PersistentVolumeClaim{}
	for _, claim := range list.Items {
		found[claim.Name] = claim
	}
	return found
}

// lasting are the UIDs of the claims that outlive their pods, and the volumes that they are bound to.
func (d *deployment) lasting(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for name, claim := range d.claims(t) {
		if !strings.HasSuffix(name, "-scratch") {
			found[name] = string(claim.UID) + " on " + claim.Spec.VolumeName
		}
	}
	require.NotEmpty(t, found, "a release without claims keeps none")
	return found
}

func (d *deployment) patchClaim(t *testing.T, name, patch string) {
	t.Helper()
	_, err := suite.CoreV1().PersistentVolumeClaims(d.namespace).Patch(t.Context(), name, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
	require.NoError(t, err)
}

// orphanPods is `kubectl delete statefulset --cascade=orphan`, which returns when the StatefulSet is gone.
func (d *deployment) orphanPods(t *testing.T) {
	t.Helper()
	orphan := metav1.DeletePropagationOrphan
	require.NoError(t, suite.AppsV1().StatefulSets(d.namespace).Delete(t.Context(), d.fullname(), metav1.DeleteOptions{PropagationPolicy: &orphan}))
	require.NoError(t, k8s.Poll(t.Context(), timeouts.Patience, "the StatefulSet to be gone", func(ctx context.Context) error {
		_, err := suite.AppsV1().StatefulSets(d.namespace).Get(ctx, d.fullname(), metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("it is still there: %w", err)
	}))
}
