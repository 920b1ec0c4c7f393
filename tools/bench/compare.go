package main

import (
	"context"
	"fmt"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/stat"
)

// The ways to compare with.
const (
	againstNaive1    = "naive1"
	againstNaive64   = "naive64"
	againstRaw       = "raw"
	againstPython    = "python"
	againstBfb       = "bfb"
	againstRawSearch = "raw-search"
	againstExact     = "exact"

	controlIngest = "control (ingest)"
	controlSearch = "control (search)"
)

// leg is one side of a pair.
type leg struct {
	Operations int     `json:"operations"` // points or searches
	Seconds    float64 `json:"seconds"`
	Rate       float64 `json:"rate"` // operations a second
	// ClientCPU and ServerCPU are milliseconds of processor time for a thousand operations; 0 where they could not be read.
	ClientCPU float64 `json:"client_cpu_ms_per_1000"`
	ServerCPU float64 `json:"server_cpu_ms_per_1000"`
	Failed    int     `json:"failed,omitempty"`
	// Start is how many of the seconds went into starting processes, where that is known.
	Start float64 `json:"start_seconds,omitempty"`
}

// withoutStart is the rate that would have been without starting processes.
func (l leg) withoutStart() float64 { return float64(l.Operations) / (l.Seconds - l.Start) }

func legOf(operations int, took time.Duration, used cpu) leg {
	return leg{
		Operations: operations, Seconds: took.Seconds(), Rate: float64(operations) / took.Seconds(),
		ClientCPU: perThousand(used.client, operations), ServerCPU: perThousand(used.server, operations),
	}
}

type pair struct {
	Ours      leg  `json:"ours"`
	Theirs    leg  `json:"theirs"`
	OursFirst bool `json:"ours_first"`
}

// Comparison is client/vector against another way to do the same, in pairs.
type Comparison struct {
	Name string `json:"name"`
	// Ours and Theirs say what exactly was done.
	Ours   string `json:"ours"`
	Theirs string `json:"theirs"`
	Pairs  []pair `json:"pairs"`
	// Speed is our operations a second divided by theirs, pair by pair. ClientCPU is our processor time for an operation divided by theirs.
	Speed     stat.Spread `json:"speed_ratio"`
	ClientCPU stat.Spread `json:"client_cpu_ratio"`
	ServerCPU stat.Spread `json:"server_cpu_ratio"`
	// WithoutStart is Speed if what they need to start processes were free. N is 0 where none are started.
	WithoutStart stat.Spread `json:"speed_ratio_without_their_start"`
	OurRate      stat.Spread `json:"our_rate"`
	TheirRate    stat.Spread `json:"their_rate"`
	// Control is the speed ratio of ours against ours in the same rounds, and Reliable whether it was 1.00 ± 0.05.
	Control  stat.Spread `json:"control"`
	Reliable bool        `json:"reliable"`
}

// opponent is a comparison under way.
type opponent struct {
	Comparison
	ours, theirs func(context.Context) (leg, error)
}

// duel runs the pairs of all opponents, round by round: ours then theirs, theirs then ours, and so on. One of the opponents is ours itself.
func (s *session) duel(ctx context.Context, control string, opponents []*opponent) error {
	// Also what an end before the time has left.
	defer func() { s.report.Comparisons = append(s.report.Comparisons, concluded(control, opponents)...) }()
	for i := range s.options.Pairs {
		for _, o := range stat.RoundRobin(opponents, i) {
			p, err := o.meet(ctx, stat.OursFirst(i))
			if err != nil {
				return fmt.Errorf("comparing with %s: %w", o.Name, err)
			}
			o.Pairs = append(o.Pairs, p)
			s.say("%s, pair %d of %d: %.0f against %.0f a second: %.2f", o.Name, i+1, s.options.Pairs, p.Ours.Rate, p.Theirs.Rate,
				p.Ours.Rate/p.Theirs.Rate)
		}
	}
	return nil
}

// meet runs one pair. In a profile of the processor time, samples of the two carry their names.
func (o *opponent) meet(ctx context.Context, oursFirst bool) (pair, error) {
	p := pair{OursFirst: oursFirst}
	ours := func() (err error) {
		pprof.Do(ctx, pprof.Labels("comparison", o.Name, "way", "ours"), func(ctx context.Context) { p.Ours, err = o.ours(ctx) })
		return err
	}
	theirs := func() (err error) {
		pprof.Do(ctx, pprof.Labels("comparison", o.Name, "way", "theirs"), func(ctx context.Context) { p.Theirs, err = o.theirs(ctx) })
		return err
	}
	first, second := ours, theirs
	if !oursFirst {
		first, second = theirs, ours
	}
	if err := first(); err != nil {
		return p, err
	}
	return p, second()
}

// concluded computes the ratios of the pairs, and holds them against the control among them. Who was not met is left out.
func concluded(control string, opponents []*opponent) []Comparison {
	var done []Comparison
	var same stat.Spread
	for _, o := range opponents {
		c := o.Comparison
		if len(c.Pairs) == 0 {
			continue
		}
		c.Speed = c.ratio(func(l leg) float64 { return l.Rate })
		c.ClientCPU = c.ratio(func(l leg) float64 { return l.ClientCPU })
		c.ServerCPU = c.ratio(func(l leg) float64 { return l.ServerCPU })
		if slices.ContainsFunc(c.Pairs, func(p pair) bool { return p.Theirs.Start > 0 }) {
			c.WithoutStart = c.ratio(leg.withoutStart)
		}
		c.OurRate, c.TheirRate = c.spreads(func(l leg) float64 { return l.Rate })
		if c.Name == control {
			same = c.Speed
		}
		done = append(done, c)
	}
	for i := range done {
		done[i].Control, done[i].Reliable = same, stat.Reliable(same)
	}
	return done
}

func (c Comparison) columns(of func(leg) float64) (ours, theirs []float64) {
	for _, p := range c.Pairs {
		ours, theirs = append(ours, of(p.Ours)), append(theirs, of(p.Theirs))
	}
	return ours, theirs
}

func (c Comparison) ratio(of func(leg) float64) stat.Spread {
	return stat.SpreadOf(stat.Ratios(c.columns(of)))
}

func (c Comparison) spreads(of func(leg) float64) (ours, theirs stat.Spread) {
	o, t := c.columns(of)
	return stat.SpreadOf(o), stat.SpreadOf(t)
}

// wants says whether one of some opponents was asked for.
func (o Options) wants(any ...string) bool {
	return slices.ContainsFunc(any, func(name string) bool { return slices.Contains(o.Against, name) })
}
