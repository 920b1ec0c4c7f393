package main

import (
	"fmt"
	"slices"

	"github.com/qdrant-shepherd/shepherd/internal/stat"
)

// The floors and ceilings of comparisons: what a bare loop of 256 a call reached on two cores, less a margin, and for go-client itself the
// cost of what Load and Search add to it.
const (
	rawSpeed = 0.97
	rawCPU   = 1.05
	annSpeed = 3.0
)

func speedBars() []struct {
	against string
	name    string
	floor   float64
} {
	return []struct {
		against string
		name    string
		floor   float64
	}{
		{againstNaive1, "ingest: against go-client, one point a call, waiting", 60},
		{againstNaive64, "ingest: against go-client, 64 a call, one stream, waiting", 2.5},
		{againstPython, "ingest: against the Python client's upload_points", 4},
		{againstBfb, "ingest: against bfb", 1},
		{againstRaw, "ingest: against go-client with the same batches and streams", rawSpeed},
		{againstRawSearch, "search: against go-client with the same request", rawSpeed},
		{againstExact, "search: through the graph against exact", annSpeed},
	}
}

// judge holds everything that was measured against its bar.
func (r *Report) judge() {
	r.Bars = nil
	for _, b := range speedBars() {
		r.Bars = append(r.Bars, r.speedBar(b.against, b.name, b.floor))
	}
	for _, against := range []string{againstRaw, againstRawSearch} {
		r.Bars = append(r.Bars, r.cpuBar(against))
	}
	for _, p := range r.Profiles {
		if p.Profile.Recall > 0 {
			r.Bars = append(r.Bars, p.recallBar())
		}
	}
	r.Bars = append(r.Bars, r.createBar())
	for _, p := range r.Profiles {
		for _, promise := range p.Guide {
			r.Bars = append(r.Bars, promise.bar(p.Profile))
		}
		if p.Idle != nil {
			r.Bars = append(r.Bars, p.Idle.bar(p.Profile))
		}
	}
}

func (r *Report) comparison(name string) Comparison {
	for _, c := range r.Comparisons {
		if c.Name == name {
			return c
		}
	}
	return Comparison{Name: name}
}

func (r *Report) speedBar(against, name string, floor float64) Bar {
	c := r.comparison(against)
	b := Bar{
		Name: name, Wanted: fmt.Sprintf("≥ %gx", floor), Measured: spread(c.Speed, "%.2f") + "x", Asked: r.asked(against),
		Verdict: stat.Judged(stat.AtLeast(c.Speed, floor), c.Control), Note: unreliable(c.Control, c.Speed),
	}.orNothing(c.Speed, r.whyNot(against))
	if b.Note == "" && c.WithoutStart.N > 0 {
		b.Note = fmt.Sprintf("%sx if starting its processes were free", spread(c.WithoutStart, "%.2f"))
	}
	return b
}

// cpuBar is held against the control's own processor time, which is steadier than its speed.
func (r *Report) cpuBar(against string) Bar {
	c := r.comparison(against)
	name, control := "ingest", controlIngest
	if against == againstRawSearch {
		name, control = "search", controlSearch
	}
	same := r.comparison(control).ClientCPU
	return Bar{
		Name:   name + ": processor time of the client, against go-client",
		Wanted: fmt.Sprintf("≤ %gx", rawCPU), Measured: spread(c.ClientCPU, "%.3f") + "x", Asked: r.asked(against),
		Verdict: stat.Judged(stat.AtMost(c.ClientCPU, rawCPU), same), Note: unreliable(same, c.ClientCPU),
	}.orNothing(c.ClientCPU, r.whyNot(against))
}

func unreliable(control, measured stat.Spread) string {
	if measured.N == 0 || stat.Reliable(control) {
		return ""
	}
	return fmt.Sprintf("the control is %s and not 1.00 ± %.2f", spread(control, "%.2f"), stat.ControlTolerance)
}

// orNothing leaves a bar without figures where there are none, and says why.
func (b Bar) orNothing(s stat.Spread, why string) Bar {
	if s.N == 0 {
		b.Measured, b.Note = "–", why
	}
	return b
}

func (p ProfileReport) recallBar() Bar {
	b := Bar{
		Name: fmt.Sprintf("recall@%d: profile %s (m %d, ef_construct %d) at ef %d", recallAt, p.Profile.Name, p.Profile.M,
			p.Profile.EFConstruct, p.Profile.EF),
		Wanted: fmt.Sprintf("≥ %.2f", p.Profile.Recall), Measured: "–", Verdict: stat.NotMeasured, Asked: true, Note: "the run ended before",
	}
	for _, f := range p.Recall {
		if f.EF == p.Profile.EF {
			one := stat.SpreadOf([]float64{f.Recall})
			b.Measured, b.Verdict, b.Note = fmt.Sprintf("%.4f", f.Recall), stat.AtLeast(one, p.Profile.Recall), ""
		}
	}
	return b
}

// createLimit is the guide's, in milliseconds.
const createLimit = 1000

func (r *Report) createBar() Bar {
	b := Bar{
		Name: fmt.Sprintf("guide: create a collection (slowest of %d)", creations), Wanted: "< 1 s", Measured: "–", Verdict: stat.NotMeasured,
		Asked: slices.Contains(r.Settings.Phases, PhaseCreate), Note: "not asked for",
	}
	if b.Asked {
		b.Note = "the run ended before"
	}
	if r.Create != nil {
		b.Measured, b.Verdict = fmt.Sprintf("%.0f ms (median %.0f ms)", r.Create.Latency.Max, r.Create.Latency.P50), stat.Fail
		b.Note = fmt.Sprintf("with two payload indexes %.0f ms (median %.0f ms)", r.Create.WithIndexes.Max, r.Create.WithIndexes.P50)
		if r.Create.Latency.Max < createLimit {
			b.Verdict = stat.Pass
		}
	}
	return b
}

func (p Promise) bar(profile Profile) Bar {
	first := p.Steps[0]
	b := Bar{
		Name:     fmt.Sprintf("guide: %.0f %s (%s)", p.Rate, p.Name, profile.Name),
		Wanted:   fmt.Sprintf("p95 < %.0f ms", p.LimitMs),
		Measured: fmt.Sprintf("p95 %.1f ms at %.0f a second (n %d)", first.Latency.P95, first.Achieved, first.Latency.N),
		Verdict:  stat.Fail,
		Asked:    true,
		Note:     fmt.Sprintf("holds at %.0f a second", p.HoldsAt),
	}
	if first.Holds {
		b.Verdict = stat.Pass
	}
	if first.Failed > 0 {
		b.Measured += fmt.Sprintf(", %d failed", first.Failed)
	}
	if p.HoldsAt == 0 {
		b.Note = fmt.Sprintf("does not hold at %.0f a second either", p.Steps[len(p.Steps)-1].Rate)
	}
	if p.Recall > 0 {
		b.Note += fmt.Sprintf("; ef %d, recall@10 %.3f", profile.EF, p.Recall)
	}
	return b
}

func (i Idle) bar(profile Profile) Bar {
	b := Bar{
		Name: fmt.Sprintf("%d idle connections (%s)", i.Connections, profile.Name), Wanted: "all answer, before and after",
		Measured: fmt.Sprintf("%d and %d", i.Opened, i.Alive), Verdict: stat.Fail, Asked: true, Note: i.FirstError,
	}
	if i.Opened == i.Connections && i.Alive == i.Connections {
		b.Verdict = stat.Pass
		b.Note = fmt.Sprintf("%.0f searches a second among them, %.0f without", i.Among.QPS.Median, i.Alone.QPS.Median)
	}
	return b
}

// spread is a figure as tables have it: the median, and the least and the most.
func spread(s stat.Spread, format string) string {
	switch s.N {
	case 0:
		return "–"
	case 1:
		return fmt.Sprintf(format, s.Median)
	}
	return fmt.Sprintf(format+" ("+format+"–"+format+")", s.Median, s.Min, s.Max)
}
