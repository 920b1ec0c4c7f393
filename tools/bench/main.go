package main

import (
	"context"
	"os"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
)

func main() {
	ctx, stop := commandline.UntilSignal(context.Background())
	code := commandline.Run(ctx, Command(), os.Args[1:], commandline.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}
