package main

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/qdrant/go-client/qdrant"

	"github.com/qdrant-shepherd/shepherd/client/vector"
	"github.com/qdrant-shepherd/shepherd/internal/stat"
	"github.com/qdrant-shepherd/shepherd/internal/wordvectors"
)

// Found is how much searches with an ef have found, and how long the server says they took.
type Found struct {
	EF     int     `json:"ef"`
	Recall float64 `json:"recall_at_10"`
	// Server is the time that the server itself gives, Client that of the same searches as go-client sees it, one after the other.
	Server stat.Latency `json:"server"`
	Client stat.Latency `json:"client"`
}

// Exactly is a search that compares all vectors.
type Exactly struct {
	Level
	// Checked is how many searches were held against the true neighbours computed here; all of them have to be right.
	Checked int `json:"checked"`
}

// Batched is many searches in one call, against as many calls.
type Batched struct {
	Size   int   `json:"size"`
	Level  Level `json:"level"` // its latency is that of a call, its QPS counts searches
	Single Level `json:"single"`
	// Gain is the ratio of the searches a second, round by round.
	Gain stat.Spread `json:"gain"`
}

type words = vector.Collection[word]

const batchSize = 16

// open is the main collection as an application has it.
func (s *session) open(ctx context.Context) (*words, error) {
	return vector.Open[word](ctx, s.db, prefix+mainCollection, vector.MustExist())
}

// query searches for one of the queries, whose numbers go round.
func (s *session) query(c *words, options ...vector.Option) call {
	options = append([]vector.Option{vector.Limit(recallAt)}, options...)
	return func(ctx context.Context, i int) error {
		hits, err := c.Search(ctx, vector.Nearest(s.data.queries.Vectors[i%s.data.queries.Len()]), options...)
		if err == nil && len(hits) != recallAt {
			err = fmt.Errorf("searching collection %s: %d hits instead of %d", c.Name(), len(hits), recallAt)
		}
		return err
	}
}

// searches gives the answers to all queries, untimed.
func (s *session) searches(ctx context.Context, c *words, n int, options func(q int) []vector.Option) ([][]vector.Hit[word], error) {
	found := make([][]vector.Hit[word], n)
	for q := range n {
		hits, err := c.Search(ctx, vector.Nearest(s.data.queries.Vectors[q]), append(options(q), vector.Limit(recallAt))...)
		if err != nil {
			return nil, err
		}
		found[q] = hits
	}
	return found, nil
}

// recallOf is the mean recall@10 of answers.
func recallOf(found [][]vector.Hit[word], truth [][]wordvectors.Neighbour) float64 {
	recalls := make([]float64, len(found))
	for q, hits := range found {
		ids := make([]uint64, len(hits))
		for i, hit := range hits {
			ids[i] = hit.Document.ID
		}
		rows := make([]uint64, len(truth[q]))
		similarities := make([]float32, len(truth[q]))
		for i, n := range truth[q] {
			rows[i], similarities[i] = uint64(n.Row), n.Similarity
		}
		recalls[q] = stat.Recall(ids, rows, similarities, recallAt)
	}
	return stat.Mean(recalls)
}

// recall measures what the searches of each ef find. It also warms the server up.
func (s *session) recall(ctx context.Context, c *words, profile Profile, efs []int) error {
	part := s.report.profile(profile.Name)
	for _, ef := range efs {
		found, err := s.searches(ctx, c, s.data.queries.Len(), func(int) []vector.Option { return []vector.Option{vector.EF(ef)} })
		if err != nil {
			return err
		}
		result := Found{EF: ef, Recall: recallOf(found, s.data.truth)}
		if result.Server, result.Client, err = s.serverTime(ctx, ef); err != nil {
			return err
		}
		part.Recall = append(part.Recall, result)
		s.say("%s: ef %d: recall@10 %.4f, server %.2f ms of %.2f ms", profile.Name, ef, result.Recall, result.Server.P50, result.Client.P50)
	}
	return nil
}

// recallAtEF is 0 for an ef that was not measured.
func (p *ProfileReport) recallAtEF(ef int) float64 {
	for _, f := range p.Recall {
		if f.EF == ef {
			return f.Recall
		}
	}
	return 0
}

// serverTime asks some queries by go-client, whose answers have the server's own time.
func (s *session) serverTime(ctx context.Context, ef int) (server, client stat.Latency, err error) {
	const asked = 200
	var servers, clients []time.Duration
	for q := range min(asked, s.data.queries.Len()) {
		begin := time.Now()
		answer, err := s.raw.GetPointsClient().Query(ctx, rawQuery(s.data.queries.Vectors[q], &qdrant.SearchParams{HnswEf: qdrant.PtrOf(uint64(ef))}))
		if err != nil {
			return server, client, fmt.Errorf("searching collection %s: %w", prefix+mainCollection, err)
		}
		clients = append(clients, time.Since(begin))
		servers = append(servers, time.Duration(answer.GetTime()*float64(time.Second)))
	}
	return stat.LatencyOf(servers), stat.LatencyOf(clients), nil
}

// rawQuery asks for the same as Collection.Search does: the payload, and no vectors.
func rawQuery(v []float32, params *qdrant.SearchParams) *qdrant.QueryPoints {
	return &qdrant.QueryPoints{
		CollectionName: prefix + mainCollection, Query: qdrant.NewQueryDense(v), Params: params,
		Limit: qdrant.PtrOf(uint64(recallAt)), WithPayload: qdrant.NewWithPayload(true),
	}
}

// cell is a level with its request, and what its rounds have come to.
type cell struct {
	level    Level
	do       call
	perCall  int // searches in a call
	rates    []float64
	p95s     []float64
	times    []time.Duration
	used     cpu
	searches int
}

// run times all cells, round by round, so that whatever the machine does meanwhile falls on each of them. Where it ends before its time, the
// cells have the rounds until then.
func (s *session) run(ctx context.Context, cells []*cell) error {
	defer func() {
		for _, c := range cells {
			c.finish()
		}
	}()
	for range s.options.Rounds {
		for _, c := range cells {
			runtime.GC()
			before := s.cpu()
			result, err := closedLoop(ctx, c.level.Clients, s.options.round(), c.do)
			if err != nil {
				return err
			}
			c.add(result, s.cpu().since(before))
		}
	}
	return nil
}

// levels are those of the cells that have at least one round.
func levels(cells []*cell) []Level {
	var some []Level
	for _, c := range cells {
		if len(c.rates) > 0 {
			some = append(some, c.level)
		}
	}
	return some
}

func (c *cell) add(result timed, used cpu) {
	per := max(1, c.perCall)
	c.rates = append(c.rates, result.rate()*float64(per))
	times := result.waited()
	c.p95s = append(c.p95s, stat.LatencyOf(times).P95)
	c.times = append(c.times, times...)
	c.searches += len(result.Times) * per
	c.used.client += used.client
	c.used.server += used.server
	c.level.Failed += result.Failed
}

func (c *cell) finish() {
	c.level.QPS, c.level.Latency, c.level.P95 = stat.SpreadOf(c.rates), stat.LatencyOf(c.times), stat.SpreadOf(c.p95s)
	n := float64(max(c.searches, 1))
	c.level.ClientCPU, c.level.ServerCPU = stat.Milliseconds(c.used.client)/n, stat.Milliseconds(c.used.server)/n
}

// exact times searches that compare all vectors, after it has held some of them against the neighbours computed here: if those differ, one
// of the two is wrong, and no recall means anything.
func (s *session) exact(ctx context.Context, c *words, profile Profile) error {
	checked := min(100, s.data.queries.Len())
	found, err := s.searches(ctx, c, checked, func(int) []vector.Option { return []vector.Option{vector.Exact()} })
	if err != nil {
		return err
	}
	recall := recallOf(found, s.data.truth)
	if recall < 1 {
		return fmt.Errorf("checking the true neighbours: the server's exact search finds %.4f of them", recall)
	}
	one := &cell{level: Level{Clients: 1, Recall: recall}, do: s.query(c, vector.Exact())}
	if err := s.run(ctx, []*cell{one}); err != nil {
		return err
	}
	s.report.profile(profile.Name).Exact = &Exactly{Level: one.level, Checked: checked}
	s.say("%s: exact: %.0f a second", profile.Name, one.level.QPS.Median)
	return nil
}

// sweep varies ef and the number of clients, in closed loops.
func (s *session) sweep(ctx context.Context, c *words, profile Profile) error {
	part := s.report.profile(profile.Name)
	var cells []*cell
	for _, ef := range s.efs(profile) {
		for _, clients := range s.options.Clients {
			cells = append(cells, &cell{
				level: Level{EF: ef, Clients: clients, Recall: part.recallAtEF(ef)}, do: s.query(c, vector.EF(ef)),
			})
		}
	}
	err := s.run(ctx, cells)
	part.Sweep = levels(cells)
	for _, l := range part.Sweep {
		s.say("%s: ef %d, %d clients: %.0f a second, p95 %.1f ms", profile.Name, l.EF, l.Clients, l.QPS.Median, l.Latency.P95)
	}
	return err
}

// efs are the ones to sweep, the profile's own included.
func (s *session) efs(profile Profile) []int {
	efs := append(slices.Clone(s.options.EFs), profile.EF)
	slices.Sort(efs)
	return slices.Compact(efs)
}

// peak is the level of an ef with the most searches a second.
func (p *ProfileReport) peak(ef int) (Level, bool) {
	var best Level
	for _, l := range p.Sweep {
		if l.EF == ef && l.QPS.Median > best.QPS.Median {
			best = l
		}
	}
	return best, best.QPS.Median > 0
}

// openLoopInFlight is how many calls of an open loop may be under way: some more than the 100 clients of the largest closed loop, so that
// it is the server that calls wait for.
const openLoopInFlight = 128

// atHalf asks at half the peak of the profile's ef, whether or not the answers have come.
func (s *session) atHalf(ctx context.Context, c *words, profile Profile) error {
	part := s.report.profile(profile.Name)
	peak, known := part.peak(profile.EF)
	if !known {
		s.note("%s: no open loop: its rate is half the peak of the sweep, which was not run", profile.Name)
		return nil
	}
	rate := peak.QPS.Median / 2
	runtime.GC()
	before := s.cpu()
	result, err := openLoop(ctx, rate, s.options.Level, openLoopInFlight, s.query(c, vector.EF(profile.EF)))
	if err != nil {
		return err
	}
	one := &cell{level: Level{EF: profile.EF, Clients: openLoopInFlight, Rate: rate, Recall: part.recallAtEF(profile.EF)}}
	one.add(result, s.cpu().since(before))
	one.finish()
	part.OpenLoop = &one.level
	s.say("%s: open loop at %.0f a second: p95 %.1f ms", profile.Name, rate, one.level.Latency.P95)
	return nil
}

// batch puts several searches into one call.
func (s *session) batch(ctx context.Context, c *words, profile Profile) error {
	part := s.report.profile(profile.Name)
	recall := part.recallAtEF(profile.EF)
	clients := min(2, runtime.NumCPU())
	many := &cell{level: Level{EF: profile.EF, Clients: clients, Recall: recall}, perCall: batchSize, do: func(ctx context.Context, i int) error {
		requests := make([]vector.Request, batchSize)
		for j := range requests {
			query := s.data.queries.Vectors[(i*batchSize+j)%s.data.queries.Len()]
			requests[j] = vector.Ask(vector.Nearest(query), vector.EF(profile.EF), vector.Limit(recallAt))
		}
		_, err := c.SearchBatch(ctx, requests...)
		return err
	}}
	one := &cell{level: Level{EF: profile.EF, Clients: clients, Recall: recall}, do: s.query(c, vector.EF(profile.EF))}
	if err := s.run(ctx, []*cell{one, many}); err != nil {
		return err
	}
	part.Batch = &Batched{
		Size: batchSize, Level: many.level, Single: one.level, Gain: stat.SpreadOf(stat.Ratios(many.rates, one.rates)),
	}
	s.say("%s: %d searches a call: %.2f times as many a second", profile.Name, batchSize, part.Batch.Gain.Median)
	return nil
}

// filtered searches among the words that begin as the query does.
func (s *session) filtered(ctx context.Context, c *words, profile Profile) error {
	part := s.report.profile(profile.Name)
	ef := profile.EF
	found, err := s.searches(ctx, c, s.data.queries.Len(), func(q int) []vector.Option {
		return []vector.Option{vector.EF(ef), sameLetter(s.data.queries.Words[q])}
	})
	if err != nil {
		return err
	}
	var cells []*cell
	for _, clients := range s.options.Clients {
		cells = append(cells, &cell{
			level: Level{EF: ef, Clients: clients, Recall: recallOf(found, s.data.filtered)},
			do: func(ctx context.Context, i int) error {
				q := i % s.data.queries.Len()
				_, err := c.Search(ctx, vector.Nearest(s.data.queries.Vectors[q]),
					vector.EF(ef), vector.Limit(recallAt), sameLetter(s.data.queries.Words[q]))
				return err
			},
		})
	}
	err = s.run(ctx, cells)
	if part.Filtered = levels(cells); err != nil {
		return err
	}
	best := slices.MaxFunc(part.Filtered, func(a, b Level) int { return cmp.Compare(a.QPS.Median, b.QPS.Median) })
	s.say("%s: filtered: %.0f a second with %d clients, recall@10 %.4f", profile.Name, best.QPS.Median, best.Clients, best.Recall)
	return nil
}
