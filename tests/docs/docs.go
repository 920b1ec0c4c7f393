// Package docs holds the documents to the project: links and anchors resolve, commands are understood by the programs that they name, and
// values and make targets exist.
package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

// document is a Markdown file.
type document struct {
	path    string // from the root of the repository
	links   []link
	anchors map[string]bool
	blocks  []block
	code    []string // inline
}

type link struct {
	line        int
	destination string
}

// block is a fenced block of code.
type block struct {
	line           int
	language, text string
}

var markdown = goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithParserOptions(parser.WithAutoHeadingID()))

func read(root, path string) (document, error) {
	source, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		return document{}, err
	}
	d := document{path: path, anchors: map[string]bool{}}
	lineAt := func(offset int) int { return strings.Count(string(source[:offset]), "\n") + 1 }
	line := 1
	err = ast.Walk(markdown.Parser().Parse(text.NewReader(source)), func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		if node.Type() == ast.TypeBlock && node.Lines().Len() > 0 {
			line = lineAt(node.Lines().At(0).Start)
		}
		switch n := node.(type) {
		case *ast.Heading:
			d.anchor(string(n.Lines().Value(source)))
		case *ast.Link:
			d.links = append(d.links, link{line, string(n.Destination)})
		case *ast.Image:
			d.links = append(d.links, link{line, string(n.Destination)})
		case *ast.CodeSpan:
			var code strings.Builder
			for child := n.FirstChild(); child != nil; child = child.NextSibling() {
				if t, ok := child.(*ast.Text); ok {
					code.Write(t.Segment.Value(source))
				}
			}
			d.code = append(d.code, code.String())
		case *ast.FencedCodeBlock:
			d.blocks = append(d.blocks, block{line, string(n.Language(source)), string(n.Lines().Value(source))})
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		return d, fmt.Errorf("reading %s: %w", path, err)
	}
	for _, id := range regexp.MustCompile(`<a (?:id|name)="([^"]+)"`).FindAllSubmatch(source, -1) {
		d.anchors[string(id[1])] = true
	}
	return d, nil
}

var (
	markup      = regexp.MustCompile("[`*]|\\[([^]]*)\\]\\([^)]*\\)")
	punctuation = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// anchor adds the ID that GitHub gives to a heading: https://github.com/gjtorikian/html-pipeline, toc_filter.
func (d *document) anchor(heading string) {
	id := strings.ToLower(markup.ReplaceAllString(heading, "$1"))
	id = strings.ReplaceAll(punctuation.ReplaceAllString(id, ""), " ", "-")
	for i, unique := 1, id; ; i++ {
		if !d.anchors[unique] {
			d.anchors[unique] = true
			return
		}
		unique = fmt.Sprintf("%s-%d", id, i)
	}
}
