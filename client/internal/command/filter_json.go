package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/qdrant-shepherd/shepherd/client/vector"
)

// The filter of Qdrant's REST API. Conditions that it does not name are refused, not left out.
type filterJSON struct {
	Must      conditionsJSON `json:"must"`
	Should    conditionsJSON `json:"should"`
	MustNot   conditionsJSON `json:"must_not"`
	MinShould *struct {
		Conditions conditionsJSON `json:"conditions"`
		MinCount   int            `json:"min_count"`
	} `json:"min_should"`
}

// conditionsJSON is a list, or a single one.
type conditionsJSON []json.RawMessage

func (c *conditionsJSON) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '{' {
		*c = conditionsJSON{data}
		return nil
	}
	return json.Unmarshal(data, (*[]json.RawMessage)(c))
}

type conditionJSON struct {
	Key   string `json:"key"`
	Match *struct {
		Value   any    `json:"value"`
		Any     []any  `json:"any"`
		Except  []any  `json:"except"`
		Text    string `json:"text"`
		TextAny string `json:"text_any"`
		Phrase  string `json:"phrase"`
	} `json:"match"`
	Range *struct {
		Gt  any `json:"gt"`
		Gte any `json:"gte"`
		Lt  any `json:"lt"`
		Lte any `json:"lte"`
	} `json:"range"`
	Radius *struct {
		Center geoJSON `json:"center"`
		Radius float64 `json:"radius"`
	} `json:"geo_radius"`
	Box *struct {
		TopLeft     geoJSON `json:"top_left"`
		BottomRight geoJSON `json:"bottom_right"`
	} `json:"geo_bounding_box"`
	ValuesCount *struct {
		Gte *uint64 `json:"gte"`
		Lte *uint64 `json:"lte"`
	} `json:"values_count"`
	IsEmpty   *keyJSON    `json:"is_empty"`
	IsNull    *keyJSON    `json:"is_null"`
	HasID     []vector.ID `json:"has_id"`
	HasVector string      `json:"has_vector"`
	Nested    *struct {
		Key    string          `json:"key"`
		Filter json.RawMessage `json:"filter"`
	} `json:"nested"`
}

type keyJSON struct {
	Key string `json:"key"`
}

type geoJSON struct {
	Lat float64 `json:"lat"`
	Lon float64 `json:"lon"`
}

func parseFilterJSON(data []byte) (vector.Filter, error) {
	f, err := readFilter(data, 0)
	return f, errors.Join(err, f.Err())
}

// strict refuses names that are not known, and more than one value.
func strict(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows it")
	}
	return nil
}

func readFilter(data []byte, depth int) (vector.Filter, error) {
	if depth > filterDepth {
		return vector.Filter{}, errors.New("it nests too deeply")
	}
	var f filterJSON
	if err := strict(data, &f); err != nil {
		return vector.Filter{}, err
	}
	var parts []vector.Filter
	must, err := f.Must.read("must", depth)
	if err != nil {
		return vector.Filter{}, err
	}
	parts = append(parts, must...)
	should, err := f.Should.read("should", depth)
	if err != nil {
		return vector.Filter{}, err
	}
	if len(should) > 0 {
		parts = append(parts, vector.Or(should...))
	}
	mustNot, err := f.MustNot.read("must_not", depth)
	if err != nil {
		return vector.Filter{}, err
	}
	for _, not := range mustNot {
		parts = append(parts, vector.Not(not))
	}
	if f.MinShould != nil {
		some, err := f.MinShould.Conditions.read("min_should", depth)
		if err != nil {
			return vector.Filter{}, err
		}
		parts = append(parts, vector.AtLeast(f.MinShould.MinCount, some...))
	}
	return vector.And(parts...), nil
}

func (c conditionsJSON) read(where string, depth int) (list []vector.Filter, err error) {
	for i, raw := range c {
		condition, err := readCondition(raw, depth)
		if err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", where, i, err)
		}
		list = append(list, condition)
	}
	return list, nil
}

func readCondition(raw []byte, depth int) (vector.Filter, error) {
	var names map[string]json.RawMessage
	if err := json.Unmarshal(raw, &names); err != nil {
		return vector.Filter{}, err
	}
	for _, name := range []string{"must", "should", "must_not", "min_should"} {
		if _, ok := names[name]; ok {
			return readFilter(raw, depth+1)
		}
	}
	var c conditionJSON
	if err := strict(raw, &c); err != nil {
		return vector.Filter{}, err
	}
	part, err := onlyPart(names)
	if err != nil {
		return vector.Filter{}, err
	}
	field := vector.Where(c.Key)
	switch {
	case c.IsEmpty != nil:
		return vector.Where(c.IsEmpty.Key).Empty(), nil
	case c.IsNull != nil:
		return vector.Where(c.IsNull.Key).Null(), nil
	case c.HasID != nil:
		return vector.IDs(c.HasID...), nil
	case c.HasVector != "":
		return vector.HasVector(c.HasVector), nil
	case c.Nested != nil:
		inner, err := readFilter(c.Nested.Filter, depth+1)
		return vector.Nested(c.Nested.Key, inner), err
	case c.Radius != nil:
		return field.Within(vector.GeoRadius{Center: vector.Geo(c.Radius.Center), Meters: c.Radius.Radius}), nil
	case c.Box != nil:
		return field.Within(vector.GeoBox{TopLeft: vector.Geo(c.Box.TopLeft), BottomRight: vector.Geo(c.Box.BottomRight)}), nil
	case c.ValuesCount != nil:
		return field.Count(c.ValuesCount.Gte, c.ValuesCount.Lte), nil
	case c.Match != nil:
		var parts map[string]json.RawMessage
		if err := json.Unmarshal(names[part], &parts); err != nil {
			return vector.Filter{}, err
		}
		if _, err := onlyPart(parts); err != nil {
			return vector.Filter{}, fmt.Errorf("%s of %q: %w", part, c.Key, err)
		}
		return c.match(field)
	case c.Range != nil:
		return c.within(field)
	}
	return vector.Filter{}, errors.New("it is no condition")
}

// onlyPart is the name of what a condition has besides its key. Of two parts the server takes one; here nothing is left out silently. Null
// is the same as nothing.
func onlyPart(names map[string]json.RawMessage) (part string, err error) {
	for _, name := range slices.Sorted(maps.Keys(names)) {
		switch {
		case name == "key" || string(names[name]) == "null":
		case part != "":
			return "", fmt.Errorf("%s and %s are two conditions, and each needs an object of its own", part, name)
		default:
			part = name
		}
	}
	if _, hasKey := names["key"]; hasKey && slices.Contains([]string{"is_empty", "is_null", "has_id", "has_vector", "nested"}, part) {
		return "", fmt.Errorf("key has no place beside %s", part)
	}
	return part, nil
}

func (c conditionJSON) match(field vector.FilterField) (vector.Filter, error) {
	m := c.Match
	switch {
	case m.Any != nil:
		values, err := scalars(m.Any)
		return field.In(values...), err
	case m.Except != nil:
		values, err := scalars(m.Except)
		return field.NotIn(values...), err
	case m.Text != "":
		return field.Text(m.Text), nil
	case m.TextAny != "":
		return field.TextAny(m.TextAny), nil
	case m.Phrase != "":
		return field.Phrase(m.Phrase), nil
	}
	value, err := scalar(m.Value)
	return field.Is(value), err
}

func (c conditionJSON) within(field vector.FilterField) (vector.Filter, error) {
	bounds := make([]any, 4)
	for i, end := range []any{c.Range.Gt, c.Range.Gte, c.Range.Lt, c.Range.Lte} {
		switch end := end.(type) {
		case nil:
		case string:
			t, err := time.Parse(time.RFC3339, end)
			if err != nil {
				return vector.Filter{}, fmt.Errorf("%q is no time", end)
			}
			bounds[i] = t
		default:
			value, err := scalar(end)
			if err != nil {
				return vector.Filter{}, err
			}
			bounds[i] = value
		}
	}
	return field.Within(vector.Bounds{Gt: bounds[0], Gte: bounds[1], Lt: bounds[2], Lte: bounds[3]}), nil
}

func scalars(list []any) ([]any, error) {
	values := make([]any, len(list))
	for i, x := range list {
		var err error
		if values[i], err = scalar(x); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// scalar is a value as filters take it.
func scalar(x any) (any, error) {
	switch x := x.(type) {
	case string, bool:
		return x, nil
	case json.Number:
		if whole, err := strconv.ParseInt(string(x), 10, 64); err == nil {
			return whole, nil
		}
		return x.Float64()
	}
	return nil, errors.New("the value is neither text nor a number, true or false")
}
