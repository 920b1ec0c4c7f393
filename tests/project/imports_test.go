package project

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// denied are the packages that a rule of depguard denies.
func denied(t *testing.T, rule string) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, ".golangci.yml"))
	require.NoError(t, err)
	var config struct {
		Linters struct {
			Settings struct {
				Depguard struct {
					Rules map[string]struct {
						Deny []struct {
							Pkg string `yaml:"pkg"`
						} `yaml:"deny"`
					} `yaml:"rules"`
				} `yaml:"depguard"`
			} `yaml:"settings"`
		} `yaml:"linters"`
	}
	require.NoError(t, yaml.Unmarshal(content, &config))
	var packages []string
	for _, deny := range config.Linters.Settings.Depguard.Rules[rule].Deny {
		packages = append(packages, deny.Pkg)
	}
	require.NotEmpty(t, packages, ".golangci.yml has no rule %s of depguard", rule)
	return packages
}

// violations are the denied packages among all that some packages import, directly or not, without their tests.
func violations(t *testing.T, packages, denied []string) []string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", append([]string{"list", "-deps"}, packages...)...)
	command.Dir, command.Stderr = root, os.Stderr
	out, err := command.Output()
	require.NoError(t, err)
	imports := strings.Fields(string(out))
	require.NotEmpty(t, imports)
	var found []string
	for _, imported := range imports {
		for _, deny := range denied {
			if imported == deny || strings.HasPrefix(imported, deny+"/") {
				found = append(found, imported)
			}
		}
	}
	return found
}

// TestImports: depguard sees what a file imports; this sees what comes with it.
func TestImports(t *testing.T) {
	t.Parallel()
	t.Run("shepherd_carries_no_cloud_and_no_tests", func(t *testing.T) {
		t.Parallel()
		assert.Empty(t, violations(t, []string{"./cmd/shepherd"}, denied(t, "shepherd")))
	})
	t.Run("the_client_carries_no_Kubernetes", func(t *testing.T) {
		t.Parallel()
		assert.Empty(t, violations(t, []string{"./client/..."}, denied(t, "client")))
	})
	t.Run("nothing_outside_tests_imports_tests", func(t *testing.T) {
		t.Parallel()
		// go list leaves test files out.
		assert.Empty(t, violations(t, []string{"./cmd/...", "./internal/...", "./tools/...", "./client/..."}, []string{"github.com/qdrant-shepherd/shepherd/tests"}))
	})
	t.Run("the_client_imports_nothing_of_shepherd", func(t *testing.T) {
		t.Parallel()
		for _, imported := range violations(t, []string{"-test", "./client/..."}, []string{rootModule}) {
			assert.True(t, strings.HasPrefix(imported, clientModule), imported)
		}
	})
	t.Run("a_violation_is_seen_through_other_packages", func(t *testing.T) {
		t.Parallel()
		// tools/up imports internal/local/up, which imports internal/local/helm, which imports Helm.
		assert.Contains(t, violations(t, []string{"./tools/up"}, denied(t, "client")), "helm.sh/helm/v3/pkg/action")
		// A package of the suites imports terratest.
		assert.Contains(t, violations(t, []string{"./tests/internal/release"}, denied(t, "shepherd")), "github.com/gruntwork-io/terratest/modules/helm")
	})
}
