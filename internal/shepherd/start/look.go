package start

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// apiTimeout bounds a look at the StatefulSet and all claims, which are read one by one.
const apiTimeout = 10 * time.Second

// othersEvery is how often a wait reads the claims of others, in intervals: there may be many, and they change seldom.
const othersEvery = 30

// look gathers the facts, and returns how many others were asked. The claims of others are those of an earlier look unless they are to
// be fresh.
func (r *runner) look(ctx context.Context, fresh bool) (f Facts, asked int) {
	o := r.options
	f = Facts{Ordinal: r.ordinal, Pod: o.Pod, URI: trimmed(o.URI(o.Pod)), Fallback: r.fallback()}
	f.Volume, f.VolumeErr = ReadVolume(o.Storage)
	f.API = r.askKubernetes(ctx, &f, fresh)
	f.APIOver = elapsed(&r.apiAway, f.API != nil && reach(f) == Away, r.now()) >= o.APIWait

	targets := r.targets(f)
	picture, views := topology.Observe(ctx, targets, o.AskTimeout)
	f.Picture = picture
	for _, view := range views {
		if why := refusal(view); why != "" {
			f.Refusals = append(f.Refusals, view.Pod+": "+why)
		}
	}
	quorum, _ := picture.Quorum()
	f.JoinOver = elapsed(&r.noQuorum, len(picture.Members) > 0 && !quorum, r.now()) >= o.JoinWait
	return f, len(targets)
}

func (r *runner) askKubernetes(ctx context.Context, f *Facts, fresh bool) error {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	set, err := r.options.Kubernetes.StatefulSet(ctx)
	if err != nil {
		return err
	}
	own, found, err := r.options.Kubernetes.Claim(ctx, r.ordinal)
	if err != nil {
		return err
	}
	if fresh || r.now().Sub(r.others.at) >= othersEvery*r.options.Interval {
		if err := r.askOthers(ctx); err != nil {
			return err
		}
	}
	f.StatefulSet, f.Claims, f.Unreadable = set, slices.Clone(r.others.claims), r.others.unreadable
	if found {
		f.Claims = append(f.Claims, own)
	}
	return nil
}

// others are the claims of all other ordinals, as they were last read.
type others struct {
	at         time.Time
	claims     []kube.Claim
	unreadable []error
}

func (r *runner) askOthers(ctx context.Context) error {
	o := others{at: r.now()}
	for ordinal := range r.options.ReplicasLimit {
		if ordinal == r.ordinal {
			continue
		}
		claim, found, err := r.options.Kubernetes.Claim(ctx, ordinal)
		switch {
		case kube.IsUnreadable(err):
			o.unreadable = append(o.unreadable, err)
		case err != nil:
			return err
		case found:
			o.claims = append(o.claims, claim)
		}
	}
	r.others = o
	return nil
}

// targets are all pods but the own one that can have a peer: those that should be there, and those that have a claim, for a pod that is
// on its way out still answers. Without an API server it is every ordinal there can be.
func (r *runner) targets(f Facts) []topology.Target {
	ordinals := r.options.ReplicasLimit
	if f.API == nil {
		ordinals = f.StatefulSet.Replicas
		for _, claim := range f.Claims {
			ordinals = max(ordinals, claim.Ordinal+1)
		}
	}
	var targets []topology.Target
	for ordinal := range ordinals {
		if pod := r.options.Names.Pod(ordinal); ordinal != r.ordinal {
			targets = append(targets, topology.Target{Pod: pod, Ordinal: ordinal, Reader: r.options.Client(pod)})
		}
	}
	return targets
}

// fallback is where a peer is told to join when nobody answers: ordinal 0, and for that one ordinal 1, since a peer that is told its own
// address takes itself for the founder.
func (r *runner) fallback() string {
	ordinal := 0
	if r.ordinal == 0 {
		ordinal = 1
	}
	return trimmed(r.options.URI(r.options.Names.Pod(ordinal)))
}

// refusal is an answer that is none: whoever gives it is there, but can't be asked. That must never pass for nobody.
func refusal(view topology.View) string {
	var answer *clusterapi.Error
	var certificate *tls.CertificateVerificationError
	switch {
	case view.Err == nil && !view.Cluster.Enabled:
		return "it runs without cluster mode"
	case view.Err == nil:
		return ""
	case view.Cluster.PeerID != 0, errors.As(view.Err, &answer), errors.As(view.Err, &certificate):
		return view.Err.Error()
	default:
		return ""
	}
}

// elapsed keeps the time when something began to hold, and returns for how long it has; 0 also when it has just begun.
func elapsed(began *time.Time, holds bool, now time.Time) time.Duration {
	switch {
	case !holds:
		*began = time.Time{}
		return 0
	case began.IsZero():
		*began = now
	}
	return now.Sub(*began)
}
