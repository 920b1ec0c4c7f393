package docs

import (
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// root is the repository.
const root = "../.."

// github is how documents outside the repository, such as the chart's page in a catalogue, name its files.
const github = "https://github.com/qdrant-shepherd/shepherd/"

// documents are all Markdown files of the repository, by path.
func documents(t *testing.T) map[string]document {
	t.Helper()
	command := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md")
	command.Dir = root
	out, err := command.Output()
	require.NoError(t, err, "listing the documents")
	all := map[string]document{}
	for _, name := range strings.Split(strings.Trim(string(out), "\x00"), "\x00") {
		if _, err := os.Stat(filepath.Join(root, name)); err != nil || strings.Contains(name, "testdata/") {
			continue
		}
		d, err := read(root, name)
		require.NoError(t, err)
		all[name] = d
	}
	require.Contains(t, all, "README.md")
	return all
}

func TestLinks(t *testing.T) {
	t.Parallel()
	all := documents(t)
	for name, d := range all {
		for _, l := range d.links {
			if problem := follow(all, name, l.destination); problem != "" {
				t.Errorf("%s:%d: %s: %s", name, l.line, l.destination, problem)
			}
		}
	}
}

// follow says what is wrong with a link, "" if nothing is. What other hosts have is not looked at.
func follow(all map[string]document, from, destination string) string {
	for _, view := range []string{"blob/main/", "tree/main/"} {
		if inside, ours := strings.CutPrefix(destination, github+view); ours {
			from, destination = "README.md", inside
		}
	}
	to, err := url.Parse(destination)
	switch {
	case err != nil:
		return err.Error()
	case to.Scheme != "":
		return ""
	case strings.HasPrefix(to.Path, "/"):
		return "it begins at the root of the site"
	}
	target := from
	if to.Path != "" {
		target = path.Join(path.Dir(from), to.Path)
		if from == "charts/qdrant/README.md" {
			return "it is dead where the chart is shown alone; name " + github + "blob/main/" + target
		}
		info, err := os.Stat(filepath.Join(root, target))
		if err != nil {
			return "there is no " + target
		}
		if info.IsDir() && to.Fragment != "" {
			target = path.Join(target, "README.md")
		}
	}
	if to.Fragment == "" {
		return ""
	}
	d, known := all[target]
	if !known {
		return target + " is no document"
	}
	if !d.anchors[to.Fragment] {
		return target + " has no heading of that name"
	}
	return ""
}

func TestFollow(t *testing.T) {
	t.Parallel()
	all := documents(t)
	for destination, want := range map[string]string{
		"docs/limits.md":                         "",
		"docs/limits.md#limits":                  "",
		"https://example.org/nothing":            "",
		github + "blob/main/docs/limits.md":      "",
		github + "blob/main/docs/none.md":        "there is no docs/none.md",
		"docs/limits.md#no-such-heading":         "docs/limits.md has no heading of that name",
		"#no-such-heading":                       "README.md has no heading of that name",
		"docs/none.md":                           "there is no docs/none.md",
		"/docs/limits.md":                        "it begins at the root of the site",
		"Makefile#all":                           "Makefile is no document",
		github + "blob/main/docs/limits.md#none": "docs/limits.md has no heading of that name",
	} {
		assert.Equal(t, want, follow(all, "README.md", destination), destination)
	}
	assert.Contains(t, follow(all, "charts/qdrant/README.md", "values.yaml"), "it is dead where the chart is shown alone")
}

// TestEveryPageIsReached: from README.md, by links.
func TestEveryPageIsReached(t *testing.T) {
	t.Parallel()
	all := documents(t)
	reached, next := map[string]bool{}, []string{"README.md"}
	for len(next) > 0 {
		name := next[0]
		next = next[1:]
		d, known := all[name]
		if !known || reached[name] {
			continue
		}
		reached[name] = true
		for _, l := range d.links {
			destination := strings.TrimPrefix(l.destination, github+"blob/main/")
			if destination != l.destination {
				next = append(next, destination)
				continue
			}
			target := path.Join(path.Dir(name), strings.Split(l.destination, "#")[0])
			next = append(next, target, path.Join(target, "README.md"))
		}
	}
	for name := range all {
		if strings.HasPrefix(name, "docs/") {
			assert.True(t, reached[name], "no link leads from README.md to %s", name)
		}
	}
}
