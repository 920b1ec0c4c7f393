//go:build controlplane

package controlplane

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// guardValues have room for shrinks. There is no autoscaler to mix into what the tests do.
const guardValues = `{replicas: 5, autoscaling: {enabled: false}, podAntiAffinity: soft}`

// What tend writes into its ConfigMap. It does not run here, so that each of them is as old as its test wants it: the policy knows no age.
var (
	stateWhole  = map[string]string{"minReplicas": "3", "whole": "true", "reason": "collection docs has a replication factor of 3, which needs as many peers"}
	stateBroken = map[string]string{"minReplicas": "3", "whole": "false", "reason": "shards are not whole: shard docs/4 is Dead on peer 7"}
)

// guarded is a release with a guard.
type guarded struct{ *deployment }

// tooFew is the whole answer to a shrink below the copies, notNow that to one at a bad moment.
func (g guarded) tooFew(wanted, least int) string {
	return g.refusal(fmt.Sprintf("replicas: %d peers cannot hold the %d copies of each shard that a collection requires; set replicas=%[2]d or more, "+
		"or lower the replication factor of the collection.", wanted, least))
}

func (g guarded) notNow(reason string) string {
	return g.refusal(fmt.Sprintf("replicas: cannot scale down now: %s. Wait until this is resolved (kubectl -n %s exec deploy/%s -- /shepherd status).", reason, g.namespace, g.state()))
}

func (g guarded) refusal(why string) string {
	return fmt.Sprintf("ValidatingAdmissionPolicy '%[1]s' with binding '%[1]s' denied request: %s To scale down anyway: "+
		`kubectl -n %s patch configmap %s --type merge -p '{"data":{"guard":"off"}}'`, g.policy(), why, g.namespace, g.state())
}

func (g guarded) policy() string { return g.namespace + "." + g.fullname() }

func (g guarded) state() string { return g.name + "-shepherd" }

// way is how somebody asks for another number of replicas. Nothing changes: the API server is asked to decide and to leave it at that.
type way func(ctx context.Context, namespace, name string, replicas int32) error

var dry = []string{metav1.DryRunAll}

// ways are all there are. The autoscaler sends a Scale, under the name of its account.
func ways(t *testing.T) map[string]way {
	t.Helper()
	autoscaler := rest.CopyConfig(suite.Config)
	autoscaler.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:kube-system:horizontal-pod-autoscaler", Groups: []string{"system:serviceaccounts", "system:authenticated"},
	}
	controllers, err := kubernetes.NewForConfig(autoscaler)
	require.NoError(t, err)
	return map[string]way{
		"scale":                        scaleAs(suite),
		"scale_as_the_autoscaler_does": scaleAs(controllers),
		"scale_by_patch": func(ctx context.Context, namespace, name string, replicas int32) error {
			_, err := suite.AppsV1().StatefulSets(namespace).Patch(ctx, name, types.MergePatchType, wantReplicas(replicas), metav1.PatchOptions{DryRun: dry}, "scale")
			return err
		},
		"patch": func(ctx context.Context, namespace, name string, replicas int32) error {
			_, err := suite.AppsV1().StatefulSets(namespace).Patch(ctx, name, types.MergePatchType, wantReplicas(replicas), metav1.PatchOptions{DryRun: dry})
			return err
		},
		"server_side_apply": func(ctx context.Context, namespace, name string, replicas int32) error {
			body := fmt.Sprintf(`{"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": %q}, "spec": {"replicas": %d}}`, name, replicas)
			options := metav1.PatchOptions{DryRun: dry, FieldManager: "tests", Force: new(true)}
			_, err := suite.AppsV1().StatefulSets(namespace).Patch(ctx, name, types.ApplyPatchType, []byte(body), options)
			return err
		},
		"update": func(ctx context.Context, namespace, name string, replicas int32) error {
			set, err := suite.AppsV1().StatefulSets(namespace).Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			set.Spec.Replicas = &replicas
			set.ResourceVersion = "" // the controller writes the status in between
			_, err = suite.AppsV1().StatefulSets(namespace).Update(ctx, set, metav1.UpdateOptions{DryRun: dry})
			return err
		},
	}
}

func scaleAs(api kubernetes.Interface) way {
	return func(ctx context.Context, namespace, name string, replicas int32) error {
		scale := &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: autoscalingv1.ScaleSpec{Replicas: replicas}}
		_, err := api.AppsV1().StatefulSets(namespace).UpdateScale(ctx, name, scale, metav1.UpdateOptions{DryRun: dry})
		return err
	}
}

func wantReplicas(replicas int32) []byte {
	return fmt.Appendf(nil, `{"spec": {"replicas": %d}}`, replicas)
}

// know makes the ConfigMap say this, and waits until the policy goes by it. The answer to one and the same shrink tells: at first it
// names a reason that stood nowhere before, then no longer.
func (g guarded) know(t *testing.T, data map[string]string) {
	t.Helper()
	fence := "the tests say wait " + rand.String(8)
	g.write(t, map[string]string{"whole": "false", "reason": fence})
	g.await(t, func(answer string) bool { return strings.Contains(answer, fence) })
	g.write(t, data)
	g.await(t, func(answer string) bool { return !strings.Contains(answer, fence) })
}

// write replaces the ConfigMap; nil deletes it.
func (g guarded) write(t *testing.T, data map[string]string) {
	t.Helper()
	configMaps := suite.CoreV1().ConfigMaps(g.namespace)
	if data == nil {
		require.NoError(t, configMaps.Delete(t.Context(), g.state(), metav1.DeleteOptions{}))
		return
	}
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: g.state()}, Data: data}
	_, err := configMaps.Update(t.Context(), object, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		_, err = configMaps.Create(t.Context(), object, metav1.CreateOptions{})
	}
	require.NoError(t, err)
}

// await asks for a shrink by one until the answer is as wanted; the answer to what is let through is empty.
func (g guarded) await(t *testing.T, wanted func(answer string) bool) {
	t.Helper()
	require.NoError(t, k8s.Poll(t.Context(), timeouts.Patience, "the policy to go by what is written", func(ctx context.Context) error {
		answer := ""
		if err := scaleAs(suite)(ctx, g.namespace, g.fullname(), 4); err != nil {
			answer = err.Error()
		}
		if !wanted(answer) {
			return fmt.Errorf("it answers %q", answer)
		}
		return nil
	}))
}

// TestGuardDecides asks for every change of the number of replicas in every way, in each state that the ConfigMap may be in.
func TestGuardDecides(t *testing.T) {
	t.Parallel()
	g := guarded{install(t, namespace(t), "q", scenario(t, "values-prod.yaml", guardValues))}
	// Of a release of 5 replicas.
	for _, c := range []struct {
		name  string
		state map[string]string
		// refused are the messages by the number that is asked for; each other number is let through.
		refused map[int32]string
	}{
		{"as_installed", map[string]string{}, nil},
		{"whole", stateWhole, map[int32]string{1: g.tooFew(1, 3), 2: g.tooFew(2, 3)}},
		{"not_whole", stateBroken, map[int32]string{1: g.tooFew(1, 3), 2: g.tooFew(2, 3), 3: g.notNow(stateBroken["reason"]), 4: g.notNow(stateBroken["reason"])}},
		{"not_whole_for_no_reason", map[string]string{"whole": "false"}, everyShrink(g.notNow("some shards lack Active replicas"))},
		{"only_told_how_many", map[string]string{"minReplicas": "4"}, map[int32]string{1: g.tooFew(1, 4), 2: g.tooFew(2, 4), 3: g.tooFew(3, 4)}},
		{"more_copies_than_peers", map[string]string{"minReplicas": "9"}, map[int32]string{1: g.tooFew(1, 9), 2: g.tooFew(2, 9), 3: g.tooFew(3, 9), 4: g.tooFew(4, 9)}},
		{"guard_off", map[string]string{"minReplicas": "3", "whole": "false", "guard": "off"}, nil},
		{"guard_on_by_its_name", map[string]string{"whole": "false", "guard": "on"}, everyShrink(g.notNow("some shards lack Active replicas"))},
		// What can't be read is let through, and hides nothing else.
		{"a_number_that_is_none", map[string]string{"minReplicas": "three", "whole": "true"}, nil},
		{"no_number", map[string]string{"minReplicas": ""}, nil},
		{"a_number_that_is_none_and_not_whole", map[string]string{"minReplicas": "three", "whole": "false"}, everyShrink(g.notNow("some shards lack Active replicas"))},
		{"neither_whole_nor_not", map[string]string{"whole": "perhaps"}, nil},
		{"somebody_else's", map[string]string{"guarding": "nothing"}, nil},
		{"deleted", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			g.know(t, c.state)
			for name, ask := range ways(t) {
				for wanted := range int32(8) {
					err := ask(t.Context(), g.namespace, g.fullname(), wanted)
					g.decided(t, fmt.Sprintf("%s to %d", name, wanted), c.refused[wanted], err)
				}
			}
		})
	}
	t.Run("the_rest", g.leavesTheRestAlone)
}

func everyShrink(message string) map[int32]string {
	return map[int32]string{1: message, 2: message, 3: message, 4: message}
}

// decided holds an answer to the message that it must be; empty lets the request through.
func (g guarded) decided(t *testing.T, what, message string, err error) {
	t.Helper()
	if message == "" {
		assert.NoError(t, err, what)
		return
	}
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !assert.Truef(t, ok, "%s is let through: %v", what, err) {
		return
	}
	assert.Equal(t, fmt.Sprintf("statefulsets.apps %q is forbidden: %s", g.fullname(), message), status.Status().Message, what)
	assert.Equal(t, metav1.StatusReasonInvalid, status.Status().Reason, what)
}

// leavesTheRestAlone: in the worst state, everything that is no shrink of this release passes.
func (g guarded) leavesTheRestAlone(t *testing.T) {
	g.know(t, stateBroken)
	elsewhere := namespace(t)
	bare := func(namespace, name string) way {
		set, err := suite.AppsV1().StatefulSets(namespace).Create(t.Context(), bareStatefulSet(name), metav1.CreateOptions{})
		require.NoError(t, err)
		return func(ctx context.Context, _, _ string, replicas int32) error {
			return errors.Join(scaleAs(suite)(ctx, namespace, set.Name, replicas), ways(t)["patch"](ctx, namespace, set.Name, replicas))
		}
	}
	for name, ask := range map[string]way{
		"another_release":          bare(g.namespace, "r-qdrant"),
		"a_name_that_begins_alike": bare(g.namespace, g.fullname()+"-2"),
		"the_same_name_elsewhere":  bare(elsewhere, g.fullname()),
	} {
		t.Run(name, func(t *testing.T) { require.NoError(t, ask(t.Context(), "", "", 1)) })
	}
	for name, patch := range map[string]string{
		"an_annotation":  `{"metadata": {"annotations": {"a": "b"}}}`,
		"a_new_template": `{"spec": {"template": {"metadata": {"annotations": {"a": "b"}}}}}`,
		"the_same_count": `{"spec": {"replicas": 5}}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := suite.AppsV1().StatefulSets(g.namespace).Patch(t.Context(), g.fullname(), types.MergePatchType, []byte(patch), metav1.PatchOptions{DryRun: dry})
			require.NoError(t, err)
		})
	}
	t.Run("a_deletion", func(t *testing.T) {
		require.NoError(t, suite.AppsV1().StatefulSets(g.namespace).Delete(t.Context(), g.fullname(), metav1.DeleteOptions{DryRun: dry}))
	})
}

// bareStatefulSet has 5 replicas on paper: no node is theirs.
func bareStatefulSet(name string) *appsv1.StatefulSet {
	labels := map[string]string{"app": name}
	return &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.StatefulSetSpec{
			Replicas: new(int32(5)), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
				NodeSelector: map[string]string{"made-for": "nobody"}, Containers: []corev1.Container{{Name: "c", Image: "i"}},
			}},
		},
	}
}

// TestGuardThroughALife is one release, for real: a rest at 0 and back, an upgrade that is refused, the way round that the refusal names,
// who may write the ConfigMap, the guard switched off and on again, and what an uninstall leaves.
func TestGuardThroughALife(t *testing.T) {
	t.Parallel()
	values := func(more ...string) map[string]any {
		return scenario(t, "values-prod.yaml", append([]string{guardValues}, more...)...)
	}
	g := guarded{install(t, namespace(t), "q", values())}
	g.know(t, stateBroken)

	t.Run("to_0_and_up_from_0", func(t *testing.T) {
		for _, replicas := range []int32{0, 2, 5} {
			_, err := suite.AppsV1().StatefulSets(g.namespace).Patch(t.Context(), g.fullname(), types.MergePatchType, wantReplicas(replicas), metav1.PatchOptions{}, "scale")
			require.NoError(t, err, replicas)
		}
	})
	refused := g.upgrade(t, values(`{replicas: 4}`))
	t.Run("an_upgrade_that_shrinks_is_refused", func(t *testing.T) {
		require.ErrorContains(t, refused, g.notNow(stateBroken["reason"]))
		set, err := suite.AppsV1().StatefulSets(g.namespace).Get(t.Context(), g.fullname(), metav1.GetOptions{})
		require.NoError(t, err)
		require.EqualValues(t, 5, *set.Spec.Replicas)
	})
	t.Run("an_upgrade_that_leaves_the_count_passes_and_keeps_what_tend_wrote", func(t *testing.T) {
		require.NoError(t, g.upgrade(t, values(`{pdb: {unhealthyPodEvictionPolicy: AlwaysAllow}}`)))
		state, err := suite.CoreV1().ConfigMaps(g.namespace).Get(t.Context(), g.state(), metav1.GetOptions{})
		require.NoError(t, err)
		require.Equal(t, stateBroken, state.Data)
	})
	t.Run("only_tend_and_those_with_rights_of_their_own_write_what_it_goes_by", g.writers)
	t.Run("the_way_round_that_the_refusal_names", func(t *testing.T) {
		g.know(t, stateBroken)
		command := regexp.MustCompile(`kubectl -n (\S+) patch configmap (\S+) --type merge -p '(.*)'`).FindStringSubmatch(refused.Error())
		require.Len(t, command, 4, refused)
		_, err := suite.CoreV1().ConfigMaps(command[1]).Patch(t.Context(), command[2], types.MergePatchType, []byte(command[3]), metav1.PatchOptions{})
		require.NoError(t, err)
		g.await(t, func(answer string) bool { return answer == "" })
		require.NoError(t, g.upgrade(t, values(`{replicas: 4}`)))
	})
	t.Run("switched_off", func(t *testing.T) {
		require.NoError(t, g.upgrade(t, values(`{guard: {enabled: false}}`)))
		g.write(t, stateBroken)
		g.await(t, func(answer string) bool { return answer == "" })
		g.onlyKeeperIsThere(t)
	})
	t.Run("switched_on_again", func(t *testing.T) {
		require.NoError(t, g.upgrade(t, values()))
		g.know(t, stateBroken)
	})
	t.Run("an_uninstall_passes_and_leaves_a_keeper_that_refuses_nothing", func(t *testing.T) {
		require.NoError(t, g.helm.Uninstall(g.name))
		g.onlyKeeperIsThere(t)
		g.write(t, stateBroken)
		require.NoError(t, k8s.Poll(t.Context(), timeouts.Patience, "the StatefulSet to be gone", func(ctx context.Context) error {
			_, err := suite.AppsV1().StatefulSets(g.namespace).Create(ctx, bareStatefulSet(g.fullname()), metav1.CreateOptions{})
			return err
		}))
		g.await(t, func(answer string) bool { return answer == "" })
		for name, ask := range ways(t) {
			assert.NoError(t, ask(t.Context(), g.namespace, g.fullname(), 1), name)
		}
	})
	t.Run("installed_again_it_follows_the_ConfigMap_as_before", func(t *testing.T) {
		require.NoError(t, suite.AppsV1().StatefulSets(g.namespace).Delete(t.Context(), g.fullname(), metav1.DeleteOptions{}))
		g.write(t, nil)
		require.NoError(t, k8s.Poll(t.Context(), timeouts.Patience, "the StatefulSet to be gone", func(ctx context.Context) error {
			_, err := suite.AppsV1().StatefulSets(g.namespace).Get(ctx, g.fullname(), metav1.GetOptions{})
			if !apierrors.IsNotFound(err) {
				return fmt.Errorf("it is there: %w", err)
			}
			return nil
		}))
		again := guarded{install(t, g.namespace, g.name, values())}
		again.know(t, stateBroken)
		again.know(t, stateWhole)
	})
}

// writers: nothing but RBAC keeps others off the ConfigMap; the policies have no word in it.
func (g guarded) writers(t *testing.T) {
	for name, may := range map[string]bool{g.state(): true, g.fullname(): false, "default": false} {
		api, err := kubernetes.NewForConfig(account{g.deployment, name}.config())
		require.NoError(t, err)
		object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: g.state()}, Data: stateWhole}
		_, err = api.CoreV1().ConfigMaps(g.namespace).Update(t.Context(), object, metav1.UpdateOptions{DryRun: dry})
		assert.Equal(t, !may, apierrors.IsForbidden(err), "%s: %v", name, err)
		err = api.CoreV1().ConfigMaps(g.namespace).Delete(t.Context(), g.state(), metav1.DeleteOptions{DryRun: dry})
		assert.True(t, apierrors.IsForbidden(err), "%s deletes it: %v", name, err)
	}
}

func (g guarded) onlyKeeperIsThere(t *testing.T) {
	t.Helper()
	policies, bindings := suite.AdmissionregistrationV1().ValidatingAdmissionPolicies(), suite.AdmissionregistrationV1().ValidatingAdmissionPolicyBindings()
	_, err := policies.Get(t.Context(), g.policy(), metav1.GetOptions{})
	assert.True(t, apierrors.IsNotFound(err), "the policy: %v", err)
	_, err = bindings.Get(t.Context(), g.policy(), metav1.GetOptions{})
	assert.True(t, apierrors.IsNotFound(err), "its binding: %v", err)
	_, err = policies.Get(t.Context(), g.policy()+".keeper", metav1.GetOptions{})
	require.NoError(t, err)
	binding, err := bindings.Get(t.Context(), g.policy()+".keeper", metav1.GetOptions{})
	require.NoError(t, err)
	assert.NotContains(t, binding.Spec.ValidationActions, admissionv1.Deny)
}
