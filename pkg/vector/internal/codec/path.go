package codec

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// step is one part of a payload path: a key, or the elements of a list.
type step struct {
	key     string
	element bool
}

// steps reads a path as the server does (lib/segment/src/json_path): keys between dots, in quotes where they have other signs in them,
// and [] or [3] for elements.
func steps(path string) ([]step, error) {
	var out []step
	rest := path
	for first := true; rest != ""; first = false {
		switch {
		case rest[0] == '[' && !first:
			index, after, ok := strings.Cut(rest[1:], "]")
			if !ok || strings.Trim(index, "0123456789") != "" {
				return nil, fmt.Errorf("%q is no payload path: after [ comes a number or nothing, and then ]", path)
			}
			out, rest = append(out, step{element: true}), after
			continue
		case rest[0] == '.' && !first:
			rest = rest[1:]
		case !first:
			return nil, fmt.Errorf("%q is no payload path: %q stands where a dot or [ belongs", path, rest)
		}
		key, after, err := cutKey(rest)
		if err != nil {
			return nil, fmt.Errorf("%q is no payload path: %w", path, err)
		}
		out, rest = append(out, step{key: key}), after
	}
	if len(out) == 0 || strings.HasSuffix(path, ".") {
		return nil, fmt.Errorf("%q is no payload path: a key is missing", path)
	}
	return out, nil
}

func cutKey(s string) (key, rest string, err error) {
	if strings.HasPrefix(s, `"`) {
		key, rest, ok := strings.Cut(s[1:], `"`)
		if !ok {
			return "", "", errors.New("a quotation mark is missing")
		}
		return key, rest, nil
	}
	end := strings.IndexAny(s, ".[")
	if end < 0 {
		end = len(s)
	}
	if end == 0 {
		return "", "", errors.New("a key is missing")
	}
	return s[:end], s[end:], nil
}

// check says whether the path can exist in documents.
func (p *plan) check(path string) error {
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
		path, s := prefix+o.members[i].name, o.members[i].shape.direct()
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
		if strings.ContainsRune("[]0123456789_", r) {
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
