package codec

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const someUUID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"

func TestParseID(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]ID{
		"0":                       Num(0),
		"7":                       Num(7),
		"18446744073709551615":    Num(math.MaxUint64),
		someUUID:                  UUID(uuid.MustParse(someUUID)),
		strings.ToUpper(someUUID): UUID(uuid.MustParse(someUUID)),
	} {
		got, err := ParseID(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for text, why := range map[string]string{
		"":                               "empty",
		"-1":                             `"-1" is neither a number from 0 to 2^64-1 nor a UUID`,
		"18446744073709551616":           "neither a number",
		"7.0":                            "neither a number",
		"abc":                            "neither a number",
		"{" + someUUID + "}":             "neither a number",
		"6ba7b8109dad11d180b400c04fd430": "neither a number",
		strings.Repeat("x", 1000):        "…",
	} {
		_, err := ParseID(text)
		assert.ErrorContains(t, err, why, text)
	}
	_, err := ParseID(" 7")
	assert.ErrorContains(t, err, "neither a number")
}

func TestID(t *testing.T) {
	t.Parallel()
	ids := []ID{Num(0), Num(7), Num(math.MaxUint64), UUID(uuid.MustParse(someUUID)), NameID("a name")}

	t.Run("goes through every form and comes back", func(t *testing.T) {
		for _, id := range ids {
			back, err := IDFromProto(id.Proto())
			require.NoError(t, err)
			assert.Equal(t, id, back)

			back, err = ParseID(id.String())
			require.NoError(t, err)
			assert.Equal(t, id, back)

			text, err := json.Marshal(map[ID]ID{id: id})
			require.NoError(t, err)
			var decoded map[ID]ID
			require.NoError(t, json.Unmarshal(text, &decoded))
			assert.Equal(t, map[ID]ID{id: id}, decoded)
		}
	})
	t.Run("is a number in JSON where it is one", func(t *testing.T) {
		text, err := json.Marshal([]ID{Num(7), UUID(uuid.MustParse(someUUID))})
		require.NoError(t, err)
		assert.JSONEq(t, `[7, "`+someUUID+`"]`, string(text))
		var id ID
		assert.ErrorContains(t, json.Unmarshal([]byte(`true`), &id), "neither a number")
		assert.ErrorContains(t, json.Unmarshal([]byte(`""`), &id), "empty")
		assert.ErrorContains(t, id.UnmarshalText([]byte("x")), "neither a number")
	})
	t.Run("of a name is the same everywhere", func(t *testing.T) {
		// uuid.uuid5(uuid.NAMESPACE_URL, "https://example.org/a") of Python.
		assert.Equal(t, pythonUUID5, NameID("https://example.org/a").String())
		assert.NotEqual(t, NameID("a"), NameID("b"))
	})
	t.Run("sorts numbers before UUIDs", func(t *testing.T) {
		sorted := slices.Clone(ids)
		slices.Reverse(sorted)
		slices.SortFunc(sorted, ID.Compare)
		assert.Equal(t, []ID{Num(0), Num(7), Num(math.MaxUint64)}, sorted[:3])
		assert.Equal(t, -1, Num(math.MaxUint64).Compare(NameID("x")))
		assert.Equal(t, 1, NameID("x").Compare(Num(math.MaxUint64)))
		assert.Equal(t, 0, NameID("x").Compare(NameID("x")))
	})
	t.Run("says what it is", func(t *testing.T) {
		n, ok := Num(7).Number()
		assert.True(t, ok)
		assert.EqualValues(t, 7, n)
		_, ok = Num(7).UUID()
		assert.False(t, ok)
		u, ok := ids[3].UUID()
		assert.True(t, ok)
		assert.Equal(t, someUUID, u.String())
	})
	t.Run("is refused where the server sends none", func(t *testing.T) {
		_, err := IDFromProto(nil)
		require.ErrorContains(t, err, "missing")
		_, err = IDFromProto(qdrant.NewIDUUID("nonsense"))
		assert.ErrorContains(t, err, `"nonsense" is no UUID`)
	})
}

const pythonUUID5 = "77980eae-c343-5b01-9823-eb6ac1da021f"
