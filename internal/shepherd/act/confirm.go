package act

// Confirm counts how often in a row something was seen. Peers answer late, and the API server tells yesterday's news after a restart;
// what was seen once is no ground to move data.
type Confirm[T comparable] struct {
	// Needed is how many observations in a row it takes.
	Needed int
	seen   map[T]int
	blind  int
}

// Observe takes all that is seen this time, and returns those that have now been seen often enough. The count of what is not seen starts
// over.
func (c *Confirm[T]) Observe(now ...T) map[T]bool {
	seen := make(map[T]int, len(now))
	confirmed := map[T]bool{}
	for _, what := range now {
		seen[what] = min(c.seen[what]+1, c.Needed)
		if seen[what] >= c.Needed {
			confirmed[what] = true
		}
	}
	c.seen, c.blind = seen, 0
	return confirmed
}

// Blind takes an observation that could not tell: it confirms nothing, and the counts that it does not contradict stay. Otherwise
// observations that fail now and then would put off for ever what the others between them agree on.
//
// As many blind observations in a row as it takes to confirm something are a fact of their own: what was seen before them may be of
// another time, so every count starts over.
func (c *Confirm[T]) Blind(contradicted func(T) bool) {
	c.blind++
	for what := range c.seen {
		if c.blind >= c.Needed || contradicted(what) {
			delete(c.seen, what)
		}
	}
}
