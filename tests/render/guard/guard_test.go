// Package guard puts the chart's admission policy before the API server's own admission plugin, with the ConfigMap that it asks, and sends
// it what `kubectl scale`, `helm upgrade` and the autoscaler send. No API server is needed: the plugin is a library.
package guard

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
)

const values = `{replicas: 5, shepherd: {enabled: true, image: {repository: r}}, guard: {enabled: true}}`

// request is a change of how many peers there are to be.
type request struct {
	// scale sends the Scale of the StatefulSet, as `kubectl scale` and the autoscaler do, and not the whole object.
	scale           bool
	namespace, name string
	// was and wanted are nil where the field is left out.
	was, wanted *int32
}

func TestMain(m *testing.M) {
	// The plugin's informers tell of each step.
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	os.Exit(m.Run())
}

func shrink(was, wanted int32) request { return request{was: &was, wanted: &wanted} }

func (r request) attributes() admission.Attributes {
	if r.namespace == "" {
		r.namespace = chart.Namespace
	}
	if r.name == "" {
		r.name = chart.Fullname
	}
	kind, subresource := appsv1.SchemeGroupVersion.WithKind("StatefulSet"), ""
	object := func(replicas *int32) runtime.Object {
		return &appsv1.StatefulSet{
			TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "StatefulSet"},
			ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: r.name},
			Spec:       appsv1.StatefulSetSpec{Replicas: replicas},
		}
	}
	if r.scale {
		kind, subresource = autoscalingv1.SchemeGroupVersion.WithKind("Scale"), "scale"
		object = func(replicas *int32) runtime.Object {
			return &autoscalingv1.Scale{
				TypeMeta:   metav1.TypeMeta{APIVersion: "autoscaling/v1", Kind: "Scale"},
				ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: r.name},
				// 0 is left out of what is sent.
				Spec: autoscalingv1.ScaleSpec{Replicas: ptr.Deref(replicas, 0)},
			}
		}
	}
	return admission.NewAttributesRecord(object(r.wanted), object(r.was), kind, r.namespace, r.name,
		appsv1.SchemeGroupVersion.WithResource("statefulsets"), subresource, admission.Update, &metav1.UpdateOptions{}, false, &user.DefaultInfo{Name: "person"})
}

// admit asks the plugin about a request, with the rendered policy and binding and the ConfigMap that tend keeps, if there is one.
func admit(t *testing.T, state *corev1.ConfigMap, onFailure admissionv1.FailurePolicyType, r request) error {
	t.Helper()
	o := chart.Render(t, values)
	name := chart.Namespace + "." + chart.Fullname
	policy, binding := o.ValidatingAdmissionPolicy(t, name), o.ValidatingAdmissionPolicyBinding(t, name)
	policy.Spec.FailurePolicy = &onFailure
	// What the API server adds.
	match := policy.Spec.MatchConstraints
	match.ObjectSelector, match.MatchPolicy = &metav1.LabelSelector{}, ptr.To(admissionv1.Equivalent)
	for i := range match.ResourceRules {
		match.ResourceRules[i].Scope = ptr.To(admissionv1.AllScopes)
	}
	objects := []runtime.Object{policy, binding}
	for _, namespace := range []string{chart.Namespace, "elsewhere"} {
		objects = append(objects, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: map[string]string{"kubernetes.io/metadata.name": namespace}}})
	}
	if state != nil {
		state.Namespace, state.Name = chart.Namespace, o.ConfigMap(t, "q-shepherd").Name
		objects = append(objects, state)
	}

	client := fake.NewClientset(objects...)
	factory := informers.NewSharedInformerFactory(client, 0)
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("ConfigMap"), meta.RESTScopeNamespace)
	plugin, err := validating.NewPlugin(nil)
	require.NoError(t, err)
	plugin.SetExternalKubeClientSet(client)
	plugin.SetExternalKubeInformerFactory(factory)
	plugin.SetDynamicClient(dynamicfake.NewSimpleDynamicClient(scheme.Scheme))
	plugin.SetRESTMapper(mapper)
	plugin.SetUnconditionalAuthorizer(authorizerfactory.NewAlwaysAllowAuthorizer())
	plugin.SetDrainedNotification(t.Context().Done())
	require.NoError(t, plugin.ValidateInitialization())
	factory.Start(t.Context().Done())
	factory.WaitForCacheSync(t.Context().Done())
	return plugin.Validate(t.Context(), r.attributes(), admission.NewObjectInterfacesFromScheme(scheme.Scheme))
}

func TestGuard(t *testing.T) {
	t.Parallel()
	whole := map[string]string{"minReplicas": "3", "whole": "true"}
	broken := map[string]string{"minReplicas": "3", "whole": "false", "reason": "shards are not whole: shard docs/4 is Dead on peer 7"}
	const off = `kubectl -n qdrant-test patch configmap q-shepherd --type merge -p '{"data":{"guard":"off"}}'`
	tooFew := []string{
		"replicas: 2 peers cannot hold the 3 copies of each shard that a collection requires; set replicas=3 or more, or lower the replication factor",
		"To scale down anyway: " + off,
	}
	notNow := []string{
		"replicas: cannot scale down now: shards are not whole: shard docs/4 is Dead on peer 7. Wait until this is resolved " +
			"(kubectl -n qdrant-test exec deploy/q-shepherd -- /shepherd status).",
		"To scale down anyway: " + off,
	}

	for name, c := range map[string]struct {
		data    map[string]string
		missing bool
		request request
		// refused is what the message says; empty where the change is let through.
		refused []string
		// breaks is a case in which an expression can't be evaluated.
		breaks bool
	}{
		"a shrink that works":                    {data: whole, request: shrink(5, 3)},
		"a shrink below the copies":              {data: whole, request: shrink(5, 2), refused: tooFew},
		"a shrink by less":                       {data: whole, request: shrink(3, 2), refused: tooFew},
		"a shrink while shards are not whole":    {data: broken, request: shrink(5, 4), refused: notNow},
		"a shrink that is wrong twice":           {data: broken, request: shrink(5, 2), refused: tooFew},
		"a reason that is not known":             {data: map[string]string{"whole": "false"}, request: shrink(5, 4), refused: []string{"replicas: cannot scale down now: some shards lack Active replicas."}},
		"growing while shards are not whole":     {data: broken, request: shrink(3, 5)},
		"growing, and still too few":             {data: whole, request: shrink(1, 2)},
		"a change of something else":             {data: broken, request: shrink(2, 2)},
		"to 0":                                   {data: broken, request: shrink(5, 0)},
		"up from 0":                              {data: broken, request: shrink(0, 2)},
		"guard off":                              {data: map[string]string{"minReplicas": "3", "whole": "false", "guard": "off"}, request: shrink(5, 1)},
		"guard on by its name":                   {data: map[string]string{"minReplicas": "3", "guard": "on"}, request: shrink(5, 2), refused: tooFew},
		"only told how many":                     {data: map[string]string{"minReplicas": "3"}, request: shrink(5, 4)},
		"only told that all is whole":            {data: map[string]string{"whole": "true"}, request: shrink(5, 1)},
		"nothing known yet":                      {request: shrink(5, 1)},
		"no ConfigMap":                           {missing: true, request: shrink(5, 1)},
		"a number that is none":                  {data: map[string]string{"minReplicas": "three"}, request: shrink(5, 1), breaks: true},
		"another StatefulSet":                    {data: whole, request: request{name: "q-other", was: ptr.To[int32](5), wanted: ptr.To[int32](1)}},
		"one of that name elsewhere":             {data: whole, request: request{namespace: "elsewhere", was: ptr.To[int32](5), wanted: ptr.To[int32](1)}},
		"a scale that works":                     {data: whole, request: request{scale: true, was: ptr.To[int32](5), wanted: ptr.To[int32](3)}},
		"a scale below the copies":               {data: whole, request: request{scale: true, was: ptr.To[int32](5), wanted: ptr.To[int32](2)}, refused: tooFew},
		"a scale while shards are not whole":     {data: broken, request: request{scale: true, was: ptr.To[int32](5), wanted: ptr.To[int32](4)}, refused: notNow},
		"a scale to 0, which is left out":        {data: broken, request: request{scale: true, was: ptr.To[int32](5)}},
		"a scale up from 0, which is left out":   {data: broken, request: request{scale: true, wanted: ptr.To[int32](2)}},
		"a scale of another StatefulSet":         {data: whole, request: request{scale: true, name: "q-other", was: ptr.To[int32](5), wanted: ptr.To[int32](1)}},
		"a StatefulSet that never had the field": {data: whole, request: request{wanted: ptr.To[int32](5)}},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			var state *corev1.ConfigMap
			if !c.missing {
				state = &corev1.ConfigMap{Data: c.data}
			}
			// As rendered, and so that a failure shows, which the policy ignores.
			for _, onFailure := range []admissionv1.FailurePolicyType{admissionv1.Ignore, admissionv1.Fail} {
				err := admit(t, state, onFailure, c.request)
				if c.breaks && onFailure == admissionv1.Fail {
					require.Error(t, err)
					continue
				}
				if len(c.refused) == 0 {
					require.NoError(t, err)
				}
				for _, want := range c.refused {
					require.ErrorContains(t, err, want)
				}
			}
		})
	}
}

func TestGuardIgnoresItsOwnFailures(t *testing.T) {
	t.Parallel()
	o := chart.Render(t, values)
	name := chart.Namespace + "." + chart.Fullname
	assert.Equal(t, ptr.To(admissionv1.Ignore), o.ValidatingAdmissionPolicy(t, name).Spec.FailurePolicy)
	assert.Equal(t, ptr.To(admissionv1.AllowAction), o.ValidatingAdmissionPolicyBinding(t, name).Spec.ParamRef.ParameterNotFoundAction)
}
