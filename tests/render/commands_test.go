package render

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/command"
	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
	"github.com/qdrant-shepherd/shepherd/tests/internal/some"
)

// variables returns what a sub-command reads from its environment, as its help has it, and which of that it can't do without.
func variables(t *testing.T, name string) (all, required []string) {
	t.Helper()
	var help bytes.Buffer
	process := command.Process{Env: func(string) string { return "" }, Out: &help, Err: &help}
	require.Equal(t, commandline.ExitDone, command.Run(t.Context(), "test", []string{name, "--help"}, process), help.String())
	for line := range strings.Lines(help.String()) {
		flag := regexp.MustCompile(`^\s+(?:-[a-z], )?--([a-z0-9-]+)`).FindStringSubmatch(line)
		if flag == nil {
			continue
		}
		variable := "SHEPHERD_" + strings.ToUpper(strings.ReplaceAll(flag[1], "-", "_"))
		all = append(all, variable)
		if strings.Contains(line, "(required)") {
			required = append(required, variable)
		}
	}
	require.NotEmpty(t, all, help.String())
	return append(all, "SHEPHERD_API_KEY"), required
}

// A variable that no command reads does nothing and says nothing: each that the chart sets is one of its command's, or one that all share.
func TestCommandsReadWhatTheChartSets(t *testing.T) {
	t.Parallel()
	o := chart.Render(t, everything)
	made := chart.Render(t, withShepherd+withKeys)
	// The commands that people run in tend's pod find there what they need.
	people := []string{"status", "plan", "accept-loss"}
	each(t, map[string]corev1.Container{
		"start": o.Sidecar(t, "shepherd-start"), "watch": o.Sidecar(t, "shepherd-watch"), "tend": tend(t, o),
		"check": o.Pod(t, "q-qdrant-test").Spec.Containers[0], "generate-key": made.Job(t, "q-qdrant-keys").Spec.Template.Spec.Containers[0],
	}, func(t *testing.T, container corev1.Container) {
		require.Len(t, container.Args, 1)
		known, required := variables(t, container.Args[0])
		if container.Args[0] == "tend" {
			for _, name := range people {
				more, needed := variables(t, name)
				known, required = append(known, more...), append(required, needed...)
			}
		}
		for _, name := range required {
			assert.NotNil(t, env(container, name), "%s needs %s", container.Args[0], name)
		}
		for _, variable := range some.Of(t, container.Env) {
			if strings.HasPrefix(variable.Name, "SHEPHERD_") && env(o.Sidecar(t, "shepherd-start"), variable.Name) == nil {
				assert.True(t, slices.Contains(known, variable.Name), "%s does not read %s", container.Args[0], variable.Name)
			}
		}
	})
	var known []string
	for _, name := range []string{"start", "watch", "tend", "check", "status", "plan", "accept-loss", "generate-key"} {
		all, _ := variables(t, name)
		known = append(known, all...)
	}
	for _, variable := range some.Of(t, o.Sidecar(t, "shepherd-start").Env) {
		assert.Contains(t, known, variable.Name, "no command reads it")
	}
}
