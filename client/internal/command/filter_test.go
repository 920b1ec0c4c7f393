package command

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/qdrant-shepherd/shepherd/client/vector"
)

func TestFilters(t *testing.T) {
	where := vector.Where
	day := time.Date(2020, 1, 31, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]vector.Filter{
		``:                                 {},
		`lang = en`:                        where("lang").Is("en"),
		`lang == "en"`:                     where("lang").Is("en"),
		`lang=en`:                          where("lang").Is("en"),
		`lang != en`:                       vector.Not(where("lang").Is("en")),
		`n = 7`:                            where("n").Is(7),
		`n = "7"`:                          where("n").Is("7"),
		`n = -7`:                           where("n").Is(-7),
		`n = 1.5`:                          where("n").Is(1.5),
		`yes = true`:                       where("yes").Is(true),
		`name = Infinity`:                  where("name").Is("Infinity"),
		`n >= 7 and n < 8.5`:               vector.And(where("n").Gte(7), where("n").Lt(8.5)),
		`n > 7 or n <= 8`:                  vector.Or(where("n").Gt(7), where("n").Lte(8)),
		`at > 2020-01-31`:                  where("at").Gt(day),
		`at > 2020-01-31T00:00:00`:         where("at").Gt(day),
		`at > 2020-01-31T01:00:00+01:00`:   where("at").Gt(day),
		`tags in [a, "b c", d]`:            where("tags").In("a", "b c", "d"),
		`n in [1,2]`:                       where("n").In(1, 2),
		`n not in [1]`:                     vector.Not(where("n").In(1)),
		`title ~ "two words"`:              where("title").Text("two words"),
		`phone ~ 0049`:                     where("phone").Text("0049"),
		`price ~ 1.50`:                     where("price").Text("1.50"),
		`a exists and b empty or c null`:   vector.Or(vector.And(where("a").Exists(), where("b").Empty()), where("c").Null()),
		`NOT a = b AND c = d`:              vector.And(vector.Not(where("a").Is("b")), where("c").Is("d")),
		`not (a = b or c = d)`:             vector.Not(vector.Or(where("a").Is("b"), where("c").Is("d"))),
		`(a = b or c = d) and (e = f)`:     vector.And(vector.Or(where("a").Is("b"), where("c").Is("d")), where("e").Is("f")),
		`items[].price > 5`:                where("items[].price").Gt(5),
		`items[0].price > 5`:               where("items[0].price").Gt(5),
		`a.b = "it is \"quoted\", (é)"`:    where("a.b").Is(`it is "quoted", (é)`),
		`and = and and or = or`:            vector.And(where("and").Is("and"), where("or").Is("or")),
		"lang = en\n  and\tlang2 = größer": vector.And(where("lang").Is("en"), where("lang2").Is("größer")),

		`{"must":[{"key":"lang","match":{"value":"en"}}]}`:                                          where("lang").Is("en"),
		`{"must":{"key":"lang","match":{"value":"en"}}}`:                                            where("lang").Is("en"),
		`{"must_not":[{"key":"n","match":{"any":[1,2]}}]}`:                                          vector.Not(where("n").In(1, 2)),
		`{"should":[{"key":"n","match":{"value":1}},{"key":"n","match":{"value":2}}]}`:              vector.Or(where("n").Is(1), where("n").Is(2)),
		`{"must":[{"key":"n","match":{"except":["a"]}}]}`:                                           where("n").NotIn("a"),
		`{"must":[{"key":"n","match":{"text":"a b"}}]}`:                                             where("n").Text("a b"),
		`{"must":[{"key":"n","match":{"text_any":"a b"}}]}`:                                         where("n").TextAny("a b"),
		`{"must":[{"key":"n","match":{"phrase":"a b"}}]}`:                                           where("n").Phrase("a b"),
		`{"must":[{"key":"n","range":{"gt":1,"lte":2.5}}]}`:                                         where("n").Within(vector.Bounds{Gt: 1, Lte: 2.5}),
		`{"must":[{"key":"n","range":{"gte":"2020-01-31T00:00:00Z"}}]}`:                             where("n").Gte(day),
		`{"must":[{"has_id":[1,"6ba7b810-9dad-11d1-80b4-00c04fd430c8"]}]}`:                          vector.IDs(vector.Num(1), uuidID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")),
		`{"must":[{"is_empty":{"key":"a"}},{"is_null":{"key":"b"}}]}`:                               vector.And(where("a").Empty(), where("b").Null()),
		`{"must":[{"has_vector":"text"}]}`:                                                          vector.HasVector("text"),
		`{"must":[{"nested":{"key":"items","filter":{"must":[{"key":"a","match":{"value":1}}]}}}]}`: vector.Nested("items", where("a").Is(1)),
		`{"must":[{"key":"n","match":{"value":1,"text":null},"range":null}]}`:                       where("n").Is(1),
		`{"must":[{"key":"n","values_count":{"gte":2}}]}`:                                           where("n").Count(2, nil),
		`{"must":[{"key":"p","geo_radius":{"center":{"lat":1,"lon":2},"radius":3}}]}`:               where("p").Within(vector.GeoRadius{Center: vector.Geo{Lat: 1, Lon: 2}, Meters: 3}),
		`{"must":[{"key":"p","geo_bounding_box":{"top_left":{"lat":2,"lon":1},"bottom_right":{"lat":1,"lon":2}}}]}`: where("p").Within(vector.GeoBox{
			TopLeft: vector.Geo{Lat: 2, Lon: 1}, BottomRight: vector.Geo{Lat: 1, Lon: 2}}),
		`{"min_should":{"conditions":[{"key":"a","match":{"value":1}},{"key":"b","match":{"value":true}}],"min_count":1}}`: vector.AtLeast(1, where("a").Is(1), where("b").Is(true)),
		`{"must":[{"should":[{"key":"a","match":{"value":1}},{"key":"b","match":{"value":2}}]}]}`:                          vector.Or(where("a").Is(1), where("b").Is(2)),
	} {
		got, err := parseFilter(text)
		require.NoError(t, err, text)
		gotProto, err := got.Proto()
		require.NoError(t, err, text)
		wantProto, err := want.Proto()
		require.NoError(t, err, text)
		assert.True(t, proto.Equal(wantProto, gotProto), "%s: %v instead of %v", text, gotProto, wantProto)
	}
}

func uuidID(text string) vector.ID {
	id, err := vector.ParseID(text)
	if err != nil {
		panic(err)
	}
	return id
}

func TestFiltersRefused(t *testing.T) {
	for text, want := range map[string]string{
		`lang`:                  "at 5: after lang there must be one of",
		`lang is en`:            "at 6: after lang there must be one of",
		`= en`:                  "at 1: a field is missing",
		`lang =`:                "at 7: a value is missing",
		`lang = en de = x`:      `"de" at 11: there is no and or or before it`,
		`lang = en and`:         "at 14: a field is missing",
		`(lang = en`:            "at 11: a ) is missing",
		`lang = en)`:            `")" at 10`,
		`lang = "en`:            "text that begins at 8 has no end",
		`n > big`:               `at 5: "big" is neither a number nor a time`,
		`n in 5`:                "at 6: a list begins with [",
		`n in [5`:               "at 8: a list goes on with , or ends with ]",
		`n in [5 6]`:            "at 9: a list goes on",
		`n in []`:               "at 7: a value is missing",
		`n ~`:                   "at 4: a value is missing",
		`n in [1, a]`:           "in: ",
		`n not = 5`:             "at 7: after n not there must be in",
		"n = \xff":              "no valid UTF-8",
		`a. = 5`:                "a.",
		strings.Repeat("(", 99): "it nests too deeply",

		`{"must":[{"key":"a","match":{"valu":1}}]}`: `must[0]: json: unknown field "valu"`,
		`{"must":[{"key":"a"}]}`:                    "must[0]: it is no condition",
		`{"must":[{"key":"a","match":{"value":1}},{"key":"a","match":{"value":1},"range":{"gt":5}}]}`:        "must[1]: match and range are two conditions",
		`{"must":[{"key":"a","match":{"value":1,"text":"b"}}]}`:                                              `must[0]: match of "a": text and value are two conditions`,
		`{"must_not":[{"key":"a","has_id":[1]}]}`:                                                            "must_not[0]: key has no place beside has_id",
		`{"should":{"is_null":{"key":"a"},"is_empty":{"key":"a"}}}`:                                          "should[0]: is_empty and is_null are two conditions",
		`{"must":[{"nested":{"key":"a","filter":{"must":[{"key":"b","match":{"any":[1],"except":[2]}}]}}}]}`: `must[0]: must[0]: match of "b": any and except`,
		`{"mus":[]}`:     `unknown field "mus"`,
		`{"must":[]} {}`: "something follows it",
		`{"must":[{"key":"a","match":{"value":[1]}}]}`:                "the value is neither text nor a number",
		`{"must":[{"key":"a","range":{"gt":"soon"}}]}`:                `"soon" is no time`,
		`{"should":[{"must":[{"key":"a","range":{"gt":5,"lt":1}}]}]}`: "a",
		`{"must":[{"has_id":[-1]}]}`:                                  "-1",
		`{"must`:                                                      "unexpected EOF",
		strings.Repeat(`{"must":[`, 99) + strings.Repeat(`]}`, 99):    "it nests too deeply",
	} {
		_, err := parseFilter(text)
		assert.ErrorContains(t, err, want, text)
	}
}

func FuzzFilter(f *testing.F) {
	for _, text := range []string{`lang = en and year >= 2020 and not (tags in [draft, old] or title ~ "two words")`, `items[].a exists`,
		`{"must":[{"key":"n","range":{"gt":1}}]}`, `{"should":{"has_id":[1]}}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := parseFilter(text)
		if err == nil {
			_, err := filter.Proto()
			require.NoError(t, err)
		}
	})
}
