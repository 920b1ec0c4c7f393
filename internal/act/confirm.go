package act

// Confirm counts how often in a row something was seen. Peers answer late, and the API server tells yesterday's news after a restart;
// what was seen once is no ground to move data.
type Confirm struct {
	// Needed is how many observations in a row it takes.
	Needed int
	seen   map[string]int
}

// Observe takes all that is seen this time, and returns those that have now been seen often enough. What is not seen starts anew.
func (c *Confirm) Observe(now ...string) map[string]bool {
	seen := make(map[string]int, len(now))
	confirmed := map[string]bool{}
	for _, what := range now {
		seen[what] = min(c.seen[what]+1, c.Needed)
		if seen[what] >= c.Needed {
			confirmed[what] = true
		}
	}
	c.seen = seen
	return confirmed
}
