package render

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
	"github.com/qdrant-shepherd/shepherd/tests/internal/images"
)

func TestNotes(t *testing.T) {
	t.Parallel()
	each(t, map[string]struct {
		values  string
		options []chart.Option
		want    []string
		not     []string
	}{
		"what was installed": {
			want: []string{"Qdrant " + images.Version() + " as release q in namespace qdrant-test", "3 peers", "2 copies of each shard"},
		},
		"how to reach it": {
			want: []string{"q-qdrant.qdrant-test.svc.cluster.local", "dns:///q-qdrant-clients.qdrant-test.svc.cluster.local:6334",
				"kubectl -n qdrant-test port-forward service/q-qdrant 6333 6334", "http://localhost:6333/dashboard", "helm test q -n qdrant-test"},
			not: []string{"get secret", "q-qdrant-lb"},
		},
		"one peer": {values: `replicas: 1`, want: []string{"1 peer,", "1 copy of each shard", "majority: ", "copies: "}},
		"how to read the key": {values: `auth: {existingSecret: my-keys, keys: {apiKey: main}}`,
			want: []string{`get secret my-keys -o go-template='{{index .data "main" | base64decode}}'`}, not: []string{"- API key: "}},
		"a load balancer": {values: `{auth: {existingSecret: s}, loadBalancer: {enabled: true, sourceRanges: [192.0.2.0/24]}}`, want: []string{"get service q-qdrant-lb"}},
		"TLS":             {values: `tls: {enabled: true, existingSecret: s}`, want: []string{"https://localhost:6333/dashboard"}, not: []string{"- TLS: "}},
		"no dashboard":    {values: `server: {dashboard: false}`, not: []string{"/dashboard"}},
		"autoscaled":      {values: `autoscaling: {enabled: true, minReplicas: 3, maxReplicas: 12}`, want: []string{"3 to 12 peers (autoscaled)"}},
		"what is off by default": {
			want: []string{"- API key: ", "(auth.existingSecret)", "- TLS: ", "- audit log", "- alerts", "- limits on requests"},
			not:  []string{"- network policy: ", "- disruption budget: ", "- majority: ", "- copies: ", "- spread: "},
		},
		"what else can be off": {
			values: `{replicas: 2, networkPolicy: {enabled: false}, pdb: {enabled: false}, podAntiAffinity: none}`,
			want:   []string{"- network policy: ", "- disruption budget: ", "- majority: ", "- copies: ", "- spread: "},
		},
		"what production leaves off": {
			options: []chart.Option{chart.Scenario("values-prod.yaml")},
			want:    []string{"- TLS: "},
			not:     []string{"- API key: ", "- shepherd: ", "- guard: ", "- network policy: ", "- disruption budget: ", "- majority: ", "- copies: ", "- spread: ", "- audit log", "- alerts", "- limits on requests"},
		},
		"shepherd off": {want: []string{"- shepherd: rolling updates do not wait for shards"}, not: []string{"/shepherd status", "- guard: "}},
		"shepherd on": {values: withShepherd,
			want: []string{"kubectl -n qdrant-test exec deploy/q-shepherd -- /shepherd status", "-- /shepherd plan --replicas 4", "- guard: scaling down is not refused if the pods cannot be drained", "(guard.enabled)"},
			not:  []string{"- shepherd: "}},
		"shepherd and guard":       {values: withShepherd + `guard: {enabled: true}`, not: []string{"- shepherd: ", "- guard: "}},
		"no cluster to look after": {values: `{replicas: 1, cluster: {enabled: false}}`, not: []string{"- shepherd: "}},
		"no test with TLS":         {values: `tls: {enabled: true, existingSecret: s}`, want: []string{"(not available with TLS"}},
		"shepherd speaks it":       {values: withShepherd + `tls: {enabled: true, existingSecret: s}`, want: []string{"helm test q -n qdrant-test\n"}, not: []string{"not available with TLS"}},
		"keys that are made": {values: withShepherd + `auth: {generate: true}`,
			want: []string{`get secret q-qdrant-keys -o go-template='{{index .data "api-key" | base64decode}}'`}, not: []string{"- API key: "}},
		"where to look": {want: []string{"CreateContainerConfigError", "ImagePullBackOff", images.QdrantDefault, "Pending", "get pvc"}},
	}, func(t *testing.T, c struct {
		values  string
		options []chart.Option
		want    []string
		not     []string
	}) {
		notes := chart.Render(t, c.values, c.options...).Notes
		require.NotEmpty(t, notes)
		require.NotEmpty(t, slices.Concat(c.want, c.not), "the case expects nothing")
		for _, want := range c.want {
			assert.Contains(t, notes, want)
		}
		for _, not := range c.not {
			assert.NotContains(t, notes, not)
		}
		assert.NotContains(t, notes, "<no value>")
		assert.NotContains(t, notes, "%!")
	})
}

// A protection that the notes call off names the value that turns it on, and that value is there.
func TestNotesNameValuesThatExist(t *testing.T) {
	t.Parallel()
	paths := map[string]bool{}
	for _, key := range declared(t) {
		paths[key.Path] = true
	}
	notes := chart.Render(t, `{replicas: 1, networkPolicy: {enabled: false}, pdb: {enabled: false}, podAntiAffinity: none}`).Notes
	_, off, found := strings.Cut(notes, "Protections that are off")
	assert.True(t, found)
	lines := 0
	for line := range strings.Lines(off) {
		if !strings.HasPrefix(line, "  - ") {
			continue
		}
		lines++
		match := regexp.MustCompile(`\((\S+)\)\s*$`).FindStringSubmatch(line)
		if assert.NotNil(t, match, "no value in %q", line) {
			assert.True(t, paths[match[1]], "%s is no value", match[1])
		}
	}
	assert.Equal(t, 11, lines, "protections that are off, in:\n%s", off)
}

func TestNotesSayNothingWhenNothingIsOff(t *testing.T) {
	t.Parallel()
	o := chart.Render(t, `tls: {enabled: true, existingSecret: s}`, chart.Scenario("values-prod.yaml"))
	require.NotEmpty(t, o.Notes)
	assert.NotContains(t, o.Notes, "Protections that are off")
}
