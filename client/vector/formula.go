package vector

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/proto"

	"github.com/qdrant-shepherd/shepherd/client/vector/internal/codec"
)

// FormulaQuery is a Query that scores points by an expression; see Formula.
type FormulaQuery struct {
	expression Expr
	prefetch   []Prefetch
	defaults   []exprDefault
}

// Formula scores the hits of other searches by an expression of their scores and payloads, highest first:
//
//	popularity := vector.Mul(vector.Const(0.1), vector.Field("popularity").Or(0))
//	vector.Formula(vector.Add(vector.Score(), popularity), vector.Fetch(query, vector.Limit(100)))
//
// A point whose score is not finite, such as the logarithm of 0, makes the search fail, as does a field that is missing and has no value in
// its stead.
func Formula(expression Expr, prefetch ...Prefetch) FormulaQuery {
	return FormulaQuery{expression: expression, prefetch: prefetch}
}

// Defaults are values that stand in for payload fields, or scores, that a point lacks, by their paths. Or says the same next to the field.
func (q FormulaQuery) Defaults(values map[string]any) FormulaQuery {
	q.defaults = slices.Clone(q.defaults)
	for _, key := range slices.Sorted(maps.Keys(values)) {
		q.defaults = append(q.defaults, exprDefault{key, values[key]})
	}
	return q
}

func (q FormulaQuery) queryParts(d defaults) (*qdrant.Query, []*qdrant.PrefetchQuery, error) {
	if len(q.prefetch) == 0 {
		return nil, nil, invalidf("formula: no searches")
	}
	expression, err := q.expression.Proto()
	if err != nil {
		return nil, nil, invalidf("formula: %w", err)
	}
	formula := &qdrant.Formula{Expression: expression}
	for _, d := range slices.Concat(q.defaults, q.expression.defaults) {
		if err := d.put(formula); err != nil {
			return nil, nil, invalidf("formula: instead of %s: %w", quotedKey(d.key), err)
		}
	}
	prefetch, err := prefetches(q.prefetch, d)
	return qdrant.NewQueryFormula(formula), prefetch, err
}

// Expr is an expression over numbers. It never changes and may be part of many others. What is wrong with it comes out when it is sent. The
// zero value is none.
type Expr struct {
	proto    *qdrant.Expression // shared by expressions and never written to
	key      string             // of an expression that is a variable
	defaults []exprDefault
	err      error
}

// exprDefault is a value that stands in for a payload field or a score.
type exprDefault struct {
	key   string
	value any
}

// put adds the value to a formula, which has room for one for each field.
func (d exprDefault) put(f *qdrant.Formula) error {
	if err := checkVariable(d.key); err != nil {
		return err
	}
	value, err := formulaValue(d.value)
	if err != nil {
		return err
	}
	if other := f.Defaults[d.key]; other != nil && !proto.Equal(other, value) {
		return fmt.Errorf("both %v and %v", codec.Any(other), codec.Any(value))
	}
	if f.Defaults == nil {
		f.Defaults = map[string]*qdrant.Value{}
	}
	f.Defaults[d.key] = value
	return nil
}

// Const is a number, which the server keeps as a float32.
func Const(x float64) Expr {
	if !codec.Finite(float32(x)) {
		return exprInvalid("constant %v is no float32", x)
	}
	return Expr{proto: qdrant.NewExpressionConstant(float32(x))}
}

// Score is the score that a point has from the first search: 0 if that did not find it, 1 if it was a search without scores.
func Score() Expr { return exprVariable("$score") }

// ScoreOf is the score that a point has from one of the searches, counted from 0.
func ScoreOf(fetch int) Expr {
	if fetch < 0 {
		return exprInvalid("score of search %d", fetch)
	}
	return exprVariable(fmt.Sprintf("$score[%d]", fetch))
}

// Field is a number in the payload. Or says what stands in where a point lacks it.
func Field(key string) Expr {
	if err := checkKey(key); err != nil {
		return exprInvalid("field %q: %w", key, err)
	}
	return exprVariable(key)
}

// DatetimeField is a time in the payload, as seconds since 1970.
func DatetimeField(key string) Expr {
	if err := checkKey(key); err != nil {
		return exprInvalid("field %q: %w", key, err)
	}
	return Expr{proto: qdrant.NewExpressionDatetimeKey(key), key: key}
}

// Datetime is a time, as seconds since 1970.
func Datetime(t time.Time) Expr {
	if _, err := filterTimeOf(t); err != nil {
		return Expr{err: err}
	}
	return Expr{proto: qdrant.NewExpressionDatetime(t.UTC().Format(time.RFC3339Nano))}
}

// GeoDistance is the distance in metres from a place to the one in a payload field.
func GeoDistance(origin Geo, key string) Expr {
	point, err := geoPoint(origin)
	if err == nil {
		err = checkKey(key)
	}
	if err != nil {
		return exprInvalid("distance to %s: %w", quotedKey(key), err)
	}
	return Expr{proto: qdrant.NewExpressionGeoDistance(&qdrant.GeoDistance{Origin: point, To: key}), key: key}
}

// If is 1 for points that match the filter, and 0 for others.
func If(f Filter) Expr {
	if f.err != nil {
		return Expr{err: f.err}
	}
	return Expr{proto: qdrant.NewExpressionCondition(f.condition())}
}

// RawExpr is an expression of the raw API, which is not checked.
func RawExpr(expression *qdrant.Expression) Expr {
	if expression.GetVariant() == nil {
		return exprInvalid("nothing in a raw expression")
	}
	return Expr{proto: expression}
}

// Or says what stands in for a field, or a score, where a point lacks it: a number, a time.Time, or a Geo for GeoDistance. Two values for
// one field in one formula are an error. It does not stand in for a value of the wrong kind, such as null in a field that has no payload
// index: that makes the search fail.
func (e Expr) Or(value any) Expr {
	if e.err != nil {
		return e
	}
	if e.key == "" {
		return exprInvalid("Or after an expression that is no field and no score")
	}
	e.defaults = []exprDefault{{e.key, value}}
	return e
}

// Proto is the expression for the raw API, which nobody may write to. What Or has said is not in it.
func (e Expr) Proto() (*qdrant.Expression, error) {
	switch {
	case e.err != nil:
		return nil, e.err
	case e.proto == nil:
		return nil, invalidf("no expression")
	default:
		return e.proto, nil
	}
}

func exprVariable(key string) Expr { return Expr{proto: qdrant.NewExpressionVariable(key), key: key} }

func exprInvalid(format string, args ...any) Expr { return Expr{err: invalidf(format, args...)} }

// formulaValue is a value that stands in for a payload's.
func formulaValue(value any) (*qdrant.Value, error) {
	if place, is := value.(Geo); is {
		if err := place.Validate(); err != nil {
			return nil, err
		}
		return qdrant.NewValueStruct(&qdrant.Struct{Fields: map[string]*qdrant.Value{
			"lat": qdrant.NewValueDouble(place.Lat), "lon": qdrant.NewValueDouble(place.Lon),
		}}), nil
	}
	v, err := filterValueOf(value)
	switch {
	case err != nil:
		return nil, err
	case v.kind == filterInteger:
		return qdrant.NewValueDouble(float64(v.integer)), nil // as which the server computes
	case v.kind == filterFloat:
		return qdrant.NewValueDouble(v.float), nil
	case v.kind == filterTime:
		return qdrant.NewValueString(v.time.UTC().Format(time.RFC3339Nano)), nil
	default:
		return nil, fmt.Errorf("%s is no number, no time and no place", v.kind)
	}
}

// checkVariable takes what a formula's default can be for: a payload path, $score or $score[n].
func checkVariable(key string) error {
	var n int
	if key == "$score" {
		return nil
	}
	if _, err := fmt.Sscanf(key, "$score[%d]", &n); err == nil && key == fmt.Sprintf("$score[%d]", n) && n >= 0 {
		return nil
	}
	return checkKey(key)
}
