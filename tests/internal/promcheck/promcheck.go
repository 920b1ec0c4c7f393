// Package promcheck reads Prometheus rule files and Grafana dashboards and parses each of their queries with Prometheus' own
// parser, so that tests can ask which series a query selects.
package promcheck

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

var promql = parser.NewParser(parser.Options{})

// Query is one PromQL expression of a rule file or dashboard.
type Query struct {
	// Source is where it stands: the file and, in it, the alert, panel or variable.
	Source string
	// Text is the expression with Grafana's variables filled in.
	Text string

	expr parser.Expr
}

func parseQuery(source, text string) (Query, error) {
	expr, err := promql.ParseExpr(text)
	if err != nil {
		return Query{}, fmt.Errorf("parsing the query of %s: %w\n%s", source, err, text)
	}
	return Query{Source: source, Text: text, expr: expr}, nil
}

// Selectors returns what the query selects, in the order of the text.
func (q Query) Selectors() []Selector {
	var selectors []Selector
	parser.Inspect(q.expr, func(node parser.Node, _ []parser.Node) error {
		if vector, ok := node.(*parser.VectorSelector); ok {
			selectors = append(selectors, newSelector(vector))
		}
		return nil
	})
	return selectors
}

// Metrics returns the names of the metrics that the query reads, sorted, each once.
func (q Query) Metrics() []string {
	var names []string
	for _, selector := range q.Selectors() {
		names = append(names, selector.Metric)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Selector is a metric and what its labels have to match.
type Selector struct {
	// Metric is empty where the query selects by something else than one name.
	Metric string
	// Matchers are those of the labels, without that of the name.
	Matchers []*labels.Matcher
}

func newSelector(vector *parser.VectorSelector) Selector {
	selector := Selector{Metric: vector.Name}
	for _, matcher := range vector.LabelMatchers {
		switch {
		case matcher.Name != model.MetricNameLabel:
			selector.Matchers = append(selector.Matchers, matcher)
		case matcher.Type == labels.MatchEqual:
			selector.Metric = matcher.Value
		}
	}
	return selector
}

// String returns the selector as PromQL.
func (s Selector) String() string {
	matchers := make([]string, 0, len(s.Matchers))
	for _, matcher := range s.Matchers {
		matchers = append(matchers, matcher.String())
	}
	return s.Metric + "{" + strings.Join(matchers, ",") + "}"
}

// Alerts returns the alerts of the rule file at path, which has to pass all of Prometheus' own checks and to have some.
func Alerts(path string) ([]rulefmt.Rule, error) {
	groups, err := readRules(path)
	if err != nil {
		return nil, err
	}
	var alerts []rulefmt.Rule
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			if rule.Alert != "" {
				alerts = append(alerts, rule)
			}
		}
	}
	if len(alerts) == 0 {
		return nil, fmt.Errorf("reading rules of %s: it has no alert", filepath.Base(path))
	}
	return alerts, nil
}

// Rules returns the query of each rule of the rule file at path, which has to pass all of Prometheus' own checks.
func Rules(path string) ([]Query, error) {
	groups, err := readRules(path)
	if err != nil {
		return nil, err
	}
	return queriesOf(filepath.Base(path), groups)
}

// ParseRules is Rules for the content of a rule file, or of a PrometheusRule's spec, which has the same form. Name says in errors
// what it was.
func ParseRules(name string, content []byte) ([]Query, error) {
	groups, err := parseRules(name, content)
	if err != nil {
		return nil, err
	}
	return queriesOf(name, groups)
}

func readRules(path string) (*rulefmt.RuleGroups, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading rules: %w", err)
	}
	return parseRules(filepath.Base(path), content)
}

func parseRules(name string, content []byte) (*rulefmt.RuleGroups, error) {
	groups, errs := rulefmt.Parse(content, false, model.UTF8Validation, promql, promslog.NewNopLogger())
	if len(errs) > 0 {
		return nil, fmt.Errorf("reading rules of %s: %w", name, errors.Join(errs...))
	}
	return groups, nil
}

func queriesOf(name string, groups *rulefmt.RuleGroups) ([]Query, error) {
	var queries []Query
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			query, err := parseQuery(fmt.Sprintf("%s: %s%s", name, rule.Alert, rule.Record), rule.Expr)
			if err != nil {
				return nil, err
			}
			queries = append(queries, query)
		}
	}
	if len(queries) == 0 {
		return nil, fmt.Errorf("reading rules of %s: it has no rule", name)
	}
	return queries, nil
}
