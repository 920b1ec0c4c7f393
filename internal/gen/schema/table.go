package schema

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

const (
	tableBegin = "<!-- values:begin -->"
	tableEnd   = "<!-- values:end -->"

	// A longer default would make the column unreadable.
	maxDefault = 80
)

// Table returns the reference in markdown: a heading and a table for each section, a row for each key in the order
// of the file. Closed objects have a row too, for what their comment says of the keys that follow.
func (v *Values) Table() []byte {
	var out bytes.Buffer
	section, started := "", false
	v.walk(func(k *Key) {
		if !started || k.Section != section {
			if started {
				out.WriteByte('\n')
			}
			if k.Section != "" {
				fmt.Fprintf(&out, "### %s\n\n", k.Section)
			}
			out.WriteString("| Key | Type | Default | Description |\n|---|---|---|---|\n")
			section, started = k.Section, true
		}
		if k.Closed {
			fmt.Fprintf(&out, "| **%s** | | | %s |\n", code(k.Path), prose(k.Description))
			return
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s |\n", code(k.Path), code(k.Type), k.shownDefault(), prose(k.Description+k.limits()))
	})
	return out.Bytes()
}

// Insert returns the readme with the table between its markers.
func Insert(readme, table []byte) ([]byte, error) {
	before, rest, ok := bytes.Cut(readme, []byte(tableBegin))
	if !ok {
		return nil, fmt.Errorf("no line %q", tableBegin)
	}
	_, after, ok := bytes.Cut(rest, []byte(tableEnd))
	if !ok {
		return nil, fmt.Errorf("no line %q after %q", tableEnd, tableBegin)
	}
	return fmt.Appendf(nil, "%s%s\n\n%s\n%s%s", before, tableBegin, table, tableEnd, after), nil
}

func (k *Key) shownDefault() string {
	if text, ok := k.notes.text["default"]; ok {
		return prose(text)
	}
	text := string(k.schema.Default)
	if utf8.RuneCountInString(text) > maxDefault {
		return "see `values.yaml`"
	}
	return code(text)
}

// limits says in words what @enum, @min and @max allow.
func (k *Key) limits() string {
	low, high := k.notes.text["min"], k.notes.text["max"]
	var text string
	// The words were checked when they were read.
	if words, _ := k.notes.enum(); len(words) > 0 {
		for i, w := range words {
			if w == "" {
				w = `""`
			}
			words[i] = code(w)
		}
		text += " One of " + strings.Join(words, ", ") + "."
	}
	switch {
	case low != "" && high != "":
		text += fmt.Sprintf(" From %s to %s.", low, high)
	case low != "":
		text += fmt.Sprintf(" At least %s.", low)
	case high != "":
		text += fmt.Sprintf(" At most %s.", high)
	}
	return text
}

// code returns a code span that stands in a table cell: there, a pipe ends the cell even between backticks.
func code(text string) string {
	fence := "`"
	if strings.Contains(text, "`") {
		fence = "``"
		text = " " + text + " "
	}
	return fence + strings.ReplaceAll(text, "|", `\|`) + fence
}

var codeSpan = regexp.MustCompile("`[^`]*`")

// prose escapes text for a table cell. Outside code, <name> would be taken for an HTML tag and vanish.
func prose(text string) string {
	var out strings.Builder
	end := 0
	for _, span := range codeSpan.FindAllStringIndex(text, -1) {
		out.WriteString(strings.ReplaceAll(text[end:span[0]], "<", "&lt;"))
		out.WriteString(text[span[0]:span[1]])
		end = span[1]
	}
	out.WriteString(strings.ReplaceAll(text[end:], "<", "&lt;"))
	return strings.ReplaceAll(out.String(), "|", `\|`)
}
