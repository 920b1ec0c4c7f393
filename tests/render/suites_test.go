package render

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
	"github.com/qdrant-shepherd/shepherd/tools/suites/suitefile"
)

// The list of end-to-end suites names every permission that an account of the chart has, and no other. So each is seen in use by the suite that
// lists it, or has a reason why it can't be.
func TestPermissionsOfSuites(t *testing.T) {
	t.Parallel()
	o := chart.Render(t, `
shepherd: {enabled: true, image: {repository: example.org/shepherd}}
auth: {generate: true}
rebalance: {readNodeZones: true}
`)
	granted := map[string]bool{}
	rules := map[string][]rbacv1.PolicyRule{}
	accounts := map[string][]string{} // by role
	for _, object := range o.All {
		switch typed := object.Typed.(type) {
		case *rbacv1.Role:
			rules["Role/"+typed.Name] = typed.Rules
		case *rbacv1.ClusterRole:
			rules["ClusterRole/"+typed.Name] = typed.Rules
		case *rbacv1.RoleBinding:
			accounts[typed.RoleRef.Kind+"/"+typed.RoleRef.Name] = subjects(typed.Subjects)
		case *rbacv1.ClusterRoleBinding:
			accounts[typed.RoleRef.Kind+"/"+typed.RoleRef.Name] = subjects(typed.Subjects)
		}
	}
	templates, err := filepath.Glob(filepath.Join(chart.Dir(), "templates", "*role.yaml"))
	require.NoError(t, err)
	require.Len(t, rules, len(templates), "every role of the chart is rendered: %v", templates)
	for role, rules := range rules {
		require.NotEmpty(t, accounts[role], role)
		for _, account := range accounts[role] {
			for _, rule := range rules {
				for _, permission := range permissions(account, rule) {
					granted[permission] = true
				}
			}
		}
	}

	list, err := suitefile.Read(chart.Root())
	require.NoError(t, err)
	uses := list.Uses()
	for permission := range granted {
		assert.Containsf(t, uses, permission, "no suite of %s uses a permission that the chart grants", suitefile.Path)
	}
	for _, permission := range uses {
		assert.Truef(t, granted[permission], "%s lists %q, which the chart does not grant", suitefile.Path, permission)
	}
	for permission, reason := range list.Rarely {
		assert.NotEmpty(t, reason, permission)
		for _, suite := range list.Suites {
			assert.NotContainsf(t, suite.Uses, permission, "%s is rare and yet expected of suite %s", permission, suite.Name)
		}
	}
}

func subjects(all []rbacv1.Subject) []string {
	var names []string
	for _, subject := range all {
		names = append(names, subject.Name)
	}
	return names
}

// permissions spells a rule as the list of suites does.
func permissions(account string, rule rbacv1.PolicyRule) []string {
	var all []string
	for _, group := range rule.APIGroups {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				all = append(all, fmt.Sprintf("%s: %s %s", account, verb, strings.TrimPrefix(group+"/"+resource, "/")))
			}
		}
	}
	return all
}
