package promcheck

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// dashboard is the part of Grafana's dashboard JSON that holds queries.
type dashboard struct {
	UID           string  `json:"uid"`
	Title         string  `json:"title"`
	SchemaVersion int     `json:"schemaVersion"`
	Panels        []panel `json:"panels"`
	Templating    struct {
		List []variable `json:"list"`
	} `json:"templating"`
}

type panel struct {
	ID          int         `json:"id"`
	Type        string      `json:"type"`
	Title       string      `json:"title"`
	Description string      `json:"description"`
	Datasource  *datasource `json:"datasource"`
	GridPos     struct {
		X, Y, W, H int
	} `json:"gridPos"`
	FieldConfig struct {
		Defaults struct {
			Unit string `json:"unit"`
		} `json:"defaults"`
	} `json:"fieldConfig"`
	Targets []struct {
		Expr       string      `json:"expr"`
		Datasource *datasource `json:"datasource"`
	} `json:"targets"`
	Panels []panel `json:"panels"`
}

type datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type variable struct {
	Name       string      `json:"name"`
	Type       string      `json:"type"`
	Definition string      `json:"definition"`
	Datasource *datasource `json:"datasource"`
}

var (
	// variableUse is $name, ${name} or ${name:format}.
	variableUse = regexp.MustCompile(`\$(\w+)|\$\{(\w+)(?::\w+)?\}`)
	// labelValues is the one form of a variable's query that we use: label_values(selector, label).
	labelValues = regexp.MustCompile(`^label_values\((.+),\s*\w+\)$`)
)

// builtins are Grafana's own variables, each with a value that it could have.
var builtins = map[string]string{
	"__interval":      "30s",
	"__range":         "1h",
	"__rate_interval": "1m",
}

// Dashboard returns every query of the dashboard at path: those of its panels, and those that fill its variables. A variable in a
// query becomes ".*", so it has to stand in a regular expression, and it has to be Grafana's own or one that the dashboard has.
func Dashboard(path string) ([]Query, error) {
	board, err := readDashboard(path)
	if err != nil {
		return nil, err
	}
	values := make(map[string]string)
	for name, value := range builtins {
		values[name] = value
	}
	for _, variable := range board.Templating.List {
		values[variable.Name] = ".*"
	}

	var queries []Query
	add := func(where, text string) error {
		source := filepath.Base(path) + ": " + where
		text, err := fillIn(text, values)
		if err != nil {
			return fmt.Errorf("reading %s: %w", source, err)
		}
		query, err := parseQuery(source, text)
		if err != nil {
			return err
		}
		queries = append(queries, query)
		return nil
	}
	for _, variable := range board.Templating.List {
		if variable.Type != "query" {
			continue
		}
		match := labelValues.FindStringSubmatch(variable.Definition)
		if match == nil {
			return nil, fmt.Errorf("reading %s: variable %s is not filled by label_values(selector, label): %s", path, variable.Name, variable.Definition)
		}
		if err := add("variable "+variable.Name, match[1]); err != nil {
			return nil, err
		}
	}
	for _, panel := range board.all() {
		for _, target := range panel.Targets {
			if err := add(panel.Title, target.Expr); err != nil {
				return nil, err
			}
		}
	}
	return queries, nil
}

func readDashboard(path string) (*dashboard, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading dashboard: %w", err)
	}
	var board dashboard
	if err := json.Unmarshal(content, &board); err != nil {
		return nil, fmt.Errorf("reading dashboard %s: %w", path, err)
	}
	return &board, nil
}

// all returns the panels, those inside of collapsed rows too.
func (d *dashboard) all() []panel {
	var panels []panel
	for _, panel := range d.Panels {
		panels = append(panels, panel)
		panels = append(panels, panel.Panels...)
	}
	return panels
}

func fillIn(text string, values map[string]string) (string, error) {
	var unknown error
	filled := variableUse.ReplaceAllStringFunc(text, func(use string) string {
		match := variableUse.FindStringSubmatch(use)
		value, ok := values[match[1]+match[2]]
		if !ok {
			unknown = fmt.Errorf("no variable is called %s", use)
		}
		return value
	})
	return filled, unknown
}
