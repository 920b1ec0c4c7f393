package compose

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const root = "../.."

// A variable that .env.example does not explain is one that nobody finds; a default that it gets wrong is worse.
func TestEnvExampleIsComplete(t *testing.T) {
	used := map[string]string{}
	for _, file := range []string{"compose.yaml", "compose.monitoring.yaml"} {
		content := regexp.MustCompile(`(?m)^\s*#.*$`).ReplaceAllString(read(t, "compose", file), "")
		for _, match := range regexp.MustCompile(`\$\{([A-Z_]+)(?::-([^}]*))?`).FindAllStringSubmatch(content, -1) {
			name, fallback := match[1], match[2]
			if previous, seen := used[name]; seen && previous != fallback && fallback != "" {
				assert.Empty(t, previous, "%s has two defaults", name)
			}
			if used[name] == "" {
				used[name] = fallback
			}
		}
	}
	require.NotEmpty(t, used)

	explained := map[string]string{}
	explanation := false
	for line := range strings.Lines(read(t, "compose", ".env.example")) {
		line = strings.TrimSpace(line)
		assignment := regexp.MustCompile(`^#?([A-Z_]+)=(.*)$`).FindStringSubmatch(line)
		switch {
		case assignment != nil:
			assert.True(t, explanation, "%s has no explanation above it", assignment[1])
			assert.True(t, strings.HasPrefix(line, "#"), "%s is set: a copy of the file must change nothing", assignment[1])
			explained[assignment[1]] = assignment[2]
		case strings.HasPrefix(line, "# "):
			explanation = true
		case line == "":
			explanation = false
		}
	}
	assert.Equal(t, used, explained, ".env.example (the second) has to have the variables and defaults of the compose files (the first)")
}

// The stack runs what the chart installs, and the Prometheus whose parser checks the rules.
func TestImagesFollowTheProject(t *testing.T) {
	appVersion := find(t, `(?m)^appVersion: "?v?([\d.]+)"?`, read(t, "charts", "qdrant", "Chart.yaml"))
	assert.Contains(t, read(t, "compose", "compose.yaml"), fmt.Sprintf("docker.io/qdrant/qdrant:v%s-unprivileged", appVersion))

	// As a module, Prometheus 3.15.0 is v0.315.0.
	minor := find(t, `github.com/prometheus/prometheus v0\.3(\d+\.\d+)`, read(t, "go.mod"))
	assert.Contains(t, read(t, "compose", "compose.monitoring.yaml"), "docker.io/prom/prometheus:v3."+minor)
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(append([]string{root}, path...)...))
	require.NoError(t, err)
	return string(content)
}

func find(t *testing.T, pattern, in string) string {
	t.Helper()
	match := regexp.MustCompile(pattern).FindStringSubmatch(in)
	require.NotNil(t, match, "nothing matches %s", pattern)
	return match[1]
}
