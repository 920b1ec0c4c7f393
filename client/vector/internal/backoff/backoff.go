// Package backoff says how long to wait before a next attempt.
package backoff

import "time"

// Jitter is the wait after a number of failed attempts, from 1: a share, chance in [0, 1), of first*2^(attempts-1), at most of longest. The
// whole of it is random ("full jitter"), so that those who failed together do not return together.
func Jitter(first, longest time.Duration, attempts int, chance float64) time.Duration {
	most := longest
	if doublings := attempts - 1; doublings < 30 {
		most = min(longest, first<<doublings)
	}
	return time.Duration(chance * float64(most))
}
