package main

import (
	"context"
	"fmt"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/stat"
)

// Created is how long making collections took, one after the other. The slowest is what counts: in a cluster it waits for a consensus.
type Created struct {
	// Latency is that of collections alone, WithIndexes that of collections with two payload indexes: until Open returns.
	Latency     stat.Latency `json:"latency"`
	WithIndexes stat.Latency `json:"with_indexes"`
}

const creations = 20

func (s *session) create(ctx context.Context) error {
	alone, err := creating[bare](ctx, s, "create-alone")
	if err != nil {
		return err
	}
	indexed, err := creating[word](ctx, s, "create-indexed")
	if err != nil {
		return err
	}
	s.report.Create = &Created{Latency: stat.LatencyOf(alone), WithIndexes: stat.LatencyOf(indexed)}
	s.say("create: %d collections, at most %.0f ms; with two payload indexes %.0f ms", creations, s.report.Create.Latency.Max,
		s.report.Create.WithIndexes.Max)
	return nil
}

// creating makes collections for a type of documents. They stay until all are there: a server has others, too.
func creating[T any](ctx context.Context, s *session, name string) ([]time.Duration, error) {
	times := make([]time.Duration, creations)
	for i := range times {
		name := fmt.Sprintf("%s-%d", name, i)
		if err := s.db.DropCollection(ctx, prefix+name); err != nil {
			return nil, err
		}
		defer s.drop(ctx, name)
		begin := time.Now()
		if _, err := open[T](ctx, s, name, profiles()["default"], true); err != nil {
			return nil, err
		}
		times[i] = time.Since(begin)
	}
	return times, nil
}
