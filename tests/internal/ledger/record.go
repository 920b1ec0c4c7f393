package ledger

import (
	"math"
	"sync/atomic"
	"time"
)

// Outcome is what is known of a write.
type Outcome int

const (
	// Acknowledged means that the server promised to keep it.
	Acknowledged Outcome = iota
	// Refused means that no attempt reached a server that would carry it out.
	Refused
	// Unknown means that an attempt ended without a promise and may have had an effect.
	Unknown
)

// Write is one line of the ledger: a value sent for an id, and what became of it.
type Write struct {
	ID, Seq uint64
	Outcome Outcome
}

// writer owns the ids that it writes, so that the writes of an id have one order.
type writer struct {
	*stream
	number int
	turn   int
	slots  []slot
	fresh  uint64 // the next id nobody has used
	writes []Write
}

type slot struct{ id, seq uint64 }

func newWriter(number, ids int, started time.Time) *writer {
	w := &writer{stream: newStream(started), number: number, fresh: firstID + uint64(number)*idsOfWriter}
	for range ids {
		w.slots = append(w.slots, w.freshSlot())
	}
	return w
}

func (w *writer) freshSlot() slot {
	w.fresh++
	return slot{id: w.fresh - 1}
}

// next returns the id whose turn it is and the value to write.
func (w *writer) next() (id, seq uint64) {
	s := w.slots[w.turn%len(w.slots)]
	return s.id, s.seq + 1
}

// record enters a write. An id with an attempt that may still be under way is
// never written again, and another id takes its place: the request may outlive
// its client and land after the next write, and a server that orders writes
// weakly then rightly keeps the older value. Judged is such an id all the same.
func (w *writer) record(id, seq uint64, r result) {
	w.writes = append(w.writes, Write{ID: id, Seq: seq, Outcome: r.outcome})
	place := w.turn % len(w.slots)
	w.slots[place].seq = seq
	if r.unresolved {
		w.slots[place] = w.freshSlot()
	}
	w.turn++
}

// stream counts the requests of one writer or reader. Only its goroutine
// changes it; succeeded is read by others.
type stream struct {
	started      time.Time
	requests     int
	succeeded    atomic.Int64
	rawFailures  int
	failed       int
	unknown      int
	lastSuccess  time.Time
	longestGap   time.Duration
	longestGapAt time.Time
}

func newStream(started time.Time) *stream {
	return &stream{started: started, lastSuccess: started}
}

func (s *stream) begin()      { s.requests++ }
func (s *stream) rawFailure() { s.rawFailures++ }

func (s *stream) success(now time.Time) {
	s.succeeded.Add(1)
	s.gap(now)
	s.lastSuccess = now
}

func (s *stream) failure(outcome Outcome) {
	s.failed++
	if outcome == Unknown {
		s.unknown++
	}
}

// gap measures the time since the last success. It is also called at the end,
// so that an outage that never ended counts in full.
func (s *stream) gap(now time.Time) {
	if gap := now.Sub(s.lastSuccess); gap > s.longestGap {
		s.longestGap, s.longestGapAt = gap, s.lastSuccess
	}
}

// vectorOf derives a vector of length one from a value, so that a point whose
// payload and vector come from different writes can be told. Length one keeps
// it as it is in a collection with cosine distance.
func vectorOf(id, seq uint64, dim int) []float32 {
	vector := make([]float32, dim)
	state := id*0x9e3779b97f4a7c15 ^ seq*0xbf58476d1ce4e5b9
	var sum float64
	for i := range vector {
		state = mix(state)
		x := float64(int64(state)) / math.MaxInt64
		vector[i] = float32(x)
		sum += x * x
	}
	norm := float32(1 / math.Sqrt(sum))
	for i := range vector {
		vector[i] *= norm
	}
	return vector
}

// mix is one step of splitmix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// sameVector compares with room for what a normalisation on the server rounds.
func sameVector(a, b []float32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		// One that is no number compares as neither near nor far.
		if difference := math.Abs(float64(a[i] - b[i])); difference > 1e-4 || math.IsNaN(difference) {
			return false
		}
	}
	return true
}
