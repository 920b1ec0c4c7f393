//go:build e2e

package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/qdrant-shepherd/shepherd/tests/internal/cluster"
	"github.com/qdrant-shepherd/shepherd/tests/internal/release"
)

// denied are the namespaces in which a test takes permissions away, so that requests are refused there.
var denied struct {
	sync.Mutex
	namespaces map[string]bool
}

// rarely are permissions that a run may do without.
var rarely = map[string]string{
	"q-shepherd: list pods":                   "informers list where the API server can't stream what is there",
	"q-shepherd: list persistentvolumeclaims": "as pods",
	"q-shepherd: patch events":                "an Event that was told before is counted up",
}

// expectDenials says that requests may be refused in a namespace: its roles are taken away, or it is.
func expectDenials(namespace string) {
	denied.Lock()
	defer denied.Unlock()
	if denied.namespaces == nil {
		denied.namespaces = map[string]bool{}
	}
	denied.namespaces[namespace] = true
}

// allOfShepherd says whether every test of shepherd's was asked for, so that everything it may do has been done.
func allOfShepherd() bool {
	run := flag.Lookup("test.run").Value.String()
	skip := flag.Lookup("test.skip").Value.String()
	return slices.Contains([]string{"", ".", "TestShepherd"}, run) && skip == ""
}

// checkPermissions holds what shepherd's accounts asked the API server for in this run against what their roles grant: nothing refused, and
// nothing granted that nobody asked for. It is called when all tests are over.
func checkPermissions(ctx context.Context, c *cluster.Cluster) error {
	requests, err := c.Requests(ctx)
	if errors.Is(err, cluster.ErrNoAudit) {
		fmt.Printf("permissions: not checked: %v\n", err)
		return nil
	}
	if err != nil {
		return err
	}
	roles, err := rolesOfChart(ctx)
	if err != nil {
		return err
	}
	asked, refused := map[string]bool{}, map[string]bool{}
	for _, request := range requests {
		if _, ours := roles[request.Account]; !ours {
			continue
		}
		what := fmt.Sprintf("%s: %s %s", request.Account, request.Verb, strings.TrimPrefix(request.Group+"/"+request.Resource, "/"))
		asked[what] = true
		if !request.Allowed && !denied.namespaces[request.Namespace] {
			refused[what+" "+request.Name] = true
		}
	}
	var wrong []string
	for what := range refused {
		wrong = append(wrong, "refused: "+what)
	}
	granted := 0
	for account, rules := range roles {
		for _, rule := range rules {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					for _, verb := range rule.Verbs {
						granted++
						what := fmt.Sprintf("%s: %s %s", account, verb, strings.TrimPrefix(group+"/"+resource, "/"))
						if !asked[what] && rarely[what] == "" {
							wrong = append(wrong, "granted and never used: "+what)
						}
					}
				}
			}
		}
	}
	fmt.Printf("permissions: %d kinds of requests seen, %d granted to %v\n", len(asked), granted, slices.Sorted(maps.Keys(roles)))
	if len(asked) == 0 || granted == 0 {
		return errors.New("permissions: no request seen, or none granted: the check itself is broken")
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		return fmt.Errorf("permissions:\n  %s", strings.Join(wrong, "\n  "))
	}
	return nil
}

// rolesOfChart renders the chart with everything that has a role, and returns the rules by account.
func rolesOfChart(ctx context.Context) (map[string][]rbacv1.PolicyRule, error) {
	root, err := release.Root()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, "helm", "template", "q", filepath.Join(root, release.Chart),
		"--set", "shepherd.enabled=true,shepherd.image.repository=qdrant-shepherd,auth.generate=true")
	command.Stderr = os.Stderr
	text, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("permissions: rendering the chart: %w", err)
	}
	rules, roleOf := map[string][]rbacv1.PolicyRule{}, map[string]string{}
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		var object struct {
			Kind     string
			Metadata struct{ Name string }
			Rules    []rbacv1.PolicyRule
			RoleRef  rbacv1.RoleRef
			Subjects []rbacv1.Subject
		}
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			return nil, fmt.Errorf("permissions: reading the chart: %w", err)
		}
		switch object.Kind {
		case "Role":
			rules[object.Metadata.Name] = object.Rules
		case "RoleBinding":
			roleOf[object.Subjects[0].Name] = object.RoleRef.Name
		}
	}
	roles := map[string][]rbacv1.PolicyRule{}
	for account, role := range roleOf {
		roles[account] = rules[role]
	}
	return roles, nil
}
