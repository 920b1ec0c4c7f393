package render

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
	"github.com/qdrant-shepherd/shepherd/tests/internal/promcheck"
)

func endpoint(t *testing.T, o chart.Objects) monitoringv1.Endpoint {
	t.Helper()
	endpoints := o.ServiceMonitor(t, chart.Fullname).Spec.Endpoints
	require.Len(t, endpoints, 1, "a second endpoint would count everything twice")
	return endpoints[0]
}

func TestServiceMonitor(t *testing.T) {
	t.Parallel()
	behaves(t, map[string]behaviour{
		"the metrics port, which asks for no key": {values: `{auth: {existingSecret: s}, metrics: {serviceMonitor: {enabled: true}}}`, want: func(t *testing.T, o chart.Objects) {
			e := endpoint(t, o)
			assert.Equal(t, "metrics", e.Port)
			assert.Equal(t, "/metrics", e.Path)
			assert.EqualValues(t, "http", ptr.Deref(e.Scheme, ""))
			assert.EqualValues(t, "30s", e.Interval)
			assert.EqualValues(t, "10s", e.ScrapeTimeout)
			assert.Nil(t, e.TLSConfig)
			assert.Empty(t, e.Params)
			assert.Nil(t, e.Authorization)
		}},
		"each pod once, ready or not": {values: `metrics: {serviceMonitor: {enabled: true}}`, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, "cluster-discovery", o.ServiceMonitor(t, chart.Fullname).Spec.Selector.MatchLabels["app.kubernetes.io/component"])
		}},
		"with TLS": {values: `{tls: {enabled: true, existingSecret: certificate, caKey: authority.pem}, metrics: {serviceMonitor: {enabled: true}}}`, want: func(t *testing.T, o chart.Objects) {
			e := endpoint(t, o)
			assert.EqualValues(t, "https", ptr.Deref(e.Scheme, ""))
			require.NotNil(t, e.TLSConfig)
			assert.Equal(t, &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "certificate"}, Key: "authority.pem"}, e.TLSConfig.CA.Secret)
			assert.Equal(t, ptr.To("q-qdrant-0.q-qdrant-headless.qdrant-test.svc.cluster.local"), e.TLSConfig.ServerName)
		}},
		"with a TLS config of one's own": {values: `{tls: {enabled: true, existingSecret: c}, metrics: {serviceMonitor: {enabled: true, tlsConfig: {insecureSkipVerify: true}}}}`, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, ptr.To(true), endpoint(t, o).TLSConfig.InsecureSkipVerify)
			assert.Nil(t, endpoint(t, o).TLSConfig.ServerName)
		}},
		"values": {
			values: `metrics: {serviceMonitor: {enabled: true, interval: 1m, scrapeTimeout: 50s, perCollection: true, labels: {release: p}, relabelings: [{action: labeldrop, regex: a}], metricRelabelings: [{action: labeldrop, regex: b}]}}`,
			want: func(t *testing.T, o chart.Objects) {
				e := endpoint(t, o)
				assert.EqualValues(t, "1m", e.Interval)
				assert.EqualValues(t, "50s", e.ScrapeTimeout)
				assert.Equal(t, map[string][]string{"per_collection": {"true"}}, e.Params)
				assert.Equal(t, "a", e.RelabelConfigs[0].Regex)
				assert.Equal(t, "b", e.MetricRelabelConfigs[0].Regex)
				assert.Equal(t, "p", o.ServiceMonitor(t, chart.Fullname).Labels["release"])
			}},
	})
}

// queries returns what a PrometheusRule asks, as Prometheus itself reads it.
func queries(t *testing.T, rule *monitoringv1.PrometheusRule) []promcheck.Query {
	t.Helper()
	spec, err := yaml.Marshal(rule.Spec)
	require.NoError(t, err)
	found, err := promcheck.ParseRules("the PrometheusRule", spec)
	require.NoError(t, err)
	require.NotEmpty(t, found)
	return found
}

func TestPrometheusRuleIsOfThisRelease(t *testing.T) {
	t.Parallel()
	each(t, map[string]struct{ values, release, namespace, fullname, shepherd string }{
		"a release":                       {release: "q", namespace: "qdrant-test", fullname: "q-qdrant", shepherd: "q-shepherd"},
		"a release called like the files": {release: "qdrant", namespace: "qdrant", fullname: "qdrant", shepherd: "qdrant-shepherd"},
		"a release called like shepherd":  {release: "shepherd", namespace: "shepherd", fullname: "shepherd-qdrant", shepherd: "shepherd-shepherd"},
		"another name":                    {release: "q", namespace: "vectors", values: `fullnameOverride: search`, fullname: "search", shepherd: "search-shepherd"},
	}, func(t *testing.T, c struct{ values, release, namespace, fullname, shepherd string }) {
		o := chart.Render(t, "metrics: {prometheusRule: {enabled: true, labels: {release: p}}}\n"+withShepherd+c.values, chart.Named(c.release), chart.Into(c.namespace))
		rule := o.PrometheusRule(t, c.fullname)
		assert.Equal(t, "p", rule.Labels["release"])

		// What each label is compared with, and how; nothing else may name a release.
		want := map[string]string{
			"namespace":             `namespace="` + c.namespace + `"`,
			"job":                   `job="` + c.fullname + `-headless"`,
			"job of shepherd":       `job="` + c.shepherd + `"`,
			"pod":                   `pod=~"` + c.fullname + `-[0-9]+"`,
			"persistentvolumeclaim": `persistentvolumeclaim=~"qdrant-(storage|snapshots)-` + c.fullname + `-[0-9]+|` + c.fullname + `-[0-9]+-qdrant-scratch"`,
		}
		seen := map[string]bool{}
		for _, query := range queries(t, rule) {
			for _, selector := range query.Selectors() {
				named := false
				for _, matcher := range selector.Matchers {
					name := matcher.Name
					if name == "job" && strings.Contains(query.Source, ": Shepherd") {
						name = "job of shepherd"
					}
					if expected, ok := want[name]; ok {
						assert.Equal(t, expected, matcher.String(), query.Source)
						seen[name] = true
						named = named || matcher.Name == "namespace"
					}
				}
				assert.True(t, named, "%s: %s sees other namespaces too", query.Source, selector)
			}
		}
		for label := range want {
			assert.True(t, seen[label], "no rule selects by %s", label)
		}
	})
}

// The regular expressions that stand in the rules match what Kubernetes will call the pods and claims of this release.
func TestPrometheusRuleMatchesPodsAndClaims(t *testing.T) {
	t.Parallel()
	o := chart.Render(t, `metrics: {prometheusRule: {enabled: true}}`)
	names := map[string][]string{"pod": {chart.Fullname + "-0", chart.Fullname + "-12"}}
	for _, claim := range o.StatefulSet(t, chart.Fullname).Spec.VolumeClaimTemplates {
		names["persistentvolumeclaim"] = append(names["persistentvolumeclaim"], claim.Name+"-"+chart.Fullname+"-0")
	}
	for _, volume := range podSpec(t, o).Volumes {
		if volume.Ephemeral != nil {
			names["persistentvolumeclaim"] = append(names["persistentvolumeclaim"], chart.Fullname+"-0-"+volume.Name)
		}
	}
	require.Len(t, names["persistentvolumeclaim"], 3)
	others := []string{"q-qdrant-test", "other-q-qdrant-0", "q-qdrant-0-other", "qdrant-storage-q-qdrant-2-0x"}

	matched := map[string]bool{}
	for _, query := range queries(t, o.PrometheusRule(t, chart.Fullname)) {
		for _, selector := range query.Selectors() {
			for _, matcher := range selector.Matchers {
				if matcher.Type != labels.MatchRegexp {
					continue
				}
				matched[matcher.Name] = true
				for _, name := range names[matcher.Name] {
					assert.True(t, matcher.Matches(name), "%s: %s does not match %s", query.Source, matcher, name)
				}
				if names[matcher.Name] != nil {
					for _, other := range others {
						assert.False(t, matcher.Matches(other), "%s: %s matches %s", query.Source, matcher, other)
					}
				}
			}
		}
	}
	for label := range names {
		assert.True(t, matched[label], "no rule matches %s by a regular expression", label)
	}
}

// Replacing is a matter of selectors: what people read in an alert stays as it is in the file.
func TestPrometheusRuleKeepsTheAlerts(t *testing.T) {
	t.Parallel()
	rendered := alertAnnotations(t, "")
	files, err := filepath.Glob(filepath.Join(chart.Dir(), "alerts", "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	total := 0
	for _, file := range files {
		alerts, err := promcheck.Alerts(file)
		require.NoError(t, err)
		for _, alert := range alerts {
			assert.NotEmpty(t, alert.Annotations, alert.Alert)
			assert.Equal(t, alert.Annotations, rendered[alert.Alert], alert.Alert)
			total++
		}
	}
	assert.Len(t, rendered, total)
}

// Each alert links to its page, which has its severity, how long it waits, and the metrics that it reads. Each page is about an
// alert that exists.
func TestEachAlertHasAPage(t *testing.T) {
	t.Parallel()
	pages := map[string]string{}
	files, err := filepath.Glob(filepath.Join(chart.Dir(), "..", "..", "docs", "alerts", "*.md"))
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		pages[strings.TrimSuffix(filepath.Base(file), ".md")] = string(text)
	}
	delete(pages, "README")
	rule := chart.Render(t, withShepherd+`metrics: {prometheusRule: {enabled: true}}`).PrometheusRule(t, chart.Fullname)
	metrics := map[string][]string{}
	for _, query := range queries(t, rule) {
		_, alert, _ := strings.Cut(query.Source, ": ")
		metrics[alert] = append(metrics[alert], query.Metrics()...)
	}
	for _, group := range rule.Spec.Groups {
		for _, alert := range group.Rules {
			name := alert.Alert
			assert.Equal(t, "https://github.com/qdrant-shepherd/shepherd/blob/main/docs/alerts/"+name+".md", alert.Annotations["runbook_url"], name)
			page, found := pages[name]
			if !assert.True(t, found, "%s has no page in docs/alerts", name) {
				continue
			}
			delete(pages, name)
			assert.Contains(t, page, "Severity `"+alert.Labels["severity"]+"`, fires after `"+string(*alert.For)+"`.", name)
			require.NotEmpty(t, metrics[name], name)
			for _, metric := range metrics[name] {
				assert.Contains(t, page, "`"+metric, "the page of %s does not explain the metric", name)
			}
		}
	}
	assert.Empty(t, slices.Collect(maps.Keys(pages)), "pages without an alert")
}

func TestRunbooksCanBeElsewhere(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"https://runbooks.example.org/qdrant", "https://runbooks.example.org/qdrant/"} {
		for name, annotations := range alertAnnotations(t, ", runbookURL: "+url) {
			assert.Equal(t, "https://runbooks.example.org/qdrant/"+name+".md", annotations["runbook_url"])
		}
	}
}

// alertAnnotations returns the annotations of each alert of a release with shepherd, by the alert's name.
func alertAnnotations(t *testing.T, values string) map[string]map[string]string {
	t.Helper()
	found := map[string]map[string]string{}
	o := chart.Render(t, withShepherd+"metrics: {prometheusRule: {enabled: true"+values+"}}")
	for _, group := range o.PrometheusRule(t, chart.Fullname).Spec.Groups {
		for _, rule := range group.Rules {
			found[rule.Alert] = rule.Annotations
		}
	}
	require.NotEmpty(t, found)
	return found
}

// Alerts on what nobody exports would be noise, and those on its absence would fire for ever.
func TestAlertsOnShepherdNeedShepherd(t *testing.T) {
	t.Parallel()
	for _, query := range queries(t, chart.Render(t, `metrics: {prometheusRule: {enabled: true}}`).PrometheusRule(t, chart.Fullname)) {
		assert.NotContains(t, strings.ToLower(query.Source+query.Text), "shepherd")
	}
	alerts, err := promcheck.Alerts(filepath.Join(chart.Dir(), "alerts", "shepherd.yaml"))
	require.NoError(t, err)
	for _, alert := range alerts {
		assert.True(t, strings.HasPrefix(alert.Alert, "Shepherd"), alert.Alert)
	}
}

func TestServiceMonitorOfShepherd(t *testing.T) {
	t.Parallel()
	behaves(t, map[string]behaviour{
		"pods and tend, in a job of its own": {values: withShepherd + `metrics: {serviceMonitor: {enabled: true}}`, want: func(t *testing.T, o chart.Objects) {
			endpoints := o.ServiceMonitor(t, "q-shepherd").Spec.Endpoints
			require.Len(t, endpoints, 1)
			assert.Equal(t, "shepherd", endpoints[0].Port)
			// By the peers' Service its job would be theirs, and alerts that count instances would count each pod twice.
			assert.Equal(t, monitoringv1.RelabelConfig{TargetLabel: "job", Replacement: ptr.To("q-shepherd")}, endpoints[0].RelabelConfigs[0])
			assert.Equal(t, "metrics", endpoint(t, o).Port, "the servers' own monitor is as before")
		}},
		"it speaks no TLS": {values: withShepherd + "tls: {enabled: true, existingSecret: s}\nmetrics: {serviceMonitor: {enabled: true, perCollection: true}}", want: func(t *testing.T, o chart.Objects) {
			e := o.ServiceMonitor(t, "q-shepherd").Spec.Endpoints[0]
			assert.Nil(t, e.TLSConfig)
			assert.NotEqual(t, "https", string(ptr.Deref(e.Scheme, "")))
			assert.Empty(t, e.Params, "that is the server's")
		}},
		"values": {
			values: withShepherd + `metrics: {serviceMonitor: {enabled: true, interval: 1m, scrapeTimeout: 50s, labels: {release: p}, relabelings: [{action: labeldrop, regex: a}], metricRelabelings: [{action: labeldrop, regex: b}]}}`,
			want: func(t *testing.T, o chart.Objects) {
				e := o.ServiceMonitor(t, "q-shepherd").Spec.Endpoints[0]
				assert.EqualValues(t, "1m", e.Interval)
				assert.EqualValues(t, "50s", e.ScrapeTimeout)
				assert.Equal(t, "a", e.RelabelConfigs[1].Regex)
				assert.Equal(t, "b", e.MetricRelabelConfigs[0].Regex)
				assert.Equal(t, "p", o.ServiceMonitor(t, "q-shepherd").Labels["release"])
			}},
		"none without it": {values: `metrics: {serviceMonitor: {enabled: true}}`, want: func(t *testing.T, o chart.Objects) {
			assert.False(t, o.Has("ServiceMonitor", "q-shepherd"))
		}},
	})
}

func TestNoPlaceholderIsLeft(t *testing.T) {
	t.Parallel()
	o := chart.Render(t, withShepherd+`metrics: {prometheusRule: {enabled: true}}`)
	for _, query := range queries(t, o.PrometheusRule(t, chart.Fullname)) {
		assert.NotRegexp(t, `"qdrant(-pods|-claims)?"|"shepherd"`, strings.ReplaceAll(query.Text, `container="qdrant"`, ""), query.Source)
	}
}

func TestDashboards(t *testing.T) {
	t.Parallel()
	o := chart.Render(t, `metrics: {dashboard: {enabled: true, labels: {grafana_dashboard: "1", team: a}, annotations: {folder: Qdrant}}}`)
	configMap := o.ConfigMap(t, "q-qdrant-dashboards")
	assert.Equal(t, "1", configMap.Labels["grafana_dashboard"])
	assert.Equal(t, "a", configMap.Labels["team"])
	assert.Equal(t, "Qdrant", configMap.Annotations["folder"])

	files, err := filepath.Glob(filepath.Join(chart.Dir(), "dashboards", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	assert.Len(t, configMap.Data, len(files))
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		got := configMap.Data[filepath.Base(file)]
		assert.True(t, json.Valid([]byte(got)), "%s is no JSON in the ConfigMap", file)
		same := strings.TrimRight(got, "\n") == strings.TrimRight(string(content), "\n")
		assert.True(t, same, "%s is not in the ConfigMap as it is", file)
	}
	assert.False(t, chart.Render(t, ``).Has("ConfigMap", "q-qdrant-dashboards"))
}

// A ConfigMap may hold 1 MiB, and a release's Secret holds all of the chart, compressed.
func TestDashboardsFitIntoAConfigMap(t *testing.T) {
	t.Parallel()
	size := 0
	for _, text := range chart.Render(t, `metrics: {dashboard: {enabled: true}}`).ConfigMap(t, "q-qdrant-dashboards").Data {
		size += len(text)
	}
	assert.Positive(t, size)
	assert.Less(t, size, 1<<20)
}

func TestMonitoringIsOffByDefault(t *testing.T) {
	t.Parallel()
	o := chart.Render(t, ``)
	assert.False(t, slices.ContainsFunc(o.All, func(object chart.Object) bool { return strings.HasPrefix(object.APIVersion, "monitoring.coreos.com") }))
}
