package render

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/qdrant-shepherd/shepherd/internal/gen/schema"
	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
)

// valuesAt returns values in which the path has the value.
func valuesAt(t *testing.T, path string, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	require.NoError(t, err)
	keys := strings.Split(path, ".")
	return "{" + strings.Join(keys, ": {") + ": " + string(text) + strings.Repeat("}", len(keys))
}

// Every key, once with a value of a type that it is not of: the message has the key in it.
func TestMistypedKeysAreRefused(t *testing.T) {
	t.Parallel()
	top := 0
	for _, key := range declared(t) {
		wrong := key.Mistyped()
		require.NotNil(t, wrong, "%s takes anything", key.Path)
		if !strings.Contains(key.Path, ".") {
			top++
		}
		t.Run(key.Path, func(t *testing.T) {
			t.Parallel()
			err := chart.RenderErr(t, valuesAt(t, key.Path, wrong))
			assert.ErrorContains(t, err, "'/"+strings.ReplaceAll(key.Path, ".", "/")+"'")
		})
	}
	assert.Greater(t, top, 40, "top-level keys")
}

func TestUnknownKeysAreRefused(t *testing.T) {
	t.Parallel()
	refuses(t, map[string]refusal{
		"a typo at the top":      {values: `replicacount: 3`, want: []string{"additional properties 'replicacount' not allowed"}},
		"the official chart's":   {values: `replicaCount: 3`, want: []string{"replicaCount"}},
		"a typo below":           {values: `hnsw: {efConstruction: 3}`, want: []string{"'/hnsw'", "efConstruction"}},
		"a typo two levels down": {values: `persistence: {data: {storageClassName: fast}}`, want: []string{"'/persistence/data'", "storageClassName"}},
		"a limit that is none":   {values: `strictMode: {maxSearchLimit: 3}`, want: []string{"'/strictMode'", "maxSearchLimit"}},
	})
}

func TestEveryClosedObjectIsClosed(t *testing.T) {
	t.Parallel()
	found := 0
	for _, key := range declared(t) {
		if !key.Closed {
			continue
		}
		found++
		t.Run(key.Path, func(t *testing.T) {
			t.Parallel()
			assert.ErrorContains(t, chart.RenderErr(t, valuesAt(t, key.Path, map[string]any{"no such key": true})), "no such key")
		})
	}
	assert.Positive(t, found)
}

// Helm takes a key that is null away before it looks at the schema. Where null is no value, that must not pass for 0, false or nothing.
func TestKeysThatMustNotBeNull(t *testing.T) {
	t.Parallel()
	found := 0
	for _, key := range declared(t) {
		if slices.Contains(key.JSONTypes, "null") {
			continue
		}
		found++
		err := chart.RenderErr(t, valuesAt(t, key.Path, nil))
		name := key.Path[strings.LastIndex(key.Path, ".")+1:]
		assert.ErrorContainsf(t, err, "missing property '"+name+"'", "%s: null", key.Path)
	}
	assert.Positive(t, found)
}

// An object without declared keys accepts anything, so the list of them is short and each has its reason.
func TestUntypedObjectsHaveAReason(t *testing.T) {
	t.Parallel()
	reasons := map[string]string{
		"global":                           "belongs to parent charts",
		"config":                           "Qdrant's own settings, in its words",
		"collection.quantization":          "Qdrant's own settings, in its words",
		"podSecurityContext":               "a type of Kubernetes; strict decoding checks it",
		"securityContext":                  "a type of Kubernetes; strict decoding checks it",
		"resources.requests":               "Kubernetes' names of resources, and those of devices",
		"resources.limits":                 "Kubernetes' names of resources, and those of devices",
		"shepherd.resources.requests":      "Kubernetes' names of resources, and those of devices",
		"shepherd.resources.limits":        "Kubernetes' names of resources, and those of devices",
		"shepherd.tend.resources.requests": "Kubernetes' names of resources, and those of devices",
		"shepherd.tend.resources.limits":   "Kubernetes' names of resources, and those of devices",
		"affinity":                         "a type of Kubernetes; strict decoding checks it",
		"metrics.serviceMonitor.tlsConfig": "a type of the Prometheus operator",
	}
	for _, key := range declared(t) {
		if key.Type == "object" && !key.Closed {
			assert.Contains(t, reasons, key.Path, "an object that takes any keys")
			delete(reasons, key.Path)
		}
	}
	assert.Empty(t, reasons, "no longer in the values")
}

func TestBadValuesAreRefused(t *testing.T) {
	t.Parallel()
	at := func(path string) []string { return []string{"'/" + strings.ReplaceAll(path, ".", "/") + "'"} }
	refuses(t, map[string]refusal{
		"fewer than no replicas":               {values: `replicas: -1`, want: at("replicas")},
		"half a replica":                       {values: `replicas: 2.5`, want: at("replicas")},
		"replicas as text":                     {values: `replicas: "3"`, want: at("replicas")},
		"too many replicas":                    {values: `replicas: 101`, want: at("replicas")},
		"a pull policy that there is not":      {values: `image: {pullPolicy: Sometimes}`, want: at("image.pullPolicy")},
		"a digest that is none":                {values: `image: {digest: sha256:abc}`, want: at("image.digest")},
		"a tag that YAML read as a number":     {values: `image: {tag: 1.18}`, want: at("image.tag")},
		"a size without a unit that exists":    {values: `persistence: {data: {size: 10GB}}`, want: at("persistence.data.size")},
		"an interval without a unit":           {values: `metrics: {serviceMonitor: {interval: "30"}}`, want: at("metrics.serviceMonitor.interval")},
		"a spread that there is not":           {values: `podAntiAffinity: strict`, want: at("podAntiAffinity")},
		"off, which YAML reads as false":       {values: `podAntiAffinity: off`, want: at("podAntiAffinity")},
		"a Service open to the world":          {values: `service: {type: LoadBalancer}`, want: at("service.type")},
		"affinity for more than a day":         {values: `service: {sessionAffinity: {timeoutSeconds: 86401}}`, want: at("service.sessionAffinity.timeoutSeconds")},
		"address families as one text":         {values: `service: {ipFamilies: IPv4}`, want: at("service.ipFamilies")},
		"a graph of a negative m":              {values: `hnsw: {m: -1}`, want: at("hnsw.m")},
		"an ef below what the server takes":    {values: `hnsw: {efConstruct: 3}`, want: at("hnsw.efConstruct")},
		"a share above one":                    {values: `optimizers: {deletedThreshold: 1.5}`, want: at("optimizers.deletedThreshold")},
		"more than all of a disk":              {values: `strictMode: {enabled: true, maxDiskUsagePercent: 101}`, want: at("strictMode.maxDiskUsagePercent")},
		"no copies":                            {values: `collection: {replicationFactor: 0}`, want: at("collection.replicationFactor")},
		"logs in a format that there is not":   {values: `logging: {format: yaml}`, want: at("logging.format")},
		"an update in a way that there is not": {values: `updateStrategy: {type: Recreate}`, want: at("updateStrategy.type")},
		"a budget in percent":                  {values: `pdb: {maxUnavailable: 50%}`, want: at("pdb.maxUnavailable")},
		"a policy that there is not":           {values: `pdb: {unhealthyPodEvictionPolicy: Always}`, want: at("pdb.unhealthyPodEvictionPolicy")},
		"an annotation that is no text":        {values: `podAnnotations: {a: 1}`, want: at("podAnnotations.a")},
		"a parameter that is no text":          {values: `storageClass: {parameters: {iops: 3000}}`, want: at("storageClass.parameters.iops")},
		"a key in clear":                       {values: `auth: {existingSecret: {apiKey: abc}}`, want: at("auth.existingSecret")},
		"volumes as a map":                     {values: `extraVolumes: {a: {}}`, want: at("extraVolumes")},
		"an environment as a map":              {values: `extraEnv: {A: b}`, want: at("extraEnv")},
		"switches as text":                     {values: `networkPolicy: {enabled: "true"}`, want: at("networkPolicy.enabled")},
		"a log level that there is not":        {values: `shepherd: {logLevel: trace}`, want: at("shepherd.logLevel")},
		"a digest of shepherd that is none":    {values: `shepherd: {image: {digest: latest}}`, want: at("shepherd.image.digest")},
		"a wait without a unit":                {values: `rollout: {maxWait: "600"}`, want: at("rollout.maxWait")},
		"a strategy that there is not":         {values: `rebalance: {strategy: random}`, want: at("rebalance.strategy")},
		"a method that there is not":           {values: `rebalance: {method: copy}`, want: at("rebalance.method")},
		"no transfers at all":                  {values: `rebalance: {maxConcurrentTransfers: 0}`, want: at("rebalance.maxConcurrentTransfers")},
		"no confirmations":                     {values: `shepherd: {tend: {confirmations: 0}}`, want: at("shepherd.tend.confirmations")},
		"a past that is kept for less than 0":  {values: `recovery: {setAsideDays: -1}`, want: at("recovery.setAsideDays")},
		"no pods taken away":                   {values: `autoscaling: {scaleDown: {pods: 0}}`, want: at("autoscaling.scaleDown.pods")},
		"runbooks that are at no address":      {values: `metrics: {prometheusRule: {runbookURL: docs/alerts}}`, want: at("metrics.prometheusRule.runbookURL")},
		"a switch that is null":                {values: `metrics: {enabled: "no"}`, want: at("metrics.enabled")},
	})
}

func TestGeneratedFilesAreInSync(t *testing.T) {
	t.Parallel()
	read := func(name string) []byte {
		content, err := os.ReadFile(filepath.Join(chart.Dir(), name))
		require.NoError(t, err)
		return content
	}
	values, err := schema.Parse(read("values.yaml"))
	require.NoError(t, err)
	generated, err := values.Schema()
	require.NoError(t, err)
	same := bytes.Equal(generated, read("values.schema.json"))
	assert.True(t, same, "values.schema.json is out of date with values.yaml: run `make generate`")
	readme, err := schema.Insert(read("README.md"), values.Table())
	require.NoError(t, err)
	same = bytes.Equal(readme, read("README.md"))
	assert.True(t, same, "the table of the chart's README.md is out of date with values.yaml: run `make generate`")
}

// What a template reads has to be declared: a key that is not is null for ever.
func TestTemplatesReadDeclaredValues(t *testing.T) {
	t.Parallel()
	keys := map[string]schema.Key{}
	for _, key := range declared(t) {
		keys[key.Path] = key
	}
	files, err := filepath.Glob(filepath.Join(chart.Dir(), "templates", "*"))
	require.NoError(t, err)
	use := regexp.MustCompile(`(?:\.Values|\$v)((?:\.[A-Za-z][A-Za-z0-9]*)+)`)
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, match := range use.FindAllStringSubmatch(string(text), -1) {
			found++
			path := strings.TrimPrefix(match[1], ".")
			// Below an object that takes any keys there is nothing to declare.
			for at := path; ; at = at[:strings.LastIndex(at, ".")] {
				key, ok := keys[at]
				if ok && (at == path || !key.Closed) {
					break
				}
				if !assert.Contains(t, at, ".", "%s reads .Values.%s, which values.yaml does not declare", filepath.Base(file), path) {
					break
				}
			}
		}
	}
	assert.Greater(t, found, 150)
}

// withoutShepherd turns off shepherd, and what needs it.
const withoutShepherd = `shepherd: {enabled: false}, guard: {enabled: false}, recovery: {replaceLostVolumes: false}`

// changed has another value for keys where the type alone does not give one.
var changed = map[string]string{
	"nameOverride":                             `nameOverride: other`,
	"fullnameOverride":                         `fullnameOverride: other`,
	"clusterDomain":                            `clusterDomain: example.org`,
	"image.digest":                             `image: {digest: sha256:` + strings.Repeat("0", 64) + `}`,
	"imagePullSecrets":                         `imagePullSecrets: [{name: other}]`,
	"cluster.enabled":                          `{replicas: 1, cluster: {enabled: false}, autoscaling: {enabled: false}, collection: {replicationFactor: 1}, ` + withoutShepherd + `}`,
	"collection.shardNumberPerNode":            `collection: {shardNumberPerNode: 2}`,
	"persistence.retentionPolicy.whenScaled":   `-`,
	"autoscaling.minReplicas":                  `autoscaling: {minReplicas: 2}`,
	"autoscaling.maxReplicas":                  `autoscaling: {maxReplicas: 11}`,
	"pdb.maxUnavailable":                       `pdb: {maxUnavailable: 0}`,
	"metrics.enabled":                          `metrics: {enabled: false, serviceMonitor: {enabled: false}, prometheusRule: {enabled: false}}`,
	"metrics.prometheusRule.runbookURL":        `metrics: {prometheusRule: {runbookURL: https://runbooks.example.org/qdrant}}`,
	"metrics.prefix":                           `metrics: {prefix: q_, prometheusRule: {enabled: false}, dashboard: {enabled: false}}`,
	"tls.enabled":                              `tls: {enabled: false}`,
	"tls.existingSecret":                       `tls: {existingSecret: other}`,
	"tls.p2p":                                  `tls: {p2p: false}`,
	"auth.existingSecret":                      `auth: {existingSecret: other}`,
	"gateway.httpRoute.parentRefs":             `gateway: {httpRoute: {parentRefs: [{name: other}]}}`,
	"gateway.grpcRoute.parentRefs":             `gateway: {grpcRoute: {parentRefs: [{name: other}]}}`,
	"ingress.hosts":                            `ingress: {hosts: [{host: other.example.org}]}`,
	"ingress.tls":                              `ingress: {tls: [{secretName: other}]}`,
	"networkPolicy.clients":                    `networkPolicy: {clients: []}`,
	"networkPolicy.metrics":                    `networkPolicy: {metrics: []}`,
	"networkPolicy.dns":                        `networkPolicy: {dns: []}`,
	"networkPolicy.extraIngress":               `networkPolicy: {extraIngress: []}`,
	"networkPolicy.extraEgress":                `networkPolicy: {extraEgress: []}`,
	"podSecurityContext":                       `podSecurityContext: {runAsUser: 1001}`,
	"securityContext":                          `securityContext: {runAsNonRoot: true}`,
	"affinity":                                 `affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: other, operator: Exists}]}]}}}`,
	"tolerations":                              `tolerations: []`,
	"topologySpreadConstraints":                `topologySpreadConstraints: []`,
	"resources.requests":                       `resources: {requests: {cpu: "7"}}`,
	"resources.limits":                         `resources: {limits: {cpu: "7"}}`,
	"resources.claims":                         `resources: {claims: [{name: gpu}]}`,
	"extraEnv":                                 `extraEnv: []`,
	"extraEnvFrom":                             `extraEnvFrom: []`,
	"extraVolumes":                             `{extraVolumes: [], extraVolumeMounts: []}`,
	"extraVolumeMounts":                        `{extraVolumeMounts: [{name: models, mountPath: /other}]}`,
	"extraInitContainers":                      `extraInitContainers: []`,
	"extraContainers":                          `extraContainers: []`,
	"extraObjects":                             `extraObjects: []`,
	"extraArgs":                                `extraArgs: []`,
	"metrics.serviceMonitor.tlsConfig":         `metrics: {serviceMonitor: {tlsConfig: {insecureSkipVerify: true}}}`,
	"metrics.serviceMonitor.relabelings":       `metrics: {serviceMonitor: {relabelings: []}}`,
	"metrics.serviceMonitor.metricRelabelings": `metrics: {serviceMonitor: {metricRelabelings: []}}`,
	"updateStrategy.partition":                 `updateStrategy: {partition: 1}`,
	"config":                                   `config: {log_level: DEBUG}`,
	"collection.quantization":                  `collection: {quantization: {binary: {}}}`,
	"service.ipFamilies":                       `service: {ipFamilies: [IPv6, IPv4]}`,
	"storageClass.allowVolumeExpansion":        `storageClass: {allowVolumeExpansion: false}`,
	"replicas":                                 `replicas: 0`,
	"collection.replicationFactor":             `collection: {replicationFactor: 3}`,
	"terminationGracePeriodSeconds":            `terminationGracePeriodSeconds: 3601`,
	"shepherd.enabled":                         `{` + withoutShepherd + `}`,
	"shepherd.image.digest":                    `shepherd: {image: {digest: sha256:` + strings.Repeat("0", 64) + `}}`,
	"shepherd.resources.requests":              `shepherd: {resources: {requests: {cpu: "7"}}}`,
	"shepherd.resources.limits":                `shepherd: {resources: {limits: {cpu: "7"}}}`,
	"shepherd.tend.resources.requests":         `shepherd: {tend: {resources: {requests: {cpu: "7"}}}}`,
	"shepherd.tend.resources.limits":           `shepherd: {tend: {resources: {limits: {cpu: "7"}}}}`,
	"guard.enabled":                            `guard: {enabled: false}`,
	"auth.generate":                            `auth: {existingSecret: null, generate: true}`,
	"networkPolicy.apiServer":                  `networkPolicy: {apiServer: []}`,
	"global":                                   `-`, // for parent charts
	"enabled":                                  `-`, // for parent charts
	"cluster.grpcTimeoutMs":                    `cluster: {grpcTimeoutMs: 500}`,
	"cluster.connectionTimeoutMs":              `cluster: {connectionTimeoutMs: 500}`,
}

// other makes values in which the key has another value than in `everything` or its default.
func other(t *testing.T, key schema.Key) string {
	t.Helper()
	if values, ok := changed[key.Path]; ok {
		return values
	}
	types := key.JSONTypes
	var value any
	// What it has in the base, which the other value must not be.
	base, ok := chart.At(chart.Values(t, everything), key.Path)
	if !ok {
		base = key.Default
	}
	switch {
	case len(enums(t, key)) > 0:
		words := enums(t, key)
		value = words[0]
		if value == base {
			value = words[1]
		}
	case slices.Contains(types, "boolean"):
		value = base != true
	case slices.Contains(types, "integer"), slices.Contains(types, "number"):
		value = 2
		if number, ok := key.Default.(json.Number); ok {
			n, err := number.Float64()
			require.NoError(t, err)
			value = n + 1
			if slices.Contains(types, "number") && n < 1 {
				value = n / 2
			}
		}
	case strings.HasPrefix(key.Type, "map["):
		value = map[string]string{"example.org/other": "other"}
	case key.Type == "[]string":
		value = []string{"other"}
	case key.Type == "quantity":
		value = "77Gi"
	case key.Type == "duration":
		value = "7s"
	case slices.Contains(types, "string"):
		value = "other"
	default:
		require.FailNow(t, "no other value", "%s is of type %s: put it into `changed`", key.Path, key.Type)
	}
	return valuesAt(t, key.Path, value)
}

func enums(t *testing.T, key schema.Key) []string {
	t.Helper()
	at := any(loadedSchema(t))
	for name := range strings.SplitSeq(key.Path, ".") {
		properties := at.(map[string]any)["properties"].(map[string]any)
		at = properties[name]
	}
	var words []string
	values, _ := at.(map[string]any)["enum"].([]any)
	for _, value := range values {
		if word, ok := value.(string); ok {
			words = append(words, word)
		}
	}
	return words
}

func loadedSchema(t *testing.T) map[string]any {
	t.Helper()
	var document map[string]any
	require.NoError(t, yaml.Unmarshal(chart.Loaded(t).Schema, &document))
	return document
}

// A key that changes nothing is dead, or a template has a typo. So each is changed, in a release that has everything turned on,
// and something else has to be rendered.
func TestEveryKeyIsUsed(t *testing.T) {
	t.Parallel()
	// Alerts and dashboards are long, and only keys of their own change them.
	const short = "\nmetrics: {prometheusRule: {enabled: false}, dashboard: {enabled: false}}\n"
	const withoutTLS = "\ntls: {enabled: false}\n"
	long, base, plain := rendered(t, everything), rendered(t, everything, short), rendered(t, everything, short, withoutTLS)
	for _, key := range declared(t) {
		if key.Closed || changed[key.Path] == `-` {
			continue
		}
		t.Run(key.Path, func(t *testing.T) {
			t.Parallel()
			values := other(t, key)
			var used bool
			if strings.HasPrefix(key.Path, "metrics.") {
				used = rendered(t, everything, values) != long
			} else {
				// The second time for the pod of helm test, which is not there with TLS.
				used = rendered(t, everything, short, values) != base || rendered(t, everything, short, values, withoutTLS) != plain
			}
			assert.True(t, used, "nothing else is rendered with %s", values)
		})
	}
	for path := range changed {
		assert.True(t, slices.ContainsFunc(declared(t), func(key schema.Key) bool { return key.Path == path }), "%s is no longer in the values", path)
	}
}

// rendered is the text of all templates, with values laid over each other.
func rendered(t *testing.T, layers ...string) string {
	t.Helper()
	values := map[string]any{}
	for _, layer := range layers {
		values = chart.Merge(values, chart.Values(t, layer))
	}
	merged, err := yaml.Marshal(values)
	require.NoError(t, err)
	files, err := chart.Files(t, string(merged))
	require.NoError(t, err, "rendering %s", layers[1:])
	return chart.Join(files)
}
