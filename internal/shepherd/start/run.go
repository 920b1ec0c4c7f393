package start

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
)

// ArgumentsFile is the file in the shared directory that the server's arguments are written to, one a line.
const ArgumentsFile = "arguments"

// sayAgain is after how long a wait that goes on is logged again.
const sayAgain = time.Minute

// runner is what one start remembers from look to look.
type runner struct {
	options Options
	ordinal int
	now     func() time.Time

	others     others    // the claims of other ordinals
	apiAway    time.Time // since when the API server does not answer
	markAway   time.Time // since when it answers and lets nobody write
	noQuorum   time.Time // since when peers answer, but no majority
	same       int       // looks in a row that led to the last decision
	changed    time.Time // when a look last found something new
	last       Decision
	said       time.Time
	complaint  string
	complained time.Time
	verdict    string // the annotation that is on the claim for all that is known
	starts     int    // this start's number, once it is on the volume
}

// Run decides, waits for as long as it must, and returns when the server's arguments are written.
func Run(ctx context.Context, options Options) error {
	o := options.withDefaults()
	arguments := filepath.Join(o.Shared, ArgumentsFile)
	// Nothing of an earlier start in the same pod may be taken for this one's.
	if err := os.Remove(arguments); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the arguments of an earlier start: %w", err)
	}
	if o.Single {
		o.Log.Info("starting without cluster mode")
		return writeArguments(arguments, Decision{})
	}
	ordinal := o.Names.Ordinal(o.Pod)
	if ordinal < 0 {
		return fmt.Errorf("reading the ordinal of pod %s: it is no pod of statefulset %s", o.Pod, o.Names.StatefulSet)
	}
	r := &runner{options: o, ordinal: ordinal, now: time.Now}
	for {
		d, started := r.once(ctx)
		if started {
			return writeArguments(arguments, d)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("deciding how to start: %w; last: %s", ctx.Err(), r.last.Annotation())
		case <-time.After(r.pause(d)):
		}
	}
}

// pause is between two looks. A wait that has lasted is looked at less and less often, down to a tenth of that: pods may wait for days,
// and each look costs the API server and all peers something.
func (r *runner) pause(d Decision) time.Duration {
	interval := r.options.Interval
	if !d.Verdict.Waits() && r.same <= r.options.Confirm {
		return interval
	}
	return min(max(interval, r.now().Sub(r.changed)/10), 10*interval)
}

// once looks, decides and acts. It reports whether the server may start now.
func (r *runner) once(ctx context.Context) (Decision, bool) {
	situation, facts, asked := r.assess(ctx)
	if ctx.Err() != nil {
		return Decision{}, false
	}
	d := Decide(situation)
	r.count(d)
	r.say(d, facts)
	if d.Verdict.Waits() {
		r.leaveVerdict(ctx, d, situation)
		return d, false
	}
	// With nobody to ask, asking again tells nothing new.
	if d.Confirm && asked > 0 && r.same < r.options.Confirm {
		return d, false
	}
	if err := r.prepare(ctx, d, situation); err != nil {
		r.complain(d, err)
		return d, false
	}
	return d, d.Verdict != SetAside
}

// assess looks. What would end a wait is looked at once more, with the claims of others as they are now.
func (r *runner) assess(ctx context.Context) (Situation, Facts, int) {
	began := r.now()
	facts, asked := r.look(ctx, r.last.Verdict != "" && !r.last.Verdict.Waits())
	situation := Assess(facts)
	if !Decide(situation).Verdict.Waits() && facts.API == nil && r.others.at.Before(began) {
		facts, asked = r.look(ctx, true)
		situation = Assess(facts)
	}
	return situation, facts, asked
}

func (r *runner) count(d Decision) {
	if d.Annotation() != r.last.Annotation() || r.changed.IsZero() {
		r.changed = r.now()
	}
	if d.Verdict != r.last.Verdict || d.Peer != r.last.Peer {
		r.same = 0
	}
	r.same++
}

// say logs a decision when it changes, and a wait once a minute.
func (r *runner) say(d Decision, f Facts) {
	if d.Annotation() == r.last.Annotation() && r.now().Sub(r.said) < sayAgain {
		return
	}
	log := r.options.Log.With("verdict", string(d.Verdict))
	if f.API != nil {
		log = log.With("kubernetes", f.API.Error())
	}
	if err := errors.Join(f.Unreadable...); err != nil {
		log = log.With("unreadable", err.Error())
	}
	if d.Verdict.Waits() || f.API != nil {
		log.Warn(d.Why)
	} else {
		log.Info(d.Why)
	}
	r.last, r.said = d, r.now()
}

// complain logs an error when it changes, and once a minute.
func (r *runner) complain(d Decision, err error) {
	if err.Error() == r.complaint && r.now().Sub(r.complained) < sayAgain {
		return
	}
	r.options.Log.Error("preparing the start", "verdict", string(d.Verdict), "error", err.Error())
	r.complaint, r.complained = err.Error(), r.now()
}

// leaveVerdict writes a wait to the claim, where tend and people see it. If that fails the next look tries again.
func (r *runner) leaveVerdict(ctx context.Context, d Decision, s Situation) {
	text := d.Annotation()
	if s.API != Reached && s.API != Garbled || text == s.Claim.Verdict || text == r.verdict {
		return
	}
	if err := r.annotate(ctx, map[string]*string{kube.AnnotationVerdict: &text}); err != nil {
		r.complain(d, err)
		return
	}
	r.verdict = text
}

// prepare does what must be done before the server may start: the volume first, then its number of starts, then the claim.
func (r *runner) prepare(ctx context.Context, d Decision, s Situation) error {
	if err := r.prepareVolume(d, s); err != nil || d.Verdict == SetAside {
		return err
	}
	if err := expire(r.options.Log, r.options.Storage, r.now(), r.options.SetAsideKeep); err != nil {
		r.options.Log.Warn(err.Error()) // no reason not to start
	}
	if r.starts == 0 {
		starts, err := Count(r.options.Storage, s.Claim.Starts)
		if err != nil {
			return err
		}
		r.starts = starts
	}
	if s.API != Reached {
		return nil
	}
	err := r.annotate(ctx, marks(d, s, r.starts))
	refused := elapsed(&r.markAway, err != nil, r.now())
	if err != nil && d.Verdict == Start && refused >= r.options.APIWait {
		r.options.Log.Warn("starting though the claim could not be annotated", "error", err.Error())
		return nil
	}
	return err
}

// prepareVolume takes out of the way what the server must not find.
func (r *runner) prepareVolume(d Decision, s Situation) error {
	storage, v := r.options.Storage, s.Volume
	switch {
	case d.Verdict == SetAside:
		return r.setAside(s)
	// A founder goes on from its own beginning; that of a join that was cut short would make it wait for a leader.
	case d.Verdict == Found && v.LeftoverPeer != 0 && !v.Beginner, d.Verdict == Join && v.Leftover:
		to, err := setAside(storage, r.now(), v.LeftoverPeer)
		if err != nil {
			return err
		}
		r.options.Log.Warn("set aside what was on the volume: it belongs to no peer of the cluster", "directory", to)
	}
	if d.Verdict == Found {
		return writeFounding(storage)
	}
	return removeFounding(storage)
}

func (r *runner) setAside(s Situation) error {
	to, err := setAside(r.options.Storage, r.now(), s.Volume.State.Peer)
	if err != nil {
		return err
	}
	r.options.Log.Info("set aside the state of a peer that was removed", "peer", s.Volume.State.Peer.String(), "directory", to)
	return makeRoom(r.options.Log, r.options.Storage, to, drained(s))
}

// marks are the annotations of a claim whose server starts.
func marks(d Decision, s Situation, starts int) map[string]*string {
	number, verdict := strconv.Itoa(starts), d.Annotation()
	founding, peer := kube.PeerText(kube.Founding), kube.PeerText(s.Volume.State.Peer)
	annotations := map[string]*string{kube.AnnotationStarts: &number, kube.AnnotationVerdict: &verdict}
	switch {
	// The new peer has no id yet. It is marked before it runs, so that a state is never met on an unmarked claim; and what an earlier
	// peer has left there is not its.
	case d.Verdict == Found, d.Verdict == Join:
		annotations[kube.AnnotationPeer] = &founding
		annotations[kube.AnnotationDrained] = nil
	case s.Claim.Peer == kube.Founding:
		annotations[kube.AnnotationPeer] = &peer
	}
	return annotations
}

func (r *runner) annotate(ctx context.Context, annotations map[string]*string) error {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	return r.options.Kubernetes.AnnotateClaim(ctx, r.ordinal, annotations)
}

// writeArguments writes what the server is started with, one argument a line.
func writeArguments(path string, d Decision) error {
	var arguments []string
	if d.URI != "" {
		arguments = append(arguments, "--uri", d.URI)
	}
	if d.Bootstrap != "" {
		arguments = append(arguments, "--bootstrap", d.Bootstrap)
	}
	text := ""
	if len(arguments) > 0 {
		text = strings.Join(arguments, "\n") + "\n"
	}
	if err := writeFile(path, text); err != nil {
		return fmt.Errorf("writing the server's arguments: %w", err)
	}
	return nil
}
