package command

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// flags defines flags that an environment variable of the same name can set: --max-wait is SHEPHERD_MAX_WAIT.
type flags struct {
	set      *pflag.FlagSet
	settings *settings
	required []string
}

func (f *flags) text(p *string, name, unless, usage string) { f.set.StringVar(p, name, unless, usage) }

// must is text that has to be given.
func (f *flags) must(p *string, name, usage string) {
	f.text(p, name, "", usage+" (required)")
	f.required = append(f.required, name)
}

func (f *flags) number(p *int, name string, unless int, usage string) {
	f.set.IntVar(p, name, unless, usage)
}

func (f *flags) yes(p *bool, name string, unless bool, usage string) {
	f.set.BoolVar(p, name, unless, usage)
}

func (f *flags) list(p *[]string, name string, unless []string, usage string) {
	f.set.StringSliceVar(p, name, unless, usage)
}

func (f *flags) duration(p *time.Duration, name string, unless time.Duration, usage string) {
	*p = unless
	f.set.Var((*duration)(p), name, usage)
}

// read takes from the environment what the command line leaves open, and checks that all is there.
func (f *flags) read(env func(string) string) error {
	var wrong error
	f.set.VisitAll(func(flag *pflag.Flag) {
		value := env(variable(flag.Name))
		if wrong != nil || flag.Changed || value == "" {
			return
		}
		if err := f.set.Set(flag.Name, value); err != nil {
			wrong = fmt.Errorf("%s (--%s): %q is not a %s", variable(flag.Name), flag.Name, value, flag.Value.Type())
		}
	})
	if wrong != nil {
		return wrong
	}
	for _, name := range f.required {
		if f.set.Lookup(name).Value.String() == "" {
			return fmt.Errorf("set %s or --%s", variable(name), name)
		}
	}
	return nil
}

func variable(flag string) string {
	return "SHEPHERD_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// duration reads Go's durations, and plain numbers as seconds, as Kubernetes has them.
type duration time.Duration

func (d *duration) Set(text string) error {
	parsed, err := time.ParseDuration(text)
	if err != nil {
		seconds, notSeconds := strconv.Atoi(text)
		if notSeconds != nil {
			return err
		}
		parsed = time.Duration(seconds) * time.Second
	}
	if parsed < 0 {
		return fmt.Errorf("%s is negative", text)
	}
	*d = duration(parsed)
	return nil
}

func (d *duration) String() string { return time.Duration(*d).String() }

func (d *duration) Type() string { return "duration" }

// oneOf is for text that is one of a few words.
func oneOf(flag, value string, words ...string) error {
	if slices.Contains(words, value) {
		return nil
	}
	return usageError{fmt.Errorf("--%s (%s): %q is none of %s", flag, variable(flag), value, strings.Join(words, ", "))}
}
