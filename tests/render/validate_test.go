package render

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
)

// mistakes are values that contradict each other. Each message begins with the key and ends with the fix.
var mistakes = map[string]refusal{
	"a name that is too long":     {values: `fullnameOverride: ` + strings.Repeat("a", 53), want: []string{"fullnameOverride: ", "the maximum is 52; set fullnameOverride to a shorter name"}},
	"a name that is no Service's": {values: `fullnameOverride: 1-qdrant`, want: []string{"fullnameOverride: ", "set fullnameOverride to a name that starts with a letter"}},
	"labels of the selector":      {values: `commonLabels: {app: other}`, want: []string{"commonLabels: the label app ", "; remove it"}},
	"labels of the selector on pods": {values: `podLabels: {app.kubernetes.io/instance: other}`,
		want: []string{"podLabels: the label app.kubernetes.io/instance ", "; remove it"}},
	"labels of the selector on claims": {values: `persistence: {data: {labels: {app: other}}, snapshots: {labels: {app: other}}}`,
		want: []string{"persistence.data.labels: the label app ", "persistence.snapshots.labels: the label app "}},
	"servers that are no cluster":   {values: `cluster: {enabled: false}`, want: []string{"cluster.enabled: ", "set cluster.enabled=true or replicas=1"}},
	"more copies than peers":        {values: `{replicas: 2, collection: {replicationFactor: 3}}`, want: []string{"collection.replicationFactor: ", "set replicas=3 or collection.replicationFactor=2"}},
	"more acknowledgements":         {values: `collection: {writeConsistencyFactor: 3}`, want: []string{"collection.writeConsistencyFactor: ", "set it to 2 or less"}},
	"shards in two ways":            {values: `collection: {shardNumber: 12, shardNumberPerNode: 2}`, want: []string{"collection.shardNumber: ", "set one of them to null"}},
	"limits of a mode that is off":  {values: `strictMode: {maxQueryLimit: 10}`, want: []string{"strictMode.maxQueryLimit: ", "set strictMode.enabled=true"}},
	"claims deleted by a scale-in":  {values: `persistence: {retentionPolicy: {whenScaled: Delete}}`, want: []string{"persistence.retentionPolicy.whenScaled: ", "set it to Retain"}},
	"TLS without a certificate":     {values: `tls: {enabled: true}`, want: []string{"tls.existingSecret: ", "set it to the name of a Secret"}},
	"peers' keys without a key":     {values: `auth: {enforceInternal: true}`, want: []string{"auth.enforceInternal: ", "set auth.existingSecret"}},
	"a load balancer without a key": {values: `loadBalancer: {enabled: true}`, want: []string{"loadBalancer.enabled: ", "set auth.existingSecret"}},
	"a load balancer for nobody":    {values: `{auth: {existingSecret: s}, loadBalancer: {enabled: true}}`, want: []string{"loadBalancer.sourceRanges: ", "set the networks that can connect"}},
	"an Ingress without hosts":      {values: `ingress: {enabled: true}`, want: []string{"ingress.hosts: ", "add a host"}},
	"a route without a gateway":     {values: `gateway: {grpcRoute: {enabled: true}}`, want: []string{"gateway.grpcRoute.parentRefs: ", "add a gateway"}},
	"autoscaling without a cluster": {values: `{replicas: 1, cluster: {enabled: false}, autoscaling: {enabled: true, minReplicas: 1}}`, want: []string{"autoscaling.enabled: ", "set cluster.enabled=true"}},
	"least above most":              {values: `{replicas: 5, autoscaling: {enabled: true, minReplicas: 5, maxReplicas: 4}}`, want: []string{"autoscaling.minReplicas: ", "lower minReplicas or raise maxReplicas"}},
	"fewer than the least":          {values: `{replicas: 2, autoscaling: {enabled: true}}`, want: []string{"replicas: ", "set replicas=3"}},
	"more than the most":            {values: `{replicas: 11, autoscaling: {enabled: true}}`, want: []string{"replicas: ", "(3 to 10)"}},
	"a percentage of nothing":       {values: `{autoscaling: {enabled: true}, resources: {requests: {cpu: null}}}`, want: []string{"autoscaling.targetCPUUtilizationPercentage: ", "set resources.requests.cpu, or set this to null"}},
	"memory of nothing":             {values: `{autoscaling: {enabled: true}, resources: {requests: {memory: null}}}`, want: []string{"autoscaling.targetMemoryUtilizationPercentage: ", "set resources.requests.memory, or set this to null"}},
	"nothing to look at":            {values: `autoscaling: {enabled: true, targetCPUUtilizationPercentage: null, targetMemoryUtilizationPercentage: null}`, want: []string{"autoscaling.targetCPUUtilizationPercentage: ", "set it or targetMemoryUtilizationPercentage"}},
	"a budget beyond the quorum":    {values: `pdb: {maxUnavailable: 2}`, want: []string{"pdb.maxUnavailable: ", "set it to 1 or less"}},
	"no time to stop":               {values: `{terminationGracePeriodSeconds: 25, preStopSeconds: 10}`, want: []string{"terminationGracePeriodSeconds: ", "set it to 30 or more"}},
	"nothing to scrape":             {values: `metrics: {enabled: false, serviceMonitor: {enabled: true}}`, want: []string{"metrics.serviceMonitor.enabled: ", "set metrics.enabled=true"}},
	"alerts that know other names":  {values: `metrics: {prefix: q_, prometheusRule: {enabled: true}}`, want: []string{"metrics.prefix: ", `set it to ""`}},
	"a dashboard that does too":     {values: `metrics: {prefix: q_, dashboard: {enabled: true}}`, want: []string{"metrics.prefix: "}},
	"a section of config taken away": {values: `config: {service: null, storage: [1], cluster: {p2p: text}}`,
		want: []string{"config.service: would replace a whole section", "config.storage: ", "config.cluster.p2p: ", "; set a map with the settings to change"}},
	"shepherd without an image": {values: `shepherd: {enabled: true}`,
		want: []string{"shepherd.image.repository: shepherd.enabled requires the image of shepherd", "use a published chart, or build the image with `make image`, push it, and set shepherd.image.repository"}},
	"production from a clone":    {options: []chart.Option{chart.Over("values-prod.yaml")}, want: []string{"shepherd.image.repository: shepherd.enabled requires "}},
	"made keys without an image": {values: `auth: {generate: true}`, want: []string{"shepherd.image.repository: auth.generate requires ", "set shepherd.image.repository"}},
	"a key that shepherd can't read": {values: `{extraEnv: [{name: QDRANT__SERVICE__API_KEY, valueFrom: {secretKeyRef: {name: s, key: k}}}], shepherd: {enabled: true, image: {repository: r}}}`,
		want: []string{"extraEnv: shepherd needs the API key", "set auth.existingSecret instead"}},
	"shepherd without a cluster": {values: `{replicas: 1, cluster: {enabled: false}, shepherd: {enabled: true, image: {repository: r}}}`,
		want: []string{"shepherd.enabled: ", "set cluster.enabled=true or shepherd.enabled=false"}},
	"a wait beyond the time to stop": {values: `{terminationGracePeriodSeconds: 1869, shepherd: {enabled: true, image: {repository: r}}}`,
		want: []string{"rollout.maxWait: 30m does not fit into terminationGracePeriodSeconds (1869)", "set terminationGracePeriodSeconds=1870 or lower rollout.maxWait"}},
	"a wait of hours": {values: `{rollout: {maxWait: 2h}, preStopSeconds: 0, shepherd: {enabled: true, image: {repository: r}}}`,
		want: []string{"rollout.maxWait: 2h does not fit into terminationGracePeriodSeconds (3600)", "set terminationGracePeriodSeconds=7260 or lower"}},
	"a guard that knows nothing":  {values: `guard: {enabled: true}`, want: []string{"guard.enabled: ", "set shepherd.enabled=true or guard.enabled=false"}},
	"lost volumes left to nobody": {values: `recovery: {replaceLostVolumes: true}`, want: []string{"recovery.replaceLostVolumes: ", "set shepherd.enabled=true"}},
	"keys made and given":         {values: `{auth: {generate: true, existingSecret: s}, shepherd: {image: {repository: r}}}`, want: []string{"auth.generate: ", "set only one of them"}},
	"a key in the environment":    {values: `extraEnv: [{name: QDRANT__SERVICE__ALT_API_KEY, value: abc}]`, want: []string{"extraEnv: QDRANT__SERVICE__ALT_API_KEY ", "set auth.existingSecret"}},
	"another name": {values: `fullnameOverride: another`, live: []metav1.Object{chart.LiveStatefulSet(chart.Fullname, 3)},
		want: []string{"fullnameOverride: the StatefulSet of this release is \"q-qdrant\"", "would be \"another\"", "; set fullnameOverride=q-qdrant"}},
	"another name of the chart": {values: `nameOverride: another`, live: []metav1.Object{chart.LiveStatefulSet(chart.Fullname, 3)},
		want: []string{"fullnameOverride: ", "would be \"q-another\"", "; set fullnameOverride=q-qdrant"}},
	"a key in config": {values: `config: {service: {api_key: abc}}`, want: []string{"config.service.api_key: ", "set auth.existingSecret"}},
}

func TestContradictionsAreRefused(t *testing.T) {
	t.Parallel()
	refuses(t, mistakes)
}

// A rule of _validate.tpl that no case breaks may be one that nothing breaks.
func TestEveryRuleIsBroken(t *testing.T) {
	t.Parallel()
	template, err := os.ReadFile(filepath.Join(chart.Dir(), "templates", "_validate.tpl"))
	require.NoError(t, err)
	rules := regexp.MustCompile(`append \$wrong (?:\(printf )?"((?:[^"\\]|\\.)*)"`).FindAllSubmatch(template, -1)
	require.NotEmpty(t, rules)
	require.Len(t, rules, strings.Count(string(template), "append $wrong"), "a rule whose message this test can't read")

	var said strings.Builder
	for _, mistake := range mistakes {
		said.WriteString(mistake.err(t).Error())
	}
	for _, rule := range rules {
		message := strings.NewReplacer(`\"`, `"`).Replace(string(rule[1]))
		pattern := regexp.MustCompile(`%[dsq]`).ReplaceAllString(regexp.QuoteMeta(message), `.*?`)
		assert.Regexp(t, pattern, said.String(), "no case breaks this rule")
		assert.Regexp(t, `^[%a-zA-Z.]+: .*;? (set|remove|add|lower|write|give) |^%s: the label|; %s$`, message, "the message begins with the key and ends with the fix")
	}
}

// All that is wrong is said at once, so that nobody has to try again and again.
func TestAllMistakesAreSaidAtOnce(t *testing.T) {
	t.Parallel()
	err := chart.RenderErr(t, `{tls: {enabled: true}, pdb: {maxUnavailable: 3}, metrics: {enabled: false, serviceMonitor: {enabled: true}}}`)
	for _, want := range []string{"tls.existingSecret: ", "pdb.maxUnavailable: ", "metrics.serviceMonitor.enabled: "} {
		assert.ErrorContains(t, err, "\n  "+want)
	}
}

// What config may not say. Anything else may be said.
func TestConfigMayNotContradictTheChart(t *testing.T) {
	t.Parallel()
	template, err := os.ReadFile(filepath.Join(chart.Dir(), "templates", "_validate.tpl"))
	require.NoError(t, err)
	paths := regexp.MustCompile(`(?m)^  "([a-z0-9_.]+)" "`).FindAllSubmatch(template, -1)
	require.NotEmpty(t, paths)
	tested := map[string]refusal{}
	for _, match := range paths {
		path := string(match[1])
		// null and false count too: they would be merged over what the chart says.
		for _, value := range []string{"1", "false", "text"} {
			values := "config: "
			for key := range strings.SplitSeq(path, ".") {
				values += "{" + key + ": "
			}
			values += value + strings.Repeat("}", strings.Count(path, ".")+1)
			tested[path+" as "+value] = refusal{values: values, want: []string{"config." + path + ": cannot be set here; "}}
		}
	}
	refuses(t, tested)
}

func TestConfigMayHoldAnythingElse(t *testing.T) {
	t.Parallel()
	each(t, map[string]string{
		"nothing":                 `config: {}`,
		"other keys of a section": `config: {service: {http_keep_alive_timeout_sec: 5}, cluster: {p2p: {connection_pool_size: 3}}}`,
		"a section of its own":    `config: {gpu: {indexing: true}}`,
		"snapshots in a bucket":   `config: {storage: {snapshots_config: {snapshots_storage: s3, s3_config: {bucket: b, region: r}}}}`,
	}, func(t *testing.T, values string) {
		chart.Render(t, values)
	})
}

// odd are values that look odd and are allowed, because a person may mean it.
var odd = map[string]string{
	"a release at 0":                          `replicas: 0`,
	"a release at 0 that had five peers":      `{replicas: 0, collection: {replicationFactor: 3, writeConsistencyFactor: 2}, pdb: {maxUnavailable: 2}}`,
	"a load balancer, the key from elsewhere": `{extraEnv: [{name: QDRANT__SERVICE__API_KEY, valueFrom: {secretKeyRef: {name: s, key: k}}}], loadBalancer: {enabled: true, sourceRanges: [0.0.0.0/0]}}`,
	"an autoscaled release at 0":              `{replicas: 0, autoscaling: {enabled: true}}`,
	"limits of a mode that is known off":      `strictMode: {enabled: false, maxQueryLimit: 10}`,
	"two peers":                               `replicas: 2`,
	"a budget of none":                        `pdb: {maxUnavailable: 0}`,
	"as many copies as peers":                 `collection: {replicationFactor: 3, writeConsistencyFactor: 3}`,
	"just enough time to stop":                `{terminationGracePeriodSeconds: 30, preStopSeconds: 10}`,
	"metrics with a prefix, and no alerts":    `metrics: {prefix: q_}`,
	"a wait that just fits":                   `{terminationGracePeriodSeconds: 1870, shepherd: {enabled: true, image: {repository: r}}}`,
	"made keys and no shepherd":               `{auth: {generate: true}, shepherd: {image: {repository: r}}}`,
	"peers' keys that are made":               `{auth: {generate: true, enforceInternal: true}, shepherd: {image: {repository: r}}}`,
	"a shepherd of one peer":                  `{replicas: 1, shepherd: {enabled: true, image: {repository: r}}}`,
	"a wait that nobody keeps":                `{rollout: {maxWait: 9h}}`,
	"one single node":                         `{replicas: 1, cluster: {enabled: false}}`,
}

func TestOddValuesThatAreAllowed(t *testing.T) {
	t.Parallel()
	each(t, odd, func(t *testing.T, values string) {
		chart.Render(t, values)
	})
}
