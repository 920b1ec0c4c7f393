package render

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
	"github.com/qdrant-shepherd/shepherd/tests/internal/some"
)

// rights spells a role out, one line for each verb and resource: "get pods q-qdrant-0..99".
func rights(t *testing.T, rules []rbacv1.PolicyRule) []string {
	t.Helper()
	var all []string
	for _, rule := range rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				if group != "" {
					resource += "." + group
				}
				for _, verb := range rule.Verbs {
					all = append(all, strings.TrimSpace(verb+" "+resource+" "+names(rule.ResourceNames)))
				}
			}
		}
	}
	slices.Sort(all)
	return all
}

// names shortens a row of ordinals.
func names(all []string) string {
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	prefix := strings.TrimSuffix(all[0], "0")
	for i, name := range all {
		if name != fmt.Sprintf("%s%d", prefix, i) {
			return strings.Join(all, ",")
		}
	}
	return fmt.Sprintf("%s0..%d", prefix, len(all)-1)
}

// Each right stands here by itself, so that a new one is seen by whoever reviews it.
func TestRoles(t *testing.T) {
	t.Parallel()
	behaves(t, map[string]behaviour{
		"a pod reads its release and marks claims": {values: withShepherd, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, []string{
				"get leases.coordination.k8s.io q-qdrant-stop",
				"get namespaces qdrant-test",
				"get persistentvolumeclaims qdrant-storage-q-qdrant-0..99",
				"get pods q-qdrant-0..99",
				"get statefulsets.apps q-qdrant",
				"patch persistentvolumeclaims qdrant-storage-q-qdrant-0..99",
				"update leases.coordination.k8s.io q-qdrant-stop",
			}, rights(t, o.Role(t, "q-qdrant-pod").Rules))
			assert.Equal(t, "q-qdrant", o.RoleBinding(t, "q-qdrant-pod").Subjects[0].Name)
		}},
		"tend watches, marks claims and replaces pods": {values: withShepherd, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, []string{
				"create events",
				"delete pods q-qdrant-0..99",
				"get configmaps q-shepherd",
				"get leases.coordination.k8s.io q-qdrant-stop",
				"get leases.coordination.k8s.io q-shepherd",
				"get namespaces qdrant-test",
				"get persistentvolumeclaims qdrant-storage-q-qdrant-0..99",
				"get statefulsets.apps q-qdrant",
				"list persistentvolumeclaims",
				"list pods",
				"patch events",
				"patch persistentvolumeclaims qdrant-storage-q-qdrant-0..99",
				"update configmaps q-shepherd",
				"update leases.coordination.k8s.io q-shepherd",
				"watch persistentvolumeclaims",
				"watch pods",
			}, rights(t, o.Role(t, "q-shepherd").Rules))
			assert.Equal(t, "q-shepherd", o.RoleBinding(t, "q-shepherd").Subjects[0].Name)
		}},
		"nobody may read secrets, make pods or change the StatefulSet": {values: withShepherd, want: func(t *testing.T, o chart.Objects) {
			for _, role := range []string{"q-qdrant-pod", "q-shepherd"} {
				for _, right := range some.Of(t, rights(t, o.Role(t, role).Rules)) {
					assert.NotRegexp(t, `secrets|^(create|update|patch) pods|^(create|update|patch|delete) statefulsets|^delete persistentvolumeclaims|escalate|bind|impersonate`, right, role)
				}
			}
		}},
		"nothing beyond the namespace": {values: withShepherd, want: func(t *testing.T, o chart.Objects) {
			for _, object := range o.All {
				assert.NotContains(t, object.Kind, "ClusterRole")
			}
		}},
		"nodes' zones, where they are asked for": {values: withShepherd + `rebalance: {readNodeZones: true}`, want: func(t *testing.T, o chart.Objects) {
			const name = "qdrant-test.q-shepherd"
			assert.Equal(t, []string{"get nodes"}, rights(t, o.ClusterRole(t, name).Rules))
			binding := o.ClusterRoleBinding(t, name)
			assert.Equal(t, rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: name}, binding.RoleRef)
			assert.Equal(t, []rbacv1.Subject{{Kind: "ServiceAccount", Name: "q-shepherd", Namespace: chart.Namespace}}, binding.Subjects)
			assert.Equal(t, "true", value(t, tend(t, o), "SHEPHERD_READ_NODES"))
		}},
		"an account of one's own has the pods' rights": {values: withShepherd + `serviceAccount: {create: false, name: mine}`, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, "mine", o.RoleBinding(t, "q-qdrant-pod").Subjects[0].Name)
			assert.Equal(t, "q-shepherd", o.RoleBinding(t, "q-shepherd").Subjects[0].Name, "tend's is its own, for it may do more")
		}},
		"no rights of peers without shepherd": {want: func(t *testing.T, o chart.Objects) {
			for _, object := range o.All {
				assert.NotContains(t, object.APIVersion, "rbac", object.ID())
			}
		}},
	})
}

// RBAC knows no patterns, so roles name every pod there can be. Always as many: a role that shrank with the values would take a leaving
// pod's rights away, and a number in the pods that grew with them would restart the cluster.
func TestRolesHaveRoomToGrow(t *testing.T) {
	t.Parallel()
	each(t, map[string]string{
		"the least": `replicas: 1`, "the most": `replicas: 100`, "what the autoscaler may ask for": `autoscaling: {enabled: true, maxReplicas: 40}`,
	}, func(t *testing.T, values string) {
		o := chart.Render(t, withShepherd+values)
		assert.Contains(t, rights(t, o.Role(t, "q-qdrant-pod").Rules), "get pods q-qdrant-0..99")
		assert.Contains(t, rights(t, o.Role(t, "q-shepherd").Rules), "delete pods q-qdrant-0..99")
	})
	require.Equal(t, chart.Render(t, withShepherd+`replicas: 16`).StatefulSet(t, chart.Fullname).Spec.Template,
		chart.Render(t, withShepherd+`replicas: 30`).StatefulSet(t, chart.Fullname).Spec.Template)
	assert.ErrorContains(t, chart.RenderErr(t, `autoscaling: {enabled: true, maxReplicas: 101}`), "maxReplicas")
}
