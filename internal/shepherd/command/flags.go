package command

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
)

// flags are the flags of a sub-command. An environment variable can set each: --max-wait is SHEPHERD_MAX_WAIT.
type flags struct {
	*commandline.Set

	settings *settings
}

// must defines a flag that must not be empty.
func (f *flags) must(p *string, name, usage string) {
	f.StringVar(p, name, "", usage)
	f.Require(name)
}

func (f *flags) duration(p *time.Duration, name string, unless time.Duration, usage string) {
	*p = unless
	f.Var((*duration)(p), name, usage)
}

func (f *flags) fromEnvironment() {
	f.VisitAll(func(flag *pflag.Flag) { f.From(variable(flag.Name), flag.Name) })
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

// oneOf checks text that is one of a few words.
func oneOf(flag, value string, words ...string) error {
	if slices.Contains(words, value) {
		return nil
	}
	return commandline.Usage("--%s (%s): %q is not one of %s", flag, variable(flag), value, strings.Join(words, ", "))
}
