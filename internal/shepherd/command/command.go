// Package command holds shepherd's sub-commands: what each needs from flags and environment, and how the packages that do the work are
// put together. Cobra only routes.
package command

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"

	"github.com/spf13/cobra"
	"k8s.io/client-go/kubernetes"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
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

// Run runs one sub-command and returns the exit code of the process.
func Run(ctx context.Context, version string, args []string, process Process) int {
	return commandline.Run(ctx, Root(version, process), args, commandline.Streams{In: process.In, Out: process.Out, Err: process.Err})
}

// Root returns the command with all its sub-commands.
func Root(version string, process Process) *cobra.Command {
	root := commandline.Root("shepherd", "Starts, rolls, scales and heals a Qdrant cluster without losing a shard", version)
	for _, add := range []func(builder) *cobra.Command{
		startCommand, watchCommand, tendCommand, statusCommand, planCommand, checkCommand, acceptLossCommand, generateKeyCommand,
	} {
		root.AddCommand(add(builder{process}))
	}
	return root
}

// builder makes sub-commands whose flags may also come from the environment.
type builder struct{ process Process }

// command is a sub-command: define names its flags, run gets them read.
func (b builder) command(use, short string, args cobra.PositionalArgs, define func(*flags), run func(context.Context, *settings, []string) error) *cobra.Command {
	set := &settings{apiKey: b.process.Env("SHEPHERD_API_KEY"), process: b.process}
	cmd := &cobra.Command{Use: use, Short: short, Args: args}
	f := &flags{Set: commandline.Of(cmd.Flags()), settings: set}
	f.StringVar(&set.logLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&set.logFormat, "log-format", "json", "json or text")
	define(f)
	f.fromEnvironment()
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := f.Read(b.process.Env); err != nil {
			return err
		}
		if err := set.setLog(cmd.Name()); err != nil {
			return err
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

// daemons log to standard output, where nothing else goes; commands for people log to standard error.
var daemons = map[string]bool{"start": true, "watch": true, "tend": true}

func (s *settings) setLog(command string) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.logLevel)); err != nil {
		return commandline.Usage("--log-level (SHEPHERD_LOG_LEVEL): %q is not one of debug, info, warn, error", s.logLevel)
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
		return commandline.Usage("--log-format (SHEPHERD_LOG_FORMAT): %q is not one of json, text", s.logFormat)
	}
	s.log = slog.New(handler).With("role", command)
	if s.process.Logging != nil {
		s.process.Logging(s.log)
	}
	return nil
}
