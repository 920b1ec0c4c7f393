package bench

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/bench/stat"
	"github.com/qdrant-shepherd/shepherd/pkg/vector"
)

// During is searching while the same collection is written to.
type During struct {
	Quiet Level  `json:"quiet"` // right before, without writes
	Busy  []Busy `json:"busy"`
}

// Busy is searching at a rate of writes.
type Busy struct {
	Level
	Wanted  float64 `json:"wanted_points_per_second"` // 0: as many as Load manages
	Written float64 `json:"points_per_second"`
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

	var recall recalls
	busy := &cell{level: Level{EF: profile.EF, Clients: duringClients}}
	before := s.cpu()
	result, err := closedLoop(ctx, duringClients, s.options.Level, func(ctx context.Context, i int) error {
		q := i % s.data.queries.Len()
		hits, err := c.Search(ctx, vector.Nearest(s.data.queries.Vectors[q]), vector.EF(profile.EF), vector.Limit(recallAt))
		if err == nil {
			recall.add(recallOf([][]vector.Hit[word]{hits}, s.data.truth[q:q+1]))
		}
		return err
	})
	busy.add(result, s.cpu().since(before))
	took := time.Since(begin)
	stop()
	writer.Wait()
	if err != nil {
		return Busy{}, err
	}
	if failure != nil && !errors.Is(failure, context.Canceled) {
		return Busy{}, fmt.Errorf("writing meanwhile: %w", failure)
	}
	busy.finish()
	busy.level.Recall = recall.mean()
	return Busy{Level: busy.level, Wanted: rate, Written: float64(written) / took.Seconds()}, nil
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

// recalls gathers from several clients.
type recalls struct {
	lock   sync.Mutex
	values []float64
}

func (r *recalls) add(value float64) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.values = append(r.values, value)
}

func (r *recalls) mean() float64 { return stat.Mean(r.values) }
