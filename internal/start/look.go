package start

import (
	"context"
	"crypto/tls"
	"errors"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/qdrant"
	"github.com/qdrant-shepherd/shepherd/internal/topology"
)

// apiTimeout bounds a look at the StatefulSet and all claims, which are read one by one.
const apiTimeout = 10 * time.Second

// look gathers the facts, and returns how many others were asked.
func (r *runner) look(ctx context.Context) (f Facts, asked int) {
	o := r.options
	f = Facts{Ordinal: r.ordinal, Pod: o.Pod, URI: trimmed(o.URI(o.Pod)), Fallback: r.fallback()}
	f.Volume, f.VolumeErr = ReadVolume(o.Storage)
	f.API = r.askKubernetes(ctx, &f)
	f.APIOver = since(&r.apiAway, f.API != nil, r.now()) >= o.APIWait

	targets := r.targets(f)
	picture, views := topology.Observe(ctx, targets, o.AskTimeout)
	f.Picture = picture
	for _, view := range views {
		if why := refusal(view); why != "" {
			f.Refusals = append(f.Refusals, view.Pod+": "+why)
		}
	}
	quorum, _ := picture.Quorum()
	f.JoinOver = since(&r.noQuorum, len(picture.Members) > 0 && !quorum, r.now()) >= o.JoinWait
	return f, len(targets)
}

func (r *runner) askKubernetes(ctx context.Context, f *Facts) error {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	set, err := r.options.Kubernetes.StatefulSet(ctx)
	if err != nil {
		return err
	}
	claims, err := r.options.Kubernetes.Claims(ctx, max(r.options.ReplicasLimit, r.ordinal+1))
	if err != nil {
		return err
	}
	f.StatefulSet, f.Claims = set, claims
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
	var answer *qdrant.Error
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

// since keeps the time when something began to hold, and returns for how long it has.
func since(began *time.Time, holds bool, now time.Time) time.Duration {
	switch {
	case !holds:
		*began = time.Time{}
		return 0
	case began.IsZero():
		*began = now
	}
	return now.Sub(*began)
}
