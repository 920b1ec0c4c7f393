package vector

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/qdrant-shepherd/shepherd/client/vector/internal/retry"
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

// apply waits until every replica that is there, of every shard, has worked through the updates that it has acknowledged.
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
	queues := queues{moved: time.Now()}
	for {
		result, err := l.applyOnce(ctx, request)
		after, rejected := rejection(err)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil && result.GetStatus() == qdrant.UpdateStatus_Completed:
			return nil
		case err == nil: // it is still at it
		case !rejected:
			return wrap("writing behind them", err)
		}
		info, infoErr := c.db.Raw().GetCollectionInfo(ctx, c.name)
		if infoErr == nil {
			queues.look(time.Now(), info.GetUpdateQueue(), err == nil || status.Code(err) == codes.DeadlineExceeded)
		}
		switch still := time.Since(queues.moved) > l.options.Patience; {
		case still && err != nil:
			return wrap("writing behind them", err)
		case still && infoErr != nil:
			return wrap("asking how many updates are queued", infoErr)
		case still:
			length := info.GetUpdateQueue().GetLength()
			return fmt.Errorf("the servers' queues, of %d updates, have not moved for %s", length, l.options.Patience)
		case err != nil:
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(max(applyPause, after)):
			}
		}
	}
}

// queues tells whether the servers still work through their queues of updates.
type queues struct {
	seen  map[uint64]struct{} // the lengths that there were
	moved time.Time           // when there was last a new one
}

// look takes in how long the queues are. The answer is the sum of one replica of each shard, and the next one may come from another peer
// and be about other replicas. So it may rise and fall while all stand still, between the same lengths, and a short one says nothing about a
// slow replica; but a length that there has not been means that one of them is at work. A server that does not say how long they are (nil)
// is believed to be at work if it answered that it is, or took longer than a request may.
func (q *queues) look(now time.Time, queue *qdrant.UpdateQueueInfo, atWork bool) {
	if queue == nil {
		if atWork {
			q.moved = now
		}
		return
	}
	if _, there := q.seen[queue.GetLength()]; there {
		return
	}
	if q.seen == nil {
		q.seen = make(map[uint64]struct{})
	}
	q.seen[queue.GetLength()], q.moved = struct{}{}, now
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

// rejection says whether a call of a load that failed may be made again, and how long the server asked to wait: by the rule of the
// connection, which has repeated it in vain. A call whose time was up passes too, because the time was the connection's limit, and not that
// of the load, whose own context is looked at before. A batch that is more than a rate limit ever lets through does not pass: it is
// ResourceExhausted like one that comes too soon, but without a time to come back (CollectionError::rate_limit_error).
func rejection(err error) (after time.Duration, ok bool) {
	call, ok := errors.AsType[*Error](wrap("", err))
	if !ok { // nil, or the connection is closed
		return 0, false
	}
	failure := retry.Failure{Code: call.Code, Message: call.Message, After: -1, Impatient: true}
	if call.RetryAfter > 0 {
		failure.After = call.RetryAfter
	}
	return call.RetryAfter, failure.Passing()
}
