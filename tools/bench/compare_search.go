package main

import (
	"context"
	"fmt"
	"runtime"

	"github.com/qdrant/go-client/qdrant"

	"github.com/qdrant-shepherd/shepherd/client/vector"
)

// annRecall is the recall that a search through the graph must have to be compared with an exact one.
const annRecall = 0.95

// compareSearch asks the main collection in different ways.
func (s *session) compareSearch(ctx context.Context, c *words, profile Profile) error {
	if !s.options.wants(againstRawSearch, againstExact) {
		return nil
	}
	ours := s.searching(1, s.query(c, vector.EF(profile.EF)))
	asking := fmt.Sprintf("Collection.Search, profile %s, ef %d, one client", profile.Name, profile.EF)
	opponents := []*opponent{{
		Comparison: Comparison{Name: controlSearch, Ours: asking, Theirs: "the same"}, ours: ours, theirs: ours,
	}}
	if s.options.wants(againstRawSearch) {
		opponents = append(opponents, &opponent{
			Comparison: Comparison{Name: againstRawSearch, Ours: asking, Theirs: "go-client, the same request, its payload read into the same struct"},
			ours:       ours, theirs: s.searching(1, s.rawSearch(profile.EF)),
		})
	}
	if s.options.wants(againstExact) {
		clients := min(2, runtime.NumCPU())
		part := s.report.profile(profile.Name)
		if ef, found := cheapestEF(part.Recall, annRecall); found {
			opponents = append(opponents, &opponent{
				Comparison: Comparison{
					Name: againstExact, Theirs: fmt.Sprintf("the same with Exact, %d clients", clients),
					Ours: fmt.Sprintf("Collection.Search, profile %s, ef %d, recall@10 %.3f, %d clients", profile.Name, ef, part.recallAtEF(ef), clients),
				},
				ours: s.searching(clients, s.query(c, vector.EF(ef))), theirs: s.searching(clients, s.query(c, vector.Exact())),
			})
		} else {
			s.note("profile %s: no comparison with exact searches: none of the efs has a recall of %.2f", profile.Name, annRecall)
		}
	}
	if len(opponents) == 1 {
		return nil
	}
	return s.duel(ctx, controlSearch, opponents)
}

// cheapestEF is the smallest one that finds enough.
func cheapestEF(found []Found, recall float64) (ef int, ok bool) {
	for _, f := range found {
		if f.Recall >= recall && (!ok || f.EF < ef) {
			ef, ok = f.EF, true
		}
	}
	return ef, ok
}

// searching is a leg of closed-loop searches.
func (s *session) searching(clients int, do call) func(context.Context) (leg, error) {
	return func(ctx context.Context) (leg, error) {
		runtime.GC()
		before := s.cpu()
		result, err := closedLoop(ctx, clients, s.options.Level/4, do)
		if err != nil {
			return leg{}, err
		}
		done := legOf(max(1, len(result.Times)), result.Elapsed, s.cpu().since(before))
		done.Failed = result.Failed
		return done, nil
	}
}

// rawSearch is session.query as users of go-client write it.
func (s *session) rawSearch(ef int) call {
	params := &qdrant.SearchParams{HnswEf: qdrant.PtrOf(uint64(ef))}
	return func(ctx context.Context, i int) error {
		points, err := s.raw.Query(ctx, rawQuery(s.data.queries.Vectors[i%s.data.queries.Len()], params))
		if err != nil {
			return fmt.Errorf("searching collection %s: %w", prefix+mainCollection, err)
		}
		hits := make([]vector.Hit[word], len(points))
		for i, p := range points {
			payload := p.GetPayload()
			hits[i] = vector.Hit[word]{ID: vector.Num(p.GetId().GetNum()), Score: p.GetScore(), Version: p.GetVersion(), Document: word{
				ID: p.GetId().GetNum(), Word: payload["word"].GetStringValue(), Letter: payload["letter"].GetStringValue(),
				Length: int(payload["length"].GetIntegerValue()),
			}}
		}
		if len(hits) != recallAt {
			return fmt.Errorf("searching collection %s: %d hits instead of %d", prefix+mainCollection, len(hits), recallAt)
		}
		return nil
	}
}
