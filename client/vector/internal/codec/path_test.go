package codec

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
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
		Quoted string `vector:"odd key"`
		Odd    map[string]int
	}
	f, err := Of[fine]()
	require.NoError(t, err)

	for _, path := range []string{
		"title", "place", "place.lat", "place.lon", "tags", "tags[]", "tags[0]", "matrix[][3]", "counts", "counts.x", "counts.x[]",
		`counts."a.b"`, "author.name", "author.home.lat", "parts", "parts[].price", "parts[12].sub[].sub[].next.next.price",
		"parts[].next.labels[0]", "any", "any.thing[].goes", `"title"`, `"odd key"`, `odd."b c"`,
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
		"publication_date": "author, author.name, author.home, parts, parts[].price and 6 more",
		"key":              `"key" is the id of fine and not in the payload`,
		"vector":           `"vector" is a vector of fine, not a payload field`,
		"odd-key":          `the nearest is "\"odd key\""`,
		`"od key"`:         `the nearest is "\"odd key\""`,
		"odd key":          `path "odd key": ' ' outside double quotes`,
		"":                 "a payload field without a name",
		".a":               `path ".a": '.' where a name starts`,
		"a.":               `path "a.": no name`,
		"tags[x]":          `path "tags[x]": "[x]" is no index`,
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
		"year: string instead of integer":                            {"year": "2024"},
		"year: 20.5 instead of an integer":                           {"year": 20.5},
		"home: list instead of place with lat and lon":               {"home": []int{1}},
		"home: a place without lon":                                  {"home": map[string]any{"lat": 1}},
		`document has no payload field "yer"; the nearest is "year"`: {"yer": 1},
		"lang: text is not valid UTF-8: \"\\xff\"":                   {"lang": "\xff"},
	} {
		_, err := c.Partial(fields)
		assert.EqualError(t, err, want)
	}
	open, err := Of[article]()
	require.NoError(t, err)
	_, err = open.Partial(map[string]any{"new": 1, "new name": map[string]any{"a.b": 2}})
	require.NoError(t, err)
	for _, path := range []string{"author.name", "parts[0]", "new.field", "new[", "new]", `"new"`, `back\slash`} {
		_, err := open.Partial(map[string]any{path: "x"})
		assert.ErrorContains(t, err, "which is for paths alone; a nested field is set with the whole object that it is in, or by "+
			"SetPayloadPoints.Key of the raw API", path)
		_, err = c.Partial(map[string]any{path: "x"})
		assert.ErrorContains(t, err, "SetPayloadPoints.Key", path)
	}
}

func TestCheckPath(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"a", "Größe", "名前", "a-b_c", "1", "a.b", `"a b"`, `a."b.c"[0][].d`, `""`, "a[][]"} {
		assert.NoError(t, CheckPath(path), path)
	}
	for _, path := range []string{
		"", ".", ".a", "a..b", "a]", "a[", "a[]b", "a[-1]", `"a"b`, `"a`, `"a\"`, "a\x00", "a\xff", "😀", "$score", "a[18446744073709551616]",
	} {
		assert.Error(t, CheckPath(path), path)
	}
}

func TestNamesInPaths(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"a": "a", "Größe": "Größe", "a-b_1": "a-b_1", "odd name": `"odd name"`, "$x": `"$x"`, "😀": `"😀"`, "": `""`,
	} {
		assert.Equal(t, want, quoted(name))
	}
	type inner struct {
		Odd string `vector:"odd name,index"`
	}
	type document struct {
		ID    uint64  `vector:",id"`
		Odd   string  `vector:"odd name,index"`
		Inner inner   `vector:"in ner"`
		List  []inner `vector:"li/st"`
	}
	c, err := Of[document]()
	require.NoError(t, err)
	var got []string
	for _, f := range c.Schema().Indexes {
		got = append(got, f.Path)
		assert.NoError(t, CheckPath(f.Path))
		assert.NoError(t, c.Field(f.Path))
	}
	assert.Equal(t, []string{`"odd name"`, `"in ner"."odd name"`, `"li/st"[]."odd name"`}, got)

	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.StringMatching(`[^.\[\]"\\]*`), 1, 4).Draw(t, "names")
		path, want := "", []step(nil)
		for i, name := range names {
			if i > 0 {
				path += "."
			}
			path, want = path+quoted(name), append(want, step{key: name})
		}
		parts, err := steps(path)
		if err != nil || !slices.Equal(parts, want) {
			t.Fatalf("%q is %v, %v", path, parts, err)
		}
	})
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
