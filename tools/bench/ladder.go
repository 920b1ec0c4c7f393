package main

import "github.com/qdrant-shepherd/shepherd/internal/stat"

// step is what one rate in an open loop came to.
type step struct {
	Rate     float64      `json:"rate"`     // wanted, a second
	Achieved float64      `json:"achieved"` // done, a second
	Failed   int          `json:"failed"`
	Latency  stat.Latency `json:"latency"`
	Holds    bool         `json:"holds"`
}

// holds says whether a rate was kept within a limit for the 95th percentile, in milliseconds. A queue that builds up shows there too, because
// times count from when a call was due.
func holds(s step, limit float64) bool {
	return s.Failed == 0 && s.Latency.N > 0 && s.Latency.P95 < limit
}

// nextRate looks for the highest rate that holds, from the one that was promised: twice as much for as long as it holds, or half as much
// until it does. It is done after a step in the other direction, or after three.
func nextRate(promised float64, tried []step) (rate float64, more bool) {
	const most = 3
	if len(tried) == 0 {
		return promised, true
	}
	first, last := tried[0], tried[len(tried)-1]
	if first.Holds != last.Holds || len(tried) > most {
		return 0, false
	}
	if last.Holds {
		return last.Rate * 2, true
	}
	return last.Rate / 2, true
}

// highest is the highest rate that held, 0 if none did.
func highest(tried []step) float64 {
	best := 0.0
	for _, s := range tried {
		if s.Holds {
			best = max(best, s.Rate)
		}
	}
	return best
}
