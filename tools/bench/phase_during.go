package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync"
	"time"

	"github.com/qdrant-shepherd/shepherd/client/vector"
	"github.com/qdrant-shepherd/shepherd/internal/stat"
	"github.com/qdrant-shepherd/shepherd/internal/wordvectors"
)

// During is searching while the same collection is written to.
type During struct {
	Quiet Level  `json:"quiet"` // right before, without writes
	Busy  []Busy `json:"busy"`
}

// Busy is searching at a rate of writes.
type Busy struct {
	Level
	// RecallSpread is the recall round by round: the graph changes meanwhile.
	RecallSpread stat.Spread `json:"recall_at_10_by_round"`
	Wanted       float64     `json:"wanted_points_per_second"` // 0: as many as Load manages
	Written      float64     `json:"points_per_second"`
}

const (
	// duringClients is how many search while two streams write.
	duringClients = 2
	// duringRate is the rate of inserts that the guide promises.
	duringRate = 1000
)

// duringIngest searches while all documents are written again: at the guide's rate, and as fast as Load does. The vectors stay what they were,
// so the true neighbours do too, and the recall is measured on what the searches meanwhile have found. It leaves a collection behind whose
// segments are being built anew, and so comes last.
func (s *session) duringIngest(ctx context.Context, c *words, profile Profile) error {
	part := s.report.profile(profile.Name)
	quiet := &cell{
		level: Level{EF: profile.EF, Clients: duringClients, Recall: part.recallAtEF(profile.EF)},
		do:    s.query(c, vector.EF(profile.EF)),
	}
	if err := s.run(ctx, []*cell{quiet}); err != nil {
		return err
	}
	part.During = &During{Quiet: quiet.level}
	for _, rate := range []float64{duringRate, 0} {
		busy, err := s.searchWhileWriting(ctx, c, profile, rate)
		if err != nil {
			return err
		}
		part.During.Busy = append(part.During.Busy, busy)
		s.say("%s: while %.0f points a second are written: %.0f searches a second, p95 %.1f ms", profile.Name, busy.Written, busy.QPS.Median,
			busy.Latency.P95)
	}
	return nil
}

func (s *session) searchWhileWriting(ctx context.Context, c *words, profile Profile, rate float64) (Busy, error) {
	writing, stop := context.WithCancel(ctx)
	defer stop()
	var written int
	var failure error
	var writer sync.WaitGroup
	begin := time.Now()
	var options vector.LoadOptions
	if rate > 0 {
		options.BatchBytes = 16 << 10 // so that a low rate is a stream of writes, and not one heap a second
	}
	writer.Go(func() {
		for writing.Err() == nil && failure == nil {
			var done vector.LoadStats
			again := paced(writing, documents(s.data.base, s.data.base.Len(), wordAt), rate)
			done, failure = c.Load(writing, again, options)
			written += done.Documents
		}
	})

	var seen answers
	var recalls []float64
	busy := &cell{level: Level{EF: profile.EF, Clients: duringClients}}
	for range s.options.Rounds {
		runtime.GC()
		result, err := closedLoop(ctx, duringClients, s.options.round(), seen.search(s, c, profile.EF))
		if err != nil {
			stop()
			writer.Wait()
			return Busy{}, err
		}
		busy.add(result, cpu{}) // what is used goes into the writes as well
		recalls = append(recalls, seen.recall(s.data.truth))
	}
	took := time.Since(begin)
	stop()
	writer.Wait()
	if failure != nil && !errors.Is(failure, context.Canceled) {
		return Busy{}, fmt.Errorf("writing meanwhile: %w", failure)
	}
	busy.finish()
	busy.level.Recall = stat.Mean(recalls)
	return Busy{Level: busy.level, RecallSpread: stat.SpreadOf(recalls), Wanted: rate, Written: float64(written) / took.Seconds()}, nil
}

// paced yields at a rate a second, and at once for 0. It ends when ctx is over.
func paced[T any](ctx context.Context, documents iter.Seq2[T, error], rate float64) iter.Seq2[T, error] {
	if rate == 0 {
		return documents
	}
	return func(yield func(T, error) bool) {
		pause := time.NewTimer(0)
		defer pause.Stop()
		begin, i := time.Now(), 0
		for d, err := range documents {
			due := begin.Add(time.Duration(float64(i) / rate * float64(time.Second)))
			if over := waitUntil(ctx, pause, due); over != nil {
				yield(d, over)
				return
			}
			if !yield(d, err) {
				return
			}
			i++
		}
	}
}

// answers gathers what several clients have found, for the time when nothing is timed.
type answers struct {
	lock    sync.Mutex
	queries []int
	hits    [][]vector.Hit[word]
}

func (a *answers) search(s *session, c *words, ef int) call {
	return func(ctx context.Context, i int) error {
		q := i % s.data.queries.Len()
		hits, err := c.Search(ctx, vector.Nearest(s.data.queries.Vectors[q]), vector.EF(ef), vector.Limit(recallAt))
		if err != nil {
			return err
		}
		a.lock.Lock()
		defer a.lock.Unlock()
		a.queries, a.hits = append(a.queries, q), append(a.hits, hits)
		return nil
	}
}

// recall is that of the answers since the last call.
func (a *answers) recall(truth [][]wordvectors.Neighbour) float64 {
	recall := recallOf(a.hits, at(truth, a.queries))
	a.queries, a.hits = nil, nil
	return recall
}
