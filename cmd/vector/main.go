// Command vector loads vectors from files into Qdrant, searches them, looks into collections, and measures.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/qdrant-shepherd/shepherd/internal/bench"
	"github.com/qdrant-shepherd/shepherd/internal/vectorcommand"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := untilSignal(context.Background())
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// untilSignal ends the context at the first signal, which asks for an end; a second one has its usual effect.
func untilSignal(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

func run(ctx context.Context, args []string, env func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	return vectorcommand.Run(ctx, version, args, vectorcommand.Process{
		Env: env, In: stdin, Out: stdout, Err: stderr,
		Terminal: isTerminal(stderr), InTerminal: isTerminal(stdin),
		More: []func() *cobra.Command{bench.Command},
	})
}

func isTerminal(stream any) bool {
	file, isFile := stream.(*os.File)
	return isFile && term.IsTerminal(int(file.Fd()))
}
