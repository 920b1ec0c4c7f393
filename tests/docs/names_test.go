package docs

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// schema is what values.schema.json says of a value.
type schema struct {
	Properties           map[string]schema `json:"properties"`
	AdditionalProperties json.RawMessage   `json:"additionalProperties"`
	Items                *schema           `json:"items"`
}

func values(t *testing.T) schema {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "charts", "qdrant", "values.schema.json"))
	require.NoError(t, err)
	var s schema
	require.NoError(t, json.Unmarshal(text, &s))
	require.NotEmpty(t, s.Properties)
	return s
}

// has reports whether a value may exist. A * stands for any key.
func (s schema) has(path []string) bool {
	if len(path) == 0 {
		return true
	}
	if s.Items != nil {
		return s.Items.has(path)
	}
	if path[0] == "*" {
		for _, property := range s.Properties {
			if property.has(path[1:]) {
				return true
			}
		}
		return false
	}
	property, known := s.Properties[path[0]]
	if !known {
		return string(s.AdditionalProperties) != "false" // an object of Kubernetes, or a map of the user's keys
	}
	return property.has(path[1:])
}

var (
	valueName = regexp.MustCompile(`^[a-z][A-Za-z0-9]*(\.[a-zA-Z0-9*]+)+$`)
	fileName  = regexp.MustCompile(`^(charts|values|compose|client|cmd|internal|tests|tools|docs|scripts|\.ci|\.github)/[A-Za-z0-9._/-]*$`)
	setFlag   = regexp.MustCompile(`--set(?:-string|-json|-file)?[ =]'?"?([A-Za-z0-9.,=*\[\]_-]+)`)
)

// absent are files that the repository does not have, with the reason.
var absent = map[string]string{
	"compose/.env": "a user's own settings",
}

// problem is what is wrong with a name in the documents' code, "" if nothing is.
func problem(s schema, code string) string {
	if fileName.MatchString(code) && absent[code] == "" {
		if _, err := os.Stat(filepath.Join(root, code)); err != nil {
			return "there is no " + code
		}
		return ""
	}
	code, _, _ = strings.Cut(code, ":")
	if !valueName.MatchString(code) || regexp.MustCompile(`\.(yaml|json|tpl|md)$`).MatchString(code) {
		return ""
	}
	path := strings.Split(code, ".")
	if _, ours := s.Properties[path[0]]; ours && !s.has(path) {
		return fmt.Sprintf("the chart has no value %s", code)
	}
	return ""
}

// TestNames: values and files that the documents name in code exist.
func TestNames(t *testing.T) {
	t.Parallel()
	s, checked := values(t), 0
	for name, d := range documents(t) {
		if name == "CHANGELOG.md" {
			continue // which speaks of what was
		}
		for _, code := range d.code {
			if wrong := problem(s, code); wrong != "" {
				t.Errorf("%s: `%s`: %s", name, code, wrong)
			}
			checked++
		}
		for _, b := range d.blocks {
			for _, set := range setFlag.FindAllStringSubmatch(b.text, -1) {
				for _, pair := range strings.Split(set[1], ",") {
					key, _, isPair := strings.Cut(pair, "=")
					key = regexp.MustCompile(`\[\d+\]`).ReplaceAllString(key, "")
					if isPair && !s.has(strings.Split(key, ".")) {
						t.Errorf("%s:%d: --set %s: the chart has no such value", name, b.line, pair)
					}
				}
			}
		}
	}
	assert.Greater(t, checked, 500, "names in the documents")
}

func TestNamesThatDoNotExistAreFound(t *testing.T) {
	t.Parallel()
	s := values(t)
	for code, want := range map[string]string{
		"persistence.data.size":        "",
		"persistence.*.size":           "",
		"rollout.maxWait: 1m":          "",
		"storageClass.parameters.type": "",
		"storage.snapshots_path":       "",
		"persistence.data.sise":        "the chart has no value persistence.data.sise",
		"persistence.*.sise":           "the chart has no value persistence.*.sise",
		"docs/limits.md":               "",
		"docs/none.md":                 "there is no docs/none.md",
		"internal/shepherd/start":      "",
		"kubectl get pods":             "",
		"qdrant-shepherd.io/paused":    "",
	} {
		assert.Equal(t, want, problem(s, code), code)
	}
}
