package retry

import (
	"sync"
	"time"
)

// lifetime is how long a call counts, as in Finagle's RetryBudget (ttl of 10 s).
const lifetime = 10

// Budget keeps repeats a fraction of calls, so that a cluster that is overloaded
// gets not several times the load for it. It follows Finagle's RetryBudget
// (twitter.github.io/finagle/guide/Clients.html#retry-budget): a repeat is
// allowed while the repeats of the last ten seconds are fewer than share times
// the calls of the last ten seconds, plus a reserve for those who call seldom.
type Budget struct {
	share   float64
	reserve float64 // of all ten seconds

	mu      sync.Mutex
	start   time.Time
	second  int64 // the one that slots[second%lifetime] counts, from start
	slots   [lifetime]slot
	calls   int // the sums of slots
	repeats int
}

type slot struct{ calls, repeats int }

// NewBudget allows repeats for this share of calls, plus reserve a second.
func NewBudget(share float64, reserve int) *Budget {
	return &Budget{share: share, reserve: float64(reserve * lifetime), start: time.Now()}
}

// call notes a call.
func (b *Budget) call() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn()
	b.slots[b.second%lifetime].calls++
	b.calls++
}

// take reports whether a repeat is allowed, and notes it.
func (b *Budget) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn()
	if float64(b.repeats+1) > b.share*float64(b.calls)+b.reserve {
		return false
	}
	b.slots[b.second%lifetime].repeats++
	b.repeats++
	return true
}

// turn forgets the seconds that have grown too old.
func (b *Budget) turn() {
	now := int64(time.Since(b.start) / time.Second)
	for range min(now-b.second, lifetime) {
		b.second++
		gone := &b.slots[b.second%lifetime]
		b.calls -= gone.calls
		b.repeats -= gone.repeats
		*gone = slot{}
	}
	b.second = now
}
