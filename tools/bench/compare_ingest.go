package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/qdrant/go-client/qdrant"

	"github.com/qdrant-shepherd/shepherd/client/vector"
	"github.com/qdrant-shepherd/shepherd/internal/wordvectors"
)

const (
	compareName = "compare"
	// streams is how many calls are under way in every contestant that has several: what Load has by itself with one peer.
	streams = 2
	// pythonBatch and pythonParallel are what the Python client is given.
	pythonBatch, pythonParallel = 256, 2
	naiveBatch                  = 64
)

// pointsInBatch is how many points Load puts in a call, as it goes by bytes.
func pointsInBatch(done vector.LoadStats) int {
	return (done.Documents + done.Batches - 1) / max(done.Batches, 1)
}

// naivePoints is how many points are written one by one: enough for the rate, and not so many that a round takes minutes.
func naivePoints(n int) int { return min(n, max(1000, n/50)) }

// compareIngest loads the base in different ways. Each way gets a fresh collection on the same server, made alike, whose optimizers are off, and
// ends when the same exact count is right.
func (s *session) compareIngest(ctx context.Context) error {
	if !s.options.wants(againstNaive1, againstNaive64, againstRaw, againstPython, againstBfb) {
		return nil
	}
	n := s.data.base.Len()
	warm, done, err := ours(ctx, s, n, wordAt) // also says how many points Load puts in a batch
	if err != nil {
		return err
	}
	perBatch := pointsInBatch(done)
	s.say("warm-up: %.0f points a second, %d in a batch", warm.Rate, perBatch)

	load := func(ctx context.Context) (leg, error) {
		timed, _, err := ours(ctx, s, n, wordAt)
		return timed, err
	}
	loading := fmt.Sprintf("Collection.Load, %d points with payload", n)
	opponents := []*opponent{{
		Comparison: Comparison{Name: controlIngest, Ours: loading, Theirs: "the same"}, ours: load, theirs: load,
	}}
	add := func(name, theirs string, run func(context.Context) (leg, error)) {
		if s.options.wants(name) {
			opponents = append(opponents, &opponent{Comparison: Comparison{Name: name, Ours: loading, Theirs: theirs}, ours: load, theirs: run})
		}
	}
	few := naivePoints(n)
	one := fmt.Sprintf("go-client, one point a call, wait=true, %d points (rates are compared)", few)
	add(againstNaive1, one, func(ctx context.Context) (leg, error) {
		return s.into(ctx, few, func(ctx context.Context) error { return s.naive(ctx, few, 1) })
	})
	some := fmt.Sprintf("go-client, %d points a call, one stream, wait=true", naiveBatch)
	add(againstNaive64, some, func(ctx context.Context) (leg, error) {
		return s.into(ctx, n, func(ctx context.Context) error { return s.naive(ctx, n, naiveBatch) })
	})
	many := fmt.Sprintf("go-client, %d points a call, %d streams, wait=false, then a barrier", perBatch, streams)
	add(againstRaw, many, func(ctx context.Context) (leg, error) {
		return s.into(ctx, n, func(ctx context.Context) error { return s.bareLoop(ctx, n, perBatch) })
	})
	if s.options.wants(againstPython) {
		both, err := s.python(n)
		if err != nil {
			return fmt.Errorf("preparing the Python client: %w", err)
		}
		opponents = append(opponents, both...)
	}
	if s.options.wants(againstBfb) {
		bfb, err := s.bfb(ctx, n)
		if err != nil {
			return fmt.Errorf("preparing bfb: %w", err)
		}
		opponents = append(opponents, bfb)
	}
	defer s.drop(ctx, compareName)
	return s.duel(ctx, controlIngest, opponents)
}

// into times an upload of n points into a fresh collection, until all are applied and the count is right.
func (s *session) into(ctx context.Context, n int, upload func(context.Context) error) (leg, error) {
	if _, err := fresh[word](ctx, s, compareName, profiles()["default"], false); err != nil {
		return leg{}, err
	}
	return s.timeUpload(ctx, n, func(ctx context.Context) error {
		if err := upload(ctx); err != nil {
			return err
		}
		return s.settle(ctx, n)
	})
}

// settle is the end of every upload: all is applied, and the exact count is right. Load does the same by itself.
func (s *session) settle(ctx context.Context, n int) error {
	if err := s.barrier(ctx, compareName); err != nil {
		return err
	}
	return s.requireCount(ctx, compareName, n)
}

// timeUpload is the clock of all uploads.
func (s *session) timeUpload(ctx context.Context, n int, upload func(context.Context) error) (leg, error) {
	s.calm(ctx)
	before, begin := s.cpu(), time.Now()
	if err := upload(ctx); err != nil {
		return leg{}, err
	}
	return legOf(n, time.Since(begin), s.cpu().since(before)), nil
}

// ours times loading the first n words as an application would. Load waits by itself until all is applied, and counts.
func ours[T any](ctx context.Context, s *session, n int, at func(wordvectors.Set, int) T) (leg, vector.LoadStats, error) {
	c, err := fresh[T](ctx, s, compareName, profiles()["default"], false)
	if err != nil {
		return leg{}, vector.LoadStats{}, err
	}
	var done vector.LoadStats
	timed, err := s.timeUpload(ctx, n, func(ctx context.Context) error {
		done, err = c.Load(ctx, documents(s.data.base, n, at), vector.LoadOptions{Streams: streams})
		if err == nil && done.Points != uint64(n) {
			err = fmt.Errorf("the collection has %d points instead of %d", done.Points, n)
		}
		return err
	})
	return timed, done, err
}

// naive writes one batch after the other, and waits for each.
func (s *session) naive(ctx context.Context, n, size int) error {
	for from := 0; from < n; from += size {
		if err := s.upsert(ctx, from, min(from+size, n), true); err != nil {
			return err
		}
	}
	return nil
}

// bareLoop is what Load does without any of what it looks after: several streams, each taking the next batch.
func (s *session) bareLoop(ctx context.Context, n, size int) error {
	var next atomic.Int64
	errs := make([]error, streams)
	var running sync.WaitGroup
	for i := range streams {
		running.Go(func() {
			for {
				from := int(next.Add(1)-1) * size
				if from >= n {
					return
				}
				if errs[i] = s.upsert(ctx, from, min(from+size, n), false); errs[i] != nil {
					return
				}
			}
		})
	}
	running.Wait()
	return errors.Join(errs...)
}

func (s *session) upsert(ctx context.Context, from, to int, wait bool) error {
	points := make([]*qdrant.PointStruct, to-from)
	for i := range points {
		points[i] = pointAt(s.data.base, from+i)
	}
	_, err := s.raw.Upsert(ctx, &qdrant.UpsertPoints{CollectionName: prefix + compareName, Wait: &wait, Points: points})
	if err != nil {
		return fmt.Errorf("writing points %d to %d: %w", from, to-1, err)
	}
	return nil
}

// pointAt is wordAt as users of go-client write it.
func pointAt(set wordvectors.Set, row int) *qdrant.PointStruct {
	w := wordAt(set, row)
	return &qdrant.PointStruct{
		Id:      qdrant.NewIDNum(w.ID),
		Vectors: qdrant.NewVectorsDense(w.Vector),
		Payload: map[string]*qdrant.Value{
			"word":   qdrant.NewValueString(w.Word),
			"letter": qdrant.NewValueString(w.Letter),
			"length": qdrant.NewValueInt(int64(w.Length)),
		},
	}
}
