package render

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
)

func env(container corev1.Container, name string) *corev1.EnvVar {
	for _, variable := range container.Env {
		if variable.Name == name {
			return &variable
		}
	}
	return nil
}

func TestAPIKeys(t *testing.T) {
	t.Parallel()
	behaves(t, map[string]behaviour{
		"no Secret, no key": {want: func(t *testing.T, o chart.Objects) {
			for _, name := range []string{"QDRANT__SERVICE__API_KEY", "QDRANT__SERVICE__READ_ONLY_API_KEY", "QDRANT__SERVICE__ALT_API_KEY"} {
				assert.Nil(t, env(o.Server(t), name), "an empty key would be a key")
			}
			assert.Nil(t, env(o.Pod(t, "q-qdrant-test").Spec.Containers[0], "API_KEY"))
		}},
		"keys come from the Secret": {values: `auth: {existingSecret: qdrant-keys}`, want: func(t *testing.T, o chart.Objects) {
			want := map[string]corev1.SecretKeySelector{
				"QDRANT__SERVICE__API_KEY":           {Key: "api-key"},
				"QDRANT__SERVICE__READ_ONLY_API_KEY": {Key: "read-only-api-key", Optional: ptr.To(true)},
				"QDRANT__SERVICE__ALT_API_KEY":       {Key: "alt-api-key", Optional: ptr.To(true)},
			}
			for name, selector := range want {
				selector.Name = "qdrant-keys"
				variable := env(o.Server(t), name)
				require.NotNil(t, variable, name)
				assert.Equal(t, &selector, variable.ValueFrom.SecretKeyRef, name)
				assert.Empty(t, variable.Value, name)
			}
			assert.Equal(t, "api-key", env(o.Pod(t, "q-qdrant-test").Spec.Containers[0], "API_KEY").ValueFrom.SecretKeyRef.Key)
		}},
		"names of entries are values": {values: `auth: {existingSecret: s, keys: {apiKey: a, readOnlyApiKey: b, altApiKey: c}}`, want: func(t *testing.T, o chart.Objects) {
			for name, key := range map[string]string{"QDRANT__SERVICE__API_KEY": "a", "QDRANT__SERVICE__READ_ONLY_API_KEY": "b", "QDRANT__SERVICE__ALT_API_KEY": "c"} {
				assert.Equal(t, key, env(o.Server(t), name).ValueFrom.SecretKeyRef.Key)
			}
		}},
		"no Secret is made": {values: everything, want: func(t *testing.T, o chart.Objects) {
			for _, object := range o.All {
				assert.NotEqual(t, "Secret", object.Kind)
			}
		}},
	})
}

// A key that is asked for between peers has to be there before.
func TestInternalAuth(t *testing.T) {
	t.Parallel()
	_, found := chart.At(chart.Render(t, `auth: {existingSecret: s}`).Config(t), "service.enforce_internal_auth")
	assert.False(t, found, "off until every peer has the key")
}
