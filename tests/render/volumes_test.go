package render

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/utils/ptr"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
)

func claims(t *testing.T, o chart.Objects) map[string]corev1.PersistentVolumeClaim {
	t.Helper()
	byName := map[string]corev1.PersistentVolumeClaim{}
	for _, claim := range o.StatefulSet(t, chart.Fullname).Spec.VolumeClaimTemplates {
		byName[claim.Name] = claim
	}
	return byName
}

func volume(t *testing.T, o chart.Objects, name string) *corev1.Volume {
	t.Helper()
	for _, volume := range podSpec(t, o).Volumes {
		if volume.Name == name {
			return &volume
		}
	}
	return nil
}

func mounts(t *testing.T, o chart.Objects) map[string]string {
	t.Helper()
	paths := map[string]string{}
	for _, mount := range o.Server(t).VolumeMounts {
		paths[mount.MountPath] = mount.Name
	}
	return paths
}

func TestVolumes(t *testing.T) {
	t.Parallel()
	behaves(t, map[string]behaviour{
		"data and snapshots are claims, scratch goes with the pod": {want: func(t *testing.T, o chart.Objects) {
			found := claims(t, o)
			require.Len(t, found, 2)
			for _, name := range []string{"qdrant-storage", "qdrant-snapshots"} {
				claim := found[name]
				assert.Equal(t, "10Gi", claim.Spec.Resources.Requests.Storage().String(), name)
				assert.Equal(t, []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, claim.Spec.AccessModes, name)
				assert.Nil(t, claim.Spec.StorageClassName, "%s: null is the cluster's default", name)
				// What the API server adds; without it GitOps tools see a difference for ever.
				assert.Equal(t, "v1", claim.APIVersion, name)
				assert.Equal(t, "PersistentVolumeClaim", claim.Kind, name)
				assert.Equal(t, ptr.To(corev1.PersistentVolumeFilesystem), claim.Spec.VolumeMode, name)
			}
			scratch := volume(t, o, "qdrant-scratch")
			require.NotNil(t, scratch)
			assert.Equal(t, "10Gi", scratch.Ephemeral.VolumeClaimTemplate.Spec.Resources.Requests.Storage().String())
			assert.Equal(t, map[string]string{
				"/qdrant/storage": "qdrant-storage", "/qdrant/snapshots": "qdrant-snapshots", "/qdrant/scratch": "qdrant-scratch", "/qdrant/init": "qdrant-init",
				"/qdrant/config/production.yaml": "qdrant-config", "/qdrant/config/start.sh": "qdrant-config",
			}, mounts(t, o))
		}},
		"each volume has its own size, class and modes": {
			values: `
persistence:
  data: {size: 1Gi, storageClass: a, accessModes: [ReadWriteOncePod], labels: {l: data}, annotations: {note: data}}
  snapshots: {size: 2Gi, storageClass: "", accessModes: [ReadWriteMany], labels: {l: snapshots}, annotations: {note: snapshots}}
  scratch: {size: 3Gi, storageClass: c, accessModes: [ReadWriteOncePod]}`,
			want: func(t *testing.T, o chart.Objects) {
				data, snapshots := claims(t, o)["qdrant-storage"], claims(t, o)["qdrant-snapshots"]
				scratch := volume(t, o, "qdrant-scratch").Ephemeral.VolumeClaimTemplate.Spec
				assert.Equal(t, []string{"1Gi", "2Gi", "3Gi"}, []string{data.Spec.Resources.Requests.Storage().String(), snapshots.Spec.Resources.Requests.Storage().String(), scratch.Resources.Requests.Storage().String()})
				assert.Equal(t, []*string{ptr.To("a"), ptr.To(""), ptr.To("c")}, []*string{data.Spec.StorageClassName, snapshots.Spec.StorageClassName, scratch.StorageClassName}, `"" is a value`)
				assert.Equal(t, corev1.ReadWriteOncePod, data.Spec.AccessModes[0])
				assert.Equal(t, corev1.ReadWriteMany, snapshots.Spec.AccessModes[0])
				assert.Equal(t, corev1.ReadWriteOncePod, scratch.AccessModes[0])
				assert.Equal(t, []string{"data", "data", "snapshots", "snapshots"}, []string{data.Labels["l"], data.Annotations["note"], snapshots.Labels["l"], snapshots.Annotations["note"]})
			}},
		"without a claim snapshots go with the pod": {values: `persistence: {snapshots: {enabled: false}}`, want: func(t *testing.T, o chart.Objects) {
			assert.NotContains(t, claims(t, o), "qdrant-snapshots")
			assert.NotNil(t, volume(t, o, "qdrant-snapshots").EmptyDir)
			assert.Equal(t, "qdrant-snapshots", mounts(t, o)["/qdrant/snapshots"])
		}},
		"without scratch the data volume is used": {values: `persistence: {scratch: {enabled: false}}`, want: func(t *testing.T, o chart.Objects) {
			assert.Nil(t, volume(t, o, "qdrant-scratch"))
			_, set := chart.At(o.Config(t), "storage.temp_path")
			assert.False(t, set)
		}},
		"claims are kept": {want: func(t *testing.T, o chart.Objects) {
			policy := o.StatefulSet(t, chart.Fullname).Spec.PersistentVolumeClaimRetentionPolicy
			assert.Equal(t, appsv1.RetainPersistentVolumeClaimRetentionPolicyType, policy.WhenDeleted)
			assert.Equal(t, appsv1.RetainPersistentVolumeClaimRetentionPolicyType, policy.WhenScaled)
		}},
		"claims may go with the release": {values: `persistence: {retentionPolicy: {whenDeleted: Delete}}`, want: func(t *testing.T, o chart.Objects) {
			policy := o.StatefulSet(t, chart.Fullname).Spec.PersistentVolumeClaimRetentionPolicy
			assert.Equal(t, appsv1.DeletePersistentVolumeClaimRetentionPolicyType, policy.WhenDeleted)
			assert.Equal(t, appsv1.RetainPersistentVolumeClaimRetentionPolicyType, policy.WhenScaled)
		}},
		"a StorageClass of the chart outlives the release": {
			values: `storageClass: {create: true, name: fast, parameters: {type: gp3, iops: "3000"}, mountOptions: [noatime], annotations: {a: b}}`,
			want: func(t *testing.T, o chart.Objects) {
				class := o.StorageClass(t, "fast")
				assert.Equal(t, "keep", class.Annotations["helm.sh/resource-policy"])
				assert.Equal(t, "b", class.Annotations["a"])
				assert.Equal(t, "ebs.csi.aws.com", class.Provisioner)
				assert.Equal(t, map[string]string{"type": "gp3", "iops": "3000"}, class.Parameters)
				assert.Equal(t, ptr.To(corev1.PersistentVolumeReclaimRetain), class.ReclaimPolicy)
				assert.Equal(t, ptr.To(storagev1.VolumeBindingWaitForFirstConsumer), class.VolumeBindingMode)
				assert.Equal(t, ptr.To(true), class.AllowVolumeExpansion)
				assert.Equal(t, []string{"noatime"}, class.MountOptions)
			}},
		"false is a value": {values: `storageClass: {create: true, allowVolumeExpansion: false, volumeBindingMode: Immediate, reclaimPolicy: Delete}`, want: func(t *testing.T, o chart.Objects) {
			class := o.StorageClass(t, "qdrant-fast")
			assert.Equal(t, ptr.To(false), class.AllowVolumeExpansion)
			assert.Equal(t, ptr.To(storagev1.VolumeBindingImmediate), class.VolumeBindingMode)
		}},
		"the certificate is mounted read-only": {values: `tls: {enabled: true, existingSecret: certificate}`, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, "certificate", volume(t, o, "qdrant-tls").Secret.SecretName)
			assert.Contains(t, o.Server(t).VolumeMounts, corev1.VolumeMount{Name: "qdrant-tls", MountPath: "/qdrant/tls", ReadOnly: true})
		}},
	})
}

// The official chart's claim templates: a StatefulSet of that release can't be changed in them, and adoption keeps them.
func TestClaimTemplatesFitAnAdoptedRelease(t *testing.T) {
	t.Parallel()
	var names []string
	for _, claim := range chart.Render(t, ``).StatefulSet(t, chart.Fullname).Spec.VolumeClaimTemplates {
		names = append(names, claim.Name)
	}
	assert.Equal(t, []string{"qdrant-storage", "qdrant-snapshots"}, names)
}

func TestProductionVolumes(t *testing.T) {
	t.Parallel()
	o := chart.Render(t, ``, chart.Scenario("values-prod.yaml"))
	data, snapshots := claims(t, o)["qdrant-storage"], claims(t, o)["qdrant-snapshots"]
	scratch := volume(t, o, "qdrant-scratch").Ephemeral.VolumeClaimTemplate.Spec
	assert.Equal(t, "200Gi", data.Spec.Resources.Requests.Storage().String())
	assert.Equal(t, "100Gi", snapshots.Spec.Resources.Requests.Storage().String())
	assert.Equal(t, "20Gi", scratch.Resources.Requests.Storage().String())
	class := o.StorageClass(t, "qdrant-fast")
	assert.Equal(t, "gp3", class.Parameters["type"])
	assert.Equal(t, "3000", class.Parameters["iops"])
	assert.Equal(t, "true", class.Parameters["encrypted"])
	for _, name := range []*string{data.Spec.StorageClassName, snapshots.Spec.StorageClassName, scratch.StorageClassName} {
		assert.Equal(t, ptr.To(class.Name), name)
	}
}
