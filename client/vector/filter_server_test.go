package vector

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/vector/internal/codec"
)

// serverFilters compares what a real server finds by each kind of filter, with and without payload indexes, with what the shops say.
func serverFilters(t *testing.T, client *qdrant.Client) {
	t.Helper()
	from, to := newShop(10).at, newShop(20).at
	inside := func(s shop) bool {
		return s.place.Lat <= 53 && s.place.Lat >= 51 && s.place.Lon <= 5 && s.place.Lon >= 1
	}
	tests := []struct {
		name   string
		filter Filter
		want   func(shop) bool
	}{
		{"zero", Filter{}, func(shop) bool { return true }},
		{"everything", Everything(), func(shop) bool { return true }},
		{"nothing", Or(), func(shop) bool { return false }},
		{"not everything", Not(Everything()), func(shop) bool { return false }},
		{"not nothing", Not(Or()), func(shop) bool { return true }},
		{"string", Where("lang").Is("en"), func(s shop) bool { return s.lang == "en" }},
		{"path", Where("address.city").Is("fr"), func(s shop) bool { return s.lang == "fr" }},
		{"quoted path", Where(`"with space"`).Is(3), func(s shop) bool { return s.n%7 == 3 }},
		{"integer", Where("n").Is(7), func(s shop) bool { return s.n == 7 }},
		{"bool", Where("open").Is(true), func(s shop) bool { return s.open }},
		{"bools", Where("open").In(true, false), func(shop) bool { return true }},
		{"uuid", Where("key").Is(newShop(9).key), func(s shop) bool { return s.n == 9 }},
		{"float", Where("rating").Is(2.25), func(s shop) bool { return s.rating == 2.25 }},
		{"time", Where("at").Is(from), func(s shop) bool { return s.n == 10 }},
		{"time in another zone", Where("at").In(from.In(time.FixedZone("", 7200)), to), func(s shop) bool { return s.n == 10 || s.n == 20 }},
		{"element", Where("tags").Is("tag2"), func(s shop) bool { return len(s.tags) > 2 }},
		{"in", Where("lang").In("en", "de"), func(s shop) bool { return s.lang != "fr" }},
		{"integers", Where("n").In([]int{1, 5, 99}), func(s shop) bool { return s.n == 1 || s.n == 5 }},
		{"in nothing", Where("lang").In(), func(shop) bool { return false }},
		{"not in", Where("lang").NotIn("en", "de"), func(s shop) bool { return s.lang == "fr" }},
		{"not in for lists", Where("tags").NotIn("tag0"), func(s shop) bool { return len(s.tags) > 1 }},
		{"not of in for lists", Not(Where("tags").In("tag0")), func(s shop) bool { return len(s.tags) == 0 }},
		{"not in for numbers that may lack", Where("score").NotIn(0, 3), func(s shop) bool { return s.score != nil && s.n > 3 }},
		{"text", Where("text").Text("brown"), func(s shop) bool { return s.n%3 < 2 }},
		{"phrase", Where("text").Phrase("quick brown"), func(s shop) bool { return s.n%3 == 0 }},
		{"any text", Where("text").TextAny("slow fox"), func(s shop) bool { return s.n%3 != 1 }},
		{"range", Range("n", 10, 20), func(s shop) bool { return s.n >= 10 && s.n <= 20 }},
		{"open range", Where("rating").Within(Bounds{Gt: 2.25, Lt: 5}), func(s shop) bool { return s.n > 9 && s.n < 20 }},
		{"greater", Where("n").Gt(10.5), func(s shop) bool { return s.n > 10 }},
		{"times", Range("at", from, to), func(s shop) bool { return s.n >= 10 && s.n <= 20 }},
		{"open times", Where("at").Within(Bounds{Gt: from, Lt: to}), func(s shop) bool { return s.n > 10 && s.n < 20 }},
		{"radius", Where("place").Within(GeoRadius{newShop(5).place, 120_000}), func(s shop) bool { return s.n == 5 || s.n == 0 || s.n == 10 || s.n == 15 }},
		{"box", Where("place").Within(GeoBox{TopLeft: Geo{Lat: 53, Lon: 1}, BottomRight: Geo{Lat: 51, Lon: 5}}), inside},
		{"polygon", Where("place").Within(GeoPolygon{Exterior: []Geo{{Lat: 53.01, Lon: 1}, {Lat: 53.01, Lon: 5}, {Lat: 50.99, Lon: 5}, {Lat: 50.99, Lon: 1}}}), inside},
		{"empty", Where("tags").Empty(), func(s shop) bool { return len(s.tags) == 0 }},
		{"empty score", Where("score").Empty(), func(s shop) bool { return s.score == nil }},
		{"exists", Where("score").Exists(), func(s shop) bool { return s.score != nil }},
		{"null", Where("score").Null(), func(s shop) bool { return s.score == nil && !s.missing }},
		{"count", Where("tags").Count(2, 3), func(s shop) bool { return len(s.tags) >= 2 }},
		{"count none", Where("tags").Count(nil, 0), func(s shop) bool { return len(s.tags) == 0 }},
		{"ids", IDs(codec.Num(3), codec.Num(999)), func(s shop) bool { return s.n == 3 }},
		{"no ids", IDs(), func(shop) bool { return false }},
		{"vector", HasVector("sparse"), func(s shop) bool { return s.n%10 != 0 }},
		{"objects", And(Where("offers[].food").Is("milk"), Range("offers[].price", 58, nil)), func(s shop) bool { return s.n <= 2 || s.n >= 58 }},
		{"nested", Nested("offers", And(Where("food").Is("milk"), Range("price", 58, nil))), func(s shop) bool { return s.n <= 2 }},
		{"nested not", Nested("offers", Where("food").Is("milk").And(Not(Range("price", 3, nil)))), func(s shop) bool { return s.n > 57 }},
		{"nested nothing", Nested("offers", Or()), func(shop) bool { return false }},
		{"nested anything", Nested("offers", Filter{}), func(shop) bool { return true }},
		{"and", Where("lang").Is("en").And(Where("open").Is(true), Range("n", 30, nil)), func(s shop) bool { return s.lang == "en" && s.open && s.n >= 30 }},
		{"or", Where("lang").Is("en").Or(Where("n").Is(1)), func(s shop) bool { return s.lang == "en" || s.n == 1 }},
		{"not", Where("lang").Is("en").Not(), func(s shop) bool { return s.lang != "en" }},
		{"two ors", And(Or(Where("n").Is(1), Where("n").Is(2)), Or(Where("n").Is(2), Where("n").Is(3))), func(s shop) bool { return s.n == 2 }},
		{"not of and", Not(And(Where("lang").Is("en"), Where("open").Is(true))), func(s shop) bool { return s.lang != "en" || !s.open }},
		{"at least", AtLeast(2, Where("lang").Is("en"), Where("open").Is(true), Range("n", 50, nil)), func(s shop) bool {
			yes := 0
			for _, is := range []bool{s.lang == "en", s.open, s.n >= 50} {
				if is {
					yes++
				}
			}
			return yes >= 2
		}},
		{"raw", RawFilter(&qdrant.Filter{MustNot: []*qdrant.Condition{qdrant.NewMatchInt("n", 1)}}), func(s shop) bool { return s.n != 1 }},
		{"raw condition", RawCondition(qdrant.NewMatchInt("n", 1)), func(s shop) bool { return s.n == 1 }},
	}
	for _, test := range tests {
		for _, collection := range []string{"plain", "indexed"} {
			t.Run(test.name+"/"+collection, func(t *testing.T) {
				filter, err := test.filter.Proto()
				require.NoError(t, err)
				points, err := client.Scroll(t.Context(), &qdrant.ScrollPoints{CollectionName: collection, Filter: filter, Limit: new(uint32(100))})
				require.NoError(t, err)
				var want, got []int
				for n := range shops {
					if test.want(newShop(n)) {
						want = append(want, n)
					}
				}
				for _, p := range points {
					got = append(got, int(p.GetId().GetNum()))
				}
				assert.Equal(t, want, got)
			})
		}
	}
}

// serverStored has a real server find documents by values that are stored as one kind or another, under names that need quotes, by the
// payload indexes that the tags ask for.
func serverStored(t *testing.T, client *qdrant.Client) {
	t.Helper()
	type child struct {
		ID       ID          `vector:",id"`
		Parent   ID          `vector:",index=integer"`
		Root     ID          `vector:"the root,index=uuid"`
		Siblings []ID        `vector:",index=keyword"`
		Amount   json.Number `vector:"größe in €,index=integer"`
	}
	plan, err := codec.Of[child]()
	require.NoError(t, err)
	require.NoError(t, client.CreateCollection(t.Context(), &qdrant.CreateCollection{CollectionName: "stored"}))
	require.Len(t, plan.Schema().Indexes, 4)
	for _, index := range plan.Schema().Indexes {
		_, err := client.CreateFieldIndex(t.Context(), indexRequest("stored", index))
		require.NoError(t, err, index.Path)
	}
	info, err := client.GetCollectionInfo(t.Context(), "stored")
	require.NoError(t, err)
	assert.Empty(t, missingIndexes(plan.Schema(), info), "the server spells paths alike")

	var batch codec.Batch
	for _, document := range []child{
		{ID: Num(1), Parent: Num(5), Root: NameID("a"), Siblings: []ID{Num(math.MaxUint64), NameID("b")}, Amount: "12"},
		{ID: Num(2), Parent: Num(6), Root: NameID("b"), Siblings: []ID{NameID("a")}, Amount: "13"},
	} {
		require.NoError(t, plan.Append(&batch, &document))
	}
	request := batch.Upsert("stored")
	request.Wait = new(true)
	_, err = client.Upsert(t.Context(), request)
	require.NoError(t, err)
	for name, filter := range map[string]Filter{
		"number":             Where("parent").Is(Num(5)),
		"pointer to an id":   Where("parent").Is(new(Num(5))),
		"numbers":            Where("parent").In([]ID{Num(5), Num(7)}),
		"UUID":               Where(`"the root"`).Is(NameID("a")),
		"above all integers": Where("siblings").Is(Num(math.MaxUint64)),
		"JSON":               Where(`"größe in €"`).Is(json.Number("12")),
		"JSON range":         Range(`"größe in €"`, nil, json.Number("12.5")),
	} {
		t.Run(name, func(t *testing.T) {
			require.NotEmpty(t, filter.Fields())
			for _, field := range filter.Fields() {
				require.NoError(t, plan.Field(field))
			}
			condition, err := filter.Proto()
			require.NoError(t, err)
			points, err := client.Scroll(t.Context(), &qdrant.ScrollPoints{CollectionName: "stored", Filter: condition})
			require.NoError(t, err)
			require.Len(t, points, 1)
			assert.EqualValues(t, 1, points[0].GetId().GetNum())
		})
	}
}
