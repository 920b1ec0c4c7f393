//go:build compose

package compose

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/tests/internal/promcheck"
)

const (
	monitoringFile = root + "/compose/compose.monitoring.yaml"
	rulesFile      = root + "/charts/qdrant/alerts/qdrant.yaml"
)

// scraped allows for a few scrapes and evaluations, 15 s apart.
const scraped = 90 * time.Second

// Given the overlay, when Prometheus runs beside the server, then it scrapes it, has exactly the chart's alerts loaded, none of them
// fires for a healthy server and the right one does for one that is gone, and each query of an alert or a dashboard selects series
// that the server exports. Grafana is not started: its queries are asked of Prometheus instead.
func TestMonitoring(t *testing.T) {
	t.Parallel()
	stack := newStack(t, []string{"qdrant", "prometheus"}, nil, stackFile, monitoringFile)
	stack.fitPrometheus(t)
	stack.must(t, "up", "--detach", "qdrant", "prometheus")
	server := stack.ready(t)
	prometheus := stack.prometheus(t)

	t.Run("scrapes", func(t *testing.T) {
		eventually(t, scraped, `up{job="qdrant"} is 1`, func(ctx context.Context) error {
			series, err := prometheus.query(ctx, `up{job="qdrant"} == 1`)
			if err == nil && len(series) != 1 {
				err = fmt.Errorf("%d targets are up", len(series))
			}
			return err
		})
	})
	t.Run("rules are the chart's", func(t *testing.T) {
		alerts, err := promcheck.Alerts(rulesFile)
		require.NoError(t, err)
		var want []string
		for _, alert := range alerts {
			want = append(want, alert.Alert)
		}
		var have []string
		eventually(t, scraped, "all rules have been evaluated", func(ctx context.Context) error {
			rules, err := prometheus.rules(ctx)
			have = nil
			for _, rule := range rules {
				have = append(have, rule.Name)
				if rule.Health != "ok" {
					err = errors.Join(err, fmt.Errorf("%s: %s: %s", rule.Name, rule.Health, rule.LastError))
				}
			}
			return err
		})
		assert.ElementsMatch(t, want, have)
	})
	t.Run("a healthy server raises none", func(t *testing.T) { prometheus.silent(t) })

	// What a single server exports, then what it exports in addition as a cluster.
	work(t, stack, server)
	t.Run("queries name what the server exports", func(t *testing.T) {
		prometheus.exports(t, func(selector promcheck.Selector) bool { return !ofClusters(selector.Metric) })
	})
	t.Run("queries name what a cluster exports", func(t *testing.T) {
		stack.files = append(stack.files, "testdata/cluster.yaml")
		stack.must(t, "up", "--detach", "qdrant", "prometheus")
		stack.ready(t)
		prometheus.exports(t, func(selector promcheck.Selector) bool { return ofClusters(selector.Metric) })
		prometheus.silent(t)
	})
	t.Run("a server that is gone raises one", func(t *testing.T) {
		stack.must(t, "stop", "qdrant")
		eventually(t, scraped, "QdrantInstanceDown is on its way", func(ctx context.Context) error {
			rules, err := prometheus.rules(ctx)
			if err != nil {
				return err
			}
			for _, rule := range rules {
				if rule.Name == "QdrantInstanceDown" && (rule.State == "pending" || rule.State == "firing") {
					return nil
				}
			}
			return fmt.Errorf("it is not, among %v", rules)
		})
	})
}

// ofClusters says whether a server that is not in cluster mode lacks the metric.
func ofClusters(metric string) bool {
	return strings.HasPrefix(metric, "cluster_") && metric != "cluster_enabled"
}

// work makes the server do what it counts: writes and searches over both protocols, those that fail too, and a snapshot.
func work(t *testing.T, stack *stack, server server) {
	t.Helper()
	server.create(t, "worked")
	server.fill(t, "worked", 300)
	assert.Equal(t, 1, server.nearest(t, "worked"))
	assert.Equal(t, http.StatusNotFound, server.status(t, http.MethodPost, "/collections/nothing/points/query", map[string]any{"query": []float64{1, 0, 0, 0}}))
	server.result(t, http.MethodPost, "/collections/worked/snapshots", nil, nil)

	client, wait := stack.grpc(t, ""), true
	_, err := client.Upsert(t.Context(), &qdrant.UpsertPoints{CollectionName: "worked", Wait: &wait, Points: []*qdrant.PointStruct{
		{Id: qdrant.NewIDNum(1000), Vectors: qdrant.NewVectors(0, 0, 1, 0)},
	}})
	require.NoError(t, err)
	found, err := client.Query(t.Context(), &qdrant.QueryPoints{CollectionName: "worked", Query: qdrant.NewQuery(0, 0, 1, 0)})
	require.NoError(t, err)
	require.NotEmpty(t, found)
	assert.Equal(t, uint64(1000), found[0].GetId().GetNum())
	_, err = client.Query(t.Context(), &qdrant.QueryPoints{CollectionName: "nothing", Query: qdrant.NewQuery(0, 0, 1, 0)})
	require.Error(t, err)
}

// fitPrometheus makes the overlay fit an image of Prometheus that was not built by its project.
func (s *stack) fitPrometheus(t *testing.T) {
	t.Helper()
	image := s.config(t).Services["prometheus"].Image
	entrypoint, err := run(t.Context(), nil, "docker", "image", "inspect", "--format", "{{json .Config.Entrypoint}}", image)
	require.NoError(t, err)
	if entrypoint != `["/bin/prometheus"]` {
		t.Logf("NOTE: the image %s here starts with %s, not the official /bin/prometheus: its volume and health check are replaced by testdata/prometheus-elsewhere.yaml", image, entrypoint)
		s.files = append(s.files, "testdata/prometheus-elsewhere.yaml")
	}
}

// prometheus talks to the Prometheus of a stack.
type prometheus struct{ url string }

func (s *stack) prometheus(t *testing.T) prometheus {
	t.Helper()
	p := prometheus{url: "http://" + s.address(t, "prometheus", "9090")}
	eventually(t, time.Minute, "Prometheus is ready", func(ctx context.Context) error {
		return p.get(ctx, "/api/v1/status/buildinfo", nil, nil)
	})
	return p
}

// get asks the HTTP API and unpacks the answer's data.
func (p prometheus) get(ctx context.Context, path string, parameters url.Values, data any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path+"?"+parameters.Encode(), nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("asking Prometheus for %s: %s: %s", path, response.Status, answer)
	}
	return json.Unmarshal(answer, &struct {
		Data any `json:"data"`
	}{data})
}

// query evaluates an expression and returns the labels of what comes out.
func (p prometheus) query(ctx context.Context, expression string) ([]map[string]string, error) {
	var data struct {
		Result []struct {
			Metric map[string]string `json:"metric"`
		} `json:"result"`
	}
	err := p.get(ctx, "/api/v1/query", url.Values{"query": {expression}}, &data)
	series := make([]map[string]string, 0, len(data.Result))
	for _, result := range data.Result {
		series = append(series, result.Metric)
	}
	return series, err
}

type rule struct {
	Name, State, Health, LastError string
}

func (p prometheus) rules(ctx context.Context) ([]rule, error) {
	var data struct {
		Groups []struct {
			Rules []rule `json:"rules"`
		} `json:"groups"`
	}
	err := p.get(ctx, "/api/v1/rules", nil, &data)
	var rules []rule
	for _, group := range data.Groups {
		rules = append(rules, group.Rules...)
	}
	if err == nil && len(rules) == 0 {
		err = errors.New("no rules are loaded")
	}
	return rules, err
}

// silent waits until no alert fires or is about to. (A server that starts is down for a moment.)
func (p prometheus) silent(t *testing.T) {
	t.Helper()
	eventually(t, scraped, "all alerts are inactive", func(ctx context.Context) error {
		rules, err := p.rules(ctx)
		for _, rule := range rules {
			if rule.State != "inactive" {
				err = errors.Join(err, fmt.Errorf("%s is %s", rule.Name, rule.State))
			}
		}
		return err
	})
}

// exports asks Prometheus for the series of each selector in the server's alerts and in the dashboards, as far as those that the
// caller wants, and ends the test if one of them selects nothing.
func (p prometheus) exports(t *testing.T, wanted func(promcheck.Selector) bool) {
	t.Helper()
	queries, err := promcheck.Rules(rulesFile)
	require.NoError(t, err)
	dashboards, err := filepath.Glob(root + "/charts/qdrant/dashboards/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, dashboards)
	for _, file := range dashboards {
		more, err := promcheck.Dashboard(file)
		require.NoError(t, err)
		queries = append(queries, more...)
	}

	sources := map[string][]string{}
	for _, query := range queries {
		for _, selector := range query.Selectors() {
			if wanted(selector) {
				asked := askable(selector)
				sources[asked] = append(sources[asked], query.Source)
			}
		}
	}
	require.NotEmpty(t, sources)
	eventually(t, scraped, "every selector selects something", func(ctx context.Context) error {
		var missing []error
		for selector, in := range sources {
			var series []map[string]string
			if err := p.get(ctx, "/api/v1/series", url.Values{"match[]": {selector}}, &series); err != nil {
				return err
			}
			if len(series) == 0 {
				missing = append(missing, fmt.Errorf("the server exports no %s, as in %s", selector, strings.Join(slices.Compact(in), ", ")))
			}
		}
		return errors.Join(missing...)
	})
	t.Logf("%d selectors of %d queries", len(sources), len(queries))
}

// askable is the selector as PromQL, except that of the statuses of errors that are the server's fault, which a healthy server does
// not have, only the label is asked for.
func askable(selector promcheck.Selector) string {
	text := selector.String()
	for _, faults := range []string{`status=~"5..|408"`, `status=~"2|4|13|14|15"`} {
		text = strings.ReplaceAll(text, faults, `status!=""`)
	}
	return text
}
