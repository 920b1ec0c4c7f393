package vector

import (
	"testing"

	"github.com/qdrant/go-client/qdrant"
)

// benchmarked keeps the compiler from leaving out what nobody looks at.
var benchmarked any

// The figures beside each builder are those of the same filter written out with go-client.

func BenchmarkFilterSimple(b *testing.B) {
	lang := "en"
	b.Run("built", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			benchmarked = Where("lang").Is(lang).And(Range("year", 2020, nil)).proto()
		}
	})
	b.Run("by_hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f := &qdrant.Filter{Must: []*qdrant.Condition{
				qdrant.NewMatch("lang", lang),
				qdrant.NewRange("year", &qdrant.Range{Gte: new(2020.0)}),
			}}
			benchmarked = f
		}
	})
}

func BenchmarkFilterTree(b *testing.B) {
	tags := []string{"go", "rust", "zig", "c"}
	b.Run("built", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f := And(
				Where("lang").Is("en"),
				Or(Where("tags").In(tags), Range("year", 2020, 2024), Where("rating").Gt(4.5)),
				Not(Where("author.name").Is("nobody")),
				Nested("diet", Where("food").Is("meat").And(Where("likes").Is(true))),
			)
			benchmarked = f.proto()
		}
	})
	b.Run("by_hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f := &qdrant.Filter{
				Must: []*qdrant.Condition{
					qdrant.NewMatch("lang", "en"),
					qdrant.NewNestedFilter("diet", &qdrant.Filter{Must: []*qdrant.Condition{
						qdrant.NewMatch("food", "meat"), qdrant.NewMatchBool("likes", true),
					}}),
				},
				Should: []*qdrant.Condition{
					qdrant.NewMatchKeywords("tags", tags...),
					qdrant.NewRange("year", &qdrant.Range{Gte: new(2020.0), Lte: new(2024.0)}),
					qdrant.NewRange("rating", &qdrant.Range{Gt: new(4.5)}),
				},
				MustNot: []*qdrant.Condition{qdrant.NewMatch("author.name", "nobody")},
			}
			benchmarked = f
		}
	})
}

func BenchmarkFilterIn(b *testing.B) {
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = "key"
	}
	b.ReportAllocs()
	for b.Loop() {
		benchmarked = Where("tags").In(keys).proto()
	}
}

func BenchmarkQuery(b *testing.B) {
	vector := make([]float32, 100)
	known := defaults{ef: 512}
	b.Run("built", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r, err := buildQuery("documents", Nearest(vector), []Option{Where("lang").Is("en"), Limit(10)}, known)
			if err != nil {
				b.Fatal(err)
			}
			benchmarked = r
		}
	})
	b.Run("by_hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r := &qdrant.QueryPoints{
				CollectionName: "documents", Query: qdrant.NewQueryDense(vector), Limit: new(uint64(10)),
				Filter:      &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatch("lang", "en")}},
				Params:      &qdrant.SearchParams{HnswEf: new(uint64(512))},
				WithPayload: qdrant.NewWithPayload(true),
			}
			benchmarked = r
		}
	})
}
