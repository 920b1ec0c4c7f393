package vector

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/qdrant/go-client/qdrant"

	"github.com/qdrant-shepherd/shepherd/client/vector/internal/codec"
	"github.com/qdrant-shepherd/shepherd/client/vector/internal/idset"
	"github.com/qdrant-shepherd/shepherd/client/vector/internal/pipeline"
	"github.com/qdrant-shepherd/shepherd/client/vector/internal/retry"
)

// Load writes a sequence of documents, fast: batches of about the same size travel over several streams, the server answers as soon as a
// batch is in its log, and only at the end Load waits until all is applied and searches find it, and counts the points. Documents whose
// ids are there are replaced, as Upsert does, so loading again what was loaded before does no harm.
//
// At most Streams + 1 batches are in memory (MaxStreams, where that is more). A document is encoded before the next one is drawn, in the
// goroutine that called Load, and may be reused from then on. Once ctx is over the sequence is drawn from once more at most; one that
// blocks must watch ctx itself.
//
// An error of the sequence, and a document that cannot be stored (a *DocumentError with its position), end the load after the documents
// before it are acknowledged. So do a refusal of the server, rejections that last longer than Patience, and ctx. The error is a *LoadError,
// which says where to continue, unless the options themselves are refused. "Acknowledged" is in the log of every replica that was there;
// with one replica it survives a crash of the server, but not one of the machine a moment later.
func (c *Collection[T]) Load(ctx context.Context, documents iter.Seq2[T, error], o LoadOptions) (LoadStats, error) {
	o, err := o.withDefaults(c.db.peers())
	if err = errors.Join(err, c.misuse); err != nil {
		return LoadStats{}, fmt.Errorf("loading into collection %s: %w", c.name, err)
	}
	l := &load[T]{collection: c, options: o, ids: idset.New(o.RememberIDs), began: time.Now()}
	l.stats = LoadStats{Phase: LoadUploading, Acknowledged: o.Skip, Streams: o.Streams}
	if err := l.run(ctx, documents); err != nil {
		return l.stats, &LoadError{Collection: c.name, Stats: l.stats, Err: err}
	}
	l.enter(LoadDone)
	return l.stats, nil
}

// load is one Load under way.
type load[T any] struct {
	collection   *Collection[T]
	options      LoadOptions
	maxDocuments int // in a batch
	ids          *idset.Set
	deferral     *deferral // nil if there is none, or none any more
	others       bool      // another load that was alive had deferred the index
	began        time.Time
	stats        LoadStats
}

func (l *load[T]) run(ctx context.Context, documents iter.Seq2[T, error]) (err error) {
	c := l.collection
	info, err := c.db.Raw().GetCollectionInfo(ctx, c.name)
	if err != nil {
		return wrap("reading its settings", err)
	}
	l.maxDocuments = min(batchLimit(info), fairShare(info, l.options.MaxStreams))
	// Deferred, so that a sequence that panics does not keep the index away.
	defer func() { err = errors.Join(err, l.restore(ctx)) }()
	if err := l.deferIndexing(ctx, info); err != nil {
		return err
	}
	if err := l.upload(ctx, documents); err != nil {
		return err
	}
	if info.GetConfig().GetOptimizerConfig().GetPreventUnoptimized() {
		// Points only show once they are indexed there: waiting for them without indexing would never end.
		if err := l.restore(ctx); err != nil {
			return err
		}
	}
	return l.settle(ctx)
}

// batchLimit is how many documents the server takes in a request, by the size that strict mode allows and by its rate.
func batchLimit(info *qdrant.CollectionInfo) int {
	limit := fairShare(info, 1)
	strict := info.GetConfig().GetStrictModeConfig()
	if most := strict.GetUpsertMaxBatchsize(); strict.GetEnabled() && most > 0 {
		limit = min(limit, int(min(most, math.MaxInt32))) //nolint:gosec // it fits
	}
	return limit
}

// fairShare is how many documents the batches of some streams may have so that the rate limiter lets one of each through within a minute.
// With larger ones the last of them would be turned away time and again, until Load loses its patience.
//
// Each shard has as many tokens as the limit, and gets that many a minute. A batch costs one for each of its points that goes to the shard
// (ShardReplicaSet::check_operation_write_rate_limiter), and one that costs more than there can be never passes. It costs twice as much now
// and then, because the first update by one of the server's clocks is always rejected inside the server, and made again
// (ShardReplicaSet::update; seen: of a limit of 10, 10 points at once do not pass, 5 do).
func fairShare(info *qdrant.CollectionInfo, streams int) int {
	strict := info.GetConfig().GetStrictModeConfig()
	if !strict.GetEnabled() || strict.GetWriteRateLimit() == 0 {
		return math.MaxInt32
	}
	return max(1, int(strict.GetWriteRateLimit())/(2*streams))
}

// deferIndexing defers the index if that is wanted, and otherwise restores what a load that was killed left behind. It does neither while
// another load that is alive has deferred it.
func (l *load[T]) deferIndexing(ctx context.Context, info *qdrant.CollectionInfo) error {
	c := l.collection
	if l.others = deferralAlive(info, time.Now()); l.others {
		return nil
	}
	wanted := l.options.DeferIndexing == DeferAlways
	if l.options.DeferIndexing == DeferAuto {
		points, err := c.count(ctx, nil) // of all shards: the setting is the collection's
		if err != nil {
			return err
		}
		wanted = points == 0
	}
	if !wanted {
		return restoreIndexing(ctx, c.db, c.name, info)
	}
	var err error
	l.deferral, err = deferIndexing(ctx, c.db, c.name, info)
	if err == nil && l.deferral != nil {
		l.stats.Deferred = true
		l.deferral.stayAlive(ctx, c.db)
	}
	if l.options.DeferIndexing == DeferAuto && errors.Is(err, ErrUnauthorized) {
		return nil // it is loaded without
	}
	return err
}

// restore undoes the deferral, once, even if ctx is over. It also does so for another load that had deferred the index when this one began,
// if that has died since.
func (l *load[T]) restore(ctx context.Context) error {
	c, deferral, others := l.collection, l.deferral, l.others
	l.deferral, l.others = nil, false
	if deferral != nil {
		deferral.stop()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreTimeout)
	defer cancel()
	switch {
	case deferral != nil:
		return deferral.restore(ctx, c.db)
	case others:
		info, err := c.db.Raw().GetCollectionInfo(ctx, c.name)
		if err != nil {
			return wrap("reading its settings", err)
		}
		return restoreIndexing(ctx, c.db, c.name, info)
	default:
		return nil
	}
}

// upload sends all documents and returns when they are acknowledged.
func (l *load[T]) upload(ctx context.Context, documents iter.Seq2[T, error]) error {
	c := l.collection
	free := make(chan *codec.Batch, l.options.MaxStreams+1)
	send := func(ctx context.Context, batch *codec.Batch, rejected func()) error {
		request := batch.Upsert(c.name)
		request.Ordering, request.ShardKeySelector = c.ordering, c.shards
		// The connection repeats calls by itself.
		if _, err := c.db.Raw().Upsert(retry.Watch(ctx, rejected), request); err != nil {
			return err
		}
		select {
		case free <- batch:
		default:
		}
		return nil
	}
	stats, err := pipeline.Run(ctx, l.batches(documents, free), send, pipeline.Options{
		Start: l.options.Streams, Most: l.options.MaxStreams, Rejection: rejection, Patience: l.options.Patience,
		Progress: l.progress(), Interval: l.options.ProgressInterval,
	})
	l.note(stats)
	l.stats.Distinct = l.ids.Len()
	var failed *pipeline.Error
	switch {
	case !errors.As(err, &failed):
		return err
	case failed.Documents == 0: // the sequence's error has its position already
		return failed.Err
	default:
		first := l.options.Skip + failed.First
		return wrap(fmt.Sprintf("writing documents %d to %d", first, first+failed.Documents-1), failed.Err)
	}
}

// batches encodes the documents. A batch before an error is yielded before the error is, so that what can be acknowledged will be.
func (l *load[T]) batches(documents iter.Seq2[T, error], free <-chan *codec.Batch) iter.Seq2[pipeline.Batch[*codec.Batch], error] {
	return func(yield func(pipeline.Batch[*codec.Batch], error) bool) {
		batch := &codec.Batch{}
		flush := func() bool {
			full := pipeline.Batch[*codec.Batch]{Value: batch, Documents: batch.Len(), Bytes: batch.Bytes()}
			if full.Documents == 0 {
				return true
			}
			select {
			case batch = <-free:
				batch.Reset()
			default:
				batch = &codec.Batch{}
			}
			return yield(full, nil)
		}
		position := -1
		var document T // one for all, because its address would make each of them an allocation
		for d, err := range documents {
			position++
			document = d
			if err != nil {
				err = fmt.Errorf("reading document %d: %w", position, err)
			} else {
				err = l.encode(batch, position, &document)
			}
			if err != nil {
				if flush() {
					yield(pipeline.Batch[*codec.Batch]{}, err)
				}
				return
			}
			if (batch.Bytes() >= l.options.BatchBytes || batch.Len() >= l.maxDocuments) && !flush() {
				return
			}
		}
		if !flush() {
			return
		}
		if n := position + 1; n < l.options.Skip {
			err := fmt.Errorf("the sequence has only %d documents, and %d are to be skipped", n, l.options.Skip)
			yield(pipeline.Batch[*codec.Batch]{}, err)
		}
	}
}

// encode adds a document to the batch, or only remembers its id if it is to be skipped.
func (l *load[T]) encode(batch *codec.Batch, position int, document *T) error {
	id, err := l.collection.codec.ID(document)
	known := err == nil && !l.remember(id)
	switch {
	case position < l.options.Skip:
		return nil
	case known && !l.options.AllowDuplicates:
		return &DocumentError{Position: position, ID: id, Field: "id", Reason: "an earlier document has the same"}
	}
	if err := l.collection.codec.Append(batch, document); err != nil { // which also says what is wrong with the id
		return documentAt(position, err)
	}
	return nil
}

// remember says false if the id was there before.
func (l *load[T]) remember(id ID) bool {
	if u, is := id.UUID(); is {
		return l.ids.AddUUID(u)
	}
	n, _ := id.Number()
	return l.ids.AddNumber(n)
}

// progress adapts the callback to the pipeline.
func (l *load[T]) progress() func(pipeline.Stats) {
	if l.options.Progress == nil {
		return nil
	}
	return func(p pipeline.Stats) {
		s := l.stats // the upload does not change it
		s.add(p, l.options.Skip)
		s.Upload = time.Since(l.began)
		l.options.Progress(s)
	}
}

// note takes over the final figures of the upload.
func (l *load[T]) note(p pipeline.Stats) {
	l.stats.add(p, l.options.Skip)
	l.stats.Upload = time.Since(l.began)
}

func (s *LoadStats) add(p pipeline.Stats, skipped int) {
	s.Acknowledged = skipped + p.Prefix
	s.Documents, s.Batches, s.Bytes = p.Documents, p.Batches, p.Bytes
	s.Rejected, s.Streams = p.Rejected, p.Streams
}

// enter reports a new phase.
func (l *load[T]) enter(phase LoadPhase) {
	l.stats.Phase = phase
	if l.options.Progress != nil {
		l.options.Progress(l.stats)
	}
}
