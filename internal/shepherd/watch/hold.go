package watch

import (
	"context"
	"strconv"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/start"
)

// sayAgain is after how long a hold that goes on is logged again.
const sayAgain = 30 * time.Second

// stop is one hold: from the hook's question to the answer.
type stop struct {
	*watcher
	began     time.Time
	permitted bool
	apiAway   time.Time
	denied    time.Time
	noPermit  time.Time
	said      StopVerdict
	saidAt    time.Time
}

// hold returns when the server may be stopped, or the context ends.
func (w *watcher) hold(ctx context.Context) (StopVerdict, error) {
	// One at a time. A kubelet that was restarted asks once more; the time that was held before counts.
	select {
	case w.holding <- struct{}{}:
	case <-ctx.Done():
		return StopVerdict{}, ctx.Err()
	}
	defer func() { <-w.holding }()
	defer w.metrics.endHold()
	if w.stopAsked.IsZero() {
		w.stopAsked = time.Now()
	}
	s := &stop{watcher: w, began: w.stopAsked}
	defer func() { s.leave(ctx) }()
	for {
		c, v := s.once(ctx)
		if ctx.Err() != nil {
			w.options.Log.Warn("nobody waits for the answer to a stop any more", "held", time.Since(s.began).Round(time.Second).String())
			return v, ctx.Err()
		}
		if v.Release {
			w.metrics.released.WithLabelValues(string(v.Reason)).Inc()
			w.stopAsked, w.told = time.Time{}, asked{}
			w.letGo = w.letGo || v.Reason != NotDeleted
			s.permitted = false // it stays taken until the pod is ready again
			if v.Reason != NotDeleted {
				s.countStop(ctx, c.Claim)
			}
			return v, nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(s.pause(v)):
		}
	}
}

// once looks, and takes the permit if nothing else is lacking.
func (s *stop) once(ctx context.Context) (StopCase, StopVerdict) {
	c := s.gather(ctx)
	v := MayStop(c)
	switch {
	case ctx.Err() != nil:
	// Also before a stop goes without the permit: where one can be had, or another pod has it, that counts.
	case v.NeedPermit, v.Reason == APIAway:
		taken, why, err := s.take(ctx)
		switch {
		case taken:
			// Another pod may have stopped since, so what was seen before the permit does not count.
			c = s.gather(ctx)
			v = MayStop(c)
		case err == nil || v.NeedPermit:
			v = hold(ForPermit, "%s", why)
		}
	case v.Reason != ForMinHold:
		s.noPermit = time.Time{} // nobody knows whether it could be had now
	}
	// Whoever can't use the permit must not keep it from those who can.
	if s.permitted && !v.Release && v.Reason != ForMinHold {
		s.leave(ctx)
	}
	if ctx.Err() == nil {
		s.say(c, v)
	}
	return c, v
}

// countStop counts the stop on the volume, then on its claim, as start counts starts: a copy of the volume that was made before is an old
// one from now on. Without it only copies from before the last start would be known.
func (s *stop) countStop(ctx context.Context, claim kube.Claim) {
	counted, err := start.Count(s.options.Storage, claim.Starts)
	if err == nil && claim.Name != "" {
		number := strconv.Itoa(counted)
		ctx, cancel := context.WithTimeout(ctx, apiTimeout)
		defer cancel()
		err = s.options.Kubernetes.AnnotateClaim(ctx, s.ordinal, map[string]*string{kube.AnnotationStarts: &number})
	}
	if err != nil {
		s.options.Log.Warn("the stop is not counted: " + err.Error())
	}
}

func (s *stop) gather(ctx context.Context) StopCase {
	a, err := s.lookAtKubernetes(ctx)
	switch {
	case err == nil:
		s.told = a
	case a.set.UID != "":
		s.told.set = a.set // it was read before the rest failed
	}
	picture := s.lookAtAll(ctx)
	seen, _ := s.seen()
	now := time.Now()
	c := StopCase{
		Held:    now.Sub(s.began),
		Limits:  Limits{MinHold: s.options.MinHold, MaxWait: s.options.MaxWait, Grace: s.options.Grace, APIWait: s.options.APIWait},
		Pod:     s.options.Pod,
		Ordinal: s.ordinal, Self: seen.self, Picture: picture, Permitted: s.permitted,
		APIAway: lasted(&s.apiAway, err != nil, now), Denied: lasted(&s.denied, kube.IsDenied(err), now),
		PermitAway:  lasted(&s.noPermit, !s.noPermit.IsZero(), now),
		StatefulSet: s.told.set, OwnPod: s.told.pod, Claim: s.told.claim, LetGo: s.letGo,
	}
	return c
}

// take asks for the permit and says how that went.
func (s *stop) take(ctx context.Context) (taken bool, why string, err error) {
	taken, holder, err := s.options.Permit.Take(ctx, s.options.Pod, s.options.PermitFor)
	s.complain("kubernetes", err)
	lasted(&s.noPermit, err != nil, time.Now())
	switch {
	case err != nil:
		return false, "waiting for the stop permit, which can't be had: " + err.Error(), err
	case !taken:
		return false, "waiting for the stop permit, which " + holder + " holds", nil
	}
	s.permitted = true
	return true, "", nil
}

// leave gives the permit back if it is held for nothing, also when nobody waits any more.
func (s *stop) leave(ctx context.Context) {
	if !s.permitted {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), apiTimeout)
	defer cancel()
	err := s.options.Permit.Release(ctx, s.options.Pod)
	s.complain("kubernetes", err)
	s.permitted = err != nil
}

// pause is between two looks, and ends when the shortest hold does.
func (s *stop) pause(v StopVerdict) time.Duration {
	if v.Reason == ForMinHold {
		return max(time.Millisecond, min(s.options.PeersInterval, s.options.MinHold-time.Since(s.began)))
	}
	return s.options.PeersInterval
}

// say logs what a stop waits for when that changes, and again and again; the metrics have it at any time.
func (s *stop) say(c StopCase, v StopVerdict) {
	held := c.Held.Round(time.Second).String()
	if v.Release {
		s.options.Log.Info("letting the server stop: "+v.Why, "reason", string(v.Reason), "held", held)
		return
	}
	defer s.metrics.setHeld(c.Held, v.Reason)
	if v == s.said && time.Since(s.saidAt) < sayAgain {
		return
	}
	s.options.Log.Info("holding the stop of the server: "+v.Why, "reason", string(v.Reason), "held", held)
	s.said, s.saidAt = v, time.Now()
}

// lasted keeps the time when something began to hold, and returns for how long it has: a moment at least, so that 0 means that it does not.
func lasted(began *time.Time, holds bool, now time.Time) time.Duration {
	switch {
	case !holds:
		*began = time.Time{}
		return 0
	case began.IsZero():
		*began = now
	}
	return max(1, now.Sub(*began))
}
