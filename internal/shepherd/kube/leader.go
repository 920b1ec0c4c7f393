package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// ErrLeadershipLost ends a leader whose Lease another has taken, or could not be renewed in time.
var ErrLeadershipLost = errors.New("leadership lost")

// LeaderTiming is how long a leader's silence is borne, and how often it reports.
type LeaderTiming struct{ Lease, Renew, Retry time.Duration }

// DefaultLeaderTiming is client-go's own for Kubernetes' controllers.
var DefaultLeaderTiming = LeaderTiming{Lease: 15 * time.Second, Renew: 10 * time.Second, Retry: 2 * time.Second}

// Lead waits until it holds the leader's Lease, and runs lead while it does; lead's context ends when the Lease is lost. The chart
// makes the Lease, so that none has to be created here. The Lease is given back only after lead has returned: a successor must not
// begin while this one still finishes a call.
func (c *Client) Lead(ctx context.Context, who string, timing LeaderTiming, lead func(context.Context) error) error {
	election, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var result error
	started, ended := make(chan struct{}), make(chan struct{})
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Name: c.names.Leader,
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: c.names.Namespace, Name: c.names.Leader},
			Client:     c.api.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: who},
		},
		LeaseDuration:   timing.Lease,
		RenewDeadline:   timing.Renew,
		RetryPeriod:     timing.Retry,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(elected context.Context) {
				close(started)
				defer close(ended)
				defer stop()
				leading, cancel := context.WithCancel(elected)
				defer cancel()
				defer context.AfterFunc(ctx, cancel)()
				result = lead(leading)
				if elected.Err() != nil && ctx.Err() == nil {
					result = ErrLeadershipLost
				}
			},
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return fmt.Errorf("electing a leader with lease %s: %w", c.names.Leader, err)
	}
	// Before the election is won nothing has to be finished first.
	waiting := context.AfterFunc(ctx, func() {
		select {
		case <-started:
		default:
			stop()
		}
	})
	defer waiting()
	elector.Run(election)
	select {
	case <-started:
		<-ended
	default:
		return ctx.Err()
	}
	return result
}
