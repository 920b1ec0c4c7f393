package main

import (
	_ "embed"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"sigs.k8s.io/kwok/kustomize/stage/node/fast"
	heartbeat "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"
	"sigs.k8s.io/kwok/pkg/config"
	"sigs.k8s.io/kwok/pkg/kwok/cmd"
	"sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/signals"
)

// podStages say what becomes of a pod on a simulated node.
//
//go:embed pods.yaml
var podStages string

// playNodes is kwok with its own stages for nodes and ours for pods, and the end of pods.
func playNodes() {
	stages := strings.Join([]string{fast.DefaultNodeInit, heartbeat.DefaultNodeHeartbeatWithLease, podStages}, "\n---\n")
	if err := feedStdin(stages); err != nil {
		fail("kwok", err)
	}
	os.Args = append(os.Args, "--config=-")
	flags := pflag.NewFlagSet("kwok", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true // the command reads them
	flags.Usage = func() {}
	ctx, _ := log.InitFlags(signals.SetupSignalContext(), flags)
	ctx, err := config.InitFlags(ctx, flags)
	if err != nil {
		fail("kwok", err)
	}
	own := pflag.NewFlagSet("kwok", pflag.ContinueOnError)
	own.ParseErrorsAllowlist.UnknownFlags = true
	own.Usage = func() {}
	kubeconfig := own.String("kubeconfig", "", "")
	_ = own.Parse(os.Args[1:]) // what is not its own is the command's
	if err := endPods(ctx, *kubeconfig); err != nil {
		fail("kwok", err)
	}
	command := cmd.NewCommand(ctx)
	command.Version = "" // its flag of this name is not the one that Kubernetes has registered for the whole process
	command.PersistentFlags().AddFlagSet(flags)
	if err := command.ExecuteContext(ctx); err != nil {
		fail("kwok", err)
	}
}

// feedStdin makes text what this process reads from its standard input.
func feedStdin(text string) error {
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	os.Stdin = reader
	go func() {
		_, _ = writer.WriteString(text) // a reader that has gone away has read enough
		_ = writer.Close()
	}()
	return nil
}
