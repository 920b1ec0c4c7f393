package pipeline

// limiter says how many batches may be under way at once. It rises by one after a full window of acknowledged batches and is halved by a
// rejection: additive increase and multiplicative decrease, as TCP does it, so that many loaders of one server find a fair share each.
type limiter struct {
	limit int // streams now, 1 to most
	most  int
	// acknowledged counts the batches of the current window, which is as long as the limit.
	acknowledged int
	// epoch counts the halvings. Batches that were under way together are rejected together, for one reason. Only the first of them halves
	// the limit: the others, sent in an earlier epoch, say nothing about the new one.
	epoch int
}

func newLimiter(start, most int) limiter {
	start = max(1, start)
	return limiter{limit: start, most: max(start, most)}
}

// succeeded notes a batch acknowledged that was sent in an epoch.
func (l *limiter) succeeded(epoch int) {
	if epoch != l.epoch {
		return
	}
	l.acknowledged++
	if l.acknowledged >= l.limit {
		l.acknowledged = 0
		l.limit = min(l.limit+1, l.most)
	}
}

// rejected notes a batch rejected that was sent in an epoch.
func (l *limiter) rejected(epoch int) {
	if epoch != l.epoch {
		return
	}
	l.epoch++
	l.acknowledged = 0
	l.limit = max(1, l.limit/2)
}
