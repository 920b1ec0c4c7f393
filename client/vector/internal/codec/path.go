package codec

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// step is one part of a payload path: a key, or the elements of a list.
type step struct {
	key     string
	element bool
}

// CheckPath says what is wrong with the path of a payload field, by the server's grammar (lib/segment/src/json_path/parse.rs): names of
// letters, digits, "_" and "-", others in double quotes, joined by dots, each followed by any number of [n] or []. The server's own answer
// to another path does not say more than that it is wrong.
func CheckPath(path string) error {
	_, rest, err := cutName(path)
	for err == nil && rest != "" {
		_, rest, err = cutStep(rest)
	}
	return pathError(path, err)
}

// steps are the parts of a path that CheckPath takes.
func steps(path string) ([]step, error) {
	name, rest, err := cutName(path)
	parts := []step{{key: name}}
	for err == nil && rest != "" {
		var next step
		next, rest, err = cutStep(rest)
		parts = append(parts, next)
	}
	return parts, pathError(path, err)
}

func pathError(path string, err error) error {
	if err == nil || path == "" {
		return err
	}
	return fmt.Errorf("path %q: %w", path, err)
}

// cutStep takes the first step off what follows a name.
func cutStep(path string) (next step, rest string, err error) {
	switch path[0] {
	case '.':
		next.key, rest, err = cutName(path[1:])
		return next, rest, err
	case '[':
		index, rest, closed := strings.Cut(path[1:], "]")
		if _, number := strconv.ParseUint(index, 10, 64); !closed || index != "" && number != nil {
			return next, "", fmt.Errorf("%q is no index", path)
		}
		return step{element: true}, rest, nil
	default:
		r, _ := utf8.DecodeRuneInString(path)
		return next, "", fmt.Errorf("%q outside double quotes", r)
	}
}

// cutName takes the name off that a path starts with.
func cutName(path string) (name, rest string, err error) {
	if inside, ok := strings.CutPrefix(path, `"`); ok {
		end := strings.IndexAny(inside, `\"`)
		if end < 0 || inside[end] == '\\' {
			return "", "", errors.New("a name in quotes does not end, or has a backslash")
		}
		return inside[:end], inside[end+1:], nil
	}
	end := strings.IndexFunc(path, func(r rune) bool { return !bare(r) })
	switch end {
	case 0:
		r, _ := utf8.DecodeRuneInString(path)
		return "", "", fmt.Errorf("%q where a name starts; other names than letters, digits, _ and - go in double quotes", r)
	case -1:
		if path == "" {
			return "", "", errors.New("no name")
		}
		return path, "", nil
	default:
		return path[:end], path[end:], nil
	}
}

// bare says whether a name can have the sign without quotes. It follows Rust's char::is_alphanumeric, which counts marks that belong to
// letters, too.
func bare(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '-'
	}
	return unicode.In(r, unicode.Letter, unicode.Number, unicode.Other_Alphabetic)
}

// quoted is a name as part of a path, in the spelling that the server gives it in its answers.
func quoted(name string) string {
	if name != "" && !strings.ContainsFunc(name, func(r rune) bool { return !bare(r) }) {
		return name
	}
	return `"` + name + `"`
}

// check says whether the path can exist in documents.
func (p *plan) check(path string) error {
	if path == "" {
		return errors.New("a payload field without a name")
	}
	parts, err := steps(path)
	if err != nil {
		return err
	}
	root := parts[0].key
	i, known := p.payload.names[root]
	switch {
	case known:
		if walk(p.payload.members[i].shape, parts[1:]) {
			return nil
		}
	case p.payload.rest != nil:
		return nil
	case root == snake(p.schema.ID):
		return fmt.Errorf("%q is the id of %s and not in the payload: filter by ids", path, p.schema.Type)
	}
	if _, isVector := p.schema.Vector(root); isVector && !known {
		return fmt.Errorf("%q is a vector of %s, not a payload field", path, p.schema.Type)
	}
	return p.unknown(path)
}

// walk follows the path from a value of the shape.
func walk(s *shape, path []step) bool {
	for _, part := range path {
		s = s.direct()
		switch {
		case s.form == dynamic:
			return true
		case part.element && s.form == list, !part.element && s.form == free:
			s = s.elem
		case !part.element && s.form == keyed:
			i, ok := s.object.names[part.key]
			if !ok {
				return false
			}
			s = s.object.members[i].shape
		case !part.element && s.form == place:
			if part.key != "lat" && part.key != "lon" {
				return false
			}
			s = &shape{}
		default:
			return false
		}
	}
	return true
}

// mostNames is how many fields a message lists.
const mostNames = 12

// unknown is the error for a path that no document has, with the nearest one that there is.
func (p *plan) unknown(path string) error {
	known := paths(nil, p.payload, "", nil)
	nearest, least := "", max(2, len(path)/3)+1
	for _, candidate := range known {
		if d := distance(plain(path), plain(candidate)); d < least {
			nearest, least = candidate, d
		}
	}
	switch {
	case nearest != "":
		return fmt.Errorf("%s has no payload field %q; the nearest is %q", p.schema.Type, path, nearest)
	case len(known) == 0:
		return fmt.Errorf("%s has no payload field %q, nor any other", p.schema.Type, path)
	case len(known) > mostNames:
		return fmt.Errorf("%s has no payload field %q, only %s and %d more",
			p.schema.Type, path, strings.Join(known[:mostNames], ", "), len(known)-mostNames)
	default:
		return fmt.Errorf("%s has no payload field %q, only %s", p.schema.Type, path, strings.Join(known, ", "))
	}
}

// paths are those of an object and of what it holds. A type inside itself is not followed.
func paths(found []string, o *object, prefix string, around []reflect.Type) []string {
	around = append(around, o.typ)
	for i := range o.members {
		path, s := prefix+quoted(o.members[i].name), o.members[i].shape.direct()
		found = append(found, path)
		for s.form == list {
			path, s = path+"[]", s.elem.direct()
		}
		if s.form == keyed && !slices.Contains(around, s.object.typ) {
			found = paths(found, s.object, path+".", around)
		}
	}
	return found
}

// plain lets "items.price" and "items[0].price" be as near as can be to "items[].price", which is what was meant.
func plain(path string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(`[]0123456789_"`, r) {
			return -1
		}
		return r
	}, strings.ToLower(path))
}

// distance is how many letters must be put in, taken out or changed to make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(diagonal+cost, row[j]+1, row[j+1]+1)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
