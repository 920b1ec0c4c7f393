package qdranttest

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// keyPath leads to values in a payload: a.b, a[2].b, a[].b for b of every element, "odd key".b for a key that is no plain word.
type keyPath []step

type step struct {
	kind  stepKind
	key   string
	index int
}

type stepKind uint8

const (
	field stepKind = iota
	element
	every
)

func parsePath(text string) (keyPath, error) {
	rest := text
	key, rest, ok := cutKey(rest)
	parsed := keyPath{{key: key}}
	for ok && rest != "" {
		var next step
		switch {
		case strings.HasPrefix(rest, "[]"):
			next, rest = step{kind: every}, rest[2:]
		case rest[0] == '[':
			digits, after, closed := strings.Cut(rest[1:], "]")
			index, err := strconv.ParseUint(digits, 10, 31)
			ok = closed && err == nil
			next, rest = step{kind: element, index: int(index)}, after
		case rest[0] == '.':
			next.key, rest, ok = cutKey(rest[1:])
		default:
			ok = false
		}
		parsed = append(parsed, next)
	}
	if !ok {
		return nil, status.Errorf(codes.InvalidArgument, "Invalid json path: '%s'", text)
	}
	return parsed, nil
}

// cutKey takes a key off the front: a word, or anything but quotes and backslashes between quotes.
func cutKey(text string) (key, rest string, ok bool) {
	if strings.HasPrefix(text, `"`) {
		key, rest, ok = strings.Cut(text[1:], `"`)
		return key, rest, ok && !strings.Contains(key, `\`)
	}
	end := strings.IndexFunc(text, func(r rune) bool { return !isWordRune(r) })
	if end < 0 {
		end = len(text)
	}
	return text[:end], text[end:], end > 0
}

func isWordRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsNumber(r) || r == '_' || r == '-'
}

func parsePaths(texts []string) ([]keyPath, error) {
	paths := make([]keyPath, 0, len(texts))
	for _, text := range texts {
		p, err := parsePath(text)
		if err != nil {
			return nil, err
		}
		paths = append(paths, p)
	}
	return paths, nil
}

func (p keyPath) String() string {
	var text strings.Builder
	for i, s := range p {
		switch s.kind {
		case every:
			text.WriteString("[]")
		case element:
			text.WriteString("[" + strconv.Itoa(s.index) + "]")
		default:
			if i > 0 {
				text.WriteByte('.')
			}
			if s.key == "" || strings.ContainsFunc(s.key, func(r rune) bool { return !isWordRune(r) }) {
				text.WriteString(`"` + s.key + `"`)
			} else {
				text.WriteString(s.key)
			}
		}
	}
	return text.String()
}

// ofElements is the path to every element of what the path leads to.
func (p keyPath) ofElements() keyPath {
	if p[len(p)-1].kind == every {
		return p
	}
	return p.then(step{kind: every})
}

// then is a path of its own that goes on from this one.
func (p keyPath) then(further ...step) keyPath { return slices.Concat(p, further) }

// meets says whether one of two paths begins with the other.
func (p keyPath) meets(other keyPath) bool {
	n := min(len(p), len(other))
	return slices.Equal(p[:n], other[:n])
}

// within says whether a path begins with the other.
func (p keyPath) within(other keyPath) bool {
	return len(p) >= len(other) && slices.Equal(p[:len(other)], other)
}

// get finds the values that a path leads to.
func (p keyPath) get(from object) []any {
	value, found := from[p[0].key]
	if !found {
		return nil
	}
	return p[1:].collect(nil, value)
}

func (p keyPath) collect(found []any, value any) []any {
	if len(p) == 0 {
		return append(found, value)
	}
	switch value := value.(type) {
	case object:
		if inner, has := value[p[0].key]; has && p[0].kind == field {
			found = p[1:].collect(found, inner)
		}
	case []any:
		switch p[0].kind {
		case every:
			for _, inner := range value {
				found = p[1:].collect(found, inner)
			}
		case element:
			if p[0].index < len(value) {
				found = p[1:].collect(found, value[p[0].index])
			}
		case field:
		}
	}
	return found
}

// merge puts fields into the object that the path leads to, which is made where there is something else, or nothing. Elements of lists
// are not made.
func (p keyPath) merge(into any, fields object) any {
	if len(p) == 0 {
		there, _ := into.(object)
		return merged(there, fields)
	}
	if p[0].kind == field {
		there, _ := into.(object)
		result := maps.Clone(there)
		if result == nil {
			result = object{}
		}
		result[p[0].key] = p[1:].merge(result[p[0].key], fields)
		return result
	}
	there, isList := into.([]any)
	if !isList {
		return []any{}
	}
	result := slices.Clone(there)
	for i := range result {
		if p[0].kind == every || p[0].index == i {
			result[i] = p[1:].merge(result[i], fields)
		}
	}
	return result
}

// remove takes away what the path leads to. Elements of lists can't be taken away one by one, only all at once.
func (p keyPath) remove(from any) any {
	switch value := from.(type) {
	case object:
		inner, has := value[p[0].key]
		if p[0].kind != field || !has {
			return from
		}
		result := maps.Clone(value)
		if len(p) == 1 {
			delete(result, p[0].key)
		} else {
			result[p[0].key] = p[1:].remove(inner)
		}
		return result
	case []any:
		if p[0].kind == field || (len(p) == 1 && p[0].kind == element) {
			return from
		}
		if len(p) == 1 {
			return []any{}
		}
		result := slices.Clone(value)
		for i := range result {
			if p[0].kind == every || p[0].index == i {
				result[i] = p[1:].remove(result[i])
			}
		}
		return result
	default:
		return from
	}
}
