package docs

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/kubectl/pkg/cmd"
	"mvdan.cc/sh/v3/syntax"

	"github.com/qdrant-shepherd/shepherd/internal/shepherd/command"
)

// call is a program and its arguments; what a shell would expand is an x.
type call struct {
	line  int
	words []string
}

// calls are the commands of a block: all lines of a script, the lines after a prompt of a session.
func calls(b block) ([]call, error) {
	script := b.text
	switch b.language {
	case "bash", "sh":
	case "console":
		var lines []string
		continued := false
		for _, line := range strings.Split(b.text, "\n") {
			command, prompted := strings.CutPrefix(line, "$ ")
			if !prompted && !continued {
				command = ""
			}
			continued = command != "" && strings.HasSuffix(command, `\`)
			lines = append(lines, command)
		}
		script = strings.Join(lines, "\n")
	default:
		return nil, nil
	}
	file, err := syntax.NewParser().Parse(strings.NewReader(script), "")
	if err != nil {
		return nil, err
	}
	var all []call
	syntax.Walk(file, func(node syntax.Node) bool {
		if c, ok := node.(*syntax.CallExpr); ok && len(c.Args) > 0 {
			one := call{line: b.line + int(c.Pos().Line()) - 1}
			for _, word := range c.Args {
				one.words = append(one.words, plain(word.Parts))
			}
			all = append(all, one)
		}
		return true
	})
	return all, nil
}

func plain(parts []syntax.WordPart) string {
	var text strings.Builder
	for _, part := range parts {
		switch p := part.(type) {
		case *syntax.Lit:
			text.WriteString(p.Value)
		case *syntax.SglQuoted:
			text.WriteString(p.Value)
		case *syntax.DblQuoted:
			text.WriteString(plain(p.Parts))
		default:
			text.WriteString("x")
		}
	}
	return text.String()
}

// programs check arguments. A program that is not among them may be called in any way.
type programs map[string]func(t *testing.T, arguments []string) error

func newPrograms(t *testing.T) programs {
	t.Helper()
	tools, err := filepath.Abs(filepath.Join(root, "bin"))
	require.NoError(t, err)
	for _, name := range []string{"helm", "helm4"} {
		if _, err := os.Stat(filepath.Join(tools, name)); err != nil {
			t.Skip("SKIP: there is no bin/" + name + "; run: make tools")
		}
	}
	vector := filepath.Join(t.TempDir(), "vector")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", vector, "./client/cmd/vector")
	build.Dir = root
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)

	p := programs{
		"helm": func(t *testing.T, arguments []string) error {
			err := helped(t, filepath.Join(tools, "helm"), arguments)
			if err == nil {
				return nil
			}
			if helped(t, filepath.Join(tools, "helm4"), arguments) == nil {
				return nil
			}
			return err
		},
		"vector": func(t *testing.T, arguments []string) error { return helped(t, vector, arguments) },
		"shepherd": func(_ *testing.T, arguments []string) error {
			return parsed(command.Root("", command.Process{Env: func(string) string { return "" }}), arguments)
		},
		"make": func(_ *testing.T, arguments []string) error { return made(makefile, arguments) },
	}
	p["/shepherd"] = p["shepherd"]
	p["kubectl"] = func(t *testing.T, arguments []string) error {
		own, inner, _ := strings.Cut(strings.Join(arguments, "\x00"), "\x00--\x00")
		if err := parsed(cmd.NewDefaultKubectlCommandWithArgs(cmd.KubectlOptions{}), strings.Split(own, "\x00")); err != nil {
			return err
		}
		words := strings.Split(inner, "\x00")
		if check := p[words[0]]; check != nil {
			return check(t, words[1:])
		}
		return nil
	}
	return p
}

// parsed has cobra find the sub-command and read the flags.
func parsed(root *cobra.Command, arguments []string) error {
	found, rest, err := root.Find(arguments)
	if err != nil {
		return err
	}
	found.InitDefaultHelpFlag()
	if err := found.ParseFlags(rest); err != nil {
		return err
	}
	if unknown := found.Flags().Args(); found.HasSubCommands() && len(unknown) > 0 {
		return fmt.Errorf("%s has no command %q", found.CommandPath(), unknown[0])
	}
	return nil
}

// helped asks a program of its own for help, which reads the flags first.
func helped(t *testing.T, program string, arguments []string) error {
	help := exec.CommandContext(t.Context(), program, append(slices.Clone(arguments), "--help")...)
	var out bytes.Buffer
	help.Stdout, help.Stderr = &out, &out
	if err := help.Run(); err != nil {
		return fmt.Errorf("%s", strings.TrimSpace(out.String()))
	}
	group := strings.Contains(out.String(), "Available Commands:")
	if used := regexp.MustCompile(`(?m)^Usage:\n  (.*)$`).FindStringSubmatch(out.String()); group && used != nil && len(arguments) > 0 {
		path := strings.Fields(used[1])
		if !slices.Contains(path, arguments[0]) || len(arguments) > 1 && !strings.HasPrefix(arguments[1], "-") && !slices.Contains(path, arguments[1]) {
			return fmt.Errorf("%q is no command of %s", strings.Join(arguments, " "), used[1])
		}
	}
	return nil
}

// made looks for targets in the Makefile.
func made(makefile []byte, arguments []string) error {
	for _, argument := range arguments {
		if name, _, isVariable := strings.Cut(argument, "="); isVariable {
			if name != strings.ToUpper(name) {
				return fmt.Errorf("%s is no variable", name)
			}
			continue
		}
		if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(argument) + `:`).Match(makefile) {
			return fmt.Errorf("there is no target %s", argument)
		}
	}
	return nil
}

// TestCommands is not parallel: kubectl's packages have variables of their own.
func TestCommands(t *testing.T) {
	known, checked := newPrograms(t), 0
	for name, d := range documents(t) {
		for _, b := range d.blocks {
			all, err := calls(b)
			if err != nil {
				t.Errorf("%s:%d: %v", name, b.line, err)
			}
			for _, c := range all {
				check := known[c.words[0]]
				if check == nil {
					continue
				}
				checked++
				if err := check(t, c.words[1:]); err != nil {
					t.Errorf("%s:%d: %s: %v", name, c.line, strings.Join(c.words, " "), err)
				}
			}
		}
	}
	assert.Greater(t, checked, 100, "commands in the documents")
}

func TestCommandsThatDoNotExistAreFound(t *testing.T) {
	known := newPrograms(t)
	for _, test := range []struct{ text, want string }{
		{"helm upgrade q oci://REGISTRY/qdrant -f values.yaml --set a.b=c", ""},
		{"helm rollback q 3 --server-side=false", ""}, // Helm 4's
		{"helm instal q charts/qdrant", "instal"},
		{"helm install q charts/qdrant --atomically", "unknown flag: --atomically"},
		{"kubectl -n NAMESPACE get pvc -l app.kubernetes.io/instance=q -o wide", ""},
		{"kubectl exec deploy/q-shepherd -- /shepherd status -o json", ""},
		{"kubectl exec deploy/q-shepherd -- /shepherd staus", "staus"},
		{"kubectl exec deploy/q-shepherd -- /shepherd status --in-short", "unknown flag: --in-short"},
		{"kubectl rollout pose deploy/q", "pose"},
		{"kubectl get pods --everywhere", "unknown flag: --everywhere"},
		{"make test-e2e SUITE=core", ""},
		{"make tset", "there is no target tset"},
		{"vector load a.npy --collection docs", ""},
		{"vector lode a.npy", "lode"},
		{"vector query docs --liked 17", "unknown flag: --liked"},
	} {
		all, err := calls(block{language: "console", text: "$ " + test.text + "\noutput that is no command | | |\n"})
		require.NoError(t, err)
		require.Len(t, all, 1)
		err = known[all[0].words[0]](t, all[0].words[1:])
		if test.want == "" {
			assert.NoError(t, err, test.text)
			continue
		}
		assert.ErrorContains(t, err, test.want, test.text)
	}
}
