// Command up is `make up` and `make down`.
//
//	up                     bring a cluster up, with the chart and a workload in it
//	up down                delete it
//	up shepherd COMMAND…   shepherd's status, plan and so on, where servers are processes of this machine
//
// Its environment: UP (kind or local), QDRANT_BIN, PORT, UP_DIR, CLUSTER, KIND_NODE_IMAGE; see package internal/local/up.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/qdrant-shepherd/shepherd/internal/local/up"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal has its usual effect
	code, err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "make up:", strings.Join(strings.Fields(err.Error()), " "))
		code = max(1, code)
	}
	os.Exit(code)
}

func run(ctx context.Context, arguments []string) (int, error) {
	// A copy is about the directory that it is in.
	if home := up.Home(); home != "" && len(arguments) > 0 {
		switch arguments[0] {
		case up.Supervisor:
			return 0, up.Supervise(ctx, home, os.Stderr)
		case "shepherd":
			return up.Shepherd(ctx, up.Settings{Directory: home}, arguments[1:], os.Stdout, os.Stderr)
		}
	}
	settings, err := up.Read(os.Getenv)
	if err != nil {
		return 2, err
	}
	switch {
	case len(arguments) == 0:
		return 0, up.Up(ctx, settings, os.Stdout)
	case len(arguments) == 1 && arguments[0] == "down":
		return 0, up.Down(ctx, settings, os.Stdout)
	case arguments[0] == "shepherd":
		return up.Shepherd(ctx, settings, arguments[1:], os.Stdout, os.Stderr)
	}
	return 2, fmt.Errorf("unexpected argument %q", arguments[0])
}
