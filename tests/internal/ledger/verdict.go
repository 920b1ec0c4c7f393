package ledger

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// Value is what a replica holds for an id.
type Value struct {
	Seq uint64
	// Torn is true if the vector is not the one that was sent with Seq.
	Torn bool
}

func (v Value) String() string {
	if v.Torn {
		return fmt.Sprintf("%d with a vector of another write", v.Seq)
	}
	return fmt.Sprint(v.Seq)
}

// ReplicaValues is all that one replica of a shard holds of the ledger's ids.
type ReplicaValues struct {
	Peer   string
	Shard  uint32
	Values map[uint64]Value
}

func (r ReplicaValues) String() string { return fmt.Sprintf("shard %d on %s", r.Shard, r.Peer) }

// PeerValues is all that a peer answers to a client that asks it for the whole
// collection.
type PeerValues struct {
	Peer   string
	Values map[uint64]Value
}

// Verdict is the comparison of the record with what the peers hold.
type Verdict struct {
	Report Report
	// Replicas is how many replicas have been read.
	Replicas int
	// Lost are acknowledged writes that no replica holds any more.
	Lost []string
	// Phantoms are values that were never sent.
	Phantoms []string
	// Disagreements are ids for which replicas, or the answers of peers, differ
	// although the last write of the id was acknowledged.
	Disagreements []string
	// Unsettled are ids whose last write was never acknowledged and which only
	// some replicas have carried out. The server has promised nothing about
	// them, so they do not count against it.
	Unsettled []string
	// Problems kept the judge from reading everything.
	Problems []string
}

// OK reports whether nothing was lost, invented or left different, and
// everything could be read.
func (v Verdict) OK() bool {
	return len(v.Lost)+len(v.Phantoms)+len(v.Disagreements)+len(v.Problems) == 0
}

// String is a line with the counts, and a few of each kind where there are any.
func (v Verdict) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%d lost writes, %d values never sent, %d disagreements, %d unsettled, %d problems; %d replicas read",
		len(v.Lost), len(v.Phantoms), len(v.Disagreements), len(v.Unsettled), len(v.Problems), v.Replicas)
	for _, list := range []struct {
		name  string
		lines []string
	}{
		{"lost", v.Lost}, {"never sent", v.Phantoms}, {"disagreement", v.Disagreements}, {"problem", v.Problems},
	} {
		const shown = 5
		for _, line := range list.lines[:min(shown, len(list.lines))] {
			fmt.Fprintf(&text, "\n  %s: %s", list.name, line)
		}
		if more := len(list.lines) - shown; more > 0 {
			fmt.Fprintf(&text, "\n  %s: and %d more", list.name, more)
		}
	}
	return text.String()
}

// RequireNoLostWrites prints the figures and ends the test unless the verdict
// is good. A ledger without a single acknowledged write proves nothing and
// fails too.
func (v Verdict) RequireNoLostWrites(t testing.TB) {
	t.Helper()
	t.Log("ledger:", v.Report)
	if v.OK() && v.Report.Writes.Succeeded > 0 {
		return
	}
	t.Log("failed attempts:\n" + v.Report.ErrorSample())
	if v.Report.Writes.Succeeded == 0 {
		t.Fatal("ledger: no write was acknowledged, so there is nothing to judge by: ", v)
	}
	t.Fatal("ledger: ", v)
}

// history is all that was sent for an id.
type history struct {
	acked uint64 // the last acknowledged value, 0 if there is none
	sent  map[uint64]Outcome
}

// allows reports whether a replica may end with this value: the last one that
// was acknowledged, or a later one that may have been carried out.
func (h *history) allows(v Value) bool {
	if v.Torn {
		return false
	}
	_, sent := h.sent[v.Seq]
	return sent && v.Seq >= h.acked
}

// open reports whether a write after the last acknowledged one has no outcome.
func (h *history) open() bool {
	for seq := range h.sent {
		if seq > h.acked {
			return true
		}
	}
	return false
}

func histories(writes []Write) map[uint64]*history {
	all := map[uint64]*history{}
	for _, w := range writes {
		h := all[w.ID]
		if h == nil {
			h = &history{sent: map[uint64]Outcome{}}
			all[w.ID] = h
		}
		h.sent[w.Seq] = w.Outcome
		if w.Outcome == Acknowledged {
			h.acked = max(h.acked, w.Seq)
		}
	}
	return all
}

// judge compares the record with what the replicas hold and what the peers
// answer. It is a pure function, so that each kind of loss can be shown to be
// seen.
func judge(writes []Write, replicas []ReplicaValues, answers []PeerValues) Verdict {
	verdict := Verdict{Replicas: len(replicas)}
	record := histories(writes)
	ids := map[uint64]bool{}
	for id := range record {
		ids[id] = true
	}
	byShard := map[uint32][]ReplicaValues{}
	for _, replica := range replicas {
		byShard[replica.Shard] = append(byShard[replica.Shard], replica)
		for id := range replica.Values {
			ids[id] = true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		verdict.judgeID(id, record[id], byShard, answers)
	}
	return verdict
}

func (v *Verdict) judgeID(id uint64, h *history, byShard map[uint32][]ReplicaValues, answers []PeerValues) {
	if h == nil {
		h = &history{}
	}
	held := holders(id, byShard)
	phantom, kept := false, false
	for _, replica := range held {
		value, present := replica.Values[id]
		if !present {
			continue
		}
		if _, sent := h.sent[value.Seq]; !sent || value.Torn {
			phantom = true
			v.Phantoms = append(v.Phantoms, fmt.Sprintf("id %d: %s holds %s", id, replica, value))
		}
		kept = kept || h.allows(value)
	}
	if h.acked > 0 && !kept {
		v.Lost = append(v.Lost, fmt.Sprintf("id %d: %d was acknowledged, %s", id, h.acked, describe(id, held)))
		return
	}
	if phantom {
		return
	}
	if differ(id, held) {
		line := fmt.Sprintf("id %d: %d was acknowledged, %s", id, h.acked, describe(id, held))
		if h.open() && allAllowed(id, h, held) {
			v.Unsettled = append(v.Unsettled, line)
		} else {
			v.Disagreements = append(v.Disagreements, line)
		}
		return
	}
	for _, answer := range answers {
		value, present := answer.Values[id]
		if present && h.allows(value) || !present && h.acked == 0 {
			continue
		}
		said := "does not know it"
		if present {
			said = "answers " + value.String()
		}
		v.Disagreements = append(v.Disagreements, fmt.Sprintf("id %d: %d was acknowledged, %s holds it, peer %s %s", id, h.acked, describe(id, held), answer.Peer, said))
	}
}

// holders returns every replica of the shard that an id is in. The server alone
// knows which that is, so it is the shard of which any replica has the id.
func holders(id uint64, byShard map[uint32][]ReplicaValues) []ReplicaValues {
	var all []ReplicaValues
	for _, shard := range slices.Sorted(maps.Keys(byShard)) {
		replicas := byShard[shard]
		if slices.ContainsFunc(replicas, func(r ReplicaValues) bool { _, present := r.Values[id]; return present }) {
			all = append(all, replicas...)
		}
	}
	return all
}

func differ(id uint64, held []ReplicaValues) bool {
	for _, replica := range held {
		value, present := replica.Values[id]
		first, firstPresent := held[0].Values[id]
		// A second shard with the same id is a difference too: which of the two
		// is read depends on who answers first.
		if present != firstPresent || value != first || replica.Shard != held[0].Shard {
			return true
		}
	}
	return false
}

// allAllowed reports whether each replica holds a value that it may hold, or
// lacks an id of which nothing was ever acknowledged.
func allAllowed(id uint64, h *history, held []ReplicaValues) bool {
	for _, replica := range held {
		value, present := replica.Values[id]
		if present && !h.allows(value) || !present && h.acked > 0 || replica.Shard != held[0].Shard {
			return false
		}
	}
	return true
}

func describe(id uint64, held []ReplicaValues) string {
	if len(held) == 0 {
		return "no replica has it"
	}
	parts := make([]string, 0, len(held))
	for _, replica := range held {
		if value, present := replica.Values[id]; present {
			parts = append(parts, fmt.Sprintf("%s holds %s", replica, value))
		} else {
			parts = append(parts, fmt.Sprintf("%s lacks it", replica))
		}
	}
	return strings.Join(parts, ", ")
}
