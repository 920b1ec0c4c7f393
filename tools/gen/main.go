// Command gen writes what the chart's values.yaml says in its comments into values.schema.json and into the table of
// the chart's README, the examples of client/vector into that package's README, the reference of both commands into docs/reference, and the
// version of Qdrant, which Chart.yaml has, into the other files that name it.
// With -check it writes nothing and fails when one of them is out of date. It runs at the root of the repository.
//
// With -words it makes the file of frequent words of internal/wordvectors, and nothing else: that downloads the whole package,
// and what comes out changes only with the package.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"

	"github.com/qdrant-shepherd/shepherd/internal/gen/examples"
	"github.com/qdrant-shepherd/shepherd/internal/gen/schema"
	"github.com/qdrant-shepherd/shepherd/internal/wordvectors"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stderr))
}

func run(args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet("gen", flag.ContinueOnError)
	flags.SetOutput(stderr)
	check := flags.Bool("check", false, "write nothing; exit 1 when a file is out of date")
	chart := flags.String("chart", filepath.Join("charts", "qdrant"), "directory of the chart")
	client := flags.String("client", filepath.Join("client", "vector"), "directory of the client library")
	docs := flags.String("docs", "docs", "directory of the documents")
	words := flags.String("words", "", "only make this `file` of frequent words, from 118 MB that are downloaded")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		_, _ = fmt.Fprintf(stderr, "gen: unexpected argument %q\n", flags.Arg(0))
		return 2
	}
	if *words != "" {
		if err := writeWords(*words); err != nil {
			_, _ = fmt.Fprintf(stderr, "gen: %v\n", err)
			return 1
		}
		return 0
	}
	if err := errors.Join(generate(*chart, *check), copyExamples(*client, *check), pinVersion(*chart, *check), writeReferences(filepath.Join(*docs, "reference"), *check)); err != nil {
		_, _ = fmt.Fprintf(stderr, "gen: %v\n", err)
		return 1
	}
	return 0
}

// generate makes both files before it writes one, so that an error leaves them as they were.
func generate(chart string, check bool) error {
	valuesPath := filepath.Join(chart, "values.yaml")
	schemaPath := filepath.Join(chart, "values.schema.json")
	readmePath := filepath.Join(chart, "README.md")

	text, err := os.ReadFile(valuesPath)
	if err != nil {
		return fmt.Errorf("reading chart values: %w", err)
	}
	values, err := schema.Parse(text)
	if err != nil {
		return fmt.Errorf("reading %s:\n%w", valuesPath, err)
	}
	newSchema, err := values.Schema()
	if err != nil {
		return fmt.Errorf("making %s: %w", schemaPath, err)
	}
	readme, err := os.ReadFile(readmePath)
	if err != nil {
		return fmt.Errorf("reading the chart's readme: %w", err)
	}
	newReadme, err := schema.Insert(readme, values.Table())
	if err != nil {
		return fmt.Errorf("filling in %s: %w", readmePath, err)
	}
	return errors.Join(
		update(schemaPath, newSchema, check),
		update(readmePath, newReadme, check),
	)
}

// copyExamples fills the examples into the readme beside them.
func copyExamples(dir string, check bool) error {
	sourcePath, readmePath := filepath.Join(dir, "example_test.go"), filepath.Join(dir, "README.md")
	source, err := os.ReadFile(sourcePath)
	if err != nil {
		return fmt.Errorf("reading examples: %w", err)
	}
	readme, err := os.ReadFile(readmePath)
	if err != nil {
		return fmt.Errorf("reading the client's readme: %w", err)
	}
	filled, err := examples.Insert(readme, source)
	if err != nil {
		return fmt.Errorf("filling %s into %s: %w", sourcePath, readmePath, err)
	}
	return update(readmePath, filled, check)
}

// writeReferences asks each command for its reference.
func writeReferences(dir string, check bool) error {
	for name, path := range map[string]string{
		"shepherd": "github.com/qdrant-shepherd/shepherd/cmd/shepherd",
		"vector":   "github.com/qdrant-shepherd/shepherd/client/cmd/vector",
	} {
		reference := exec.Command("go", "run", path, "reference") //nolint:noctx // it ends by itself
		reference.Stderr = os.Stderr
		reference.Env = append(os.Environ(), "CGO_ENABLED=0") // as everything else is compiled
		text, err := reference.Output()
		if err != nil {
			return fmt.Errorf("printing the reference of %s: %w", name, err)
		}
		if err := update(filepath.Join(dir, name+".md"), text, check); err != nil {
			return err
		}
	}
	return nil
}

// pins are the files outside the chart that name the server's version, each with an expression whose group is the version.
var pins = map[string]*regexp.Regexp{
	".github/workflows/nightly.yaml":  regexp.MustCompile(`(?m)^ +qdrant: \[v[0-9.]+, v([0-9.]+)\]$`),
	"client/qdranttest/cluster.go":    regexp.MustCompile(`(?m)^const DefaultVersion = "([0-9.]+)"$`),
	"compose/compose.yaml":            regexp.MustCompile(`(?m)^    image: docker\.io/qdrant/qdrant:v([0-9.]+)-unprivileged$`),
	"tests/internal/images/images.go": regexp.MustCompile(`"docker\.io/qdrant/qdrant:v([0-9.]+)(?:-unprivileged)?"`),
}

// pinVersion writes the server's version, the appVersion of the chart, where else it is named.
func pinVersion(chart string, check bool) error {
	about, err := os.ReadFile(filepath.Join(chart, "Chart.yaml"))
	if err != nil {
		return fmt.Errorf("reading the chart's version of Qdrant: %w", err)
	}
	version := regexp.MustCompile(`(?m)^appVersion: "([0-9.]+)"$`).FindSubmatch(about)
	if version == nil {
		return fmt.Errorf("%s has no appVersion", filepath.Join(chart, "Chart.yaml"))
	}
	root := filepath.Join(chart, "..", "..")
	var failures []error
	for name, pin := range pins {
		path := filepath.Join(root, filepath.FromSlash(name))
		text, err := os.ReadFile(path)
		if err != nil {
			failures = append(failures, fmt.Errorf("pinning the version of Qdrant: %w", err))
			continue
		}
		places := pin.FindAllSubmatchIndex(text, -1)
		if places == nil {
			failures = append(failures, fmt.Errorf("%s does not name the version of Qdrant where it did", path))
			continue
		}
		var pinned []byte
		end := 0
		for _, place := range places {
			pinned = append(append(pinned, text[end:place[2]]...), version[1]...)
			end = place[3]
		}
		failures = append(failures, update(path, append(pinned, text[end:]...), check))
	}
	return errors.Join(failures...)
}

func writeWords(path string) error {
	content, err := wordvectors.MakeFrequent(context.Background())
	if err != nil {
		return fmt.Errorf("making %s: %w", path, err)
	}
	return update(path, content, false)
}

// update writes the file, or says that it would change it.
func update(path string, content []byte, check bool) error {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("comparing: %w", err)
	}
	if err == nil && bytes.Equal(old, content) {
		return nil
	}
	if check {
		return fmt.Errorf("%s is out of date: run `make generate`", path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}
