package commandline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes of Run.
const (
	ExitDone        = 0
	ExitFailed      = 1
	ExitUsage       = 2   // a UsageError
	ExitInterrupted = 130 // the context ended first; shells use this code for SIGINT
)

// ErrReported ends a command that has already printed what is wrong: Run exits with ExitFailed and prints nothing.
var ErrReported = errors.New("already reported")

// Streams are the standard streams of a command.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Root returns a command without flags that lists its sub-commands, of which version is the first.
func Root(name, short, version string) *cobra.Command {
	root := &cobra.Command{
		Use:   name,
		Short: short,
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return Usage("unknown command %q; `%s --help` lists all commands", args[0], name)
			}
			return cmd.Help()
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(referenceCommand(), &cobra.Command{
		Use: "version", Short: "Print the version", Args: Arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), version)
			return err
		},
	})
	return root
}

// Run runs a command and returns the exit code of the process. It prints the error of a command that failed, unless that is ErrReported.
func Run(ctx context.Context, root *cobra.Command, args []string, streams Streams) int {
	root.SetArgs(args)
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	root.SilenceUsage, root.SilenceErrors = true, true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return UsageError{err} })
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return ExitDone
	case errors.Is(err, ErrReported):
		return ExitFailed
	}
	_, _ = fmt.Fprintf(streams.Err, "%s: %v\n", root.Name(), err)
	switch {
	case errors.As(err, new(UsageError)):
		return ExitUsage
	case ctx.Err() != nil:
		return ExitInterrupted
	}
	return ExitFailed
}

// UntilSignal returns a context that the first SIGINT or SIGTERM cancels. A second one ends the process.
func UntilSignal(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
