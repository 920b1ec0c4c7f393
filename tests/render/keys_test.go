package render

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
)

const withKeys = `auth: {generate: true}
`

func TestGeneratedKeys(t *testing.T) {
	t.Parallel()
	const image = "shepherd: {image: {repository: example.org/shepherd, tag: t}}\n"
	behaves(t, map[string]behaviour{
		"a job makes them, before anything else": {values: withKeys + image, want: func(t *testing.T, o chart.Objects) {
			job := o.Job(t, "q-qdrant-keys")
			assert.Equal(t, "pre-install,pre-upgrade", job.Annotations["helm.sh/hook"])
			require.Len(t, job.Spec.Template.Spec.Containers, 1)
			keys := job.Spec.Template.Spec.Containers[0]
			assert.Equal(t, "example.org/shepherd:t", keys.Image)
			assert.Equal(t, []string{"generate-key"}, keys.Args)
			assert.Equal(t, "q-qdrant-keys", value(t, keys, "SHEPHERD_SECRET"))
			assert.Equal(t, "api-key,read-only-api-key", value(t, keys, "SHEPHERD_SECRET_KEYS"))
			assert.Equal(t, corev1.RestartPolicyNever, job.Spec.Template.Spec.RestartPolicy)
			assert.Equal(t, ptr.To[int64](300), job.Spec.ActiveDeadlineSeconds, "an installation that can't have keys ends")
		}},
		"all of it is a hook that goes when it has succeeded": {values: withKeys + image, want: func(t *testing.T, o chart.Objects) {
			weights := map[string]string{}
			for _, object := range o.All {
				if !strings.HasPrefix(object.Template, "templates/keys-") {
					continue
				}
				annotations := object.Typed.GetAnnotations()
				assert.Equal(t, "pre-install,pre-upgrade", annotations["helm.sh/hook"], object.ID())
				assert.Equal(t, "before-hook-creation,hook-succeeded", annotations["helm.sh/hook-delete-policy"], object.ID())
				weights[object.Kind] = annotations["helm.sh/hook-weight"]
			}
			assert.Equal(t, map[string]string{"Job": "-5", "Role": "-10", "RoleBinding": "-10", "ServiceAccount": "-10"}, weights, "rights come first")
		}},
		"it may make a Secret and look at its own, and change none": {values: withKeys + image, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, []string{"create secrets", "get secrets q-qdrant-keys"}, rights(t, o.Role(t, "q-qdrant-keys").Rules))
			assert.Equal(t, "q-qdrant-keys", o.RoleBinding(t, "q-qdrant-keys").Subjects[0].Name)
			assert.Equal(t, "q-qdrant-keys", o.Job(t, "q-qdrant-keys").Spec.Template.Spec.ServiceAccountName)
		}},
		"no Secret is in the render, so none is deleted with the release": {values: withKeys + withShepherd, want: func(t *testing.T, o chart.Objects) {
			for _, object := range o.All {
				assert.NotEqual(t, "Secret", object.Kind)
			}
		}},
		"whoever asks for a key asks for this one": {values: withKeys + withShepherd, want: func(t *testing.T, o chart.Objects) {
			containers := map[string]corev1.Container{
				"QDRANT__SERVICE__API_KEY": o.Server(t), "SHEPHERD_API_KEY in start": o.Sidecar(t, "shepherd-start"), "SHEPHERD_API_KEY in watch": o.Sidecar(t, "shepherd-watch"),
				"SHEPHERD_API_KEY in tend": tend(t, o), "SHEPHERD_API_KEY in the test": o.Pod(t, "q-qdrant-test").Spec.Containers[0],
			}
			for name, container := range containers {
				name, _, _ = strings.Cut(name, " ")
				variable := env(container, name)
				require.NotNil(t, variable, "%s of %s", name, container.Name)
				assert.Equal(t, "q-qdrant-keys", variable.ValueFrom.SecretKeyRef.Name)
				assert.Equal(t, "api-key", variable.ValueFrom.SecretKeyRef.Key)
			}
			assert.Equal(t, "q-qdrant-keys", env(o.Server(t), "QDRANT__SERVICE__READ_ONLY_API_KEY").ValueFrom.SecretKeyRef.Name)
			assert.Contains(t, o.Notes, "get secret q-qdrant-keys ")
			assert.NotContains(t, o.Notes, "- API key: ")
		}},
		"without shepherd too": {values: withKeys + image, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, "q-qdrant-keys", env(o.Server(t), "QDRANT__SERVICE__API_KEY").ValueFrom.SecretKeyRef.Name)
			assert.Equal(t, "q-qdrant-keys", env(o.Pod(t, "q-qdrant-test").Spec.Containers[0], "API_KEY").ValueFrom.SecretKeyRef.Name)
			assert.False(t, o.Has("Deployment", "q-shepherd"))
		}},
		"names of entries are values": {values: image + `auth: {generate: true, keys: {apiKey: a, readOnlyApiKey: b}}`, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, "a,b", value(t, o.Job(t, "q-qdrant-keys").Spec.Template.Spec.Containers[0], "SHEPHERD_SECRET_KEYS"))
			assert.Equal(t, "a", env(o.Server(t), "QDRANT__SERVICE__API_KEY").ValueFrom.SecretKeyRef.Key)
		}},
		"it runs where the server may": {
			values: withKeys + image + "nodeSelector: {a: b}\ntolerations: [{operator: Exists}]\nimagePullSecrets: [{name: registry}]",
			want: func(t *testing.T, o chart.Objects) {
				pod := o.Job(t, "q-qdrant-keys").Spec.Template.Spec
				assert.Equal(t, map[string]string{"a": "b"}, pod.NodeSelector)
				assert.Len(t, pod.Tolerations, 1)
				assert.Equal(t, []corev1.LocalObjectReference{{Name: "registry"}}, pod.ImagePullSecrets)
			}},
		"a Secret of the user's needs no job": {values: withShepherd + `auth: {existingSecret: s}`, want: func(t *testing.T, o chart.Objects) {
			for _, object := range o.All {
				assert.False(t, strings.HasPrefix(object.Template, "templates/keys-"), object.ID())
			}
		}},
	})
}
