// Package commandline is a thin layer over cobra: exit codes, usage errors, flags that an environment variable can set too, and flags that
// accept one of a few words.
package commandline

import (
	"slices"

	"github.com/spf13/pflag"
)

// Set is the flag set of a command. Environment variables can set some of the flags.
type Set struct {
	*pflag.FlagSet

	variables map[string]string // by flag
	required  []string
}

// Of wraps the flag set of a command: Of(cmd.Flags()).
func Of(set *pflag.FlagSet) *Set { return &Set{FlagSet: set, variables: map[string]string{}} }

// From lets an environment variable set a flag that the command line does not set. The flag must be defined already.
func (s *Set) From(variable, flag string) {
	s.variables[flag] = variable
	s.Lookup(flag).Usage += " (" + variable + ")"
}

// Require makes Read fail if a flag is empty. The flag must be defined already.
func (s *Set) Require(flag string) {
	s.required = append(s.required, flag)
	s.Lookup(flag).Usage += " (required)"
}

// Read sets flags from the environment where the command line does not set them. It ignores empty variables. A value of the wrong type and a
// missing required flag are UsageErrors.
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
		// FlagSet.Set would mark the flag as changed, and Given would report it.
		if err := flag.Value.Set(value); err != nil {
			wrong = Usage("%s (--%s): %q is not a %s", variable, flag.Name, value, flag.Value.Type())
		}
	})
	if wrong != nil {
		return wrong
	}
	for _, flag := range s.required {
		if s.Lookup(flag).Value.String() == "" {
			if variable := s.variables[flag]; variable != "" {
				return Usage("set %s or --%s", variable, flag)
			}
			return Usage("set --%s", flag)
		}
	}
	return nil
}

// Given returns those of the named flags that the command line sets.
func (s *Set) Given(names ...string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !s.Lookup(name).Changed })
}
