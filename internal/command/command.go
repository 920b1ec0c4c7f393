// Package command holds shepherd's sub-commands: what each needs from flags and environment, and how the packages that do the work are
// put together. Cobra only routes.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"

	"github.com/spf13/cobra"
	"k8s.io/client-go/kubernetes"
)

// Process is what a sub-command has of the world around it.
type Process struct {
	// Env reads an environment variable; "" counts as unset.
	Env      func(string) string
	In       io.Reader
	Out, Err io.Writer
	// Connect reaches the API server, Dial a server by its name and port.
	Connect func() (kubernetes.Interface, error)
	Dial    func(ctx context.Context, network, address string) (net.Conn, error)
	// Logging is told the logger, for what libraries say of their own; nil where nobody needs it.
	Logging func(*slog.Logger)
}

// Exit codes.
const (
	ExitDone   = 0
	ExitFailed = 1
	ExitUsage  = 2
)

// usageError is a mistake in the command line or the environment.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// errSaid ends a command that has already told what is wrong.
var errSaid = errors.New("see above")

// Run runs one sub-command and returns the process's exit code.
func Run(ctx context.Context, version string, args []string, process Process) int {
	root := root(version, process)
	root.SetArgs(args)
	root.SetOut(process.Out)
	root.SetErr(process.Err)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return ExitDone
	case errors.Is(err, errSaid):
		return ExitFailed
	}
	_, _ = fmt.Fprintln(process.Err, "shepherd:", err)
	if errors.As(err, new(usageError)) {
		return ExitUsage
	}
	return ExitFailed
}

func root(version string, process Process) *cobra.Command {
	root := &cobra.Command{
		Use:           "shepherd",
		Short:         "Starts, rolls, scales and heals a Qdrant cluster without losing a shard",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("there is no sub-command %q; `shepherd --help` lists them", args[0])}
			}
			return cmd.Help()
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	for _, add := range []func(builder) *cobra.Command{
		startCommand, watchCommand, tendCommand, statusCommand, planCommand, checkCommand, acceptLossCommand, generateKeyCommand,
	} {
		root.AddCommand(add(builder{process}))
	}
	root.AddCommand(&cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(process.Out, version)
			return err
		},
	})
	return root
}

// builder makes sub-commands whose flags may also come from the environment.
type builder struct{ process Process }

// command is a sub-command: define names its flags, run gets them read.
func (b builder) command(use, short string, args cobra.PositionalArgs, define func(*flags), run func(context.Context, *settings, []string) error) *cobra.Command {
	set := &settings{apiKey: b.process.Env("SHEPHERD_API_KEY"), process: b.process}
	cmd := &cobra.Command{Use: use, Short: short, Args: args}
	f := &flags{set: cmd.Flags(), settings: set}
	f.text(&set.logLevel, "log-level", "info", "debug, info, warn or error")
	f.text(&set.logFormat, "log-format", "json", "json or text")
	define(f)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := f.read(b.process.Env); err != nil {
			return usageError{err}
		}
		if err := set.setLog(cmd.Name()); err != nil {
			return usageError{err}
		}
		return run(cmd.Context(), set, args)
	}
	return cmd
}

// untilStopped is for what runs until it is told to stop: that it was is no failure. For a start it is one: the server must not run then.
func untilStopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func noArgs(cmd *cobra.Command, args []string) error {
	if err := cobra.NoArgs(cmd, args); err != nil {
		return usageError{err}
	}
	return nil
}

// daemons log to standard output, where nothing else goes; commands for people log to standard error.
var daemons = map[string]bool{"start": true, "watch": true, "tend": true}

func (s *settings) setLog(command string) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.logLevel)); err != nil {
		return fmt.Errorf("--log-level (SHEPHERD_LOG_LEVEL): %q is none of debug, info, warn, error", s.logLevel)
	}
	to := s.process.Err
	if daemons[command] {
		to = s.process.Out
	} else if level < slog.LevelWarn {
		level = slog.LevelWarn // a person wants the answer, not the way to it
	}
	options := &slog.HandlerOptions{Level: level}
	var handler slog.Handler
	switch s.logFormat {
	case "json":
		handler = slog.NewJSONHandler(to, options)
	case "text":
		handler = slog.NewTextHandler(to, options)
	default:
		return fmt.Errorf("--log-format (SHEPHERD_LOG_FORMAT): %q is none of json, text", s.logFormat)
	}
	s.log = slog.New(handler).With("role", command)
	if s.process.Logging != nil {
		s.process.Logging(s.log)
	}
	return nil
}
