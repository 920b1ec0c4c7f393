package vector

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// applyStep is how long one request waits for the server's queues, by the server's clock, and applySlack how much longer its answer may
	// take. A long queue takes several.
	applyStep  = 20 * time.Second
	applySlack = 10 * time.Second
	// applyPause is between two requests of which the first was rejected.
	applyPause = time.Second
)

// settle waits until all documents can be found, and counts the points.
func (l *load[T]) settle(ctx context.Context) error {
	l.enter(LoadApplying)
	began := time.Now()
	err := l.apply(ctx)
	l.stats.Apply = time.Since(began)
	if err != nil {
		return fmt.Errorf("waiting until all is applied: %w", err)
	}
	points, err := l.collection.count(ctx, l.collection.shards)
	if err != nil {
		return err
	}
	l.stats.Points = points
	if points < uint64(l.stats.Distinct) { //nolint:gosec // a number of ids
		return &CountError{Points: points, Distinct: l.stats.Distinct}
	}
	return nil
}

// apply waits until every replica of every shard has worked through the updates that it has acknowledged.
//
// Each replica applies its updates one after another in the order of its log (update_worker_fn), so an update that waits has all earlier
// ones before it; but only on the shards that it goes to, which for an update by ids are those of the ids. One by filter goes to all
// shards (PayloadOps::split_by_shard) and on each of them to all replicas, which are all awaited (ShardReplicaSet::update_impl). The empty
// set of ids matches nothing and costs no search. Seen on three peers with three shards of two replicas, counting on each peer after
// 18,000 points without waiting: short 10 times of 12 without such an update, once with one by id, never with this one, which took 35 ms.
// That removing a payload field is chosen rather than deleting points is for the day when a server reads an empty set as "no condition":
// it would harm nothing then either.
func (l *load[T]) apply(ctx context.Context) error {
	c := l.collection
	request := &qdrant.DeletePayloadPoints{
		CollectionName: c.name, Wait: qdrant.PtrOf(true), Timeout: qdrant.PtrOf(uint64(applyStep / time.Second)),
		Keys:           []string{deferralKey},
		PointsSelector: qdrant.NewPointsSelectorFilter(&qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewHasID()}}),
		Ordering:       c.ordering, ShardKeySelector: c.shards,
	}
	queue, moved := ^uint64(0), time.Now() // the shortest queue seen, and when
	for {
		result, err := l.applyOnce(ctx, request)
		switch _, rejected := rejection(err); {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil && result.GetStatus() == qdrant.UpdateStatus_Completed:
			return nil
		case err == nil: // it is still at it
		case !rejected:
			return wrap("writing behind them", err)
		}
		info, infoErr := c.db.Raw().GetCollectionInfo(ctx, c.name)
		if length := info.GetUpdateQueue().GetLength(); infoErr == nil && length < queue {
			queue, moved = length, time.Now()
		}
		if time.Since(moved) > l.options.Patience {
			if err == nil {
				return fmt.Errorf("the server's queue of %d updates has not become shorter for %s", queue, l.options.Patience)
			}
			return wrap("writing behind them", err)
		}
		if err != nil {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(applyPause):
			}
		}
	}
}

func (l *load[T]) applyOnce(ctx context.Context, request *qdrant.DeletePayloadPoints) (*qdrant.UpdateResult, error) {
	ctx, cancel := context.WithTimeout(ctx, applyStep+applySlack)
	defer cancel()
	return l.collection.db.Raw().DeletePayload(ctx, request)
}

// count is the exact number of points in some shards; nil is all.
func (c *Collection[T]) count(ctx context.Context, shards *qdrant.ShardKeySelector) (uint64, error) {
	points, err := c.db.Raw().Count(ctx, &qdrant.CountPoints{
		CollectionName: c.name, Exact: qdrant.PtrOf(true), ShardKeySelector: shards,
	})
	return points, wrap("counting the points of collection "+c.name, err)
}

// rejection says whether a batch that failed may be sent again, and how long the server asked to wait. Upserts can be repeated. Internal
// is how the server reports a shard whose replicas are not there, or went away under way ("Please retry",
// lib/collection/src/shards/replica_set/update.rs). A request that is more than a rate limit would ever let through is an InvalidArgument,
// so it is not tried again (CollectionError::from RateLimitError).
func rejection(err error) (after time.Duration, ok bool) {
	var limited *qdrant.QdrantResourceExhaustedError
	switch {
	case err == nil:
		return 0, false
	case errors.As(err, &limited):
		return time.Duration(limited.RetryAfterS) * time.Second, true
	case errors.Is(err, context.DeadlineExceeded): // of the call; the load's own context is looked at before
		return 0, true
	}
	switch status.Code(err) {
	case codes.Unavailable, codes.ResourceExhausted, codes.DeadlineExceeded, codes.Aborted, codes.Internal:
		return 0, true
	default:
		return 0, false
	}
}
