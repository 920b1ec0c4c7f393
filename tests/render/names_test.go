package render

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
)

func TestFullname(t *testing.T) {
	t.Parallel()
	each(t, map[string]struct{ release, values, want string }{
		"the release and the chart":          {release: "q", want: "q-qdrant"},
		"a release that is called so":        {release: "qdrant", want: "qdrant"},
		"a release with the chart's name":    {release: "my-qdrant-db", want: "my-qdrant-db"},
		"nameOverride":                       {release: "q", values: `nameOverride: vectors`, want: "q-vectors"},
		"nameOverride that the release has":  {release: "vectors-1", values: `nameOverride: vectors`, want: "vectors-1"},
		"fullnameOverride":                   {release: "q", values: `fullnameOverride: search`, want: "search"},
		"the longest name":                   {release: "q", values: `fullnameOverride: ` + strings.Repeat("a", 52), want: strings.Repeat("a", 52)},
		"the longest release":                {release: strings.Repeat("r", 45), want: strings.Repeat("r", 45) + "-qdrant"},
		"a release of digits under a name":   {release: "2024", values: `fullnameOverride: search`, want: "search"},
		"a name that YAML takes for another": {release: "q", values: `fullnameOverride: "null"`, want: "null"},
	}, func(t *testing.T, c struct{ release, values, want string }) {
		o := chart.Render(t, c.values, chart.Named(c.release))
		sts := o.StatefulSet(t, c.want)
		assert.Equal(t, c.release, sts.Spec.Selector.MatchLabels["app.kubernetes.io/instance"])
		for _, name := range []string{c.want, c.want + "-headless", c.want + "-clients"} {
			o.Service(t, name)
		}
	})
	refuses(t, map[string]refusal{
		"a name that is too long":     {values: `fullnameOverride: ` + strings.Repeat("a", 53), want: []string{"fullnameOverride: ", "has 53 characters", "set fullnameOverride to a shorter name"}},
		"a release that is too long":  {options: []chart.Option{chart.Named(strings.Repeat("r", 46))}, want: []string{"fullnameOverride: ", "set fullnameOverride"}},
		"a release of digits":         {options: []chart.Option{chart.Named("2024")}, want: []string{"fullnameOverride: ", "starts with a letter"}},
		"a release with a dot":        {options: []chart.Option{chart.Named("a.b")}, want: []string{"fullnameOverride: ", "has no dots"}},
		"a name with capital letters": {values: `fullnameOverride: Search`, want: []string{"/fullnameOverride"}},
	})
}

// A release keeps the name of its StatefulSet, or it would lose what the old one has. Others in the namespace are none of its business.
func TestOthersMayHaveOtherNames(t *testing.T) {
	t.Parallel()
	bare := chart.LiveStatefulSet("another", 3)
	bare.Labels = nil
	each(t, map[string][]metav1.Object{
		"nothing yet":                    {},
		"another release":                {labelled("app.kubernetes.io/instance", "r")},
		"another chart in the release":   {labelled("helm.sh/chart", "postgresql-1.2.3")},
		"a chart whose name begins so":   {labelled("helm.sh/chart", "qdrant-backup-1.2.3")},
		"one without labels":             {bare},
		"one of the release, beside its": {chart.LiveStatefulSet("another", 3), chart.LiveStatefulSet(chart.Fullname, 3)},
	}, func(t *testing.T, live []metav1.Object) {
		chart.Render(t, "", chart.Upgrade(), chart.Live(t, live...)).StatefulSet(t, chart.Fullname)
	})
}

// labelled is a StatefulSet of the namespace that is called "another" and has one label unlike those of the release.
func labelled(label, value string) *appsv1.StatefulSet {
	set := chart.LiveStatefulSet("another", 7)
	set.Labels[label] = value
	return set
}

// Namespaces and releases may be called what YAML reads as a number or a boolean.
func TestNamesThatYAMLWouldReadAsSomethingElse(t *testing.T) {
	t.Parallel()
	const values = `
fullnameOverride: "on"
nameOverride: "1e3"
priorityClassName: "1"
runtimeClassName: "2"
schedulerName: "3"
serviceAccount: {name: "4"}
auth: {existingSecret: "5", keys: {apiKey: "6", readOnlyApiKey: "7", altApiKey: "8"}}
ingress: {enabled: true, className: "9", hosts: [{host: example.org}]}
loadBalancer: {enabled: true, class: "10", sourceRanges: [192.0.2.0/24]}
persistence: {data: {storageClass: "11", size: "12"}, snapshots: {storageClass: "true", size: "13"}, scratch: {storageClass: "14", size: "15"}}
storageClass: {create: true, name: "16", provisioner: "17"}
service: {grpcAppProtocol: "18"}
image: {tag: "19"}
commonLabels: {a: "20"}
podLabels: {b: "21"}
podAnnotations: {c: "22"}
metrics: {serviceMonitor: {enabled: true, labels: {d: "23"}}, prometheusRule: {enabled: true}, dashboard: {enabled: true}}
zoneSpread: {topologyKey: "24"}
`
	o := chart.Render(t, values, chart.Into("1234"), chart.Named("5678"))
	assert.Equal(t, "5678", o.StatefulSet(t, "on").Spec.Selector.MatchLabels["app.kubernetes.io/instance"])
	assert.Equal(t, "1234", o.StatefulSet(t, "on").Namespace)
	// A Pod with TLS on is not rendered; the other half of the names is seen with it.
	withTLS := chart.Render(t, values+"tls: {enabled: true, existingSecret: \"25\", certKey: \"26\", keyKey: \"27\", caKey: \"28\"}\n", chart.Into("1234"), chart.Named("5678"))
	require.NotEmpty(t, withTLS.All)
}

func TestLabels(t *testing.T) {
	t.Parallel()
	o := chart.Render(t, `metrics: {serviceMonitor: {enabled: true, labels: {team: metrics}}, dashboard: {enabled: true}}
commonLabels: {team: search, app.kubernetes.io/part-of: platform}`)
	version := chart.Loaded(t).Metadata
	for _, object := range o.All {
		labels := object.Typed.GetLabels()
		if object.Kind == "Pod" {
			assert.Equal(t, "qdrant-test", labels["app.kubernetes.io/name"])
			continue
		}
		assert.Equal(t, "qdrant-"+version.Version, labels["helm.sh/chart"], object.ID())
		assert.Equal(t, version.AppVersion, labels["app.kubernetes.io/version"], object.ID())
		assert.Equal(t, "Helm", labels["app.kubernetes.io/managed-by"], object.ID())
		assert.Equal(t, "platform", labels["app.kubernetes.io/part-of"], object.ID())
		if object.Kind == "ServiceMonitor" {
			assert.Equal(t, "metrics", labels["team"], "an object's own labels win")
		} else {
			assert.Equal(t, "search", labels["team"], object.ID())
		}
	}
}
