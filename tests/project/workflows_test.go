package project

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// root is the repository.
const root = "../.."

// workflow is what is looked at of a file of .github/workflows.
type workflow struct {
	On          yaml.Node         `yaml:"on"`
	Permissions map[string]string `yaml:"permissions"`
	Concurrency yaml.Node         `yaml:"concurrency"`
	Env         map[string]string `yaml:"env"`
	Jobs        map[string]struct {
		Timeout  int               `yaml:"timeout-minutes"`
		Env      map[string]string `yaml:"env"`
		Strategy yaml.Node         `yaml:"strategy"`
		Steps    []struct {
			Run  string            `yaml:"run"`
			Uses yaml.Node         `yaml:"uses"`
			Env  map[string]string `yaml:"env"`
		} `yaml:"steps"`
	} `yaml:"jobs"`
}

// project is what a workflow may name: the targets of the Makefile, and the variables that it, the scripts or Go read.
type project struct {
	targets   []string
	variables func(name string) bool
}

var (
	runLine = regexp.MustCompile(`^make ([a-z0-9-]+)((?: [A-Z_]+=[A-Za-z0-9._/-]+)*)$`)
	pinned  = regexp.MustCompile(`^[\w.-]+/[\w./-]+@[0-9a-f]{40}$`)
	release = regexp.MustCompile(`^# v\d+\.\d+\.\d+$`)
)

// complaints are what is wrong with a workflow.
func (p project) complaints(text string) []string {
	var w workflow
	if err := yaml.Unmarshal([]byte(text), &w); err != nil {
		return []string{err.Error()}
	}
	var all []string
	complain := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if strings.Contains(text, "pull_request_target") {
		complain("pull_request_target runs a stranger's code with this repository's rights")
	}
	if len(w.Permissions) == 0 {
		complain("there are no permissions: the token would have the repository's default")
	}
	if w.Concurrency.IsZero() {
		complain("there is no concurrency group")
	}
	if len(w.Jobs) == 0 {
		complain("there is no job")
	}
	for _, name := range slices.Sorted(maps.Keys(w.Jobs)) {
		job := w.Jobs[name]
		if job.Timeout == 0 {
			complain("job %s has no timeout-minutes", name)
		}
		if len(job.Steps) == 0 {
			complain("job %s has no step", name)
		}
		variables := slices.Collect(maps.Keys(w.Env))
		variables = slices.AppendSeq(variables, maps.Keys(job.Env))
		for _, step := range job.Steps {
			variables = slices.AppendSeq(variables, maps.Keys(step.Env))
			switch match := runLine.FindStringSubmatch(step.Run); {
			case step.Run == "" && step.Uses.Value == "":
				complain("job %s has a step that does nothing", name)
			case step.Run == "":
				if !pinned.MatchString(step.Uses.Value) || !release.MatchString(step.Uses.LineComment) {
					complain("job %s: %s is not pinned by a commit with its version in a comment", name, step.Uses.Value)
				}
			case match == nil:
				complain("job %s: %q is not one make target", name, step.Run)
			case !slices.Contains(p.targets, match[1]):
				complain("job %s: the Makefile has no target %s", name, match[1])
			default:
				for assignment := range strings.FieldsSeq(match[2]) {
					variable, _, _ := strings.Cut(assignment, "=")
					variables = append(variables, variable)
				}
			}
		}
		for _, variable := range variables {
			if !p.variables(variable) {
				complain("job %s: nothing reads %s", name, variable)
			}
		}
	}
	return all
}

// here is this repository.
func here(t *testing.T) project {
	t.Helper()
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	var targets []string
	for _, match := range regexp.MustCompile(`(?m)^([a-z0-9-]+):.*## `).FindAllStringSubmatch(string(makefile), -1) {
		targets = append(targets, match[1])
	}
	require.Contains(t, targets, "test", "the targets of the Makefile are not where they were")

	sources := []string{string(makefile)}
	for _, directory := range []string{"scripts", "tests", "internal", "tools"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(root, directory), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || path == filepath.Join(root, "tests", "project", "workflows_test.go") {
				return err
			}
			if extension := filepath.Ext(path); extension != ".go" && extension != ".sh" {
				return nil
			}
			content, err := os.ReadFile(path)
			sources = append(sources, string(content))
			return err
		}))
	}
	return project{targets: targets, variables: func(name string) bool {
		word := regexp.MustCompile(`\b` + regexp.QuoteMeta(name) + `\b`)
		return slices.ContainsFunc(sources, word.MatchString)
	}}
}

func TestWorkflows(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(root, ".github", "workflows", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	this := here(t)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.Empty(t, this.complaints(string(content)))
		})
	}
}

// TestWorkflowComplaints: each rule is broken once in a workflow that is right otherwise.
func TestWorkflowComplaints(t *testing.T) {
	t.Parallel()
	const right = `name: right
on: [push]
permissions: {contents: read}
concurrency: {group: right}
jobs:
  test:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    env: {SUITE: core}
    steps:
      - uses: actions/checkout@0123456789abcdef0123456789abcdef01234567 # v1.2.3
      - run: make test RUN=One
`
	this := project{targets: []string{"test"}, variables: func(name string) bool { return name == "SUITE" || name == "RUN" }}
	require.Empty(t, this.complaints(right))
	for _, test := range []struct{ name, old, replacement, want string }{
		{"an_action_by_a_tag", "@0123456789abcdef0123456789abcdef01234567", "@v1", "not pinned"},
		{"an_action_without_its_version", " # v1.2.3", "", "not pinned"},
		{"a_script_in_the_workflow", "make test RUN=One", "go test ./...", "not one make target"},
		{"two_commands", "make test RUN=One", "make test && echo", "not one make target"},
		{"two_targets", "make test RUN=One", "make test test", "not one make target"},
		{"an_expression_in_the_shell", "RUN=One", "RUN=${{ matrix.run }}", "not one make target"},
		{"a_target_that_is_not_there", "make test", "make tests", "no target tests"},
		{"a_variable_that_nothing_reads", "SUITE: core", "SUIT: core", "nothing reads SUIT"},
		{"a_variable_of_make_that_nothing_reads", "RUN=One", "RUM=One", "nothing reads RUM"},
		{"a_job_without_a_timeout", "    timeout-minutes: 5\n", "", "no timeout-minutes"},
		{"no_permissions", "permissions: {contents: read}\n", "", "no permissions"},
		{"no_concurrency", "concurrency: {group: right}\n", "", "no concurrency"},
		{"pull_request_target", "[push]", "[pull_request_target]", "pull_request_target"},
		{"a_step_that_does_nothing", "run: make test RUN=One", "name: nothing", "does nothing"},
		{"a_file_that_is_no_yaml", "jobs:", "jobs: [", "yaml"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, right, test.old)
			complaints := this.complaints(strings.Replace(right, test.old, test.replacement, 1))
			require.Len(t, complaints, 1)
			assert.Contains(t, complaints[0], test.want)
		})
	}
}
