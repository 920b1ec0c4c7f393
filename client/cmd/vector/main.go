// Command vector loads vectors from files into Qdrant, searches them and looks into collections.
package main

import (
	"context"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
	"github.com/qdrant-shepherd/shepherd/client/internal/command"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := commandline.UntilSignal(context.Background())
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, env func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	return command.Run(ctx, version, args, command.Process{
		Env: env, In: stdin, Out: stdout, Err: stderr,
		Terminal: isTerminal(stderr), InTerminal: isTerminal(stdin),
	})
}

func isTerminal(stream any) bool {
	file, isFile := stream.(*os.File)
	return isFile && term.IsTerminal(int(file.Fd()))
}
