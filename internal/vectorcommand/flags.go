package vectorcommand

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// flags are those of a sub-command. Some can be set by an environment variable as well.
type flags struct {
	set       *pflag.FlagSet
	variables map[string]string // by flag
}

// from lets an environment variable set a flag that the command line leaves open.
func (f *flags) from(variable, flag string) {
	if f.variables == nil {
		f.variables = map[string]string{}
	}
	f.variables[flag] = variable
	f.set.Lookup(flag).Usage += " (" + variable + ")"
}

// read takes from the environment what the command line leaves open.
func (f *flags) read(env func(string) string) error {
	var wrong error
	f.set.VisitAll(func(flag *pflag.Flag) {
		variable := f.variables[flag.Name]
		if variable == "" || flag.Changed || wrong != nil {
			return
		}
		value := env(variable)
		if value == "" {
			return
		}
		if err := f.set.Set(flag.Name, value); err != nil {
			wrong = fmt.Errorf("%s (--%s): %q is not a %s", variable, flag.Name, value, flag.Value.Type())
		}
	})
	return wrong
}

// given are those of some flags that were set.
func (f *flags) given(names ...string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !f.set.Lookup(name).Changed })
}

// oneOf finds what a word stands for.
func oneOf[T any](flag, value string, words ...choice[T]) (T, error) {
	var names []string
	for _, w := range words {
		if w.word == value {
			return w.value, nil
		}
		names = append(names, w.word)
	}
	var none T
	return none, usage("--%s: %q is none of %s", flag, value, strings.Join(names, ", "))
}

type choice[T any] struct {
	word  string
	value T
}
