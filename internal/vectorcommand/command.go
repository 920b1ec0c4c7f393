// Package vectorcommand holds the sub-commands of vector: what each takes from flags, environment and input, and how the packages that do
// the work are put together. Cobra only routes.
package vectorcommand

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/qdrant-shepherd/shepherd/internal/vectorcommand/flags"
	"github.com/qdrant-shepherd/shepherd/pkg/vector"
)

// Process is what a sub-command has of the world around it.
type Process struct {
	// Env reads an environment variable; "" counts as unset.
	Env      func(string) string
	In       io.Reader
	Out, Err io.Writer
	// Terminal says that Err is one, where a line can be written over, and InTerminal that In is one, where nobody has prepared anything.
	Terminal, InTerminal bool
	// More are sub-commands that live in packages of their own.
	More []func() *cobra.Command
}

// Exit codes.
const (
	ExitDone    = 0
	ExitFailed  = 1
	ExitUsage   = 2
	ExitStopped = 130 // told to stop before the end, as shells have it
)

// Run runs one sub-command and returns the process's exit code.
func Run(ctx context.Context, version string, args []string, process Process) int {
	root := root(version, process)
	root.SetArgs(args)
	root.SetIn(process.In)
	root.SetOut(process.Out)
	root.SetErr(process.Err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitDone
	}
	_, _ = fmt.Fprintln(process.Err, "vector:", err)
	switch {
	case errors.As(err, new(flags.UsageError)):
		return ExitUsage
	case ctx.Err() != nil:
		return ExitStopped
	}
	return ExitFailed
}

func root(version string, process Process) *cobra.Command {
	root := &cobra.Command{
		Use:           "vector",
		Short:         "Loads vectors into Qdrant, searches them, looks into collections, and measures",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return flags.Usage("there is no sub-command %q; `vector --help` lists them", args[0])
			}
			return cmd.Help()
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flags.UsageError{Err: err} })
	for _, add := range []func(Process) *cobra.Command{loadCommand, queryCommand, inspectCommand} {
		root.AddCommand(add(process))
	}
	for _, add := range process.More {
		root.AddCommand(add())
	}
	root.AddCommand(&cobra.Command{
		Use: "version", Short: "Print the version", Args: flags.Arguments(0, 0, "version"),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(process.Out, version)
			return err
		},
	})
	return root
}

// settings are what a sub-command has when it runs.
type settings struct {
	process    Process
	connection flags.Connection
	flags      *flags.Set
}

// command is a sub-command with the flags of the connection: define names its own, run gets them read.
func command(p Process, use, short string, args cobra.PositionalArgs, define func(*flags.Set, *flags.Connection), run func(context.Context, *settings, []string) error) *cobra.Command {
	s := &settings{process: p}
	cmd := &cobra.Command{Use: use, Short: short, Args: args}
	f := flags.Of(cmd.Flags())
	define(f, &s.connection)
	s.connection.Define(f, "localhost:6334")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := f.Read(p.Env); err != nil {
			return err
		}
		s.flags = f
		return run(cmd.Context(), s, args)
	}
	return cmd
}

// connect reaches the cluster that the flags name.
func (s *settings) connect(ctx context.Context) (*vector.DB, error) {
	config, err := s.connection.Config(s.process.Env, s.process.Err)
	if err != nil {
		return nil, err
	}
	return vector.Connect(ctx, config)
}

// note tells a person something on the way.
func (s *settings) note(format string, args ...any) {
	_, _ = fmt.Fprintf(s.process.Err, format+"\n", args...)
}
