//go:build controlplane

package controlplane

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/qdrant-shepherd/shepherd/internal/local/controlplane"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/apikeys"
	shepherdkube "github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/some"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// need is a permission, and the call of shepherd's that can't do without it. A permission that a role grants has its line here, or
// TestRights fails: so each has a reason.
type need struct {
	verb, resource string   // resource.group, as kubectl has it
	names          []string // nil: any, and what has no name yet
	by             string   // of shepherdCalls
	everywhere     bool     // not only in the release's own namespace
}

// needsOfPods are those of `shepherd start` and `shepherd watch`.
func needsOfPods(d *deployment) []need {
	set, permit := []string{d.fullname()}, []string{d.fullname() + "-stop"}
	pods, claims := ordinals(d.fullname()), ordinals("qdrant-storage-"+d.fullname())
	return []need{
		{verb: "get", resource: "statefulsets.apps", names: set, by: "kube.Client.StatefulSet"},
		{verb: "get", resource: "namespaces", names: []string{d.namespace}, by: "kube.Client.StatefulSet"},
		{verb: "get", resource: "pods", names: pods, by: "kube.Client.Pod"},
		{verb: "get", resource: "persistentvolumeclaims", names: claims, by: "kube.Client.Claim"},
		{verb: "patch", resource: "persistentvolumeclaims", names: claims, by: "kube.Client.AnnotateClaim"},
		{verb: "get", resource: "leases.coordination.k8s.io", names: permit, by: "kube.Permit.Holder"},
		{verb: "update", resource: "leases.coordination.k8s.io", names: permit, by: "kube.Permit.Take"},
	}
}

// needsOfTend are those of `shepherd tend`, and of `shepherd status` and `shepherd accept-loss`, which people run in its pod.
func needsOfTend(d *deployment) []need {
	set, permit, own := []string{d.fullname()}, []string{d.fullname() + "-stop"}, []string{d.name + "-shepherd"}
	pods, claims := ordinals(d.fullname()), ordinals("qdrant-storage-"+d.fullname())
	return []need{
		{verb: "get", resource: "statefulsets.apps", names: set, by: "kube.Client.StatefulSet"},
		{verb: "get", resource: "namespaces", names: []string{d.namespace}, by: "kube.Client.StatefulSet"},
		{verb: "watch", resource: "pods", by: "kube.Client.Watch"},
		{verb: "watch", resource: "persistentvolumeclaims", by: "kube.Client.Watch"},
		{verb: "list", resource: "pods", by: "kube.Client.Pods"},
		{verb: "list", resource: "persistentvolumeclaims", by: "kube.Client.Watch, of an API server that can't stream lists"},
		{verb: "get", resource: "persistentvolumeclaims", names: claims, by: "kube.Client.Claim"},
		{verb: "patch", resource: "persistentvolumeclaims", names: claims, by: "kube.Client.AnnotateClaim"},
		{verb: "delete", resource: "pods", names: pods, by: "kube.Client.DeletePod"},
		{verb: "get", resource: "leases.coordination.k8s.io", names: permit, by: "kube.Permit.Holder"},
		{verb: "get", resource: "leases.coordination.k8s.io", names: own, by: "kube.Client.Lead"},
		{verb: "update", resource: "leases.coordination.k8s.io", names: own, by: "kube.Client.Lead"},
		{verb: "get", resource: "configmaps", names: own, by: "kube.Client.State"},
		{verb: "update", resource: "configmaps", names: own, by: "kube.Client.UpdateState"},
		{verb: "create", resource: "events", by: "kube.Recorder.Event"},
		{verb: "patch", resource: "events", by: "kube.Recorder.Event"},
	}
}

// needsOfTendWithZones adds what rebalance.readNodeZones does.
func needsOfTendWithZones(d *deployment) []need {
	return append(needsOfTend(d), need{verb: "get", resource: "nodes", everywhere: true, by: "kube.Client.Pods, with ReadNodes"})
}

// needsOfKeys are those of the hook job that makes the API keys.
func needsOfKeys(d *deployment) []need {
	return []need{
		{verb: "create", resource: "secrets", by: "keys.Ensure"},
		{verb: "get", resource: "secrets", names: []string{d.fullname() + "-keys"}, by: "keys.Ensure"},
	}
}

// nothing: without shepherd there is nobody who needs anything.
func nothing(*deployment) []need { return nil }

// everybody are the rights of any account there is: to ask who it is, and what it may do, and, from Kubernetes 1.37 on, to read the cluster's
// bundles of certificate authorities, which are public.
var everybody = []need{
	{verb: "create", resource: "selfsubjectaccessreviews.authorization.k8s.io", everywhere: true},
	{verb: "create", resource: "selfsubjectrulesreviews.authorization.k8s.io", everywhere: true},
	{verb: "create", resource: "selfsubjectreviews.authentication.k8s.io", everywhere: true},
	{verb: "get", resource: "clustertrustbundles.certificates.k8s.io", everywhere: true},
	{verb: "list", resource: "clustertrustbundles.certificates.k8s.io", everywhere: true},
	{verb: "watch", resource: "clustertrustbundles.certificates.k8s.io", everywhere: true},
}

// ordinals are the names of as many pods, or claims, as the chart has room for.
func ordinals(prefix string) []string {
	var names []string
	for ordinal := range 100 {
		names = append(names, fmt.Sprintf("%s-%d", prefix, ordinal))
	}
	return names
}

// caller is what shepherd's code talks to Kubernetes with, as an account.
type caller struct {
	*shepherdkube.Client
	// old talks to the API server as if that were one before 1.34: a watch can't begin with a list.
	old        *shepherdkube.Client
	api        kubernetes.Interface
	deployment *deployment
}

// shepherdCalls are the functions that shepherd asks Kubernetes with, all of them.
var shepherdCalls = map[string]func(ctx context.Context, c caller) error{
	"kube.Client.StatefulSet": func(ctx context.Context, c caller) error {
		_, err := c.StatefulSet(ctx)
		return err
	},
	"kube.Client.Pod": func(ctx context.Context, c caller) error {
		_, err := c.Pod(ctx, c.Names().Pod(0))
		return err
	},
	"kube.Client.Pods": func(ctx context.Context, c caller) error {
		_, err := c.Pods(ctx)
		return err
	},
	"kube.Client.Pods, with ReadNodes": func(ctx context.Context, c caller) error {
		if err := suite.HideZone(ctx, c.deployment.namespace, c.Names().Pod(0)); err != nil {
			return err
		}
		_, err := c.ReadNodes().Pods(ctx)
		return err
	},
	"kube.Client.Watch": func(ctx context.Context, c caller) error {
		_, err := c.Watch(ctx)
		return err
	},
	"kube.Client.Watch, of an API server that can't stream lists": func(ctx context.Context, c caller) error {
		_, err := c.old.Watch(ctx)
		return err
	},
	"kube.Client.Claim": func(ctx context.Context, c caller) error {
		_, found, err := c.Claim(ctx, 0)
		if err == nil && !found {
			return errors.New("there is no claim")
		}
		return err
	},
	"kube.Client.AnnotateClaim": func(ctx context.Context, c caller) error {
		return c.AnnotateClaim(ctx, 0, map[string]*string{shepherdkube.AnnotationVerdict: new("waits")})
	},
	"kube.Client.DeletePod": func(ctx context.Context, c caller) error {
		err := c.DeletePod(ctx, c.Names().Pod(0), "of another pod")
		if !apierrors.IsConflict(err) {
			return fmt.Errorf("a pod that came in its place is not spared: %w", err)
		}
		return nil
	},
	"kube.Permit.Holder": func(ctx context.Context, c caller) error {
		_, err := c.Permit().Holder(ctx)
		return err
	},
	"kube.Permit.Take": func(ctx context.Context, c caller) error {
		if taken, by, err := c.Permit().Take(ctx, c.Names().Pod(0), time.Minute); err != nil || !taken {
			return fmt.Errorf("the permit is %s's: %w", by, err)
		}
		return c.Permit().Release(ctx, c.Names().Pod(0))
	},
	"kube.Client.Lead": func(ctx context.Context, c caller) error {
		return c.Lead(ctx, "the tests", shepherdkube.DefaultLeaderTiming, func(context.Context) error { return nil })
	},
	"kube.Client.State": func(ctx context.Context, c caller) error {
		_, err := c.State(ctx)
		return err
	},
	"kube.Client.UpdateState": func(ctx context.Context, c caller) error {
		return c.UpdateState(ctx, func(data map[string]string) { data["whole"] = "true" })
	},
	"kube.Recorder.Event": tellTwice,
	"keys.Ensure": func(ctx context.Context, c caller) error {
		_, err := apikeys.Ensure(ctx, c.api, c.deployment.namespace, c.deployment.fullname()+"-keys", []string{"api-key"}, func() string { return "random" })
		return err
	},
}

// tellTwice tells the same Event again, which is counted, and waits for both to be written: that is done in the background.
func tellTwice(ctx context.Context, c caller) error {
	recorder := c.Recorder("shepherd")
	defer recorder.Close()
	for range 2 {
		if err := recorder.Event(ctx, false, "Tested", "the tests say so"); err != nil {
			return err
		}
	}
	return k8s.Poll(ctx, timeouts.Patience, "the second Event to be counted", func(ctx context.Context) error {
		events, err := suite.CoreV1().Events(c.deployment.namespace).List(ctx, metav1.ListOptions{FieldSelector: "reason=Tested"})
		if err == nil && (len(events.Items) != 1 || events.Items[0].Count != 2) {
			return fmt.Errorf("there are %d Events", len(events.Items))
		}
		return err
	})
}

// TestRights holds every account of a release to what shepherd's code asks Kubernetes for: that, and nothing else there is.
func TestRights(t *testing.T) {
	t.Parallel()
	const shepherdWithZones = `{shepherd: {enabled: true}, terminationGracePeriodSeconds: 3600, rebalance: {readNodeZones: true}}`
	for name, c := range map[string]struct {
		values     map[string]any
		replicas   int32
		pods, tend func(*deployment) []need
	}{
		"values_prod": {scenario(t, "values-prod.yaml"), 3, needsOfPods, needsOfTend},
		"values_dev":  {scenario(t, "values-dev.yaml"), 1, nothing, nil},
		// Its pods have the role of values-prod's.
		"values_dev_with_node_zones": {scenario(t, "values-dev.yaml", shepherdWithZones), 1, nil, needsOfTendWithZones},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := install(t, namespace(t), "q", c.values)
			d.awaitReady(t, c.replicas)
			for name, needs := range map[string]func(*deployment) []need{d.fullname(): c.pods, d.name + "-shepherd": c.tend} {
				if needs != nil {
					account{d, name}.needsWhatItMay(t, needs(d))
					account{d, name}.mayWhatItNeeds(t, needs(d))
				}
			}
		})
	}
}

// TestRightsOfTheKeysJob looks while the job waits for a node, for its account goes with it.
func TestRightsOfTheKeysJob(t *testing.T) {
	t.Parallel()
	d := newDeployment(t, namespace(t), "q")
	job := account{d, d.fullname() + "-keys"}
	installed := make(chan error, 1)
	values := scenario(t, "values-dev.yaml", `{auth: {generate: true}, nodeSelector: {made-for: keys}}`)
	go func() {
		_, err := d.helm.Install(t.Context(), d.name, chart.Loaded(t), values)
		installed <- err
	}()
	require.NoError(t, k8s.Poll(t.Context(), timeouts.Patience, "the job of the keys", func(ctx context.Context) error {
		_, err := suite.BatchV1().Jobs(d.namespace).Get(ctx, job.name, metav1.GetOptions{})
		return err
	}))

	job.needsWhatItMay(t, needsOfKeys(d))
	job.mayWhatItNeeds(t, needsOfKeys(d))

	require.NoError(t, suite.plane.AddNode(t.Context(), controlplane.Node{Name: "node-keys", Zone: "a", Labels: map[string]string{"made-for": "keys"}}))
	require.NoError(t, <-installed)
	for _, n := range needsOfKeys(d) {
		require.NoError(t, k8s.Poll(t.Context(), timeouts.Patience, "the job's rights to go with it", func(ctx context.Context) error {
			left := act(n.verb, n.resource, d.namespace, append(n.names, "")[0])
			if allowed, err := job.may(ctx, left); err != nil || allowed {
				return fmt.Errorf("%s may still %s: %w", job.name, spell(left), err)
			}
			return nil
		}))
	}
}

// account is a service account of a release.
type account struct {
	*deployment
	name string
}

func (a account) user() string {
	return fmt.Sprintf("system:serviceaccount:%s:%s", a.namespace, a.name)
}

func (a account) groups() []string {
	return []string{"system:serviceaccounts", "system:serviceaccounts:" + a.namespace, "system:authenticated"}
}

// names are those that shepherd's code is given in a pod of the release.
func (a account) names() shepherdkube.Names {
	return shepherdkube.Names{
		Namespace: a.namespace, StatefulSet: a.fullname(), Lease: a.fullname() + "-stop",
		Leader: a.deployment.name + "-shepherd", State: a.deployment.name + "-shepherd",
	}
}

// config is for clients that the API server takes for the account.
func (a account) config(wrap ...func(http.RoundTripper) http.RoundTripper) *rest.Config {
	config := rest.CopyConfig(suite.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: a.user(), Groups: a.groups()}
	for _, w := range wrap {
		config.Wrap(w)
	}
	return config
}

// needsWhatItMay calls all that shepherd's code calls as the account. Each need must be asked for by the call that it names, and nothing
// may be asked for that is none.
func (a account) needsWhatItMay(t *testing.T, needs []need) {
	t.Helper()
	a.awaitRights(t, needs)
	byCall := map[string][]need{}
	for _, n := range needs {
		byCall[n.by] = append(byCall[n.by], n)
	}
	for call, mine := range byCall {
		require.Contains(t, shepherdCalls, call)
		asked := new(requests)
		ctx, cancel := context.WithTimeout(t.Context(), timeouts.Patience)
		err := shepherdCalls[call](ctx, a.caller(t, asked))
		cancel()
		require.NoErrorf(t, err, "%s as %s", call, a.name)
		for _, action := range asked.all() {
			assert.Truef(t, grants(needs, a.namespace, action), "%s: %s asks to %s, and nothing grants it", a.name, call, spell(action))
		}
		for _, n := range mine {
			used := slices.ContainsFunc(asked.all(), func(action action) bool { return grants([]need{n}, a.namespace, action) })
			assert.Truef(t, used, "%s: %s does not ask to %s %s", a.name, call, n.verb, n.resource)
		}
	}
}

// awaitRights waits until the API server goes by the roles, which it learns of a moment after they are made.
func (a account) awaitRights(t *testing.T, needs []need) {
	t.Helper()
	for _, n := range needs {
		one := act(n.verb, n.resource, a.namespace, append(n.names, "")[0])
		require.NoError(t, k8s.Poll(t.Context(), timeouts.Patience, "the roles to be in force", func(ctx context.Context) error {
			allowed, err := a.may(ctx, one)
			if err == nil && !allowed {
				return fmt.Errorf("%s may not %s", a.name, spell(one))
			}
			return err
		}))
	}
}

func (a account) caller(t *testing.T, asked *requests) caller {
	t.Helper()
	api, err := kubernetes.NewForConfig(a.config(asked.note))
	require.NoError(t, err)
	old, err := kubernetes.NewForConfig(a.config(asked.note, refuseStreams))
	require.NoError(t, err)
	return caller{Client: shepherdkube.New(api, a.names()), old: shepherdkube.New(old, a.names()), api: api, deployment: a.deployment}
}

// mayWhatItNeeds asks the API server for its decision on everything there is to do, in the namespace of the release and out of it.
func (a account) mayWhatItNeeds(t *testing.T, needs []need) {
	t.Helper()
	a.hasNoOtherRule(t, needs)
	actions := a.actions(t, needs)
	var mu sync.Mutex
	var wrong []string
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(16)
	for _, action := range actions {
		group.Go(func() error {
			allowed, err := a.may(ctx, action)
			if wanted := grants(slices.Concat(needs, everybody), a.namespace, action); err == nil && allowed != wanted {
				mu.Lock()
				defer mu.Unlock()
				wrong = append(wrong, fmt.Sprintf("%s: %t", spell(action), allowed))
			}
			return err
		})
	}
	require.NoError(t, group.Wait())
	slices.Sort(wrong)
	assert.Emptyf(t, wrong, "of %d decisions on what %s may do, these are wrong", len(actions), a.name)
	t.Logf("%d decisions on %s", len(actions), a.name)
}

func (a account) may(ctx context.Context, action action) (bool, error) {
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: a.user(), Groups: a.groups()}}
	if action.path != "" {
		review.Spec.NonResourceAttributes = &authorizationv1.NonResourceAttributes{Verb: action.verb, Path: action.path}
	} else {
		review.Spec.ResourceAttributes = &action.ResourceAttributes
	}
	answer, err := suite.reviews.SubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("asking whether %s may %s: %w", a.name, spell(action), err)
	}
	return answer.Status.Allowed, nil
}

// action is something that an account may do or not, to a resource or, with a path, to a page of the API server.
type action struct {
	authorizationv1.ResourceAttributes
	verb, path string
}

func act(verb, resource, namespace, name string) action {
	resource, subresource, _ := strings.Cut(resource, "/")
	group := schema.ParseGroupResource(resource)
	return action{verb: verb, ResourceAttributes: authorizationv1.ResourceAttributes{
		Verb: verb, Group: group.Group, Resource: group.Resource, Subresource: subresource, Namespace: namespace, Name: name,
	}}
}

func (a action) resource() string {
	resource := schema.GroupResource{Group: a.Group, Resource: a.Resource}.String()
	if a.Subresource != "" {
		resource += "/" + a.Subresource
	}
	return resource
}

func spell(a action) string {
	if a.path != "" {
		return a.verb + " " + a.path
	}
	return fmt.Sprintf("%s %s %q in namespace %q", a.verb, a.resource(), a.Name, a.Namespace)
}

// grants says whether one of the needs is for the action, as RBAC reads a rule.
func grants(needs []need, namespace string, a action) bool {
	return a.path == "" && slices.ContainsFunc(needs, func(n need) bool {
		return n.verb == a.verb && n.resource == a.resource() && (n.names == nil || slices.Contains(n.names, a.Name)) &&
			(n.everywhere || a.Namespace == namespace)
	})
}

// escalations are what RBAC knows and no list of resources tells: ways to more rights, and to everything.
var escalations = map[string][]string{
	"roles.rbac.authorization.k8s.io":         {"bind", "escalate"},
	"clusterroles.rbac.authorization.k8s.io":  {"bind", "escalate"},
	"users":                                   {"impersonate"},
	"groups":                                  {"impersonate"},
	"serviceaccounts":                         {"impersonate"},
	"uids.authentication.k8s.io":              {"impersonate"},
	"userextras.authentication.k8s.io/scopes": {"impersonate"},
	"signers.certificates.k8s.io":             {"approve", "attest", "sign"},
	"validatingadmissionpolicies.admissionregistration.k8s.io": {"*"},
	"secrets": {"*"},
	"*.*":     {"*", "get"},
}

// actions are all verbs of all resources that the API server has: with the name of an object of the release, without, and elsewhere. Then
// come each name of each need, and the names beside them.
func (a account) actions(t *testing.T, needs []need) []action {
	t.Helper()
	_, lists, err := suite.Discovery().ServerGroupsAndResources()
	require.NoError(t, err)
	verbs, clusterScoped := map[string]sets.Set[string]{}, sets.New[string]()
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		require.NoError(t, err)
		for _, resource := range list.APIResources {
			name, subresource, _ := strings.Cut(resource.Name, "/")
			full := action{ResourceAttributes: authorizationv1.ResourceAttributes{Group: version.Group, Resource: name, Subresource: subresource}}.resource()
			if verbs[full] == nil {
				verbs[full] = sets.New[string]()
			}
			verbs[full].Insert(resource.Verbs...)
			if !resource.Namespaced && name != "namespaces" {
				clusterScoped.Insert(full)
			}
		}
	}
	for resource, more := range escalations {
		if verbs[resource] == nil {
			verbs[resource] = sets.New[string]()
		}
		verbs[resource].Insert(more...)
	}
	require.Contains(t, verbs, "pods/exec", "the list of resources is not whole")

	var all []action
	for resource, verbs := range verbs {
		for verb := range verbs {
			all = append(all, act(verb, resource, "", ""))
			if !clusterScoped.Has(resource) {
				all = append(all, act(verb, resource, a.namespace, ""))
			}
			for _, name := range a.ownNames(resource) {
				all = append(all, act(verb, resource, "", name))
				if !clusterScoped.Has(resource) {
					all = append(all, act(verb, resource, a.namespace, name), act(verb, resource, "elsewhere", name))
				}
			}
		}
	}
	for _, n := range needs {
		for _, name := range n.names {
			all = append(all, act(n.verb, n.resource, a.namespace, name))
		}
		for _, name := range []string{"other-qdrant-0", a.fullname() + "-100", a.fullname() + "-00", "qdrant-snapshots-" + a.fullname() + "-0"} {
			all = append(all, act(n.verb, n.resource, a.namespace, name))
		}
	}
	for _, path := range []string{"/metrics", "/debug/pprof/profile", "/logs/", "/configz"} {
		all = append(all, action{verb: "get", path: path}, action{verb: "post", path: path})
	}
	return all
}

// ownNames are objects of the release that somebody might be after.
func (a account) ownNames(resource string) []string {
	kind, _, _ := strings.Cut(resource, "/")
	shepherd := a.deployment.name + "-shepherd"
	switch kind {
	case "pods":
		return []string{a.fullname() + "-0"}
	case "persistentvolumeclaims":
		return []string{"qdrant-storage-" + a.fullname() + "-0"}
	case "secrets":
		return []string{"qdrant-keys", a.fullname() + "-keys"}
	case "leases.coordination.k8s.io":
		return []string{a.fullname() + "-stop", shepherd}
	case "namespaces":
		return []string{a.namespace}
	}
	return []string{a.fullname(), shepherd}
}

// hasNoOtherRule reads the rules themselves: a name that nobody thinks of would be in one.
func (a account) hasNoOtherRule(t *testing.T, needs []need) {
	t.Helper()
	api, err := kubernetes.NewForConfig(a.config())
	require.NoError(t, err)
	review := &authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: a.namespace}}
	answer, err := api.AuthorizationV1().SelfSubjectRulesReviews().Create(t.Context(), review, metav1.CreateOptions{})
	require.NoError(t, err)
	require.False(t, answer.Status.Incomplete, answer.Status.EvaluationError)
	for _, rule := range some.Of(t, answer.Status.ResourceRules) { // anybody has some, see everybody
		if len(rule.ResourceNames) == 0 {
			rule.ResourceNames = []string{""}
		}
		for _, verb := range rule.Verbs {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					for _, name := range rule.ResourceNames {
						one := act(verb, schema.GroupResource{Group: group, Resource: resource}.String(), a.namespace, name)
						assert.Truef(t, grants(slices.Concat(needs, everybody), a.namespace, one), "%s has a rule to %s, and needs none", a.name, spell(one))
					}
				}
			}
		}
	}
}

// requests records what is asked of the API server, in its own words.
type requests struct {
	mu      sync.Mutex
	actions []action
}

func (r *requests) all() []action {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.actions)
}

func (r *requests) note(next http.RoundTripper) http.RoundTripper {
	resolver := &request.RequestInfoFactory{APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api")}
	return roundTripper(func(q *http.Request) (*http.Response, error) {
		info, err := resolver.NewRequestInfo(q)
		if err != nil {
			return nil, err
		}
		resource := action{ResourceAttributes: authorizationv1.ResourceAttributes{Group: info.APIGroup, Resource: info.Resource, Subresource: info.Subresource}}.resource()
		r.mu.Lock()
		r.actions = append(r.actions, act(info.Verb, resource, info.Namespace, info.Name))
		r.mu.Unlock()
		return next.RoundTrip(q)
	})
}

// refuseStreams answers a watch that wants to begin with a list as an API server before 1.34 does.
func refuseStreams(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(q *http.Request) (*http.Response, error) {
		if q.URL.Query().Get("sendInitialEvents") == "" {
			return next.RoundTrip(q)
		}
		refusal := apierrors.NewInvalid(schema.GroupKind{Group: "meta.k8s.io", Kind: "ListOptions"}, "", nil).Status()
		body, err := json.Marshal(refusal)
		if err != nil {
			return nil, err
		}
		return &http.Response{
			StatusCode: int(refusal.Code), Status: http.StatusText(int(refusal.Code)), Request: q, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)),
		}, nil
	})
}
