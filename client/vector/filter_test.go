package vector

import (
	"encoding/json"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/qdrant-shepherd/shepherd/client/vector/internal/codec"
)

type color string

func TestFilter(t *testing.T) {
	t.Parallel()
	id := uuid.MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
	when := time.Date(2024, 2, 29, 12, 30, 0, 123456789, time.FixedZone("", 3600))
	stamp := &timestamppb.Timestamp{Seconds: 1709206200, Nanos: 123456789}
	en, red, old := matchKeyword("lang", "en"), matchKeyword("color", "red"), matchInteger("age", 99)
	year := 2020
	var none *int
	tests := []struct {
		name   string
		filter Filter
		want   string
	}{
		{"zero", Filter{}, `<nil>`},
		{"everything", Everything(), ``},
		{"string", Where("lang").Is("en"), `must {` + en + `}`},
		{"named string", Where("color").Is(color("red")), `must {` + red + `}`},
		{"pointer", Where("age").Is(new(99)), `must {` + old + `}`},
		{"unsigned", Where("age").Is(uint8(99)), `must {` + old + `}`},
		{"largest unsigned", Where("n").Is(uint64(math.MaxInt64)), `must {` + matchInteger("n", math.MaxInt64) + `}`},
		{"bool", Where("ok").Is(false), `must { field { key: "ok" match { boolean: false } } }`},
		{"uuid", Where("u").Is(id), `must {` + matchKeyword("u", id.String()) + `}`},
		{"pointer to a uuid", Where("u").Is(&id), `must {` + matchKeyword("u", id.String()) + `}`},
		{"float", Where("x").Is(1.5), `must { field { key: "x" range { gte: 1.5 lte: 1.5 } } }`},
		{"time", Where("at").Is(when), `must { field { key: "at" datetime_range {
			gte { seconds: 1709206200 nanos: 123456789 } lte { seconds: 1709206200 nanos: 123456789 } } } }`},
		{"strings", Where("lang").In("en", "fr"), `must { field { key: "lang" match { keywords { strings: "en" strings: "fr" } } } }`},
		{"slice of strings", Where("lang").In([]string{"en"}), `must { field { key: "lang" match { keywords { strings: "en" } } } }`},
		{"slice of named strings", Where("lang").In([]color{"en"}), `must { field { key: "lang" match { keywords { strings: "en" } } } }`},
		{"slice of integers", Where("n").In([]int64{1, -2}), `must { field { key: "n" match { integers { integers: 1 integers: -2 } } } }`},
		{"integers of two types", Where("n").In(1, uint8(2)), `must { field { key: "n" match { integers { integers: 1 integers: 2 } } } }`},
		{"bools", Where("ok").In(true, false), `should { field { key: "ok" match { boolean: true } } } should { field { key: "ok" match { boolean: false } } }`},
		{"in nothing", Where("lang").In(), `must { has_id {} }`},
		{"in an empty slice", Where("lang").In([]string{}), `must { has_id {} }`},
		{"not in strings", Where("lang").NotIn("en"), `must { field { key: "lang" match { except_keywords { strings: "en" } } } }`},
		{"not in integers", Where("n").NotIn(1, 2), `must { field { key: "n" match { except_integers { integers: 1 integers: 2 } } } }`},
		{"text", Where("t").Text("a b"), `must { field { key: "t" match { text: "a b" } } }`},
		{"phrase", Where("t").Phrase("a b"), `must { field { key: "t" match { phrase: "a b" } } }`},
		{"any text", Where("t").TextAny("a b"), `must { field { key: "t" match { text_any: "a b" } } }`},
		{"greater", Where("n").Gt(1), `must { field { key: "n" range { gt: 1 } } }`},
		{"at least", Where("n").Gte(float32(1.5)), `must { field { key: "n" range { gte: 1.5 } } }`},
		{"less", Where("n").Lt(-1), `must { field { key: "n" range { lt: -1 } } }`},
		{"at most", Where("at").Lte(when), `must { field { key: "at" datetime_range { lte { seconds: 1709206200 nanos: 123456789 } } } }`},
		{"between", Where("n").Between(1, 2.5), `must { field { key: "n" range { gte: 1 lte: 2.5 } } }`},
		{"one value", Where("n").Between(1, 1), `must { field { key: "n" range { gte: 1 lte: 1 } } }`},
		{"range without an end", Range("year", 2020, nil), `must { field { key: "year" range { gte: 2020 } } }`},
		{"range of pointers", Range("year", &year, none), `must { field { key: "year" range { gte: 2020 } } }`},
		{"range without ends", Range("year", none, nil), `<nil>`},
		{"half-open range", Where("n").Within(Bounds{Gt: 1, Lt: 2}), `must { field { key: "n" range { gt: 1 lt: 2 } } }`},
		{"all four bounds", Where("n").Within(Bounds{Gt: 1, Gte: 1, Lt: 3, Lte: 2}), `must { field { key: "n" range { gt: 1 gte: 1 lt: 3 lte: 2 } } }`},
		{"half-open times", Where("at").Within(Bounds{Gte: when, Lt: when.Add(time.Second)}), `must { field { key: "at" datetime_range {
			gte { seconds: 1709206200 nanos: 123456789 } lt { seconds: 1709206201 nanos: 123456789 } } } }`},
		{"radius", Where("geo").Within(GeoRadius{Geo{Lat: 52.5, Lon: 13.4}, 1000}),
			`must { field { key: "geo" geo_radius { center { lat: 52.5 lon: 13.4 } radius: 1000 } } }`},
		{"box", Where("geo").Within(GeoBox{TopLeft: Geo{Lat: 2, Lon: 170}, BottomRight: Geo{Lat: 1, Lon: -170}}),
			`must { field { key: "geo" geo_bounding_box { top_left { lat: 2 lon: 170 } bottom_right { lat: 1 lon: -170 } } } }`},
		{"polygon", Where("geo").Within(GeoPolygon{
			Exterior:  []Geo{{Lat: 0, Lon: 0}, {Lat: 9, Lon: 0}, {Lat: 0, Lon: 9}},
			Interiors: [][]Geo{{{Lat: 1, Lon: 1}, {Lat: 2, Lon: 1}, {Lat: 1, Lon: 2}, {Lat: 1, Lon: 1}}},
		}), `must { field { key: "geo" geo_polygon {
			exterior { points {} points { lat: 9 } points { lon: 9 } points {} }
			interiors { points { lat: 1 lon: 1 } points { lat: 2 lon: 1 } points { lat: 1 lon: 2 } points { lat: 1 lon: 1 } } } } }`},
		{"empty", Where("a.b[0].c[]").Empty(), `must { is_empty { key: "a.b[0].c[]" } }`},
		{"exists", Where("a").Exists(), `must_not { is_empty { key: "a" } }`},
		{"null", Where(`"my field".x`).Null(), `must { is_null { key: "\"my field\".x" } }`},
		{"count", Where("tags").Count(1, 3), `must { field { key: "tags" values_count { gte: 1 lte: 3 } } }`},
		{"count at most", Where("tags").Count(nil, uint(3)), `must { field { key: "tags" values_count { lte: 3 } } }`},
		{"any count", Where("tags").Count(nil, none), `<nil>`},
		{"ids", IDs(mustID(t, "7"), mustID(t, id.String())), `must { has_id { has_id { num: 7 } has_id { uuid: "` + id.String() + `" } } }`},
		{"no ids", IDs(), `must { has_id {} }`},
		{"vector", HasVector("text"), `must { has_vector { has_vector: "text" } }`},
		{"nested", Nested("diet", And(Where("food").Is("meat"), Where("likes").Is(true))), `must { nested { key: "diet" filter {
			must {` + matchKeyword("food", "meat") + `} must { field { key: "likes" match { boolean: true } } } } } }`},
		{"any object", Nested("diet", Filter{}), `must { nested { key: "diet" filter {} } }`},
		{"nested nothing", Nested("diet", Where("food").In()), `must { nested { key: "diet" filter { must { has_id {} } } } }`},

		{"and", Where("lang").Is("en").And(Where("color").Is("red"), Where("age").Is(99)), `must {` + en + `} must {` + red + `} must {` + old + `}`},
		{"and of nothing", And(), `<nil>`},
		{"and with zero", And(Filter{}, Where("lang").Is("en"), Filter{}), `must {` + en + `}`},
		{"and of zero and everything", And(Filter{}, Everything()), ``},
		{"and takes up one or", And(Where("lang").Is("en"), Or(Where("color").Is("red"), Where("age").Is(99))),
			`must {` + en + `} should {` + red + `} should {` + old + `}`},
		{"and nests the second or", And(Or(Where("lang").Is("en"), Where("color").Is("red")), Or(Where("age").Is(99), Where("lang").Is("en"))),
			`should {` + en + `} should {` + red + `} must { filter { should {` + old + `} should {` + en + `} } }`},
		{"and with not", Where("lang").Is("en").And(Not(Where("color").Is("red"))), `must {` + en + `} must_not {` + red + `}`},
		{"and nests the second at least", And(AtLeast(1, Where("lang").Is("en"), Where("age").Is(99)), AtLeast(1, Where("color").Is("red"), Where("age").Is(99))),
			`min_should { conditions {` + en + `} conditions {` + old + `} min_count: 1 }
			must { filter { min_should { conditions {` + red + `} conditions {` + old + `} min_count: 1 } } }`},
		{"or", Where("lang").Is("en").Or(Where("color").Is("red")), `should {` + en + `} should {` + red + `}`},
		{"or of or", Or(Or(Where("lang").Is("en"), Where("color").Is("red")), Where("age").Is(99)), `should {` + en + `} should {` + red + `} should {` + old + `}`},
		{"or of and", Or(And(Where("lang").Is("en"), Where("color").Is("red")), Where("age").Is(99)),
			`should { filter { must {` + en + `} must {` + red + `} } } should {` + old + `}`},
		{"or of one", Or(Where("lang").Is("en")), `must {` + en + `}`},
		{"or of none", Or(), `must { has_id {} }`},
		{"or with everything", Or(Where("lang").Is("en"), Filter{}), `<nil>`},
		{"or of not", Or(Where("lang").Is("en"), Not(Where("color").Is("red"))), `should {` + en + `} should { filter { must_not {` + red + `} } }`},
		{"or of alternatives with an and", Or(And(Where("lang").Is("en"), Or(Where("color").Is("red"), Where("age").Is(99))), Where("age").Is(99)),
			`should { filter { must {` + en + `} should {` + red + `} should {` + old + `} } } should {` + old + `}`},
		{"or of alternatives with a not", Or(And(Or(Where("color").Is("red"), Where("age").Is(99)), Not(Where("lang").Is("en"))), Where("age").Is(99)),
			`should { filter { must_not {` + en + `} should {` + red + `} should {` + old + `} } } should {` + old + `}`},
		{"not of alternatives with an at least", Not(And(Or(Where("color").Is("red"), Where("age").Is(99)), AtLeast(1, Where("lang").Is("en")))),
			`must_not { filter { min_should { conditions {` + en + `} min_count: 1 } should {` + red + `} should {` + old + `} } }`},
		{"not", Where("lang").Is("en").Not(), `must_not {` + en + `}`},
		{"not not", Not(Not(Where("lang").Is("en"))), `must {` + en + `}`},
		{"not of or", Not(Or(Where("lang").Is("en"), Where("color").Is("red"))), `must_not {` + en + `} must_not {` + red + `}`},
		{"not of none of", Not(Not(Or(Where("lang").Is("en"), Where("color").Is("red")))), `should {` + en + `} should {` + red + `}`},
		{"not of and", Not(And(Where("lang").Is("en"), Where("color").Is("red"))), `must_not { filter { must {` + en + `} must {` + red + `} } }`},
		{"not of everything", Not(Filter{}), `must { has_id {} }`},
		{"not of nothing", Not(Or()), `must_not { has_id {} }`},
		{"at least", AtLeast(2, Where("lang").Is("en"), And(Where("color").Is("red"), Where("age").Is(99)), Filter{}),
			`min_should { conditions {` + en + `} conditions { filter { must {` + red + `} must {` + old + `} } } conditions { filter {} } min_count: 2 }`},
		{"at least none", AtLeast(0, Where("lang").Is("en")), `<nil>`},
		{"raw nil", RawFilter(nil), `<nil>`},
		{"raw empty", RawFilter(&qdrant.Filter{}), ``},
		{"raw", RawFilter(&qdrant.Filter{
			Must: []*qdrant.Condition{{}, qdrant.NewMatch("lang", "en")}, MustNot: []*qdrant.Condition{qdrant.NewMatch("color", "red")},
			Should:    []*qdrant.Condition{qdrant.NewMatchInt("age", 99)},
			MinShould: &qdrant.MinShould{Conditions: []*qdrant.Condition{{}, qdrant.NewMatch("lang", "en")}, MinCount: 1},
		}), `must {` + en + `} must_not {` + red + `} should {` + old + `} min_should { conditions {` + en + `} min_count: 1 }`},
		{"not of a hollow raw", Not(RawFilter(&qdrant.Filter{Must: []*qdrant.Condition{{}}})), `must { has_id {} }`},
		{"raw condition", RawCondition(qdrant.NewDatetimeRange("at", &qdrant.DatetimeRange{Gt: stamp})),
			`must { field { key: "at" datetime_range { gt { seconds: 1709206200 nanos: 123456789 } } } }`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := test.filter.Proto()
			require.NoError(t, err)
			assert.Equal(t, test.want == `<nil>`, got == nil)
			assert.Equal(t, test.want == `<nil>`, test.filter.IsZero())
			if test.want != `<nil>` {
				requireProto(t, test.want, got)
			}
		})
	}
}

// TestFilterComparesWithWhatIsStored: a field finds its own value.
func TestFilterComparesWithWhatIsStored(t *testing.T) {
	t.Parallel()
	id := uuid.MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
	for _, value := range []any{
		"a", color("red"), true, 7, int8(-7), uint64(math.MaxInt64), time.Second, id, netip.MustParseAddr("::1"),
		Num(0), Num(math.MaxInt64), Num(math.MaxInt64 + 1), UUID(id), new(Num(7)), new(UUID(id)), json.Number("-12"), new(json.Number("12")),
	} {
		stored, err := codec.Value(value)
		require.NoError(t, err)
		filter, err := Where("f").Is(value).Proto()
		require.NoError(t, err)
		match := filter.GetMust()[0].GetField().GetMatch()
		var got any
		switch v := match.GetMatchValue().(type) {
		case *qdrant.Match_Keyword:
			got = v.Keyword
		case *qdrant.Match_Integer:
			got = v.Integer
		case *qdrant.Match_Boolean:
			got = v.Boolean
		}
		assert.Equal(t, codec.Any(stored), got, "%T %v", value, value)
	}
	for _, value := range []any{1.5, float32(0.1), json.Number("1.5"), json.Number("1e3")} {
		stored, err := codec.Value(value)
		require.NoError(t, err)
		filter, err := Where("f").Is(value).Proto()
		require.NoError(t, err)
		exactly := new(stored.GetDoubleValue())
		requireProto(t, prototext.Format(&qdrant.Filter{Must: []*qdrant.Condition{
			qdrant.NewRange("f", &qdrant.Range{Gte: exactly, Lte: exactly}),
		}}), filter)
	}
}

func TestFilterRefuses(t *testing.T) {
	t.Parallel()
	long := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	var none *string
	deep := new(new(1))
	ok := Where("lang").Is("en")
	bad := Where("").Is("en")
	square := []Geo{{Lat: 0, Lon: 0}, {Lat: 9, Lon: 0}, {Lat: 0, Lon: 9}}
	tests := []struct {
		name   string
		filter Filter
		want   string
	}{
		{"no name", bad, "filter on a field without a name: is: no name"},
		{"space", Where("my field").Is(1), `filter on my field: is: path "my field": ' ' outside double quotes`},
		{"end in a dot", Where("a.").Empty(), `filter on a.: path "a.": no name`},
		{"start with a bracket", Where("[0]").Null(), `filter on [0]: path "[0]": '[' where a name starts; other names than letters, digits, _ and - go in double quotes`},
		{"open bracket", Where("a[1").Null(), `filter on a[1: path "a[1": "[1" is no index`},
		{"word as an index", Where("a[b]").Null(), `filter on a[b]: path "a[b]": "[b]" is no index`},
		{"signed index", Where("a[+1]").Null(), `filter on a[+1]: path "a[+1]": "[+1]" is no index`},
		{"open quote", Where(`"a`).Null(), `filter on "a: path "\"a": a name in quotes does not end, or has a backslash`},
		{"backslash", Where(`"a\"b"`).Null(), `filter on "a\"b": path "\"a\\\"b\"": a name in quotes does not end, or has a backslash`},
		{"nil", Where("a").Is(nil), "filter on a: is: nil is no value"},
		{"nil pointer", Where("a").Is(none), "filter on a: is: *string that is nil"},
		{"struct", Where("a").Is(struct{}{}), "filter on a: is: struct {} is no string, number, bool or time"},
		{"large unsigned", Where("a").Is(uint64(math.MaxUint64)), "filter on a: is: 18446744073709551615 is beyond the server's integers, which end at 9223372036854775807"},
		{"not a number", Where("a").Is(math.NaN()), "filter on a: is: NaN is no number that a payload can hold"},
		{"late", Where("a").Is(long), "filter on a: is: time 10000-01-01 00:00:00 +0000 UTC is not within the years 1 and 9999"},
		{"odd JSON", Where("a").Is(json.Number("x")), `filter on a: is: "x" is no integer from -2^63 to 2^63-1`},
		{"ids of two kinds", Where("a").In(Num(1), NameID("x")), "filter on a: in: value 1: string after integer"},
		{"mixed", Where("a").In("x", 1), "filter on a: in: value 1: integer after string"},
		{"odd value", Where("a").In("x", struct{}{}), "filter on a: in: value 1: struct {} is no string, number, bool or time"},
		{"two slices", Where("a").In([]string{"x"}, []string{"y"}), "filter on a: in: value 0: []string is no string, number, bool or time"},
		{"in nothing of no field", Where("").In(), "filter on a field without a name: in: no name"},
		{"bools of no field", Where("").In(true, false), "filter on a field without a name: no name\nfilter on a field without a name: no name"},
		{"not in nothing", Where("a").NotIn(), "filter on a: not in: no values"},
		{"not in floats", Where("a").NotIn(1.5), "filter on a: not in: the server knows this for strings and integers only; use Not and In"},
		{"not in mixed", Where("a").NotIn(1, "x"), "filter on a: not in: value 1: string after integer"},
		{"no text", Where("a").Text(""), "filter on a: text: empty"},
		{"no words", Where("a").TextAny(""), "filter on a: any word: empty"},
		{"no phrase", Where("a").Phrase(""), "filter on a: phrase: empty"},
		{"no bound", Where("a").Gt(nil), "filter on a: greater than: no bound"},
		{"nil bound", Where("a").Lte(none), "filter on a: at most: no bound"},
		{"deep bound", Where("a").Lt(deep), "filter on a: less than: **int is a pointer to a pointer"},
		{"text as a bound", Where("a").Gte("x"), "filter on a: range: gte: string is no number and no time"},
		{"infinite bound", Where("a").Lt(math.Inf(1)), "filter on a: range: lt: +Inf is no number that a payload can hold"},
		{"inexact bound", Where("a").Lt(1<<53 + 1), "filter on a: range: lt: 9007199254740993 has no exact float64, as which the server compares; give the float64 that is meant"},
		{"largest bound", Where("a").Lt(math.MaxInt64), "filter on a: range: lt: 9223372036854775807 has no exact float64, as which the server compares; give the float64 that is meant"},
		{"backwards", Range("year", 2020, 2010), "filter on year: range: nothing is from 2020 to 2010"},
		{"backwards in time", Range("at", long.AddDate(-1, 0, 0), long.AddDate(-2, 0, 0)), "filter on at: range: nothing is from 9999-01-01T00:00:00Z to 9998-01-01T00:00:00Z"},
		{"open at one value", Where("a").Within(Bounds{Gt: 1, Lte: 1}), "filter on a: range: nothing is from 1 to 1"},
		{"open at one value, other end", Where("a").Within(Bounds{Gte: 1, Lt: 1}), "filter on a: range: nothing is from 1 to 1"},
		{"number and time", Where("a").Between(1, long.AddDate(-1, 0, 0)), "filter on a: range: lte: time after float"},
		{"no field, no bounds", Range("", nil, nil), "filter on a field without a name: range: no name"},
		{"no field", Range("", 1, nil), "filter on a field without a name: no name"},
		{"no area", Where("a").Within(nil), "filter on a: within: no area"},
		{"latitude", Where("a").Within(GeoRadius{Geo{Lat: 91}, 1}), "filter on a: radius: latitude 91 is not from -90 to 90"},
		{"no radius", Where("a").Within(GeoRadius{}), "filter on a: radius: 0 m is no distance"},
		{"radius that is no number", Where("a").Within(GeoRadius{Meters: math.NaN()}), "filter on a: radius: NaN m is no distance"},
		{"longitude", Where("a").Within(GeoBox{BottomRight: Geo{Lon: math.NaN()}}), "filter on a: box: place 1: longitude NaN is not from -180 to 180"},
		{"upside down", Where("a").Within(GeoBox{BottomRight: Geo{Lat: 1}}), "filter on a: box: the top is at latitude 0, below the bottom at 1"},
		{"no line", Where("a").Within(GeoPolygon{}), "filter on a: polygon: 0 places are too few for a line around something"},
		{"there and back", Where("a").Within(GeoPolygon{Exterior: square[:2]}), "filter on a: polygon: 2 places are too few for a line around something"},
		{"bad hole", Where("a").Within(GeoPolygon{Exterior: square, Interiors: [][]Geo{square, {{Lat: -91}}}}),
			"filter on a: polygon: hole 1: place 0: latitude -91 is not from -90 to 90"},
		{"negative count", Where("a").Count(-1, nil), "filter on a: count: from: -1 is negative"},
		{"count of halves", Where("a").Count(nil, 1.5), "filter on a: count: to: 1.5 is no integer"},
		{"count of a struct", Where("a").Count(nil, struct{}{}), "filter on a: count: to: struct {} is no string, number, bool or time"},
		{"count backwards", Where("a").Count(3, 2), "filter on a: count: from 3 to 2 is empty"},
		{"count of no field", Where("").Count(nil, nil), "filter on a field without a name: count: no name"},
		{"nested in no field", Nested("", ok), `filter on objects of "": no name`},
		{"nested error", Nested("diet", bad), "filter on objects of diet: filter on a field without a name: is: no name"},
		{"nested id", Nested("diet", And(ok, Or(ok, IDs(mustID(t, "1"))), ok)), "filter on objects of diet: ids and vectors belong to points, not to objects within them"},
		{"nested vector", Nested("diet", AtLeast(1, And(ok, HasVector("x")))), "filter on objects of diet: ids and vectors belong to points, not to objects within them"},
		{"too many", AtLeast(2, ok), "filter: at least 2 of 1 can never be"},
		{"less than none", AtLeast(-1, ok), "filter: at least -1 of 1 can never be"},
		{"hollow condition", RawCondition(&qdrant.Condition{}), "filter: empty condition"},
		{"nil condition", RawCondition(nil), "filter: empty condition"},

		{"and keeps errors", And(ok, bad, Where("a").Gt(nil)), "filter on a field without a name: is: no name\nfilter on a: greater than: no bound"},
		{"or keeps errors", Or(ok, bad, Filter{}), "filter on a field without a name: is: no name"},
		{"or of one keeps errors", Or(bad), "filter on a field without a name: is: no name"},
		{"not keeps errors", Not(bad), "filter on a field without a name: is: no name"},
		{"at least keeps errors", AtLeast(0, bad), "filter on a field without a name: is: no name"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := test.filter.Proto()
			require.EqualError(t, err, test.want)
			require.ErrorIs(t, err, ErrInvalid)
			assert.Nil(t, got)
			assert.Equal(t, err, test.filter.Err())
			assert.False(t, test.filter.IsZero())
		})
	}
}

func TestFilterProtoIsACopy(t *testing.T) {
	t.Parallel()
	raw := &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatch("lang", "en")}}
	filter := RawFilter(raw).And(RawCondition(raw.Must[0]))
	raw.Must[0].GetField().Key = "written by the caller"
	first, err := filter.Proto()
	require.NoError(t, err)
	first.Must[0].GetField().Key = "written by another caller"
	second, err := filter.Proto()
	require.NoError(t, err)
	requireProto(t, `must {`+matchKeyword("lang", "en")+`} must {`+matchKeyword("lang", "en")+`}`, second)
}

func TestFilterIsTheBaseOfMany(t *testing.T) {
	t.Parallel()
	base := And(Where("a").Is(1), Where("b").Is(2), Where("c").Is(3), Where("d").Is(4), Where("e").Is(5))
	first := base.And(Where("first").Is(6))
	want, err := first.Proto()
	require.NoError(t, err)
	_ = base.And(Where("second").Is(7))
	got, err := first.Proto()
	require.NoError(t, err)
	assert.True(t, proto.Equal(want, got), "%v", got)
}

func TestFilterFields(t *testing.T) {
	t.Parallel()
	filter := And(
		Where("lang").Is("en"), Where("year").Exists(), Not(Where("gone").Null()), IDs(mustID(t, "1")), HasVector("v"),
		Or(Where("lang").Is("fr"), And(Where("a.b").Text("x"), Range("year", 1, 2))),
		AtLeast(1, Where("tags").Count(1, nil)),
		Nested("diet", Where("food").Is("meat").And(Nested("parts[]", Where("name").Exists()))),
	)
	assert.Equal(t, []string{"lang", "diet", "diet[].food", "diet[].parts[]", "diet[].parts[].name", "year", "gone", "a.b", "tags"}, filter.Fields())
	assert.Empty(t, Filter{}.Fields())
	assert.Empty(t, Where("").Is(1).Fields())
}

func matchKeyword(key, value string) string {
	return `field { key: "` + key + `" match { keyword: "` + value + `" } }`
}

func matchInteger(key string, value int64) string {
	return prototext.MarshalOptions{}.Format(qdrant.NewMatchInt(key, value))
}

func mustID(t *testing.T, text string) ID {
	t.Helper()
	var id ID
	require.NoError(t, id.UnmarshalText([]byte(text)))
	return id
}

// requireProto compares with a message in the text format.
func requireProto(t *testing.T, want string, got proto.Message) {
	t.Helper()
	expected := got.ProtoReflect().New().Interface()
	require.NoError(t, prototext.Unmarshal([]byte(want), expected), want)
	if !proto.Equal(expected, got) {
		// Two messages that differ may read alike, so it is not the texts that decide.
		require.FailNow(t, "the messages differ", "want %s\ngot %s", prototext.Format(expected), prototext.Format(got))
	}
}
