package commandline

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// UsageError is a mistake in the command line or in an environment variable. Run exits with ExitUsage if a command returns one, wrapped or
// not.
type UsageError struct{ Err error }

func (e UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e UsageError) Unwrap() error { return e.Err }

// Usage returns a UsageError with the text that fmt.Errorf would give it.
func Usage(format string, args ...any) error { return UsageError{fmt.Errorf(format, args...)} }

// Arguments accepts between least and most positional arguments.
func Arguments(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return Usage("usage: %s", cmd.UseLine())
		}
		return nil
	}
}

// OneOf returns the value of the choice whose word a flag has, or a UsageError if there is none.
func OneOf[T any](flag, word string, choices ...Choice[T]) (T, error) {
	var words []string
	for _, c := range choices {
		if c.Word == word {
			return c.Value, nil
		}
		words = append(words, c.Word)
	}
	var none T
	return none, Usage("--%s: %q is not one of %s", flag, word, strings.Join(words, ", "))
}

// Choice is a word that a flag accepts, and its value.
type Choice[T any] struct {
	Word  string
	Value T
}

// Word returns a choice for OneOf.
func Word[T any](word string, value T) Choice[T] { return Choice[T]{Word: word, Value: value} }
