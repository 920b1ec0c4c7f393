package vector

import (
	"math"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFormula(t *testing.T) {
	t.Parallel()
	when := time.Date(2024, 2, 29, 12, 30, 0, 5, time.FixedZone("", 3600))
	place := Geo{Lat: 52.5, Lon: 13.4}
	tests := []struct {
		name  string
		query FormulaQuery
		want  string
	}{
		{"constant", Formula(Const(1.5)), `expression { constant: 1.5 }`},
		{"score", Formula(Score()), `expression { variable: "$score" }`},
		{"score of a search", Formula(ScoreOf(2).Or(0.5)), `expression { variable: "$score[2]" } defaults { key: "$score[2]" value { double_value: 0.5 } }`},
		{"field", Formula(Field("a.b[0]")), `expression { variable: "a.b[0]" }`},
		{"field or", Formula(Field("n").Or(2)), `expression { variable: "n" } defaults { key: "n" value { double_value: 2 } }`},
		{"time", Formula(Datetime(when)), `expression { datetime: "2024-02-29T11:30:00.000000005Z" }`},
		{"time in the payload", Formula(DatetimeField("at").Or(when)),
			`expression { datetime_key: "at" } defaults { key: "at" value { string_value: "2024-02-29T11:30:00.000000005Z" } }`},
		{"distance", Formula(GeoDistance(place, "geo").Or(Geo{Lat: 1})),
			`expression { geo_distance { origin { lat: 52.5 lon: 13.4 } to: "geo" } } defaults { key: "geo" value { struct_value {
			fields { key: "lat" value { double_value: 1 } } fields { key: "lon" value { double_value: 0 } } } } }`},
		{"condition", Formula(If(Where("a").Is(1))), `expression { condition { field { key: "a" match { integer: 1 } } } }`},
		{"conditions", Formula(If(Where("a").Exists())), `expression { condition { filter { must_not { is_empty { key: "a" } } } } }`},
		{"always", Formula(If(Filter{})), `expression { condition { filter {} } }`},
		{"sum", Formula(Add(Score(), Const(1))), `expression { sum { sum { variable: "$score" } sum { constant: 1 } } }`},
		{"difference", Formula(Sub(Score(), Const(1))), `expression { sum { sum { variable: "$score" } sum { neg { constant: 1 } } } }`},
		{"product", Formula(Mul(Score())), `expression { mult { mult { variable: "$score" } } }`},
		{"quotient", Formula(Div(Score(), Const(2))), `expression { div { left { variable: "$score" } right { constant: 2 } } }`},
		{"quotient or", Formula(DivOr(Score(), Field("n"), -1)), `expression { div { left { variable: "$score" } right { variable: "n" } by_zero_default: -1 } }`},
		{"power", Formula(Pow(Score(), Const(2))), `expression { pow { base { variable: "$score" } exponent { constant: 2 } } }`},
		{"functions", Formula(Neg(Abs(Sqrt(Exp(Ln(Log10(Score()))))))), `expression { neg { abs { sqrt { exp { ln { log10 { variable: "$score" } } } } } } }`},
		{"gauss", Formula(GaussDecay(Field("x"), Decay{})), `expression { gauss_decay { x { variable: "x" } } }`},
		{"exp", Formula(ExpDecay(Field("x"), Decay{Target: Datetime(when), Scale: 86400, Midpoint: new(0.25)})),
			`expression { exp_decay { x { variable: "x" } target { datetime: "2024-02-29T11:30:00.000000005Z" } scale: 86400 midpoint: 0.25 } }`},
		{"linear", Formula(LinDecay(Field("x"), Decay{Midpoint: new(0.0)})), `expression { lin_decay { x { variable: "x" } midpoint: 0 } }`},
		{"raw", Formula(RawExpr(qdrant.NewExpressionVariable("x"))), `expression { variable: "x" }`},
		{"defaults", Formula(Add(Field("a").Or(1), Field("b"), Field("a").Or(1.0))).Defaults(map[string]any{"b": 2, "$score[0]": 3}).Defaults(map[string]any{"a": 1, "$score": 4}),
			`expression { sum { sum { variable: "a" } sum { variable: "b" } sum { variable: "a" } } }
			defaults { key: "a" value { double_value: 1 } } defaults { key: "b" value { double_value: 2 } }
			defaults { key: "$score[0]" value { double_value: 3 } } defaults { key: "$score" value { double_value: 4 } }`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.query.prefetch = []Prefetch{Fetch(Sample())}
			got, err := buildQuery("c", test.query, nil, defaults{ef: 99})
			require.NoError(t, err)
			requireProto(t, allPayload+`prefetch { query { sample: Random } } query { formula {`+test.want+`} }`, got)
		})
	}
}

func TestFormulaRefuses(t *testing.T) {
	t.Parallel()
	fetch := Fetch(Sample())
	tests := []struct {
		name  string
		query FormulaQuery
		want  string
	}{
		{"no searches", Formula(Score()), "formula: no searches"},
		{"bad search", Formula(Score(), Fetch(Nearest(nil))), "fetch 0: query: empty vector"},
		{"nothing", Formula(Expr{}, fetch), "formula: no expression"},
		{"sum of nothing", Formula(Add(), fetch), "formula: sum of nothing"},
		{"sum with nothing", Formula(Add(Score(), Expr{}), fetch), "formula: sum: no expression"},
		{"wild constant", Formula(Const(math.NaN()), fetch), "formula: constant NaN is no float32"},
		{"large constant", Formula(Const(1e39), fetch), "formula: constant 1e+39 is no float32"},
		{"score", Formula(ScoreOf(-1), fetch), "formula: score of search -1"},
		{"field", Formula(Mul(Field("")), fetch), `formula: product: field "": no name`},
		{"field like a score", Formula(Field("$score"), fetch), `formula: field "$score": path "$score": '$' where a name starts; other names than letters, digits, _ and - go in double quotes`},
		{"time field", Formula(DatetimeField("a b"), fetch), `formula: field "a b": path "a b": ' ' outside double quotes`},
		{"time", Formula(Datetime(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)), fetch), "formula: time 0000-01-01 00:00:00 +0000 UTC is not within the years 1 and 9999"},
		{"origin", Formula(GeoDistance(Geo{Lat: 91}, "geo"), fetch), "formula: distance to geo: latitude 91 is not from -90 to 90"},
		{"distance to nothing", Formula(GeoDistance(Geo{}, ""), fetch), "formula: distance to a field without a name: no name"},
		{"condition", Formula(If(Where("").Is(1)), fetch), "formula: filter on a field without a name: is: no name"},
		{"raw", Formula(RawExpr(nil), fetch), "formula: nothing in a raw expression"},
		{"or after a sum", Formula(Add(Score()).Or(1), fetch), "formula: Or after an expression that is no field and no score"},
		{"or after an error", Formula(Field("").Or(1), fetch), `formula: field "": no name`},
		{"or text", Formula(Field("a").Or("x"), fetch), "formula: instead of a: string is no number, no time and no place"},
		{"or nothing", Formula(Field("a").Or(nil), fetch), "formula: instead of a: nil is no value"},
		{"or nowhere", Formula(GeoDistance(Geo{}, "a").Or(Geo{Lon: 181}), fetch), "formula: instead of a: longitude 181 is not from -180 to 180"},
		{"two minds", Formula(Add(Field("a").Or(1), Field("a").Or(2)), fetch), "formula: instead of a: both 1 and 2"},
		{"two places", Formula(Field("a").Or(1), fetch).Defaults(map[string]any{"a": 2}), "formula: instead of a: both 2 and 1"},
		{"default of nothing", Formula(Score(), fetch).Defaults(map[string]any{"": 1}), "formula: instead of a field without a name: no name"},
		{"default of no score", Formula(Score(), fetch).Defaults(map[string]any{"$score[x]": 1}), `formula: instead of $score[x]: path "$score[x]": '$' where a name starts; other names than letters, digits, _ and - go in double quotes`},
		{"division", Formula(DivOr(Score(), Score(), math.Inf(1)), fetch), "formula: quotient: +Inf instead of a division by zero is no float32"},
		{"scale", Formula(GaussDecay(Score(), Decay{Scale: -1}), fetch), "formula: gauss decay: scale -1 is not above 0"},
		{"tiny scale", Formula(GaussDecay(Score(), Decay{Scale: 1e-300}), fetch), "formula: gauss decay: scale 1e-300 is not above 0"},
		{"midpoint", Formula(ExpDecay(Score(), Decay{Midpoint: new(1.0)}), fetch), "formula: exp decay: midpoint 1"},
		{"linear midpoint", Formula(LinDecay(Score(), Decay{Midpoint: new(1.5)}), fetch), "formula: linear decay: midpoint 1.5"},
		{"target", Formula(LinDecay(Score(), Decay{Target: Field("")}), fetch), `formula: linear decay: field "": no name`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := buildQuery("c", test.query, nil, defaults{})
			require.EqualError(t, err, test.want)
			require.ErrorIs(t, err, ErrInvalid)
			assert.Nil(t, got)
		})
	}
}

func TestFormulaDefaultsLeaveTheQueryAlone(t *testing.T) {
	t.Parallel()
	base := Formula(Score(), Fetch(Sample())).Defaults(map[string]any{"a": 1})
	_ = base.Defaults(map[string]any{"b": 2})
	_ = base.Defaults(map[string]any{"c": 3})
	got, err := buildQuery("c", base, nil, defaults{})
	require.NoError(t, err)
	assert.Len(t, got.GetQuery().GetFormula().GetDefaults(), 1)
}
