// Command localkube builds the local Kubernetes control plane of make test and make up, if it is not there yet, and prints the directory
// with its programs, which is also a KUBEBUILDER_ASSETS.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/qdrant-shepherd/shepherd/internal/local/controlplane"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	directory, err := controlplane.Assets(ctx, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(directory)
	return 0
}
