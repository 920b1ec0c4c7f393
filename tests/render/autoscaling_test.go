package render

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
)

func TestHorizontalPodAutoscaler(t *testing.T) {
	t.Parallel()
	o := chart.Render(t, `autoscaling: {enabled: true}`)
	spec := o.HorizontalPodAutoscaler(t, chart.Fullname).Spec
	assert.Equal(t, autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "StatefulSet", Name: chart.Fullname}, spec.ScaleTargetRef)
	assert.Equal(t, ptr.To[int32](3), spec.MinReplicas)
	assert.EqualValues(t, 10, spec.MaxReplicas)

	utilization := map[corev1.ResourceName]int32{}
	for _, metric := range spec.Metrics {
		require.Equal(t, autoscalingv2.ContainerResourceMetricSourceType, metric.Type, "what runs beside the server says nothing of its load")
		assert.Equal(t, "qdrant", metric.ContainerResource.Container)
		assert.Equal(t, autoscalingv2.UtilizationMetricType, metric.ContainerResource.Target.Type)
		utilization[metric.ContainerResource.Name] = *metric.ContainerResource.Target.AverageUtilization
	}
	assert.Equal(t, map[corev1.ResourceName]int32{"cpu": 70, "memory": 80}, utilization)

	assert.Equal(t, ptr.To(autoscalingv2.DisabledPolicySelect), spec.Behavior.ScaleDown.SelectPolicy, "a peer that leaves takes its replicas along")
	assert.Equal(t, []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PodsScalingPolicy, Value: 1, PeriodSeconds: 300}}, spec.Behavior.ScaleUp.Policies)
	assert.Equal(t, ptr.To[int32](120), spec.Behavior.ScaleUp.StabilizationWindowSeconds)
}

func TestHorizontalPodAutoscalerValues(t *testing.T) {
	t.Parallel()
	behaves(t, map[string]behaviour{
		"one metric alone": {values: `autoscaling: {enabled: true, targetMemoryUtilizationPercentage: null}`, want: func(t *testing.T, o chart.Objects) {
			metrics := o.HorizontalPodAutoscaler(t, chart.Fullname).Spec.Metrics
			require.Len(t, metrics, 1)
			assert.Equal(t, corev1.ResourceCPU, metrics[0].ContainerResource.Name)
		}},
		"how fast": {values: `autoscaling: {enabled: true, scaleUp: {pods: 2, periodSeconds: 60, stabilizationWindowSeconds: 0}}`, want: func(t *testing.T, o chart.Objects) {
			up := o.HorizontalPodAutoscaler(t, chart.Fullname).Spec.Behavior.ScaleUp
			assert.EqualValues(t, 2, up.Policies[0].Value)
			assert.EqualValues(t, 60, up.Policies[0].PeriodSeconds)
			assert.Equal(t, ptr.To[int32](0), up.StabilizationWindowSeconds, "0 is a value")
		}},
		"shepherd drains a peer that leaves, so it may": {values: withShepherd + `autoscaling: {enabled: true}`, want: func(t *testing.T, o chart.Objects) {
			down := o.HorizontalPodAutoscaler(t, chart.Fullname).Spec.Behavior.ScaleDown
			assert.Nil(t, down.SelectPolicy)
			assert.Equal(t, []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PodsScalingPolicy, Value: 1, PeriodSeconds: 900}}, down.Policies)
			assert.Equal(t, ptr.To[int32](1800), down.StabilizationWindowSeconds)
		}},
		"how fast it may": {values: withShepherd + `autoscaling: {enabled: true, scaleDown: {pods: 2, periodSeconds: 60, stabilizationWindowSeconds: 0}}`, want: func(t *testing.T, o chart.Objects) {
			down := o.HorizontalPodAutoscaler(t, chart.Fullname).Spec.Behavior.ScaleDown
			assert.Equal(t, []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PodsScalingPolicy, Value: 2, PeriodSeconds: 60}}, down.Policies)
			assert.Equal(t, ptr.To[int32](0), down.StabilizationWindowSeconds, "0 is a value")
		}},
		"its values mean nothing without shepherd": {values: `autoscaling: {enabled: true, scaleDown: {pods: 2}}`, want: func(t *testing.T, o chart.Objects) {
			down := o.HorizontalPodAutoscaler(t, chart.Fullname).Spec.Behavior.ScaleDown
			assert.Equal(t, &autoscalingv2.HPAScalingRules{SelectPolicy: ptr.To(autoscalingv2.DisabledPolicySelect)}, down)
		}},
		"off by default": {want: func(t *testing.T, o chart.Objects) {
			assert.False(t, o.Has("HorizontalPodAutoscaler", chart.Fullname))
		}},
		"memory needs no request when it is not looked at": {values: `{resources: {requests: {memory: null}}, autoscaling: {enabled: true, targetMemoryUtilizationPercentage: null}}`, want: func(t *testing.T, o chart.Objects) {
			assert.True(t, o.Has("HorizontalPodAutoscaler", chart.Fullname))
		}},
	})
}

// With autoscaling the count of pods is the autoscaler's. An upgrade renders what the cluster has: a field that is left out after
// it was there is set to 1 by the API server, and `replicas` would undo what the autoscaler did.
func TestAutoscalingLeavesTheCountOfPodsAsItIs(t *testing.T) {
	t.Parallel()
	const on = `{replicas: 3, autoscaling: {enabled: true, minReplicas: 2}}`
	const off = `{replicas: 3, autoscaling: {enabled: false}}`
	other := chart.LiveStatefulSet(chart.Fullname, 9)
	other.Namespace = "elsewhere"

	each(t, map[string]struct {
		values string
		// live is what the cluster has; nil stands for no cluster at all.
		live []metav1.Object
		want *int32
	}{
		"no cluster to ask, as in helm template":       {values: on, want: nil},
		"a first installation":                         {values: on, live: []metav1.Object{}, want: ptr.To[int32](3)},
		"a release of three, autoscaling being on now": {values: on, live: []metav1.Object{chart.LiveStatefulSet(chart.Fullname, 3)}, want: ptr.To[int32](3)},
		"a release that was taken to five":             {values: on, live: []metav1.Object{chart.LiveStatefulSet(chart.Fullname, 5)}, want: ptr.To[int32](5)},
		"fewer than minReplicas":                       {values: on, live: []metav1.Object{chart.LiveStatefulSet(chart.Fullname, 1)}, want: ptr.To[int32](1)},
		"asleep at 0, woken by an upgrade":             {values: on, live: []metav1.Object{chart.LiveStatefulSet(chart.Fullname, 0)}, want: ptr.To[int32](3)},
		"others of the namespace are not this one": {values: on, want: ptr.To[int32](3), live: []metav1.Object{
			labelled("app.kubernetes.io/instance", "another"), other}},
		"among others":                             {values: on, want: ptr.To[int32](5), live: []metav1.Object{chart.LiveStatefulSet("another", 7), chart.LiveStatefulSet(chart.Fullname, 5)}},
		"made anew under its five pods":            {values: on, want: ptr.To[int32](5), live: []metav1.Object{chart.LiveAutoscaler("another", 7), chart.LiveAutoscaler(chart.Fullname, 5)}},
		"made anew, never scaled":                  {values: on, want: ptr.To[int32](3), live: []metav1.Object{chart.LiveAutoscaler(chart.Fullname, 0)}},
		"the live count goes before what was seen": {values: on, want: ptr.To[int32](5), live: []metav1.Object{chart.LiveAutoscaler(chart.Fullname, 4), chart.LiveStatefulSet(chart.Fullname, 5)}},
		"put to sleep":                             {values: `{replicas: 0, autoscaling: {enabled: true}}`, live: []metav1.Object{chart.LiveStatefulSet(chart.Fullname, 5)}, want: ptr.To[int32](0)},
		"put to sleep by a template":               {values: `{replicas: 0, autoscaling: {enabled: true}}`, want: ptr.To[int32](0)},
		"off, no cluster":                          {values: off, want: ptr.To[int32](3)},
		"off, with a cluster":                      {values: off, live: []metav1.Object{chart.LiveStatefulSet(chart.Fullname, 5)}, want: ptr.To[int32](3)},
		"off, at a first installation":             {values: off, live: []metav1.Object{}, want: ptr.To[int32](3)},
	}, func(t *testing.T, c struct {
		values string
		live   []metav1.Object
		want   *int32
	}) {
		var options []chart.Option
		if c.live != nil {
			options = append(options, chart.Live(t, c.live...))
		}
		for _, options := range [][]chart.Option{options, slices.Concat(options, []chart.Option{chart.Upgrade()})} {
			assert.Equal(t, c.want, chart.Render(t, c.values, options...).StatefulSet(t, chart.Fullname).Spec.Replicas)
		}
	})
}

// lookup makes a render depend on the cluster, so it has two places, each with its reason: the count of pods, and what they were called.
func TestLookupHasItsPlaces(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(chart.Dir(), "templates", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		text := string(content)
		assert.Empty(t, calls(text, `rand(AlphaNum|Alpha|Numeric|Ascii|Bytes|Int)|shuffle|uuidv4|gen\w+|derivePassword|now|ago|htpasswd|bcrypt|env|expandenv`), "%s is not the same each time", file)
		mayLookUp := slices.Contains([]string{"_replicas.tpl", "_names.tpl"}, filepath.Base(file))
		assert.Equal(t, mayLookUp, len(calls(text, `lookup`)) > 0, "%s looks things up", file)
	}
}

// calls returns the actions of a template in which a function is called whose name matches.
func calls(template, name string) []string {
	call := regexp.MustCompile(`(^|[\s(|])(` + name + `)($|[\s)|])`)
	text := regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`")
	var found []string
	for _, action := range regexp.MustCompile(`(?s)\{\{-?(.*?)-?\}\}`).FindAllStringSubmatch(template, -1) {
		if !strings.HasPrefix(strings.TrimSpace(action[1]), "/*") && call.MatchString(text.ReplaceAllString(action[1], `""`)) {
			found = append(found, action[0])
		}
	}
	return found
}

func TestCallsAreFound(t *testing.T) {
	t.Parallel()
	for _, template := range []string{`{{ now }}`, `{{- now -}}`, `{{ $at := now }}`, `{{ (now) }}`, "{{ with\n now }}", `{{ "x" | printf "%s" (now | date) }}`} {
		assert.Len(t, calls(template, `now`), 1, template)
	}
	for _, template := range []string{`now`, `{{/* now */}}`, `{{- /* right now */ -}}`, `{{ fail "not now" }}`, `{{ .now }}`, `{{ $now }}`, `{{ known }}`} {
		assert.Empty(t, calls(template, `now`), template)
	}
}

// What the test of the release expects is what it may expect: never more peers than are asked for.
func TestHelmTestExpectsThePeersThatThereAre(t *testing.T) {
	t.Parallel()
	each(t, map[string]struct {
		values string
		live   []metav1.Object
		want   string
	}{
		"replicas":                   {values: `replicas: 5`, want: "5"},
		"the live count":             {values: `autoscaling: {enabled: true}`, live: []metav1.Object{chart.LiveStatefulSet(chart.Fullname, 4)}, want: "4"},
		"the least, from no cluster": {values: `{replicas: 5, autoscaling: {enabled: true, minReplicas: 3}}`, want: "3"},
		"none":                       {values: `replicas: 0`, want: "0"},
	}, func(t *testing.T, c struct {
		values string
		live   []metav1.Object
		want   string
	}) {
		var options []chart.Option
		if c.live != nil {
			options = append(options, chart.Live(t, c.live...))
		}
		pod := chart.Render(t, c.values, options...).Pod(t, "q-qdrant-test")
		assert.Contains(t, pod.Spec.Containers[0].Env, corev1.EnvVar{Name: "PEERS", Value: c.want})
		pod = chart.Render(t, c.values, append(options, chart.Below(withShepherd))...).Pod(t, "q-qdrant-test")
		assert.Contains(t, pod.Spec.Containers[0].Env, corev1.EnvVar{Name: "SHEPHERD_REPLICAS", Value: c.want})
	})
}
