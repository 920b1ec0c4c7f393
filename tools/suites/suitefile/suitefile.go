// Package suitefile reads tests/e2e/suites.yaml, which says which end-to-end tests make up a suite, and which permission of the chart's
// accounts each suite proves to be used.
package suitefile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Path is where the file lies, from the root of the repository.
const Path = "tests/e2e/suites.yaml"

// Suite is a set of tests that run on one cluster of their own.
type Suite struct {
	Name    string `yaml:"name"`
	Subject string `yaml:"subject"`
	// Tests are names of test functions.
	Tests []string `yaml:"tests"`
	// Uses are permissions, as "account: verb group/resource", that the suite fails without having seen.
	Uses []string `yaml:"uses"`
}

// File is the whole list.
type File struct {
	Suites []Suite `yaml:"suites"`
	// Rarely are permissions that no run can be made to use, with the reason.
	Rarely map[string]string `yaml:"rarely"`
}

// Read reads the file below the root of the repository. Unknown keys are an error.
func Read(root string) (File, error) {
	text, err := os.ReadFile(filepath.Join(root, Path))
	if err != nil {
		return File{}, fmt.Errorf("reading the list of suites: %w", err)
	}
	return parse(text)
}

func parse(text []byte) (File, error) {
	var file File
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		return File{}, fmt.Errorf("reading the list of suites: %w", err)
	}
	return file, nil
}

// Names are the names of the suites, in the order of the file.
func (f File) Names() []string {
	names := make([]string, len(f.Suites))
	for i, suite := range f.Suites {
		names[i] = suite.Name
	}
	return names
}

// Suite returns the suite of that name.
func (f File) Suite(name string) (Suite, error) {
	for _, suite := range f.Suites {
		if suite.Name == name {
			return suite, nil
		}
	}
	return Suite{}, fmt.Errorf("there is no suite %q; there are: %s", name, strings.Join(f.Names(), ", "))
}

// Pattern is what `go test -run` takes for the tests of the suite and no others.
func (s Suite) Pattern() string {
	return "^(" + strings.Join(s.Tests, "|") + ")$"
}

// Uses are the permissions of all suites and the rare ones, each once, in order.
func (f File) Uses() []string {
	var uses []string
	for _, suite := range f.Suites {
		uses = append(uses, suite.Uses...)
	}
	for use := range f.Rarely {
		uses = append(uses, use)
	}
	slices.Sort(uses)
	return slices.Compact(uses)
}

// Expected are the permissions that a run has to use: what its suite says, what all suites say where it names none and runs every test, and
// none where it runs only some tests. run and skip are the patterns that `go test` was given; "all" is no suite, but tests of any.
func (f File) Expected(suite, run, skip string) ([]string, error) {
	if suite == "" || suite == "all" {
		var uses []string
		if (run == "" || run == ".") && skip == "" {
			for _, s := range f.Suites {
				uses = append(uses, s.Uses...)
			}
		}
		return uses, nil
	}
	s, err := f.Suite(suite)
	if err != nil || run != s.Pattern() || skip != "" {
		return nil, err
	}
	return s.Uses, nil
}

// Check holds the list against the test functions there are. Each test is in exactly one suite, each suite has a test, and the list names
// no test that is not there.
func (f File) Check(tests []string) error {
	var wrong []error
	suiteOf := map[string]string{}
	named := map[string]bool{}
	for _, suite := range f.Suites {
		if suite.Name == "" || suite.Subject == "" || len(suite.Tests) == 0 {
			wrong = append(wrong, fmt.Errorf("suite %q needs a name, a subject and a test", suite.Name))
		}
		if named[suite.Name] {
			wrong = append(wrong, fmt.Errorf("suite %q is there twice", suite.Name))
		}
		named[suite.Name] = true
		for _, test := range suite.Tests {
			if other, twice := suiteOf[test]; twice {
				wrong = append(wrong, fmt.Errorf("%s is in two suites: %s and %s", test, other, suite.Name))
			}
			suiteOf[test] = suite.Name
			if !slices.Contains(tests, test) {
				wrong = append(wrong, fmt.Errorf("suite %s names %s, which is not there", suite.Name, test))
			}
		}
	}
	for _, test := range tests {
		if suiteOf[test] == "" {
			wrong = append(wrong, fmt.Errorf("%s is in no suite; add it to %s", test, Path))
		}
	}
	if len(tests) == 0 {
		wrong = append(wrong, errors.New("there are no tests to hold the list of suites against"))
	}
	return errors.Join(wrong...)
}

// A test function as gofmt writes it; build tags are no matter here.
var function = regexp.MustCompile(`(?m)^func (Test[A-Z0-9_]\w*)\(\w+ \*testing\.T\)`)

// Tests are the test functions in the folder of the suites.
func Tests(root string) ([]string, error) {
	folder := filepath.Join(root, filepath.Dir(Path))
	files, err := fs.Glob(os.DirFS(folder), "*_test.go")
	if err != nil {
		return nil, fmt.Errorf("looking for tests: %w", err)
	}
	var tests []string
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(folder, file))
		if err != nil {
			return nil, fmt.Errorf("looking for tests: %w", err)
		}
		for _, found := range function.FindAllSubmatch(text, -1) {
			tests = append(tests, string(found[1]))
		}
	}
	slices.Sort(tests)
	return tests, nil
}
