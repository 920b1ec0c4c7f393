package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/qdrant-shepherd/shepherd/client/vector"
	"github.com/qdrant-shepherd/shepherd/internal/wordvectors"
)

// Options say what a run does. The command's flags fill them; see Command for what each is.
type Options struct {
	// Connection is how a server is reached that is there. Its Target names one host:port, as that is all the other clients understand, with
	// or without dns:/// or static:/// before it. Without a target ServerBinary is started as a process of its own, and reached without encryption and key.
	Connection   vector.Config
	ServerBinary string
	// ServerPID is the process of the server behind the target, if it runs on this machine and its processor time is to be read. 0 means no.
	ServerPID int

	Tier     string
	Profiles []string
	Phases   []string
	// Against are the Opponents to compare with, each of which has to be there; or "all" for those that are.
	Against []string

	// Rounds is how often the timed phases are repeated, Builds how often the graph is built, Pairs how many pairs a comparison has.
	Rounds, Builds, Pairs int
	// Level is how long each level of load is timed for, all its rounds together.
	Level   time.Duration
	EFs     []int
	Clients []int
	// Points overrides the tier's number of points, Queries the 1,000 queries. 0 leaves them.
	Points, Queries int
	// IdleConnections is how many connections the idle phase holds open.
	IdleConnections int

	Python, Bfb string
	// CPUProfile is a file for a profile of the benchmark's own processor time, whose samples are labelled with the contestant. "" writes none.
	CPUProfile string
	// Out is the directory of the report, and Docs one for a copy among a project's documents; "" means no copy.
	Out, Docs string
	// Progress is told what is being done. nil tells nobody.
	Progress io.Writer

	// rehearsal, unless nil, is the data of a run against a server that builds no graph, which is then not asserted. Its figures say nothing;
	// that the phases work can be tested without a real server.
	rehearsal *data
}

// tiers are numbers of points: for a change, for continuous integration, and for a person with an hour.
var tiers = map[string]int{"quick": 20_000, "standard": 100_000, "full": 340_000}

// The phases, in the order in which they run.
const (
	PhaseCreate   = "create"
	PhaseCompare  = "compare"
	PhaseIngest   = "ingest"
	PhaseExact    = "exact"
	PhaseSweep    = "sweep"
	PhaseOpenLoop = "open-loop"
	PhaseBatch    = "batch"
	PhaseFiltered = "filtered"
	PhaseIdle     = "idle"
	PhaseGuide    = "guide"
	PhaseDuring   = "during-ingest"
)

// Phases are all phases in the order in which they run. The graph is built and asserted before any but the first two, whatever is chosen.
func Phases() []string {
	return []string{
		PhaseCreate, PhaseCompare, PhaseIngest, PhaseExact, PhaseSweep, PhaseOpenLoop, PhaseBatch, PhaseFiltered, PhaseIdle, PhaseGuide,
		PhaseDuring,
	}
}

// againstAll names all opponents that are there.
const againstAll = "all"

// Opponents are what Options.Against may name: five ways to load, and two to search.
func Opponents() []string {
	return []string{againstNaive1, againstNaive64, againstRaw, againstPython, againstBfb, againstRawSearch, againstExact}
}

// Profile is a way to build and search the graph.
type Profile struct {
	Name string `json:"name"`
	// M and EFConstruct build the graph; EF searches it where a phase does not vary it.
	M           int `json:"m"`
	EFConstruct int `json:"ef_construct"`
	EF          int `json:"ef"`
	// Recall is the bar for recall@10 at EF; 0 where there is none. It stems from the same graphs in hnswlib over 50,000 vectors of the
	// same kind: .954, .997 and 1.000, less what a larger set costs.
	Recall float64 `json:"recall_bar,omitempty"`
}

func profiles() map[string]Profile {
	return map[string]Profile{
		"default":     {Name: "default", M: 16, EFConstruct: 100, EF: 128, Recall: 0.93},
		"development": {Name: "development", M: 48, EFConstruct: 512, EF: 256, Recall: 0.98},
		"production":  {Name: "production", M: 64, EFConstruct: 1024, EF: 512, Recall: 0.99},
		"tuned":       {Name: "tuned", M: 32, EFConstruct: 256, EF: 128},
	}
}

// What the collections of a run have in common: two shards of two segments, which is what two processors can search at a time, and
// thresholds of 1,000 KiB of vectors a segment, which a set of 20,000 reaches and the server's own 10,000 KiB does not.
const (
	shards      = 2
	segments    = 2
	indexFrom   = 1000
	recallAt    = 10
	truthDepth  = 100
	indexedPart = 0.99
)

// Validate checks what does not depend on the server.
func (o Options) Validate() error {
	var errs []error
	check := func(ok bool, format string, values ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, values...))
		}
	}
	target := o.Connection.Target
	check(target != "" || o.ServerBinary != "",
		"there is no server: name one with --target, or a binary to start with --server-binary or QDRANT_BIN")
	if target != "" {
		_, _, err := splitTarget(target)
		check(err == nil, "--target: %w", err)
	}
	check(target != "" || o.ServerPID == 0, "--server-pid: without --target the process is known")
	_, known := tiers[o.Tier]
	check(known, "--tier %q: there are %s", o.Tier, strings.Join(slices.Sorted(maps.Keys(tiers)), ", "))
	check(len(o.Profiles) > 0, "--profile: at least one is needed")
	for _, name := range o.Profiles {
		_, known := profiles()[name]
		check(known, "--profile %q: there are %s", name, strings.Join(slices.Sorted(maps.Keys(profiles())), ", "))
	}
	check(subset(o.Phases, Phases()), "--phases %v: there are %s", o.Phases, strings.Join(Phases(), ", "))
	check(subset(o.Against, append(Opponents(), againstAll)), "--against %v: there are %s; or %s", o.Against, strings.Join(Opponents(), ", "), againstAll)
	check(o.Rounds >= 1, "--rounds %d: at least 1", o.Rounds)
	check(o.Builds >= 1, "--builds %d: at least 1", o.Builds)
	check(o.Pairs >= 1, "--pairs %d: at least 1", o.Pairs)
	check(o.Level >= 100*time.Millisecond, "--seconds %v: at least 0.1", o.Level.Seconds())
	check(len(o.EFs) > 0 && slices.Min(o.EFs) >= recallAt, "--ef %v: numbers of at least %d", o.EFs, recallAt)
	check(len(o.Clients) > 0 && slices.Min(o.Clients) >= 1, "--clients %v: numbers of at least 1", o.Clients)
	check(o.Points == 0 || o.Points >= 1000, "--points %d: at least 1000", o.Points)
	check(o.Queries >= 0 && o.Queries <= wordvectors.Queries, "--queries %d: 1 to %d", o.Queries, wordvectors.Queries)
	check(o.IdleConnections >= 1, "--idle %d: at least 1", o.IdleConnections)
	check(o.Out != "", "--out: a directory is needed")
	return errors.Join(errs...)
}

func subset(some, all []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}

// points is the size of the base.
func (o Options) points() int {
	if o.Points > 0 {
		return o.Points
	}
	return tiers[o.Tier]
}

func (o Options) runs(phase string) bool { return slices.Contains(o.Phases, phase) }

// round is the time for one round of a level.
func (o Options) round() time.Duration { return o.Level / time.Duration(o.Rounds) }

// thresholdKiB is indexFrom, or less for sets that are too small for it: half of what a segment holds.
func thresholdKiB(points int) int {
	segment := points * wordvectors.Dim * 4 / 1024 / (shards * segments)
	return max(1, min(indexFrom, segment/2))
}
