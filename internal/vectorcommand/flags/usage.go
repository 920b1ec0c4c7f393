// Package flags is what sub-commands of vector have in common, wherever they live: mistakes in the command line, flags that the environment
// can set as well, and the flags by which a cluster is reached.
package flags

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// UsageError is a mistake in the command line or the environment. A command that returns one, also inside of another error, exits with 2.
type UsageError struct{ Err error }

func (e UsageError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e UsageError) Unwrap() error { return e.Err }

// Usage is a UsageError that reads as fmt.Errorf writes it.
func Usage(format string, args ...any) error { return UsageError{fmt.Errorf(format, args...)} }

// Arguments refuses fewer or more of them; use is how the sub-command is used, such as "query COLLECTION".
func Arguments(least, most int, use string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return Usage("the command is used as `vector %s`", use)
		}
		return nil
	}
}

// OneOf finds what a flag's word stands for. It is a UsageError if it is none of them.
func OneOf[T any](flag, value string, words ...Choice[T]) (T, error) {
	var names []string
	for _, w := range words {
		if w.Word == value {
			return w.Value, nil
		}
		names = append(names, w.Word)
	}
	var none T
	return none, Usage("--%s: %q is none of %s", flag, value, strings.Join(names, ", "))
}

// Choice is a word and what it stands for.
type Choice[T any] struct {
	Word  string
	Value T
}

// Word is a choice of OneOf.
func Word[T any](word string, value T) Choice[T] { return Choice[T]{Word: word, Value: value} }
