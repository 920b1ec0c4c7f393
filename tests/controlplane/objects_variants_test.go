//go:build controlplane

package controlplane

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
)

// variant is a way to install the chart. Its values may say NAMESPACE, where an object without a namespace needs a name of its own.
type variant struct {
	values  string
	options []chart.Option
}

// render renders it into a namespace.
func (v variant) render(t *testing.T, namespace string) chart.Objects {
	t.Helper()
	options := append([]chart.Option{chart.Into(namespace)}, v.options...)
	return chart.Render(t, strings.ReplaceAll(v.values, "NAMESPACE", namespace), options...)
}

// variants are the scenarios of values/, the cases of the golden files, and what people may do besides.
func variants(t *testing.T) map[string]variant {
	t.Helper()
	all := hostile()
	for _, file := range chart.ValuesFiles(t) {
		all[strings.TrimSuffix(file, ".yaml")] = variant{options: []chart.Option{chart.Scenario(file)}}
	}
	// Production names its class in four places.
	all["values-prod"] = variant{options: all["values-prod"].options, values: `
storageClass: {name: NAMESPACE}
persistence: {data: {storageClass: NAMESPACE}, snapshots: {storageClass: NAMESPACE}, scratch: {storageClass: NAMESPACE}}`}

	inputs, err := filepath.Glob(filepath.Join(chart.Root(), "tests", "render", "testdata", "*.in.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, inputs)
	for _, input := range inputs {
		values, err := os.ReadFile(input)
		require.NoError(t, err)
		all[strings.TrimSuffix(filepath.Base(input), ".in.yaml")] = variant{values: string(values)}
	}
	return all
}

// hostile are variants at the ends of what the schema lets through. Nobody schedules their pods: it is the objects that count.
func hostile() map[string]variant {
	longest := strings.Repeat("r", 45)
	return map[string]variant{
		"everything at once":                {values: everything(chart.Release, "NAMESPACE")},
		"the longest names":                 {values: everything(longest, "NAMESPACE"), options: []chart.Option{chart.Named(longest)}},
		"the longest release":               {values: keysJobValues + "fullnameOverride: " + longest + "-qdrant", options: []chart.Option{chart.Named(strings.Repeat("s", 53))}},
		"keys made by a job":                {values: keysJobValues},
		"texts that read as something else": {values: disguisedValues, options: []chart.Option{chart.Named("5678")}},
		"texts of all kinds":                {values: textValues()},
		"nothing that can be left out":      {values: leastValues},
		"zeros":                             {values: zeroValues},
		"no replica":                        variantOf(0),
		"one replica":                       variantOf(1),
		"sixteen replicas":                  variantOf(16),
	}
}

// everything is chart.Everything for this cluster, whose Services have IPv4 alone.
func everything(release, storageClass string) string {
	return chart.Everything(chart.EverythingIn{Release: release, StorageClass: storageClass, IPFamilies: []string{"IPv4"}})
}

// variantOf is one of so many replicas, with shepherd, whose roles name each.
func variantOf(replicas int) variant {
	return variant{values: fmt.Sprintf(`{schedulerName: nobody, replicas: %d, shepherd: {enabled: true, image: {repository: example.org/shepherd}}}`, replicas)}
}

// keysJobValues have a job make the keys, which can't stand beside a Secret of one's own.
const keysJobValues = `
schedulerName: nobody
shepherd: {enabled: true, image: {repository: example.org/shepherd, tag: keys}}
auth: {generate: true, enforceInternal: true}
nodeSelector: {disk: nvme}
tolerations: [{key: dedicated, operator: Exists}]
imagePullSecrets: [{name: registry}]
`

// disguisedValues have texts that YAML takes for numbers, octal ones too, for booleans or for nothing, unless somebody quotes them.
const disguisedValues = `
fullnameOverride: "on"
nameOverride: "1e3"
priorityClassName: "1"
runtimeClassName: "2"
schedulerName: "3"
serviceAccount: {name: "4", annotations: {a: "0755"}}
auth: {existingSecret: "5", keys: {apiKey: "6", readOnlyApiKey: "7", altApiKey: "8"}, revision: "0o17"}
tls: {enabled: true, existingSecret: "0755", certKey: "0x1F", keyKey: "017", caKey: "1_000"}
shepherd: {enabled: true, image: {repository: example.org/shepherd, tag: "0755"}}
guard: {enabled: true}
ingress: {enabled: true, className: "9", hosts: [{host: example.org}]}
loadBalancer: {enabled: true, class: "10", sourceRanges: [192.0.2.0/24]}
persistence:
  data: {storageClass: "11", size: "12", labels: {a: "007"}, annotations: {b: "null"}}
  snapshots: {storageClass: "true", size: "13"}
  scratch: {storageClass: "14", size: "15"}
service: {grpcAppProtocol: "18"}
image: {tag: "19"}
commonLabels: {a: "20", "7": "0755", "yes": "no", empty: ""}
commonAnnotations: {octal: "0755", hexadecimal: "0xFF", float: "1e3", date: "2026-01-01", sexagesimal: "12:30:45", none: "~", "null": "null", "true": "true", merge: "<<"}
podLabels: {b: "1e3", c: "0o17", d: "y"}
podAnnotations: {c: "22", e: "0755"}
nodeSelector: {example.org/rack: "007"}
metrics: {serviceMonitor: {enabled: true, labels: {d: "23"}}, prometheusRule: {enabled: true}, dashboard: {enabled: true}}
zoneSpread: {topologyKey: "24"}
extraEnv: [{name: MODE, value: "0755"}, {name: "NO", value: "off"}]
extraArgs: ["0755", "null", "-1"]
`

// textValues have texts that are legal and that a template can break on: Unicode, quotes, several lines, braces, and much of it.
func textValues() string {
	annotations := `
    example.org/unicode: "Qdrant 🦀 – ベクトル \u202e\u00e9e\u0301"
    example.org/quotes: 'a "b" ''c'' \d'
    example.org/lines: "first\n  second\n\n\tthird\n"
    example.org/template: '{{ .Values.nothing }} {{"{{"}}'
    example.org/yaml: "a: [b, {c: d}] # e"
    example.org/json: '{"a": [1, "2", null]}'
    example.org/blank: ""
    example.org/spaces: "  before and after  "
    example.org/long: "` + strings.Repeat("0123456789", 10_000) + `"`
	labels := fmt.Sprintf(`{%s: %s, a.b-c_d: A.b-c_d, empty: ""}`, strings.Repeat("k", 63), strings.Repeat("v", 63))
	return `
schedulerName: nobody
shepherd: {enabled: true, image: {repository: example.org/shepherd}}
metrics: {serviceMonitor: {enabled: true}, prometheusRule: {enabled: true}}
extraEnv: [{name: TEXT, value: "a 'b' \"c\"\n$(d) 🦀"}]
commonLabels: ` + labels + `
podLabels: ` + labels + `
commonAnnotations:` + annotations + `
podAnnotations:` + annotations
}

// leastValues leave as little as the chart can be.
const leastValues = `
schedulerName: nobody
replicas: 1
cluster: {enabled: false}
persistence: {snapshots: {enabled: false}, scratch: {enabled: false}}
serviceAccount: {create: false}
networkPolicy: {enabled: false}
pdb: {enabled: false}
podAntiAffinity: none
zoneSpread: {mode: none}
metrics: {enabled: false}
probes: {liveness: {enabled: false}}
`

// zeroValues set fields that a careless template, or the API, takes for fields that are not set.
const zeroValues = `
schedulerName: nobody
shepherd: {enabled: true, image: {repository: example.org/shepherd}}
recovery: {setAsideDays: 0}
pdb: {maxUnavailable: 0}
preStopSeconds: 0
updateStrategy: {partition: 0}
autoscaling: {enabled: true, scaleUp: {stabilizationWindowSeconds: 0}, scaleDown: {stabilizationWindowSeconds: 0}}
podSecurityContext: {fsGroup: 0}
tolerations: [{key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 0}]
extraVolumes: [{name: keys, secret: {secretName: qdrant-keys, defaultMode: 0, optional: false}}]
extraVolumeMounts: [{name: keys, mountPath: /keys}]
`
