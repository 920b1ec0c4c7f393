package codec

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestField(t *testing.T) {
	t.Parallel()
	type fine struct {
		Key    uint64    `vector:",id"`
		Vector []float32 `vector:",vector"`
		Title  string
		Lang   string
		Year   int
		Place  *Geo
		Tags   []string
		Matrix [][]int
		Counts map[string][]int
		Author person
		Parts  []part
		Any    any
		Odd    string `vector:"odd key"`
	}
	f, err := Of[fine]()
	require.NoError(t, err)

	for _, path := range []string{
		"title", "place", "place.lat", "place.lon", "tags", "tags[]", "tags[0]", "matrix[][3]", "counts", "counts.x", "counts.x[]",
		`counts."a.b"`, "author.name", "author.home.lat", "parts", "parts[].price", "parts[12].sub[].sub[].next.next.price",
		"parts[].next.labels[0]", "any", "any.thing[].goes", `"title"`, `"odd key"`, "odd key",
	} {
		assert.NoError(t, f.Field(path), path)
	}
	for path, want := range map[string]string{
		"titel":            `fine has no payload field "titel"; the nearest is "title"`,
		"Lang":             `fine has no payload field "Lang"; the nearest is "lang"`,
		"author.nam":       `the nearest is "author.name"`,
		"parts.price":      `the nearest is "parts[].price"`,
		"parts[0].prize":   `the nearest is "parts[].price"`,
		"lang.en":          `fine has no payload field "lang.en"`,
		"title[]":          `the nearest is "title"`,
		"place.latitude":   `fine has no payload field "place.latitude"`,
		"author[]":         `the nearest is "author"`,
		"counts[]":         `the nearest is "counts"`,
		"publication_date": "author, author.name, author.home, parts, parts[].price and 5 more",
		"key":              `"key" is the id of fine and not in the payload`,
		"vector":           `"vector" is a vector of fine, not a payload field`,
		"":                 `"" is no payload path: a key is missing`,
		".a":               "a key is missing",
		"a.":               "a key is missing",
		"a..b":             "a key is missing",
		"[]":               "a key is missing",
		"tags[":            "after [ comes a number or nothing, and then ]",
		"tags[x]":          "after [ comes a number or nothing, and then ]",
		"tags[]x":          `"x" stands where a dot or [ belongs`,
		`"title`:           "a quotation mark is missing",
	} {
		assert.ErrorContains(t, f.Field(path), want, path)
	}

	t.Run("may be anything where the type takes anything", func(t *testing.T) {
		open, err := Of[article]()
		require.NoError(t, err)
		assert.NoError(t, open.Field("whatever.it[].is"))
		assert.ErrorContains(t, open.Field("author.nome"), `the nearest is "author.name"`)
	})
	t.Run("is none where there is no payload", func(t *testing.T) {
		bare, err := Of[id]()
		require.NoError(t, err)
		assert.EqualError(t, bare.Field("x"), `id has no payload field "x", nor any other`)
	})
}

func TestPartial(t *testing.T) {
	t.Parallel()
	type document struct {
		ID   uint64 `vector:",id"`
		Year int
		Lang string
		Home *Geo
	}
	c, err := Of[document]()
	require.NoError(t, err)
	got, err := c.Partial(map[string]any{"year": 2024, "lang": nil, "home": Geo{Lat: 1}})
	require.NoError(t, err)
	assert.EqualValues(t, 2024, got["year"].GetIntegerValue())
	assert.Len(t, got, 3)

	for want, fields := range map[string]map[string]any{
		"year: string instead of integer":                                 {"year": "2024"},
		"year: 20.5 instead of an integer":                                {"year": 20.5},
		"home: list instead of place with lat and lon":                    {"home": []int{1}},
		"home: a place without lon":                                       {"home": map[string]any{"lat": 1}},
		`document has no payload field "yer"; the nearest is "year"`:      {"yer": 1},
		`document has no payload field "home.lat", only year, lang, home`: {"home.lat": 1.0},
		"lang: text is not valid UTF-8: \"\\xff\"":                        {"lang": "\xff"},
	} {
		_, err := c.Partial(fields)
		assert.EqualError(t, err, want)
	}
	open, err := Of[article]()
	require.NoError(t, err)
	_, err = open.Partial(map[string]any{"new": 1})
	require.NoError(t, err)
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"lang", "lagn", 2}, {"same", "same", 0}} {
		assert.Equal(t, test.want, distance(test.a, test.b), "%s %s", test.a, test.b)
	}
}
