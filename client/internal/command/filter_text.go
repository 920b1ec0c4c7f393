package command

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/qdrant-shepherd/shepherd/client/vector"
)

// parseFilter reads a filter: JSON as in Qdrant's REST API, or the short form
//
//	lang = en and year >= 2020 and not (tags in [draft, old] or title ~ "two words")
//
// with = != > >= < <= on a value, ~ for text, in and not in for lists, and exists, empty and null, which take no value. Bare words are
// text, but for numbers, true and false; times (2020-01-31, or RFC 3339) are compared as such by > >= < <=.
func parseFilter(text string) (vector.Filter, error) {
	if strings.TrimSpace(text) == "" {
		return vector.Filter{}, nil
	}
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		return parseFilterJSON([]byte(text))
	}
	tokens, err := scanFilter(text)
	if err != nil {
		return vector.Filter{}, err
	}
	p := &filterParser{tokens: tokens}
	f, err := p.or(0)
	if err != nil {
		return vector.Filter{}, err
	}
	if left := p.peek(); left.text != "" || left.quoted {
		return vector.Filter{}, fmt.Errorf("%q at %d: there is no and or or before it", left.text, left.at)
	}
	return f, f.Err()
}

type filterToken struct {
	text   string
	at     int // byte in the text, from 1
	quoted bool
	symbol bool
}

const filterSymbols = "()[],=!<>~"

func scanFilter(text string) (tokens []filterToken, err error) {
	for at := 0; at < len(text); {
		rest := text[at:]
		token := filterToken{at: at + 1}
		length := 1
		switch c := rest[0]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			at++
			continue
		case c == '"':
			quoted, err := strconv.QuotedPrefix(rest)
			if err != nil {
				return nil, fmt.Errorf("text that begins at %d has no end, or a \\ that means nothing", at+1)
			}
			token.quoted, length = true, len(quoted)
			if token.text, err = strconv.Unquote(quoted); err != nil {
				return nil, err
			}
		case strings.IndexByte(filterSymbols, c) >= 0:
			token.symbol = true
			if len(rest) > 1 && rest[1] == '=' && strings.IndexByte("=!<>", c) >= 0 {
				length = 2
			}
			token.text = rest[:length]
		default:
			length = wordLength(rest)
			token.text = rest[:length]
			if !utf8.ValidString(token.text) {
				return nil, fmt.Errorf("the word at %d is no valid UTF-8", at+1)
			}
		}
		tokens = append(tokens, token)
		at += length
	}
	return append(tokens, filterToken{at: len(text) + 1}), nil
}

// wordLength ends a word before a space or a symbol; [] and [0] belong to it, as in tags[].name.
func wordLength(text string) int {
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '[' && i > 0 {
			inner := strings.TrimLeft(text[i+1:], "0123456789")
			if strings.HasPrefix(inner, "]") {
				i = len(text) - len(inner)
				continue
			}
		}
		if c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '"' || strings.IndexByte(filterSymbols, c) >= 0 {
			return i
		}
	}
	return len(text)
}

type filterParser struct {
	tokens []filterToken
	at     int
}

func (p *filterParser) peek() filterToken { return p.tokens[p.at] }

func (p *filterParser) take() filterToken {
	t := p.tokens[p.at]
	p.at = min(p.at+1, len(p.tokens)-1)
	return t
}

// word takes the next token if it is a certain word, whatever its case, or a symbol.
func (p *filterParser) word(want string) bool {
	if t := p.peek(); t.quoted || !strings.EqualFold(t.text, want) {
		return false
	}
	p.take()
	return true
}

// filterDepth is far more than a person writes.
const filterDepth = 50

func (p *filterParser) or(depth int) (vector.Filter, error) {
	return p.joined(depth, "or", vector.Or, func(depth int) (vector.Filter, error) {
		return p.joined(depth, "and", vector.And, p.single)
	})
}

func (p *filterParser) joined(depth int, word string, join func(...vector.Filter) vector.Filter, part func(int) (vector.Filter, error)) (vector.Filter, error) {
	var parts []vector.Filter
	for {
		f, err := part(depth)
		if err != nil {
			return f, err
		}
		if parts = append(parts, f); !p.word(word) {
			break
		}
	}
	if len(parts) == 1 {
		return parts[0], nil
	}
	return join(parts...), nil
}

func (p *filterParser) single(depth int) (vector.Filter, error) {
	if depth > filterDepth {
		return vector.Filter{}, errors.New("it nests too deeply")
	}
	if p.word("not") {
		f, err := p.single(depth + 1)
		return vector.Not(f), err
	}
	if p.word("(") {
		f, err := p.or(depth + 1)
		if err == nil && !p.word(")") {
			err = fmt.Errorf("at %d: a ) is missing", p.peek().at)
		}
		return f, err
	}
	return p.condition()
}

func (p *filterParser) condition() (vector.Filter, error) {
	key := p.take()
	if key.symbol || key.text == "" {
		return vector.Filter{}, fmt.Errorf("at %d: a field is missing", key.at)
	}
	field := vector.Where(key.text)
	negated := p.word("not")
	operator := p.take()
	if negated && (operator.quoted || !strings.EqualFold(operator.text, "in")) {
		return vector.Filter{}, fmt.Errorf("at %d: after %s not there must be in", operator.at, key.text)
	}
	if operator.quoted {
		operator.text = ""
	}
	switch strings.ToLower(operator.text) {
	case "exists":
		return field.Exists(), nil
	case "empty":
		return field.Empty(), nil
	case "null":
		return field.Null(), nil
	case "in":
		values, err := p.list()
		if err != nil {
			return vector.Filter{}, err
		}
		if negated {
			return vector.Not(field.In(values...)), nil
		}
		return field.In(values...), nil
	case "=", "==", "!=":
		value, err := p.value()
		if operator.text == "!=" {
			return vector.Not(field.Is(value)), err
		}
		return field.Is(value), err
	case "~":
		text, err := p.operand() // as it is written: 0049 is no number here
		return field.Text(text.text), err
	case ">", ">=", "<", "<=":
		bound, err := p.bound()
		if err != nil {
			return vector.Filter{}, err
		}
		return map[string]func(any) vector.Filter{">": field.Gt, ">=": field.Gte, "<": field.Lt, "<=": field.Lte}[operator.text](bound), nil
	}
	return vector.Filter{}, fmt.Errorf("at %d: after %s there must be one of = != > >= < <= ~ in exists empty null", operator.at, key.text)
}

func (p *filterParser) list() (values []any, err error) {
	if !p.word("[") {
		return nil, fmt.Errorf("at %d: a list begins with [", p.peek().at)
	}
	for {
		value, err := p.value()
		if err != nil {
			return nil, err
		}
		values = append(values, value)
		if p.word("]") {
			return values, nil
		}
		if !p.word(",") {
			return nil, fmt.Errorf("at %d: a list goes on with , or ends with ]", p.peek().at)
		}
	}
}

// operand takes a token that can be a value.
func (p *filterParser) operand() (filterToken, error) {
	t := p.take()
	if !t.quoted && (t.symbol || t.text == "") {
		return t, fmt.Errorf("at %d: a value is missing", t.at)
	}
	return t, nil
}

func (p *filterParser) value() (any, error) {
	t, err := p.operand()
	if err != nil {
		return nil, err
	}
	if t.quoted {
		return t.text, nil
	}
	switch t.text {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	if whole, err := strconv.ParseInt(t.text, 10, 64); err == nil {
		return whole, nil
	}
	if c := t.text[0]; c == '-' || c == '+' || c == '.' || c >= '0' && c <= '9' { // Inf and NaN are words
		if x, err := strconv.ParseFloat(t.text, 64); err == nil {
			return x, nil
		}
	}
	return t.text, nil
}

// bound is a number or a time.
func (p *filterParser) bound() (any, error) {
	at := p.peek().at
	value, err := p.value()
	text, isText := value.(string)
	if err != nil || !isText {
		return value, err
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return nil, fmt.Errorf("at %d: %q is neither a number nor a time", at, text)
}
