package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/qdrant-shepherd/shepherd/client/vector"
)

// prefix begins the names of all collections of a run.
const prefix = "vector-bench-"

// fresh makes a collection anew.
func fresh[T any](ctx context.Context, s *session, name string, profile Profile, indexed bool) (*vector.Collection[T], error) {
	if err := s.db.DropCollection(ctx, prefix+name); err != nil {
		return nil, err
	}
	return open[T](ctx, s, name, profile, indexed)
}

// open makes a collection for a profile. Unless it is indexed, the optimizers never start: uploads are compared without what the server does
// on the side.
func open[T any](ctx context.Context, s *session, name string, profile Profile, indexed bool) (*vector.Collection[T], error) {
	settings := []vector.Setting{
		vector.Shards(shards), vector.Segments(segments), vector.Graph(profile.M, profile.EFConstruct),
		vector.IndexFrom(thresholdKiB(s.data.base.Len())),
	}
	if !indexed {
		settings = append(settings, vector.RawSetting(func(c *qdrant.CreateCollection) {
			c.OptimizersConfig.MaxOptimizationThreads = qdrant.NewMaxOptimizationThreads(0)
		}))
	}
	return vector.Open[T](ctx, s.db, prefix+name, settings...)
}

// drop deletes a collection of this run, also when the run has been interrupted.
func (s *session) drop(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if err := s.db.DropCollection(ctx, prefix+name); err != nil && s.server.gone() == nil {
		s.note("collection %s is left behind: %v", prefix+name, err)
	}
}

// dropAll deletes what an earlier run may have left behind, and at the end what this one has.
func (s *session) dropAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	names, err := s.db.Collections(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, prefix) {
			err = errors.Join(err, s.db.DropCollection(ctx, name))
		}
	}
	return err
}

// requireCount has the server count exactly n points: the same end for every contestant.
func (s *session) requireCount(ctx context.Context, name string, n int) error {
	got, err := s.raw.Count(ctx, &qdrant.CountPoints{CollectionName: prefix + name, Exact: qdrant.PtrOf(true)})
	if err != nil {
		return fmt.Errorf("counting collection %s: %w", prefix+name, err)
	}
	if got != uint64(n) {
		return fmt.Errorf("counting collection %s: it has %d points instead of %d", prefix+name, got, n)
	}
	return nil
}

// barrier returns when all shards have applied what was written before: an operation by a filter goes to each of them, and waits its turn.
// It deletes a point that does not exist.
func (s *session) barrier(ctx context.Context, name string) error {
	const nobody = 1 << 62
	answer, err := s.raw.Delete(ctx, &qdrant.DeletePoints{
		CollectionName: prefix + name, Wait: qdrant.PtrOf(true),
		Points: qdrant.NewPointsSelectorFilter(&qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewHasID(qdrant.NewIDNum(nobody))}}),
	})
	if err != nil {
		return fmt.Errorf("waiting for the writes to collection %s: %w", prefix+name, err)
	}
	if answer.GetStatus() != qdrant.UpdateStatus_Completed {
		return fmt.Errorf("waiting for the writes to collection %s: the server answered %s", prefix+name, answer.GetStatus())
	}
	return nil
}

// Graph is what the server says of a collection before it is timed.
type Graph struct {
	Points         uint64 `json:"points"`
	IndexedVectors uint64 `json:"indexed_vectors"`
	Segments       uint64 `json:"segments"`
	// Seconds is the time from the end of the upload until the first of two greens in a row, at which all was indexed.
	Seconds float64 `json:"seconds"`
	// LoweredTo is the indexing threshold in KiB that was set because segments that stayed below the first one were left without a graph; 0
	// where that was not needed.
	LoweredTo uint64 `json:"lowered_threshold_kib,omitempty"`
	// Config is the collection's, read back from the server.
	Config json.RawMessage `json:"config"`
}

// look is a moment of an index being built.
type look struct {
	Seconds float64 `json:"seconds"`
	Points  uint64  `json:"points"`
	Indexed uint64  `json:"indexed"`
}

const (
	lookEvery = 250 * time.Millisecond
	// between is the time between two greens that count: one alone flickers after an upload.
	between = time.Second
	// patience is how long a collection may be green without a graph before the threshold is lowered.
	patience = 5 * time.Second
	// buildTimeout bounds building a graph. 340,000 points with m 64 and ef_construct 1024 take two cores some ten minutes.
	buildTimeout = time.Hour
)

// awaitGraph waits until the collection is green twice in a row with its vectors in the graph, and fails where that does not come about:
// whatever would be timed then would be something else. It tells each look, with the seconds since it began.
func (s *session) awaitGraph(ctx context.Context, name string, tell func(look)) (Graph, error) {
	ctx, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	var graph Graph
	begin := time.Now()
	var green, bare time.Time // since when it has been green with, and without, a graph
	for {
		info, err := s.raw.GetCollectionInfo(ctx, prefix+name)
		if err != nil {
			return graph, fmt.Errorf("waiting for the graph of collection %s: %w", prefix+name, err)
		}
		now := time.Now()
		graph.Points, graph.IndexedVectors, graph.Segments = info.GetPointsCount(), info.GetIndexedVectorsCount(), info.GetSegmentsCount()
		tell(look{Seconds: now.Sub(begin).Seconds(), Points: graph.Points, Indexed: graph.IndexedVectors})
		whole := s.options.rehearsal != nil || float64(graph.IndexedVectors) >= indexedPart*float64(s.data.base.Len())
		resting := info.GetStatus() == qdrant.CollectionStatus_Green
		green = since(green, now, resting && whole)
		bare = since(bare, now, resting && !whole)
		switch {
		case info.GetStatus() == qdrant.CollectionStatus_Red:
			return graph, fmt.Errorf("waiting for the graph of collection %s: an optimizer failed: %s", prefix+name, info.GetOptimizerStatus().GetError())
		case !green.IsZero() && now.Sub(green) >= between:
			graph.Seconds = green.Sub(begin).Seconds()
			graph.Config, err = readable(info.GetConfig())
			return graph, err
		case !bare.IsZero() && now.Sub(bare) >= patience && graph.LoweredTo > 0:
			return graph, fmt.Errorf("collection %s is green with %d of %d vectors in its graph; its speed would be that of comparing all vectors",
				prefix+name, graph.IndexedVectors, s.data.base.Len())
		case !bare.IsZero() && now.Sub(bare) >= patience:
			graph.LoweredTo, bare = 1, time.Time{}
			if err := s.lowerThreshold(ctx, name, graph.LoweredTo); err != nil {
				return graph, err
			}
		}
		select {
		case <-ctx.Done():
			return graph, fmt.Errorf("waiting for the graph of collection %s: it is %s with %d of %d vectors: %w",
				prefix+name, info.GetStatus(), graph.IndexedVectors, s.data.base.Len(), ctx.Err())
		case <-ticker.C:
		}
	}
}

// since is when something became true, the zero time while it is not.
func since(before, now time.Time, holds bool) time.Time {
	switch {
	case !holds:
		return time.Time{}
	case before.IsZero():
		return now
	default:
		return before
	}
}

func (s *session) lowerThreshold(ctx context.Context, name string, kib uint64) error {
	s.note("collection %s was green while some segments were below the indexing threshold; it was lowered to %d KiB", prefix+name, kib)
	err := s.raw.UpdateCollection(ctx, &qdrant.UpdateCollection{
		CollectionName: prefix + name, OptimizersConfig: &qdrant.OptimizersConfigDiff{IndexingThreshold: &kib},
	})
	if err != nil {
		return fmt.Errorf("lowering the indexing threshold of collection %s: %w", prefix+name, err)
	}
	return nil
}

// readable is a configuration as JSON. protojson spaces at random, so what it writes is normalised by encoding/json in the report.
func readable(config *qdrant.CollectionConfig) (json.RawMessage, error) {
	content, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration back: %w", err)
	}
	return content, nil
}
