package workload

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/qdrant/go-client/qdrant"

	"github.com/qdrant-shepherd/shepherd/internal/stat"
	"github.com/qdrant-shepherd/shepherd/internal/wordvectors"
)

// tolerance is how far a score of the server may be from our own arithmetic:
// both add a hundred products in single precision, in different order.
const tolerance = 1e-4

// Search says how to search.
type Search struct {
	// K is the number of neighbours; 10 if zero.
	K int
	// EF is the size of the candidate list; the server's default if zero.
	EF uint64
	// Exact has the server compare all vectors instead of using the graph.
	Exact bool
}

func (s Search) query(name string, vector []float32, filter *qdrant.Filter, payload bool) *qdrant.QueryPoints {
	request := &qdrant.QueryPoints{
		CollectionName: name,
		Query:          qdrant.NewQueryDense(vector),
		Limit:          qdrant.PtrOf(uint64(s.k())),
		Filter:         filter,
		WithPayload:    qdrant.NewWithPayload(payload),
	}
	if s.EF > 0 || s.Exact {
		request.Params = &qdrant.SearchParams{HnswEf: set(s.EF), Exact: &s.Exact}
	}
	return request
}

func (s Search) k() int {
	if s.K == 0 {
		return 10
	}
	return s.K
}

// Recall is how well and how fast searches were answered.
type Recall struct {
	// Value is the share of the true nearest neighbours that were found.
	Value       float64
	K, Searches int
	Median, P95 time.Duration
}

func (r Recall) String() string {
	return fmt.Sprintf("recall@%d %.4f over %d searches, median %s, p95 %s", r.K, r.Value, r.Searches,
		r.Median.Round(10*time.Microsecond), r.P95.Round(10*time.Microsecond))
}

// MeasureRecall searches with each query, one after the other, and compares
// what the server finds with the neighbours that a comparison with all of the
// base finds. The collection must hold the base and nothing else.
func MeasureRecall(ctx context.Context, client *qdrant.Client, name string, base wordvectors.Set, queries [][]float32, search Search) (Recall, error) {
	truth := wordvectors.Nearest(base.Vectors, queries, search.k(), nil)
	found, wanted := 0, 0
	times := make([]time.Duration, 0, len(queries))
	for q, vector := range queries {
		begin := time.Now()
		points, err := client.Query(ctx, search.query(name, vector, nil, false))
		if err != nil {
			return Recall{}, fmt.Errorf("searching collection %s: %w", name, err)
		}
		times = append(times, time.Since(begin))
		found += overlap(points, base, truth[q])
		wanted += len(truth[q])
	}
	if wanted == 0 {
		return Recall{}, errors.New("measuring recall: no queries")
	}
	slices.Sort(times)
	return Recall{
		Value: float64(found) / float64(wanted), K: search.k(), Searches: len(queries),
		Median: stat.Percentile(times, 50), P95: stat.Percentile(times, 95),
	}, nil
}

// overlap counts the true neighbours among the points that were found.
func overlap(points []*qdrant.ScoredPoint, base wordvectors.Set, truth []wordvectors.Neighbour) int {
	ids := map[uint64]bool{}
	for _, n := range truth {
		ids[uint64(base.Ranks[n.Row])] = true
	}
	hits := 0
	for _, p := range points {
		if ids[p.GetId().GetNum()] {
			hits++
		}
	}
	return hits
}

// Word is a word that a search has found.
type Word struct {
	Text  string
	Rank  int
	Score float32
}

// NearestWords finds the words nearest to a vector.
func NearestWords(ctx context.Context, client *qdrant.Client, name string, vector []float32, filter *qdrant.Filter, search Search) ([]Word, error) {
	points, err := client.Query(ctx, search.query(name, vector, filter, true))
	if err != nil {
		return nil, fmt.Errorf("searching collection %s: %w", name, err)
	}
	words := make([]Word, 0, len(points))
	for _, p := range points {
		words = append(words, Word{
			Text:  p.GetPayload()[fieldWord].GetStringValue(),
			Rank:  int(p.GetPayload()[fieldRank].GetIntegerValue()),
			Score: p.GetScore(),
		})
	}
	return words, nil
}

// FirstLetter matches the words that begin with a letter.
func FirstLetter(letter string) *qdrant.Filter {
	return &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatchKeyword(fieldLetter, letter)}}
}

// filterCase is a filter in the server's terms and in ours.
type filterCase struct {
	name   string
	filter *qdrant.Filter
	keep   func(word string, rank int) bool
}

// filterCases cover each kind of clause and their nesting, from filters that
// match a third of the words to one that matches none.
func filterCases() []filterCase {
	number := func(n float64) *float64 { return &n }
	is := func(l string) *qdrant.Condition { return qdrant.NewMatchKeyword(fieldLetter, l) }
	long := qdrant.NewRange(fieldLength, &qdrant.Range{Gte: number(7)})
	return []filterCase{
		{
			"letter is s", FirstLetter("s"),
			func(w string, _ int) bool { return letter(w) == "s" },
		},
		{
			"length from 3 to 5",
			&qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewRange(fieldLength, &qdrant.Range{Gte: number(3), Lte: number(5)})}},
			func(w string, _ int) bool { return length(w) >= 3 && length(w) <= 5 },
		},
		{
			"rank below 500 and length above 4",
			&qdrant.Filter{Must: []*qdrant.Condition{
				qdrant.NewRange(fieldRank, &qdrant.Range{Lt: number(500)}), qdrant.NewRange(fieldLength, &qdrant.Range{Gt: number(4)}),
			}},
			func(w string, rank int) bool { return rank < 500 && length(w) > 4 },
		},
		{
			"letter is a or b or length is 1",
			&qdrant.Filter{Should: []*qdrant.Condition{is("a"), is("b"), qdrant.NewMatchInt(fieldLength, 1)}},
			func(w string, _ int) bool { return letter(w) == "a" || letter(w) == "b" || length(w) == 1 },
		},
		{
			"letter is one of c, d, e",
			&qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatchKeywords(fieldLetter, "c", "d", "e")}},
			func(w string, _ int) bool { return letter(w) == "c" || letter(w) == "d" || letter(w) == "e" },
		},
		{
			"letter is not p, length at least 7",
			&qdrant.Filter{Must: []*qdrant.Condition{long}, MustNot: []*qdrant.Condition{is("p")}},
			func(w string, _ int) bool { return letter(w) != "p" && length(w) >= 7 },
		},
		{
			"length at least 7, or letter is t and length is 3",
			&qdrant.Filter{Should: []*qdrant.Condition{long, qdrant.NewFilterAsCondition(&qdrant.Filter{
				Must: []*qdrant.Condition{is("t"), qdrant.NewMatchInt(fieldLength, 3)},
			})}},
			func(w string, _ int) bool { return length(w) >= 7 || letter(w) == "t" && length(w) == 3 },
		},
		{
			"nothing",
			&qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatchInt(fieldLength, 1000)}},
			func(string, int) bool { return false },
		},
	}
}

// Filtered is what CheckFilters has done.
type Filtered struct {
	Filters, Searches int
	// Recall is that of the searches through the graph; the exact ones have to
	// be right.
	Recall float64
}

// CheckFilters searches with each of a set of filters. Counts and exact
// searches must be what a look at every word gives, each answer of the graph
// must match the filter.
func CheckFilters(ctx context.Context, client *qdrant.Client, name string, base wordvectors.Set, queries [][]float32) (Filtered, error) {
	done := Filtered{}
	found, wanted := 0, 0
	for _, c := range filterCases() {
		keep := func(row int) bool { return c.keep(base.Words[row], base.Ranks[row]) }
		matching := 0
		for row := range base.Words {
			if keep(row) {
				matching++
			}
		}
		if err := RequireCount(ctx, client, name, c.filter, matching); err != nil {
			return Filtered{}, fmt.Errorf("filter %q: %w", c.name, err)
		}
		truth := wordvectors.Nearest(base.Vectors, queries, 10, keep)
		for q, vector := range queries {
			for _, exact := range []bool{true, false} {
				points, err := client.Query(ctx, Search{Exact: exact, EF: 128}.query(name, vector, c.filter, true))
				if err != nil {
					return Filtered{}, fmt.Errorf("searching collection %s with filter %q: %w", name, c.name, err)
				}
				if err := checkMatches(points, c); err != nil {
					return Filtered{}, fmt.Errorf("searching collection %s with filter %q: %w", name, c.name, err)
				}
				if exact {
					if err := checkExact(points, truth[q]); err != nil {
						return Filtered{}, fmt.Errorf("searching collection %s exactly with filter %q: %w", name, c.name, err)
					}
				} else {
					found += overlap(points, base, truth[q])
					wanted += len(truth[q])
				}
				done.Searches++
			}
		}
		done.Filters++
	}
	done.Recall = float64(found) / float64(max(wanted, 1))
	return done, nil
}

// checkMatches requires each point to match the filter, judged by its payload.
func checkMatches(points []*qdrant.ScoredPoint, c filterCase) error {
	for _, p := range points {
		word, rank := p.GetPayload()[fieldWord].GetStringValue(), int(p.GetPayload()[fieldRank].GetIntegerValue())
		if !c.keep(word, rank) {
			return fmt.Errorf("the answer has %q (rank %d), which does not match", word, rank)
		}
	}
	return nil
}

// checkExact requires the scores of the true neighbours, in their order. Scores
// and not ids are compared, because neighbours that are equally near may change
// places.
func checkExact(points []*qdrant.ScoredPoint, truth []wordvectors.Neighbour) error {
	if len(points) != len(truth) {
		return fmt.Errorf("%d points were found, there are %d", len(points), len(truth))
	}
	for i, p := range points {
		if !within(tolerance, float64(p.GetScore()-truth[i].Similarity)) {
			return fmt.Errorf("the score at place %d is %v, it should be %v", i+1, p.GetScore(), truth[i].Similarity)
		}
	}
	return nil
}
