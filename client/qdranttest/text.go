package qdranttest

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/qdrant/go-client/qdrant"
)

// tokenizer splits texts into words as a full-text index does. Languages' stop words, stemmers and the folding to ASCII are not done,
// and the multilingual tokenizer splits as the one by words.
type tokenizer struct {
	kind     qdrant.TokenizerType
	keepCase bool
	min, max int // of a word's length in runes; no bound if 0
	stop     []string
	phrases  bool
}

func newTokenizer(params *qdrant.TextIndexParams) *tokenizer {
	return &tokenizer{
		kind: params.GetTokenizer(), keepCase: params != nil && params.Lowercase != nil && !params.GetLowercase(),
		min: int(params.GetMinTokenLen()), max: int(params.GetMaxTokenLen()), stop: params.GetStopwords().GetCustom(),
		phrases: params.GetPhraseMatching(),
	}
}

// split are the words of a text. A stored text that is split by prefixes has every beginning of its words, one that is asked for only
// the longest.
func (t *tokenizer) split(text string, stored bool) []string {
	if !t.keepCase {
		text = strings.ToLower(text)
	}
	var raw []string
	if t.kind == qdrant.TokenizerType_Whitespace {
		raw = strings.Fields(text)
	} else {
		raw = strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
	}
	var words []string
	for _, word := range raw {
		if slices.Contains(t.stop, word) {
			continue
		}
		length := utf8.RuneCountInString(word)
		if t.kind == qdrant.TokenizerType_Prefix {
			words = append(words, t.prefixes(word, length, stored)...)
		} else if length >= t.min && (t.max == 0 || length <= t.max) {
			words = append(words, word)
		}
	}
	return words
}

func (t *tokenizer) prefixes(word string, length int, stored bool) []string {
	longest := length
	if t.max > 0 {
		longest = min(longest, t.max)
	}
	runes := []rune(word)
	if !stored {
		return []string{string(runes[:longest])}
	}
	var all []string
	for n := max(1, t.min); n <= longest; n++ {
		all = append(all, string(runes[:n]))
	}
	return all
}

func (t *tokenizer) matches(asked string, holds func(stored, asked []string) bool) func(any) bool {
	words := t.split(asked, false)
	return func(value any) bool {
		text, isText := value.(string)
		return isText && len(words) > 0 && holds(t.split(text, true), words)
	}
}

// all is met by texts that have all the words.
func (t *tokenizer) all(asked string) func(any) bool {
	return t.matches(asked, func(stored, asked []string) bool {
		return !slices.ContainsFunc(asked, func(word string) bool { return !slices.Contains(stored, word) })
	})
}

// any is met by texts that have one of the words.
func (t *tokenizer) any(asked string) func(any) bool {
	return t.matches(asked, func(stored, asked []string) bool {
		return slices.ContainsFunc(asked, func(word string) bool { return slices.Contains(stored, word) })
	})
}

// phrase is met by texts that have the words one after the other, if the index was made for phrases, else by none.
func (t *tokenizer) phrase(asked string) func(any) bool {
	if !t.phrases {
		return func(any) bool { return false }
	}
	return t.matches(asked, func(stored, asked []string) bool {
		for i := range stored {
			if i+len(asked) <= len(stored) && slices.Equal(stored[i:i+len(asked)], asked) {
				return true
			}
		}
		return false
	})
}
