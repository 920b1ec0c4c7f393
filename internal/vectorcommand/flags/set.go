package flags

import (
	"slices"

	"github.com/spf13/pflag"
)

// Set are the flags of a sub-command, of which some can be set by an environment variable as well.
type Set struct {
	*pflag.FlagSet

	variables map[string]string // by flag
}

// Of are a command's flags: Of(cmd.Flags()).
func Of(set *pflag.FlagSet) *Set { return &Set{FlagSet: set, variables: map[string]string{}} }

// From lets an environment variable set a flag, which is defined already, where the command line leaves it open.
func (s *Set) From(variable, flag string) {
	s.variables[flag] = variable
	s.Lookup(flag).Usage += " (" + variable + ")"
}

// Read takes from the environment what the command line leaves open; "" counts as unset. A value that is none is a UsageError.
func (s *Set) Read(env func(string) string) error {
	var wrong error
	s.VisitAll(func(flag *pflag.Flag) {
		variable := s.variables[flag.Name]
		if variable == "" || flag.Changed || wrong != nil {
			return
		}
		value := env(variable)
		if value == "" {
			return
		}
		// Not by the set, for which the flag would be given from then on.
		if err := flag.Value.Set(value); err != nil {
			wrong = Usage("%s (--%s): %q is not a %s", variable, flag.Name, value, flag.Value.Type())
		}
	})
	return wrong
}

// Given are those of some flags that the command line has.
func (s *Set) Given(names ...string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !s.Lookup(name).Changed })
}
