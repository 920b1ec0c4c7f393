package workload

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/qdrant/go-client/qdrant"

	"github.com/qdrant-shepherd/shepherd/internal/wordvectors"
)

// Changed is what CheckChanges has done.
type Changed struct {
	Payloads, Vectors, Deleted int
}

// CheckChanges sets and removes payload, replaces vectors, and deletes words by
// a filter, reads each change back, and then restores all of it. The collection
// must hold the base.
func CheckChanges(ctx context.Context, client *qdrant.Client, name string, base wordvectors.Set) (Changed, error) {
	some := base.Head(100)
	done := Changed{}
	var err error
	if done.Payloads, err = changePayload(ctx, client, name, some); err != nil {
		return done, err
	}
	if done.Vectors, err = changeVectors(ctx, client, name, some); err != nil {
		return done, err
	}
	done.Deleted, err = deleteByFilter(ctx, client, name, base)
	return done, err
}

func changePayload(ctx context.Context, client *qdrant.Client, name string, words wordvectors.Set) (int, error) {
	const field = "seen"
	act := "setting payload in collection " + name
	ids := idsOf(words)
	answer, err := client.SetPayload(ctx, &qdrant.SetPayloadPoints{
		CollectionName: name, Wait: qdrant.PtrOf(true), PointsSelector: qdrant.NewPointsSelectorIDs(ids),
		Payload: map[string]*qdrant.Value{field: qdrant.NewValueBool(true)},
	})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", act, err)
	}
	if err := completed(act, answer); err != nil {
		return 0, err
	}
	seen := &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatchBool(field, true)}}
	if err := RequireCount(ctx, client, name, seen, words.Len()); err != nil {
		return 0, fmt.Errorf("%s: %w", act, err)
	}
	if err := requireWords(ctx, client, name, words); err != nil {
		return 0, fmt.Errorf("%s: the rest of the payload: %w", act, err)
	}
	act = "deleting payload in collection " + name
	answer, err = client.DeletePayload(ctx, &qdrant.DeletePayloadPoints{
		CollectionName: name, Wait: qdrant.PtrOf(true), PointsSelector: qdrant.NewPointsSelectorFilter(seen), Keys: []string{field},
	})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", act, err)
	}
	if err := completed(act, answer); err != nil {
		return 0, err
	}
	if err := RequireCount(ctx, client, name, seen, 0); err != nil {
		return 0, fmt.Errorf("%s: %w", act, err)
	}
	return words.Len(), nil
}

// changeVectors turns each vector round, finds the words at their new places,
// and turns them back.
func changeVectors(ctx context.Context, client *qdrant.Client, name string, words wordvectors.Set) (int, error) {
	act := "updating vectors of collection " + name
	for _, sign := range []float32{-1, 1} {
		vectors := make([][]float32, words.Len())
		points := make([]*qdrant.PointVectors, words.Len())
		for i, vector := range words.Vectors {
			vectors[i] = slices.Clone(vector)
			for j := range vectors[i] {
				vectors[i][j] *= sign
			}
			points[i] = &qdrant.PointVectors{Id: qdrant.NewIDNum(uint64(words.Ranks[i])), Vectors: qdrant.NewVectorsDense(vectors[i])}
		}
		answer, err := client.UpdateVectors(ctx, &qdrant.UpdatePointVectors{CollectionName: name, Wait: qdrant.PtrOf(true), Points: points})
		if err != nil {
			return 0, fmt.Errorf("%s: %w", act, err)
		}
		if err := completed(act, answer); err != nil {
			return 0, err
		}
		changed := words
		changed.Vectors = vectors
		if err := requireWords(ctx, client, name, changed); err != nil {
			return 0, fmt.Errorf("%s: %w", act, err)
		}
		for i := range 10 {
			found, err := NearestWords(ctx, client, name, vectors[i], nil, Search{K: 1, Exact: true})
			if err != nil {
				return 0, fmt.Errorf("%s: %w", act, err)
			}
			if len(found) != 1 || found[0].Text != words.Words[i] || !within(tolerance, float64(found[0].Score)-1) {
				return 0, fmt.Errorf("%s: a search for the new vector of %q found %v", act, words.Words[i], found)
			}
		}
	}
	return words.Len(), nil
}

// deleteByFilter deletes the words of four letters and writes them anew.
func deleteByFilter(ctx context.Context, client *qdrant.Client, name string, base wordvectors.Set) (int, error) {
	act := "deleting from collection " + name + " by a filter"
	var four, rest wordvectors.Set
	for i, word := range base.Words {
		to := &rest
		if length(word) == 4 {
			to = &four
		}
		to.Words = append(to.Words, word)
		to.Ranks = append(to.Ranks, base.Ranks[i])
		to.Vectors = append(to.Vectors, base.Vectors[i])
	}
	if four.Len() == 0 {
		return 0, fmt.Errorf("%s: no word has four letters", act)
	}
	filter := &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatchInt(fieldLength, 4)}}
	answer, err := client.Delete(ctx, &qdrant.DeletePoints{
		CollectionName: name, Wait: qdrant.PtrOf(true), Points: qdrant.NewPointsSelectorFilter(filter),
	})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", act, err)
	}
	if err := completed(act, answer); err != nil {
		return 0, err
	}
	for want, filter := range map[int]*qdrant.Filter{0: filter, rest.Len(): nil} {
		if err := RequireCount(ctx, client, name, filter, want); err != nil {
			return 0, fmt.Errorf("%s: %w", act, err)
		}
	}
	gone, err := client.Get(ctx, &qdrant.GetPoints{CollectionName: name, Ids: idsOf(four.Head(100))})
	if err != nil {
		return 0, fmt.Errorf("%s: reading the deleted points: %w", act, err)
	}
	if len(gone) > 0 {
		return 0, fmt.Errorf("%s: %d of the deleted points can still be read", act, len(gone))
	}
	if _, err := Load(ctx, client, name, base); err != nil {
		return 0, fmt.Errorf("%s: writing the points again: %w", act, err)
	}
	return four.Len(), nil
}

func idsOf(words wordvectors.Set) []*qdrant.PointId {
	ids := make([]*qdrant.PointId, words.Len())
	for i, rank := range words.Ranks {
		ids[i] = qdrant.NewIDNum(uint64(rank))
	}
	return ids
}

// RequireWords reads every word of a set back, payload and vector, from the
// peer that the client leads to.
func RequireWords(ctx context.Context, client *qdrant.Client, name string, words wordvectors.Set) error {
	if words.Len() == 0 {
		return fmt.Errorf("reading points of collection %s: no word is asked for", name)
	}
	for begin := 0; begin < words.Len(); begin += 1000 {
		end := min(begin+1000, words.Len())
		part := wordvectors.Set{Words: words.Words[begin:end], Ranks: words.Ranks[begin:end], Vectors: words.Vectors[begin:end]}
		if err := requireWords(ctx, client, name, part); err != nil {
			return err
		}
	}
	return nil
}

func requireWords(ctx context.Context, client *qdrant.Client, name string, words wordvectors.Set) error {
	points, err := client.Get(ctx, &qdrant.GetPoints{
		CollectionName: name, Ids: idsOf(words), WithPayload: qdrant.NewWithPayload(true), WithVectors: qdrant.NewWithVectors(true),
	})
	if err != nil {
		return fmt.Errorf("reading points of collection %s: %w", name, err)
	}
	if len(points) != words.Len() {
		return fmt.Errorf("reading points of collection %s: %d of %d are there", name, len(points), words.Len())
	}
	for i, p := range points {
		payload := p.GetPayload()
		if p.GetId().GetNum() != uint64(words.Ranks[i]) || payload[fieldWord].GetStringValue() != words.Words[i] ||
			payload[fieldLetter].GetStringValue() != letter(words.Words[i]) || payload[fieldLength].GetIntegerValue() != int64(length(words.Words[i])) {
			return fmt.Errorf("reading points of collection %s: point %d is %v, it should be %q", name, words.Ranks[i], payload, words.Words[i])
		}
		vector := p.GetVectors().GetVector().GetDenseVector().GetData()
		if !near(vector, words.Vectors[i]) {
			return fmt.Errorf("reading points of collection %s: the vector of %q is not the one that was written", name, words.Words[i])
		}
	}
	return nil
}

// within says whether a difference is at most so large. One that is no number is not, whichever way it is compared.
func within(allowed, difference float64) bool { return math.Abs(difference) <= allowed }

func near(a, b []float32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !within(tolerance, float64(a[i]-b[i])) {
			return false
		}
	}
	return true
}

// distances are all that the server knows, with our own arithmetic for each.
// The smaller is the nearer for Euclid and Manhattan.
var distances = []struct {
	distance     qdrant.Distance
	measure      func(a, b []float32) float64
	smallerFirst bool
}{
	{qdrant.Distance_Cosine, func(a, b []float32) float64 {
		return product(a, b) / math.Sqrt(product(a, a)*product(b, b))
	}, false},
	{qdrant.Distance_Dot, product, false},
	{qdrant.Distance_Euclid, func(a, b []float32) float64 {
		return math.Sqrt(sum(a, b, func(x, y float64) float64 { return (x - y) * (x - y) }))
	}, true},
	{qdrant.Distance_Manhattan, func(a, b []float32) float64 {
		return sum(a, b, func(x, y float64) float64 { return math.Abs(x - y) })
	}, true},
}

func product(a, b []float32) float64 {
	return sum(a, b, func(x, y float64) float64 { return x * y })
}

func sum(a, b []float32, term func(x, y float64) float64) float64 {
	var total float64
	for i := range a {
		total += term(float64(a[i]), float64(b[i]))
	}
	return total
}

// CheckDistances makes a collection for each of the four distances, named
// prefix-cosine and so on, searches it exactly, compares scores and order with
// our own arithmetic, and deletes it. It returns the number of scores compared.
func CheckDistances(ctx context.Context, client *qdrant.Client, prefix string) (int, error) {
	const dim, n, k = 24, 300, 20
	// Of different lengths, or cosine and dot product would agree.
	random := rand.New(rand.NewPCG(7, 7))
	vector := func() []float32 {
		v := make([]float32, dim)
		scale := 0.2 + 3*random.Float64()
		for i := range v {
			v[i] = float32(random.NormFloat64() * scale)
		}
		return v
	}
	vectors := make([][]float32, n)
	points := make([]*qdrant.PointStruct, n)
	for i := range vectors {
		vectors[i] = vector()
		points[i] = &qdrant.PointStruct{Id: qdrant.NewIDNum(uint64(i)), Vectors: qdrant.NewVectorsDense(vectors[i])}
	}
	compared := 0
	for _, d := range distances {
		name := prefix + "-" + d.distance.String()
		if err := Drop(ctx, client, name); err != nil {
			return compared, err
		}
		if err := Create(ctx, client, Collection{Name: name, Dim: dim, Distance: d.distance}); err != nil {
			return compared, err
		}
		if err := upsert(ctx, client, name, points); err != nil {
			return compared, err
		}
		for range 10 {
			query := vector()
			found, err := client.Query(ctx, Search{K: k, Exact: true}.query(name, query, nil, false))
			if err != nil {
				return compared, fmt.Errorf("searching collection %s: %w", name, err)
			}
			want := make([]float64, n)
			for i := range vectors {
				want[i] = d.measure(query, vectors[i])
			}
			if err := checkScores(found, want, k, d.smallerFirst); err != nil {
				return compared, fmt.Errorf("searching collection %s: %w", name, err)
			}
			compared += len(found)
		}
		if err := Drop(ctx, client, name); err != nil {
			return compared, err
		}
	}
	return compared, nil
}

// checkScores compares the k nearest that were found with the scores that all
// points should have.
func checkScores(found []*qdrant.ScoredPoint, want []float64, k int, smallerFirst bool) error {
	sorted := slices.Sorted(slices.Values(want))
	if !smallerFirst {
		slices.Reverse(sorted)
	}
	if len(found) != k {
		return fmt.Errorf("%d points were found instead of %d", len(found), k)
	}
	for place, p := range found {
		score := float64(p.GetScore())
		allowed := tolerance * math.Max(1, math.Abs(score))
		if own := want[p.GetId().GetNum()]; !within(allowed, score-own) {
			return fmt.Errorf("the score of point %d is %v, it should be %v", p.GetId().GetNum(), score, own)
		}
		if !within(allowed, score-sorted[place]) {
			return fmt.Errorf("the score at place %d is %v, it should be %v", place+1, score, sorted[place])
		}
	}
	return nil
}
