// Package examples copies runnable examples from a Go test file into a document, so that what a reader copies from there has run.
//
// The document marks the places:
//
//	<!-- example: Collection_Search -->
//	…
//	<!-- end -->
//
// Between the two lines comes the body of func ExampleCollection_Search as a block of Go code.
package examples

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
)

const (
	begin  = "<!-- example: "
	finish = " -->"
	end    = "<!-- end -->"
)

// Insert returns the document with the examples of a source file at their places. A place without an example, one that does not end, and
// an example without a place are errors.
func Insert(document, source []byte) ([]byte, error) {
	bodies, err := read(source)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	used := map[string]bool{}
	lines := strings.SplitAfter(string(document), "\n")
	for i := 0; i < len(lines); i++ {
		out.WriteString(lines[i])
		name, is := place(lines[i])
		if !is {
			continue
		}
		body, there := bodies[name]
		if !there {
			return nil, fmt.Errorf("line %d: there is no func Example%s", i+1, name)
		}
		used[name] = true
		stop := slices.IndexFunc(lines[i:], func(line string) bool { return strings.TrimSpace(line) == end })
		if stop < 0 {
			return nil, fmt.Errorf("line %d: example %s has no %s", i+1, name, end)
		}
		fmt.Fprintf(&out, "```go\n%s```\n", body)
		i += stop - 1
	}
	var missing []error
	for name := range bodies {
		if !used[name] {
			missing = append(missing, fmt.Errorf("func Example%s has no place (%s%s%s)", name, begin, name, finish))
		}
	}
	return out.Bytes(), errors.Join(missing...)
}

func place(line string) (name string, is bool) {
	name, is = strings.CutPrefix(strings.TrimSpace(line), begin)
	if !is {
		return "", false
	}
	return strings.CutSuffix(name, finish)
}

// read are the bodies of a file's examples by their names, with their comments and without their first indent.
func read(source []byte) (map[string]string, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "", source, parser.ParseComments)
	if err != nil {
		return nil, fmt.Errorf("reading the examples: %w", err)
	}
	bodies := map[string]string{}
	for _, declaration := range file.Decls {
		f, is := declaration.(*ast.FuncDecl)
		if !is || f.Recv != nil {
			continue
		}
		name, is := strings.CutPrefix(f.Name.Name, "Example")
		if !is {
			continue
		}
		inside := source[files.Position(f.Body.Lbrace).Offset+1 : files.Position(f.Body.Rbrace).Offset]
		var body strings.Builder
		for line := range strings.Lines(strings.Trim(string(inside), "\n") + "\n") {
			body.WriteString(strings.TrimPrefix(line, "\t"))
		}
		bodies[name] = body.String()
	}
	if len(bodies) == 0 {
		return nil, errors.New("reading the examples: there are none")
	}
	return bodies, nil
}
