// Command shepherd starts, rolls, scales and heals a Qdrant cluster on Kubernetes without losing a shard. The chart runs it as `start`,
// `watch` and `tend`; people run the other sub-commands.
package main

import (
	"context"
	"io"
	"os"

	"k8s.io/klog/v2"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/command"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
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
		Env: env, In: stdin, Out: stdout, Err: stderr, Connect: kube.Connect, Dial: command.Dial,
		Logging: klog.SetSlogLogger, // client-go speaks through klog
	})
}
