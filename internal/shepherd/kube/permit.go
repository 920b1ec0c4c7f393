package kube

import (
	"context"
	"fmt"
	"math"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Permit is the stop permit: a Lease that one pod at a time holds while it is away. The chart makes the Lease; it is only read and
// updated here. When a permit runs out is told by the holder's clock and judged by the reader's, so clocks must agree better than a
// permit lasts.
type Permit struct{ client *Client }

// Permit is the release's stop permit.
func (c *Client) Permit() *Permit { return &Permit{client: c} }

// Holder is the pod that holds the permit; empty if none does, or its time has run out.
func (p *Permit) Holder(ctx context.Context) (string, error) {
	lease, err := p.read(ctx)
	if err != nil {
		return "", err
	}
	return holder(lease, p.client.now()), nil
}

// Take takes the permit for a while, or renews it. It fails, without an error, while another pod holds it, and names that pod.
func (p *Permit) Take(ctx context.Context, who string, lasting time.Duration) (taken bool, by string, err error) {
	lease, err := p.read(ctx)
	if err != nil {
		return false, "", err
	}
	now := p.client.now()
	if by := holder(lease, now); by != "" && by != who {
		return false, by, nil
	}
	if lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity != who {
		transitions := int32(0)
		if lease.Spec.LeaseTransitions != nil {
			transitions = *lease.Spec.LeaseTransitions
		}
		lease.Spec.LeaseTransitions = new(transitions + 1)
		lease.Spec.AcquireTime = &metav1.MicroTime{Time: now}
	}
	lease.Spec.HolderIdentity = &who
	lease.Spec.RenewTime = &metav1.MicroTime{Time: now}
	lease.Spec.LeaseDurationSeconds = new(seconds(lasting))
	err = p.update(ctx, lease)
	if apierrors.IsConflict(err) {
		// Another pod was quicker.
		by, err := p.Holder(ctx)
		return by == who, by, err
	}
	if err != nil {
		return false, "", fmt.Errorf("taking the stop permit %s: %w", lease.Name, err)
	}
	return true, who, nil
}

// Release gives the permit back; nothing happens if who does not hold it.
func (p *Permit) Release(ctx context.Context, who string) error {
	lease, err := p.read(ctx)
	if err != nil {
		return err
	}
	if lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity != who {
		return nil
	}
	lease.Spec.HolderIdentity = nil
	if err := p.update(ctx, lease); err != nil {
		return fmt.Errorf("giving back the stop permit %s: %w", lease.Name, err)
	}
	return nil
}

func (p *Permit) read(ctx context.Context) (*coordinationv1.Lease, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	names := p.client.names
	lease, err := p.client.api.CoordinationV1().Leases(names.Namespace).Get(ctx, names.Lease, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("reading the stop permit %s: %w", names.Lease, err)
	}
	return lease, nil
}

// update is refused by the API server if the lease has changed since it was read.
func (p *Permit) update(ctx context.Context, lease *coordinationv1.Lease) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	_, err := p.client.api.CoordinationV1().Leases(lease.Namespace).Update(ctx, lease, metav1.UpdateOptions{})
	return err
}

func holder(lease *coordinationv1.Lease, now time.Time) string {
	spec := lease.Spec
	if spec.HolderIdentity == nil || spec.RenewTime == nil || spec.LeaseDurationSeconds == nil {
		return ""
	}
	if now.After(spec.RenewTime.Add(time.Duration(*spec.LeaseDurationSeconds) * time.Second)) {
		return ""
	}
	return *spec.HolderIdentity
}

// seconds rounds up: a Lease of zero seconds is refused.
func seconds(d time.Duration) int32 {
	return int32(min(max(1, math.Ceil(d.Seconds())), math.MaxInt32))
}
