package promcheck

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const chart = "../../../charts/qdrant"

func ruleFiles(t *testing.T) []string {
	t.Helper()
	return glob(t, filepath.Join(chart, "alerts", "*.yaml"))
}

func dashboardFiles(t *testing.T) []string {
	t.Helper()
	return glob(t, filepath.Join(chart, "dashboards", "*.json"))
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, files, "no file is called %s", pattern)
	return files
}

func TestRuleFilesParse(t *testing.T) {
	for _, file := range ruleFiles(t) {
		queries, err := Rules(file)
		require.NoError(t, err)
		require.NotEmpty(t, queries, "%s has no rules", file)
		for _, query := range queries {
			assert.NotEmpty(t, query.Metrics(), "%s selects nothing", query.Source)
			for _, selector := range query.Selectors() {
				assert.NotEmpty(t, selector.Metric, "%s: a selector without a metric's name: %s", query.Source, selector)
			}
		}
	}
}

func TestAlertsSayWhatToDo(t *testing.T) {
	names := map[string]bool{}
	for _, file := range ruleFiles(t) {
		alerts, err := Alerts(file)
		require.NoError(t, err)
		for _, alert := range alerts {
			assert.False(t, names[alert.Alert], "two alerts are called %s", alert.Alert)
			names[alert.Alert] = true
			assert.Positive(t, alert.For, "%s: for", alert.Alert)
			assert.Contains(t, []string{"critical", "warning"}, alert.Labels["severity"], "%s: severity", alert.Alert)
			for _, annotation := range []string{"summary", "description", "runbook", "runbook_url"} {
				assert.NotEmpty(t, alert.Annotations[annotation], "%s: %s", alert.Alert, annotation)
			}
			assert.NotContains(t, alert.Annotations["summary"], "$value", "%s: a summary that changes with the value makes a new notification each time", alert.Alert)
		}
	}
}

// The chart replaces these literals by plain text replacement: each selector must have what is replaced, and nothing else may.
func TestSelectorsHaveThePlaceholders(t *testing.T) {
	placeholders := map[string]*regexp.Regexp{
		"qdrant.yaml":     regexp.MustCompile(`job="qdrant"`),
		"kubernetes.yaml": regexp.MustCompile(`namespace="qdrant",(pod=~"qdrant-pods"|persistentvolumeclaim=~"qdrant-claims")`),
		"shepherd.yaml":   regexp.MustCompile(`^(shepherd_[a-z_]+|up)\{.*job="shepherd"`),
	}
	for _, file := range ruleFiles(t) {
		placeholder := placeholders[filepath.Base(file)]
		require.NotNil(t, placeholder, "%s: which literals does the chart replace?", file)
		queries, err := Rules(file)
		require.NoError(t, err)
		for _, query := range queries {
			for _, selector := range query.Selectors() {
				assert.Regexp(t, placeholder, selector.String(), query.Source)
			}
		}

		alerts, err := Alerts(file)
		require.NoError(t, err)
		for _, alert := range alerts {
			for name, annotation := range alert.Annotations {
				assert.NotRegexp(t, `"qdrant|qdrant"|"shepherd"`, annotation, "%s: %s would be changed by the replacement", alert.Alert, name)
			}
		}
	}
}

// An alert on a series that nobody exports never fires. Of those that shepherd exports the source says the names, and the values of labels.
func TestShepherdExportsWhatIsAlertedOn(t *testing.T) {
	var source strings.Builder
	for _, name := range []string{"tend", "watch"} {
		for _, file := range glob(t, filepath.Join("../../../internal/shepherd", name, "*.go")) {
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			source.Write(content)
		}
	}
	queries, err := Rules(filepath.Join(chart, "alerts", "shepherd.yaml"))
	require.NoError(t, err)
	seen := 0
	for _, query := range queries {
		for _, selector := range query.Selectors() {
			name, ours := strings.CutPrefix(selector.Metric, "shepherd_")
			if !ours {
				continue
			}
			seen++
			assert.Regexp(t, `"(shepherd_)?`+name+`"`, source.String(), "%s: nobody exports %s", query.Source, selector.Metric)
			for _, matcher := range selector.Matchers {
				if slices.Contains([]string{"job", "container", "leader"}, matcher.Name) {
					continue
				}
				assert.Contains(t, source.String(), `"`+matcher.Name+`"`, "%s: %s has no label %s", query.Source, selector.Metric, matcher.Name)
				assert.Contains(t, source.String(), `"`+matcher.Value+`"`, "%s: no %s of %s is called %s", query.Source, matcher.Name, selector.Metric, matcher.Value)
			}
		}
	}
	assert.Greater(t, seen, 10)
}

func TestDashboardsParse(t *testing.T) {
	for _, file := range dashboardFiles(t) {
		queries, err := Dashboard(file)
		require.NoError(t, err)
		require.NotEmpty(t, queries, "%s has no queries", file)
		for _, query := range queries {
			for _, selector := range query.Selectors() {
				assert.NotEmpty(t, selector.Metric, "%s: a selector without a metric's name: %s", query.Source, selector)
				// The variables of the dashboard depend on each other from left to right; panels use all of them.
				if !strings.Contains(query.Source, ": variable ") {
					assert.Contains(t, selector.String(), `namespace=~".*",job=~".*",instance=~".*"`, query.Source)
				}
			}
		}
	}
}

func TestDashboardsAreWhole(t *testing.T) {
	uids := map[string]bool{}
	for _, file := range dashboardFiles(t) {
		board, err := readDashboard(file)
		require.NoError(t, err)
		assert.NotEmpty(t, board.Title, file)
		assert.GreaterOrEqual(t, board.SchemaVersion, 39, "%s: Grafana 11 and later", file)
		assert.NotEmpty(t, board.UID, file)
		assert.False(t, uids[board.UID], "two dashboards have the uid %s", board.UID)
		uids[board.UID] = true

		ids, cells := map[int]bool{}, map[[2]int]string{}
		require.NotEmpty(t, board.all(), file)
		for _, panel := range board.all() {
			assert.NotEmpty(t, panel.Title, "%s: panel %d", file, panel.ID)
			assert.False(t, ids[panel.ID], "%s: two panels have the id %d", file, panel.ID)
			ids[panel.ID] = true
			assert.LessOrEqual(t, panel.GridPos.X+panel.GridPos.W, 24, "%s is wider than the grid", panel.Title)
			for x := panel.GridPos.X; x < panel.GridPos.X+panel.GridPos.W; x++ {
				for y := panel.GridPos.Y; y < panel.GridPos.Y+panel.GridPos.H; y++ {
					assert.Empty(t, cells[[2]int{x, y}], "%s covers another panel", panel.Title)
					cells[[2]int{x, y}] = panel.Title
				}
			}
			if panel.Type == "row" {
				continue
			}
			assert.NotEmpty(t, panel.Description, "%s: description", panel.Title)
			assert.NotEmpty(t, panel.FieldConfig.Defaults.Unit, "%s: unit", panel.Title)
			assert.NotEmpty(t, panel.Targets, "%s: queries", panel.Title)
			assertVariableDatasource(t, panel.Title, panel.Datasource)
			for _, target := range panel.Targets {
				assertVariableDatasource(t, panel.Title, target.Datasource)
			}
		}
		for _, variable := range board.Templating.List {
			if variable.Type == "query" {
				assertVariableDatasource(t, "variable "+variable.Name, variable.Datasource)
			}
		}
	}
}

func assertVariableDatasource(t *testing.T, where string, source *datasource) {
	t.Helper()
	if assert.NotNil(t, source, "%s: datasource", where) {
		assert.Equal(t, "${datasource}", source.UID, "%s: a data source of one installation", where)
	}
}

func TestMetrics(t *testing.T) {
	query, err := parseQuery("test", `sum(rate(b_total{x="1"}[5m])) / (a{y=~"2.*"} or {__name__="c", z!="3"})`)
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b_total", "c"}, query.Metrics())
	var selectors []string
	for _, selector := range query.Selectors() {
		selectors = append(selectors, selector.String())
	}
	slices.Sort(selectors)
	assert.Equal(t, []string{`a{y=~"2.*"}`, `b_total{x="1"}`, `c{z!="3"}`}, selectors)
}

// What is wrong in a file is said, with the place.
func TestMistakesAreNamed(t *testing.T) {
	write := func(name, content string) string {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	_, err := Rules(write("rules.yaml", "groups:\n- name: g\n  rules:\n  - {alert: A, expr: 'sum(up'}\n"))
	require.ErrorContains(t, err, "rules.yaml")
	_, err = Rules(write("rules.yaml", "groups:\n- name: g\n  rules:\n  - {alert: A, expr: up, severity: high}\n"))
	require.ErrorContains(t, err, "severity")
	_, err = Rules(write("rules.yaml", "groups:\n- name: g\n"))
	require.ErrorContains(t, err, "rules.yaml: it has no rule")
	_, err = Alerts(write("rules.yaml", "groups:\n- name: g\n  rules:\n  - {record: 'a:b', expr: up}\n"))
	require.ErrorContains(t, err, "rules.yaml: it has no alert")
	_, err = Dashboard(write("board.json", `{"panels":[{"title":"Peers","targets":[{"expr":"up{job=\"$nobody\"}"}]}]}`))
	require.ErrorContains(t, err, "board.json: Peers: no variable is called $nobody")
	_, err = Dashboard(write("board.json", `{"panels":[{"title":"Row","type":"row","panels":[{"title":"Peers","targets":[{"expr":"max(up"}]}]}]}`))
	require.ErrorContains(t, err, "board.json: Peers")
}
