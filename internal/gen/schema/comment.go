package schema

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	yamlnode "go.yaml.in/yaml/v3"
)

const (
	sectionMark = "##@ "
	summaryMark = "# -- "
)

var annotationLine = regexp.MustCompile(`^@(\w+)(:\s*(.*))?$`)

// annotations are the "@name: text" lines of one comment.
type annotations struct {
	text map[string]string
}

// comment reads the block above a key. It goes by lines rather than by the comments that the parser attaches to nodes:
// the parser hands some of them to the node before, depending on blank lines and indentation.
func (p *parser) comment(k *Key, name *yamlnode.Node) {
	k.notes.text = map[string]string{}
	block := p.block(name)
	if len(block) == 0 {
		p.errorf(k.Line, k.Path, "no comment: the line above must be a comment that starts with %q", summaryMark)
		return
	}
	summary, ok := strings.CutPrefix(block[0], summaryMark)
	if !ok {
		p.errorf(k.Line, k.Path, "the comment must start with %q, not %q", summaryMark, block[0])
		return
	}
	prose := []string{strings.TrimSpace(summary)}
	for _, line := range block[1:] {
		line = strings.TrimSpace(strings.TrimPrefix(line, "#"))
		if strings.HasPrefix(line, "@") {
			p.annotation(k, line)
			continue
		}
		if line == "" {
			continue
		}
		if len(k.notes.text) > 0 {
			p.errorf(k.Line, k.Path, "prose after an annotation: %q", line)
		}
		prose = append(prose, line)
	}
	k.Description = strings.Join(prose, " ")
}

// block returns the comment lines directly above a key, without their indentation.
func (p *parser) block(name *yamlnode.Node) []string {
	indent := strings.Repeat(" ", name.Column-1)
	end := name.Line - 1
	start := end
	for start > 0 && strings.HasPrefix(p.lines[start-1], indent+"#") && !strings.HasPrefix(p.lines[start-1], sectionMark) {
		start--
	}
	var block []string
	for _, line := range p.lines[start:end] {
		block = append(block, strings.TrimSpace(line))
	}
	return block
}

func (p *parser) annotation(k *Key, line string) {
	m := annotationLine.FindStringSubmatch(line)
	switch {
	case m == nil || m[3] == "":
		p.errorf(k.Line, k.Path, "annotation %q is not of the form %q", line, "@name: text")
	case !slices.Contains([]string{"type", "default", "enum", "pattern", "min", "max"}, m[1]):
		p.errorf(k.Line, k.Path, "unknown annotation @%s", m[1])
	case k.notes.text[m[1]] != "":
		p.errorf(k.Line, k.Path, "@%s is given twice", m[1])
	default:
		k.notes.text[m[1]] = m[3]
	}
}

// constrain adds @enum, @pattern, @min and @max to the branches of the schema that they are about.
func (a annotations) constrain(schema *node) error {
	for _, bound := range []string{"min", "max"} {
		text, ok := a.text[bound]
		if !ok {
			continue
		}
		numeric := schema.branch("integer", "number")
		if numeric == nil {
			return fmt.Errorf("@%s: the type has no numbers", bound)
		}
		var n json.Number
		if err := json.Unmarshal([]byte(text), &n); err != nil {
			return fmt.Errorf("@%s: %q is not a number", bound, text)
		}
		if bound == "min" {
			numeric.Minimum = n
		} else {
			numeric.Maximum = n
		}
	}
	for _, note := range []string{"pattern", "enum"} {
		text, ok := a.text[note]
		if !ok {
			continue
		}
		str := schema.branch("string")
		if str == nil {
			return fmt.Errorf("@%s: the type has no strings", note)
		}
		if str.Pattern != "" {
			return fmt.Errorf("@%s: the strings of the type have a pattern already", note)
		}
		if note == "pattern" {
			if _, err := regexp.Compile(text); err != nil {
				return fmt.Errorf("@pattern: %w", err)
			}
			str.Pattern = text
			continue
		}
		words, err := a.enum()
		if err != nil {
			return err
		}
		str.restrict(words)
	}
	return nil
}

// Words that Helm's YAML parser reads as booleans unless they are quoted.
var booleanWord = regexp.MustCompile(`^(?i:y|n|yes|no|on|off|true|false)$`)

func (a annotations) enum() ([]string, error) {
	text, ok := a.text["enum"]
	if !ok {
		return nil, nil
	}
	var words []string
	for word := range strings.SplitSeq(text, ",") {
		word = strings.TrimSpace(word)
		switch {
		case word == "":
			return nil, fmt.Errorf(`@enum: an empty word in %q; the empty string is ""`, text)
		case booleanWord.MatchString(word):
			return nil, fmt.Errorf("@enum: %s is a boolean in YAML unless people quote it: choose another word", word)
		}
		words = append(words, strings.Trim(word, `"`))
	}
	return words, nil
}

// restrict allows only the given strings. A schema's enum would refuse the other branches of a union too, so those
// that have one besides null get a pattern.
func (n *node) restrict(words []string) {
	if slices.ContainsFunc(n.Type, func(t string) bool { return t != "string" && t != "null" }) {
		var quoted []string
		for _, w := range words {
			quoted = append(quoted, regexp.QuoteMeta(w))
		}
		n.Pattern = "^(" + strings.Join(quoted, "|") + ")$"
		return
	}
	for _, w := range words {
		n.Enum = append(n.Enum, w)
	}
	if slices.Contains(n.Type, "null") {
		n.Enum = append(n.Enum, nil)
	}
}
