package statusscreen

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
)

// What of a long list fits on one screen.
const (
	mostCollections = 15
	mostMoves       = 10
	mostReasons     = 5
)

// Text is the status on one screen.
func (s Status) Text() string {
	out := &strings.Builder{}
	leader := "no leader that a majority follows"
	if s.Leader != "" {
		leader = fmt.Sprintf("leader %s, term %d", s.Leader, s.Term)
	}
	fmt.Fprintf(out, "%s: %d of %d pods ready, %s; %s; Qdrant %s\n", s.StatefulSet.Name, s.StatefulSet.Ready, s.StatefulSet.Replicas,
		s.StatefulSet.State, leader, cmp.Or(strings.Join(s.Versions, ", "), "does not answer"))
	if s.Whole {
		fmt.Fprintln(out, "all shards are whole")
	} else {
		fmt.Fprintln(out, "not whole:")
		lines(out, s.NotWhole, mostReasons)
	}
	if s.Permit != "" {
		fmt.Fprintf(out, "%s holds the stop permit\n", s.Permit)
	}
	s.peers(out)
	s.collections(out)
	if len(s.Transfers) > 0 {
		fmt.Fprintln(out, "\nTRANSFERS")
		transfers := make([]string, 0, len(s.Transfers))
		for _, t := range s.Transfers {
			transfers = append(transfers, strings.TrimSpace(fmt.Sprintf("%s from %s to %s %s %s", t.Shard, t.From, t.To, t.Method, t.Comment)))
		}
		lines(out, transfers, mostMoves)
	}
	s.next(out)
	if len(s.Notes) > 0 {
		fmt.Fprintln(out, "\nNOTES")
		for _, n := range s.Notes {
			mark := " "
			if n.Warning {
				mark = "!"
			}
			fmt.Fprintf(out, "%s %s: %s\n", mark, n.Reason, n.Text)
		}
	}
	return out.String()
}

func (s Status) peers(out *strings.Builder) {
	rows := [][]string{{"POD", "PEER", "STATE", "ZONE", "REPLICAS", "POINTS", "SIZE"}}
	for _, p := range s.Peers {
		id, points, bytes := "-", "?", "?"
		if p.ID != 0 {
			id = p.ID.String()
		}
		if p.Points >= 0 {
			points, bytes = fmt.Sprint(p.Points), size(p.Bytes)
		}
		rows = append(rows, []string{cmp.Or(p.Pod, "-"), id, p.State, cmp.Or(p.Zone, "-"), fmt.Sprint(p.Replicas), points, bytes})
	}
	table(out, rows)
}

func (s Status) collections(out *strings.Builder) {
	if len(s.Collections) == 0 {
		fmt.Fprintln(out, "\nno collections")
		return
	}
	shown := s.Collections
	if len(shown) > mostCollections {
		// What is not as it should be comes first, for the rest is cut off.
		shown = slices.Clone(shown)
		slices.SortStableFunc(shown, func(a, b Collection) int { return cmp.Compare(b.ailing(), a.ailing()) })
		shown = shown[:mostCollections]
	}
	rows := [][]string{{"COLLECTION", "COPIES", "SHARDS", "REPLICAS", "MISSING", "POINTS"}}
	for _, c := range shown {
		rows = append(rows, []string{
			c.Name, fmt.Sprint(c.ReplicationFactor), fmt.Sprint(c.Shards), states(c.Replicas), fmt.Sprint(c.Missing), fmt.Sprint(c.Points),
		})
	}
	table(out, rows)
	if rest := len(s.Collections) - len(shown); rest > 0 {
		fmt.Fprintf(out, "and %d more\n", rest)
	}
}

func (c Collection) ailing() int {
	count := c.Missing
	for state, n := range c.Replicas {
		if state != clusterapi.Active {
			count += n
		}
	}
	return count
}

func states(counts map[clusterapi.ReplicaState]int) string {
	var parts []string
	for _, state := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[state], state))
	}
	return cmp.Or(strings.Join(parts, ", "), "none")
}

func (s Status) next(out *strings.Builder) {
	fmt.Fprintln(out, "\nNEXT")
	if s.Held != "" {
		fmt.Fprintf(out, "  nothing is changed: %s\n", s.Held)
	}
	switch {
	case len(s.Next) > 0:
		lines(out, describe(s.Next), mostMoves)
	case s.Held == "":
		fmt.Fprintln(out, "  nothing to do")
	}
}

// Text says what the change would come to.
func (r Resize) Text() string {
	out := &strings.Builder{}
	if r.To == r.From {
		fmt.Fprintf(out, "%d replicas, as now: ", r.To)
	} else {
		fmt.Fprintf(out, "%d -> %d replicas: ", r.From, r.To)
	}
	switch {
	case len(r.Moves) == 0 && r.Possible:
		fmt.Fprintln(out, "nothing would move")
	case len(r.Moves) == 0:
		fmt.Fprintln(out, "not possible now")
	default:
		fmt.Fprintf(out, "%d changes, %s to send\n", len(r.Moves), size(r.Bytes))
		lines(out, describe(r.Moves), mostMoves)
	}
	if len(r.Peers) > 0 {
		rows := [][]string{{"PEER", "REPLICAS", "THEN", "SIZE", "THEN"}}
		for _, p := range r.Peers {
			replicas, bytes := fmt.Sprint(p.ReplicasAfter), size(p.BytesAfter)
			if p.Leaves {
				replicas, bytes = "leaves", "-"
			}
			rows = append(rows, []string{p.Peer, fmt.Sprint(p.ReplicasBefore), replicas, size(p.BytesBefore), bytes})
		}
		table(out, rows)
	}
	if len(r.Blocked) > 0 {
		fmt.Fprintln(out, "\nBLOCKED")
		lines(out, r.Blocked, mostMoves)
	}
	if len(r.Notes) > 0 {
		fmt.Fprintln(out, "\nNOTES")
		lines(out, r.Notes, mostMoves)
	}
	return out.String()
}

func describe(moves []Move) []string {
	list := make([]string, 0, len(moves))
	for _, m := range moves {
		list = append(list, m.String())
	}
	return list
}

// String says what a move does and why.
func (m Move) String() string {
	text := plan.Words(m.Kind, m.Shard, m.From, m.To)
	if m.Bytes > 0 {
		text += ", " + size(m.Bytes)
	}
	return text + " (" + m.Why + ")"
}

// table writes rows below an empty line, each column as wide as its widest cell.
func table(out *strings.Builder, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	out.WriteString("\n")
	for _, row := range rows {
		line := &strings.Builder{}
		for i, cell := range row {
			fmt.Fprintf(line, "%-*s  ", widths[i], cell)
		}
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

func lines(out *strings.Builder, list []string, most int) {
	for _, line := range list[:min(most, len(list))] {
		fmt.Fprintln(out, " ", line)
	}
	if rest := len(list) - most; rest > 0 {
		fmt.Fprintf(out, "  and %d more\n", rest)
	}
}

// size is a number of bytes as people say it.
func size(bytes int64) string {
	if bytes < 1024 {
		return fmt.Sprintf("%d B", bytes)
	}
	value, unit := float64(bytes), ""
	for _, unit = range []string{"KiB", "MiB", "GiB", "TiB"} {
		if value /= 1024; value < 1024 {
			break
		}
	}
	if value < 10 {
		return fmt.Sprintf("%.1f %s", value, unit)
	}
	return fmt.Sprintf("%.0f %s", value, unit)
}
