package vector

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// checkKey says what is wrong with the path of a payload field, by the server's grammar (lib/segment/src/json_path/parse.rs): names of
// letters, digits, "_" and "-", others in double quotes, joined by dots, each followed by any number of [n] or []. The server's own answer
// to another key does not say more than that it is wrong.
func checkKey(key string) error {
	rest, err := checkName(key)
	for err == nil && rest != "" {
		switch rest[0] {
		case '.':
			rest, err = checkName(rest[1:])
		case '[':
			inside, after, closed := strings.Cut(rest[1:], "]")
			if _, number := strconv.ParseUint(inside, 10, 64); !closed || inside != "" && number != nil {
				err = fmt.Errorf("%q is no index", rest)
			}
			rest = after
		default:
			r, _ := utf8.DecodeRuneInString(rest)
			err = fmt.Errorf("%q outside double quotes", r)
		}
	}
	if err != nil && key != "" {
		return fmt.Errorf("path %q: %w", key, err)
	}
	return err
}

// checkName returns what follows the name that a path starts with.
func checkName(path string) (string, error) {
	if quoted, ok := strings.CutPrefix(path, `"`); ok {
		end := strings.IndexAny(quoted, `\"`)
		if end < 0 || quoted[end] == '\\' {
			return "", errors.New("a name in quotes does not end, or has a backslash")
		}
		return quoted[end+1:], nil
	}
	end := strings.IndexFunc(path, func(r rune) bool { return !keyRune(r) })
	switch end {
	case 0:
		r, _ := utf8.DecodeRuneInString(path)
		return "", fmt.Errorf("%q where a name starts; other names than letters, digits, _ and - go in double quotes", r)
	case -1:
		if path == "" {
			return "", errors.New("no name")
		}
		return "", nil
	default:
		return path[end:], nil
	}
}

// keyRune follows Rust's char::is_alphanumeric, which counts marks that belong to letters, too.
func keyRune(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '-'
	}
	return unicode.In(r, unicode.Letter, unicode.Number, unicode.Other_Alphabetic)
}

// quotedKey is a key as messages show it.
func quotedKey(key string) string {
	if key == "" {
		return "a field without a name"
	}
	return key
}
