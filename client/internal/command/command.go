// Package command holds the sub-commands of vector: what each takes from flags, environment and input, and how the packages that do
// the work are put together. Cobra only routes.
package command

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
	"github.com/qdrant-shepherd/shepherd/client/vector"
	"github.com/qdrant-shepherd/shepherd/client/vectorflags"
)

// Process is what a sub-command has of the world around it.
type Process struct {
	// Env reads an environment variable; "" counts as unset.
	Env      func(string) string
	In       io.Reader
	Out, Err io.Writer
	// Terminal says that Err is one, where a line can be written over, and InTerminal that In is one, where nobody has prepared anything.
	Terminal, InTerminal bool
}

// Run runs one sub-command and returns the exit code of the process.
func Run(ctx context.Context, version string, args []string, process Process) int {
	return commandline.Run(ctx, Root(version, process), args, commandline.Streams{In: process.In, Out: process.Out, Err: process.Err})
}

// Root returns the command with all its sub-commands.
func Root(version string, process Process) *cobra.Command {
	root := commandline.Root("vector", "Loads vectors into Qdrant, searches them and looks into collections", version)
	for _, add := range []func(Process) *cobra.Command{loadCommand, queryCommand, inspectCommand} {
		root.AddCommand(add(process))
	}
	return root
}

// settings are what a sub-command has when it runs.
type settings struct {
	process    Process
	connection vectorflags.Connection
	flags      *commandline.Set
}

// command is a sub-command with the flags of the connection: define names its own, run gets them read.
func command(p Process, use, short string, args cobra.PositionalArgs, define func(*commandline.Set, *vectorflags.Connection), run func(context.Context, *settings, []string) error) *cobra.Command {
	s := &settings{process: p}
	cmd := &cobra.Command{Use: use, Short: short, Args: args}
	f := commandline.Of(cmd.Flags())
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
