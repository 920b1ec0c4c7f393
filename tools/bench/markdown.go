package main

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/qdrant-shepherd/shepherd/internal/stat"
)

// page is a Markdown document being written.
type page struct{ strings.Builder }

func (p *page) line(format string, values ...any) {
	_, _ = fmt.Fprintf(p, format+"\n", values...)
}

// table writes a table. Cells must not have line breaks.
func (p *page) table(head []string, rows [][]string) {
	p.line("")
	p.row(head)
	p.line("|%s", strings.Repeat(" --- |", len(head)))
	for _, row := range rows {
		p.row(row)
	}
	p.line("")
}

func (p *page) row(cells []string) {
	for _, cell := range cells {
		p.WriteString("| " + strings.ReplaceAll(cell, "|", `\|`) + " ")
	}
	p.WriteString("|\n")
}

// markdown is the report for people. Figures are medians with the least and the most of the rounds or pairs. The plots are in a directory
// relative to the report's, "" being the same.
func (r *Report) markdown(plots []plotted, directory string) string {
	p := &page{}
	p.line("# Benchmark")
	p.line("")
	p.line("%s, %d points of %d dimensions (tier %s), %d queries kept apart, %d shards of %d segments, %s; %.0f s on %s.",
		r.Data.Set, r.Data.Points, r.Data.Dim, r.Settings.Tier, r.Data.Queries, r.Settings.Shards, r.Settings.Segments,
		"Cosine", r.Seconds, r.Started.Format("2006-01-02 15:04 MST"))
	p.line("Figures are medians with the least and the most of the rounds or pairs in parentheses; n is the number of calls.")
	if r.Error != "" {
		p.line("")
		p.line("**The run ended before its time:** %s", r.Error)
	}
	r.writeBars(p)
	r.writeComparisons(p)
	for _, profile := range r.Profiles {
		profile.write(p)
	}
	if len(plots) > 0 {
		p.line("## Plots")
		for _, plot := range plots {
			p.line("")
			p.line("![%s](%s)", plot.title, path.Join(directory, plot.file))
		}
		p.line("")
	}
	r.writeConditions(p)
	return strings.TrimRight(strings.ReplaceAll(p.String(), "\n\n\n", "\n\n"), "\n") + "\n"
}

func (r *Report) writeBars(p *page) {
	p.line("")
	p.line("## Bars")
	rows := make([][]string, 0, len(r.Bars))
	for _, b := range r.Bars {
		rows = append(rows, []string{b.Name, b.Wanted, b.Measured, verdict(b.Verdict), b.Note})
	}
	p.table([]string{"", "bar", "measured", "", "load, or why"}, rows)
	p.line("A ratio passes if its median clears the bar and, where the bar is above 1, no pair says the opposite. It counts only if the same " +
		"thing against itself, in the same rounds, was 1.00 ± 0.05.")
	p.line("")
}

func verdict(v stat.Verdict) string {
	if v == stat.Fail {
		return "**FAIL**"
	}
	return string(v)
}

func (r *Report) writeComparisons(p *page) {
	if len(r.Comparisons) == 0 {
		return
	}
	p.line("## Side by side")
	p.line("")
	p.line("Ratios are ours divided by theirs, pair by pair: more is better for the speed, less for processor time. %d pairs, ours first in every "+
		"other; uploads go to a fresh collection of the same server each time, made alike, with its optimizers off, and end when all is applied "+
		"and the same exact count is right.", r.Settings.Pairs)
	var rows [][]string
	for _, c := range r.Comparisons {
		rows = append(rows, []string{
			c.Name, c.Ours, c.Theirs, spread(c.Speed, "%.2f"), spread(c.ClientCPU, "%.2f"), spread(c.ServerCPU, "%.2f"),
			spread(c.OurRate, "%.0f"), spread(c.TheirRate, "%.0f"), yes(c.Reliable),
		})
	}
	p.table([]string{"", "ours", "theirs", "speed", "client CPU", "server CPU", "ours a second", "theirs a second", "control holds"}, rows)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "**no**"
}

func (r *ProfileReport) write(p *page) {
	p.line("## Profile %s: m %d, ef_construct %d, ef %d", r.Profile.Name, r.Profile.M, r.Profile.EFConstruct, r.Profile.EF)
	p.line("")
	p.line("%d of %d vectors in the graph, %d segments.", r.Graph.IndexedVectors, r.Graph.Points, r.Graph.Segments)
	if r.Graph.LoweredTo > 0 {
		p.line("The indexing threshold was lowered to %d KiB after the upload.", r.Graph.LoweredTo)
	}
	if i := r.Ingest; i != nil {
		p.table([]string{"ingest", "points a second", "seconds", "client CPU ms/1000", "server CPU ms/1000", "rounds"}, [][]string{
			{
				"upload, until the count is right", spread(i.Upload, "%.0f"), spread(i.UploadSeconds, "%.2f"), spread(i.ClientCPU, "%.1f"),
				spread(i.ServerCPU, "%.1f"), fmt.Sprint(i.Upload.N),
			},
			{"index, until green twice", "", spread(i.IndexSeconds, "%.1f"), "", spread(i.ServerIndexCPU, "%.0f"), fmt.Sprint(i.IndexSeconds.N)},
			{"total", spread(i.Total, "%.0f"), spread(i.TotalSeconds, "%.1f"), "", "", fmt.Sprint(i.TotalSeconds.N)},
		})
	}
	if len(r.Recall) > 0 {
		var rows [][]string
		for _, f := range r.Recall {
			rows = append(rows, []string{
				fmt.Sprint(f.EF), fmt.Sprintf("%.4f", f.Recall), fmt.Sprintf("%.2f / %.2f", f.Server.P50, f.Server.P95),
				fmt.Sprintf("%.2f / %.2f", f.Client.P50, f.Client.P95), fmt.Sprint(f.Client.N),
			})
		}
		p.table([]string{"ef", "recall@10", "server's own time p50 / p95 ms", "as the client sees it p50 / p95 ms", "n"}, rows)
	}
	r.writeLevels(p)
	if b := r.Batch; b != nil {
		p.line("%d searches in a call are %s times as many a second as one by one (%s against %s), with %d clients at ef %d.",
			b.Size, spread(b.Gain, "%.2f"), spread(b.Level.QPS, "%.0f"), spread(b.Single.QPS, "%.0f"), b.Level.Clients, b.Level.EF)
		p.line("")
	}
	r.writeDuring(p)
	if i := r.Idle; i != nil {
		p.line("%d connections were opened in %.1f s, and %d of them answered at the end; %s KiB of the server's memory each. "+
			"Among them %d clients made %s searches a second with p50 / p95 / p99 of %s ms, without them %s with %s ms (recall@10 %.3f).",
			i.Opened, i.OpenSeconds, i.Alive, orNone("%.0f", i.MemoryKiBEach), i.Among.Clients,
			spread(i.Among.QPS, "%.0f"), percentilesOf(i.Among), spread(i.Alone.QPS, "%.0f"), percentilesOf(i.Alone), i.Among.Recall)
		p.line("")
	}
	r.writeGuide(p)
}

func (r *ProfileReport) writeDuring(p *page) {
	if r.During == nil {
		return
	}
	row := func(name, written, recall string, l Level) []string {
		return []string{
			name, written, fmt.Sprint(l.Clients), spread(l.QPS, "%.0f"), percentilesOf(l), recall, fmt.Sprint(l.Latency.N), fmt.Sprint(l.Failed),
		}
	}
	rows := [][]string{row("nothing is written", "0", fmt.Sprintf("%.4f", r.During.Quiet.Recall), r.During.Quiet)}
	for _, busy := range r.During.Busy {
		name := "as fast as Load does"
		if busy.Wanted > 0 {
			name = fmt.Sprintf("%.0f points a second are asked for", busy.Wanted)
		}
		rows = append(rows, row(name, fmt.Sprintf("%.0f", busy.Written), spread(busy.RecallSpread, "%.4f"), busy.Level))
	}
	p.table([]string{
		"search while the same points are written again", "written a second", "clients", "searches a second", "p50 / p95 / p99 ms", "recall@10", "n",
		"failed",
	}, rows)
}

func (r *ProfileReport) writeLevels(p *page) {
	var rows [][]string
	add := func(name string, levels ...Level) {
		for _, l := range levels {
			ef, clients := fmt.Sprint(l.EF), fmt.Sprint(l.Clients)
			if l.EF == 0 {
				ef = "–"
			}
			if l.Rate > 0 {
				clients = fmt.Sprintf("%.0f a second", l.Rate)
			}
			rows = append(rows, []string{
				name, ef, clients, fmt.Sprintf("%.4f", l.Recall), spread(l.QPS, "%.0f"), percentilesOf(l), fmt.Sprint(l.Latency.N),
				orNone("%.2f", l.ClientCPU), orNone("%.2f", l.ServerCPU), fmt.Sprint(l.Failed),
			})
		}
	}
	if r.Exact != nil {
		add("exact", r.Exact.Level)
	}
	add("closed loop", r.Sweep...)
	if r.OpenLoop != nil {
		add("open loop, half the peak", *r.OpenLoop)
	}
	add("filtered", r.Filtered...)
	if len(rows) > 0 {
		p.table([]string{"search", "ef", "clients", "recall@10", "a second", "p50 / p95 / p99 ms", "n", "client CPU ms", "server CPU ms", "failed"}, rows)
	}
}

func (r *ProfileReport) writeGuide(p *page) {
	var rows [][]string
	for _, g := range r.Guide {
		for _, s := range g.Steps {
			rows = append(rows, []string{
				g.Name, fmt.Sprintf("%.0f", s.Rate), fmt.Sprintf("%.0f", s.Achieved), percentiles(s.Latency), fmt.Sprintf("< %.0f", g.LimitMs),
				fmt.Sprint(s.Latency.N), fmt.Sprint(s.Failed), yes(s.Holds),
			})
		}
	}
	if len(rows) > 0 {
		p.table([]string{"open loop", "wanted a second", "done a second", "p50 / p95 / p99 ms", "p95 limit ms", "n", "failed", "holds"}, rows)
	}
}

// orNone is a figure that is 0 where it could not be read.
func orNone(format string, value float64) string {
	if value == 0 {
		return "–"
	}
	return fmt.Sprintf(format, value)
}

// percentilesOf has the least and the most p95 of the rounds, where there are several.
func percentilesOf(l Level) string {
	if l.P95.N < 2 {
		return percentiles(l.Latency)
	}
	return fmt.Sprintf("%.1f / %.1f (%.1f–%.1f) / %.1f", l.Latency.P50, l.Latency.P95, l.P95.Min, l.P95.Max, l.Latency.P99)
}

func percentiles(l stat.Latency) string {
	return fmt.Sprintf("%.1f / %.1f / %.1f", l.P50, l.P95, l.P99)
}

func (r *Report) writeConditions(p *page) {
	m, v := r.Machine, r.Versions
	p.line("## Conditions")
	rows := [][]string{
		{"machine", fmt.Sprintf("%s, %d processors, %s", m.System, m.Processors, orDash(m.Processor))},
		{"load average", fmt.Sprintf("%.2f at the start, %.2f at the end", m.LoadAtStart, m.LoadAtEnd)},
		{"server", orDash(v.Server) + map[bool]string{true: ", on the same machine"}[m.ServerIsLocal]},
		{"server's memory at its highest", orNone("%.0f MiB", m.ServerPeakMiB)},
		{"commit", orDash(v.Commit)},
		{"go, go-client, grpc", strings.Join([]string{orDash(v.Go), orDash(v.GoClient), orDash(v.GRPC)}, ", ")},
		{"Python client, bfb", orDash(v.Python) + ", " + orDash(v.Bfb)},
		{"rounds, builds, pairs", fmt.Sprintf("%d, %d, %d; %g s a level", r.Settings.Rounds, r.Settings.Builds, r.Settings.Pairs, r.Settings.LevelSeconds)},
		{"true neighbours", fmt.Sprintf("brute force, %.1f s, key %.16s", r.Data.TruthSeconds, r.Data.TruthKey)},
	}
	for _, note := range r.Notes {
		rows = append(rows, []string{"note", note})
	}
	p.table([]string{"", ""}, rows)
	for _, profile := range r.Profiles {
		if len(profile.Graph.Config) == 0 {
			continue
		}
		config, err := json.MarshalIndent(profile.Graph.Config, "", "  ")
		if err != nil {
			continue // the server's answer is not JSON; report.json could not be written either
		}
		p.line("<details><summary>Configuration of profile %s, read back from the server</summary>", profile.Profile.Name)
		p.line("")
		p.line("```json")
		p.line("%s", config)
		p.line("```")
		p.line("")
		p.line("</details>")
		p.line("")
	}
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}
