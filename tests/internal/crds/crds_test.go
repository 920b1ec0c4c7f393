package crds_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
	"github.com/qdrant-shepherd/shepherd/tests/internal/crds"
)

func TestEachProjectHasItsDefinitionsWithASchema(t *testing.T) {
	for _, project := range crds.Projects {
		t.Run(project.Group, func(t *testing.T) {
			definitions, err := project.Definitions(t.Context())
			if errors.Is(err, crds.ErrUnavailable) {
				t.Skipf("SKIP: %v; go mod download %s with a network", err, project.Module)
			}
			require.NoError(t, err)
			require.Len(t, definitions, len(project.Resources))
			for i, definition := range definitions {
				assert.Equal(t, project.Resources[i]+"."+project.Group, definition.GetName())
				for _, version := range served(t, definition) {
					_, schema, err := unstructured.NestedMap(version, "schema", "openAPIV3Schema", "properties", "spec")
					assert.NoError(t, err)
					_, flat, _ := unstructured.NestedMap(version, "schema", "openAPIV3Schema", "properties", "driver")
					assert.True(t, schema || flat, "%s has no schema", definition.GetName())
				}
			}
		})
	}
}

// served are the versions that the API server would answer.
func served(t *testing.T, definition *unstructured.Unstructured) []map[string]any {
	t.Helper()
	versions, _, err := unstructured.NestedSlice(definition.Object, "spec", "versions")
	require.NoError(t, err)
	var answered []map[string]any
	for _, version := range versions {
		if version, ok := version.(map[string]any); ok && version["served"] == true {
			answered = append(answered, version)
		}
	}
	require.NotEmpty(t, answered, definition.GetName())
	return answered
}

// What can't be had is told from what is wrong: tests skip for the one, and fail for the other.
func TestAModuleThatCannotBeHadIsNotAMistake(t *testing.T) {
	t.Run("no network and an empty cache", func(t *testing.T) {
		t.Setenv("GOPROXY", "off")
		t.Setenv("GOMODCACHE", t.TempDir())
		for _, project := range crds.Projects {
			_, err := project.Definitions(t.Context())
			assert.ErrorIs(t, err, crds.ErrUnavailable)
		}
	})
	t.Run("no such file in the module", func(t *testing.T) {
		project := gateway(t)
		project.Resources = []string{"httproads"}
		_, err := project.Definitions(t.Context())
		assert.ErrorIs(t, err, fs.ErrNotExist)
		assert.NotErrorIs(t, err, crds.ErrUnavailable)
		assert.ErrorContains(t, err, "httproads.gateway.networking.k8s.io")
	})
	t.Run("a module that go.mod does not know", func(t *testing.T) {
		_, err := crds.Project{Module: "example.org/nothing"}.Definitions(t.Context())
		assert.ErrorContains(t, err, "example.org/nothing")
		assert.NotErrorIs(t, err, crds.ErrUnavailable)
	})
}

func TestReadingLeavesOurOwnModuleAlone(t *testing.T) {
	sums := filepath.Join(chart.Root(), "go.sum")
	before, err := os.ReadFile(sums)
	require.NoError(t, err)
	for _, project := range crds.Projects {
		if _, err := project.Definitions(t.Context()); err != nil && !errors.Is(err, crds.ErrUnavailable) {
			t.Error(err)
		}
	}
	after, err := os.ReadFile(sums)
	require.NoError(t, err)
	assert.Equal(t, strings.Split(string(before), "\n"), strings.Split(string(after), "\n"))
}

// gateway is the project whose module is in go.mod, so that it is always there.
func gateway(t *testing.T) crds.Project {
	t.Helper()
	for _, project := range crds.Projects {
		if project.Version == "" {
			return project
		}
	}
	require.FailNow(t, "no project is at the version of go.mod")
	return crds.Project{}
}
