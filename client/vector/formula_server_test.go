package vector

import (
	"math"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// serverFormulas compares the scores that a real server computes with what the expressions say.
func serverFormulas(t *testing.T, client *qdrant.Client) {
	t.Helper()
	at := newShop(0).at
	base, n := 0.5, Field("n")
	stage := Fetch(OrderBy("n", Ascending, nil), Limit(shops))
	scored := Fetch(Nearest([]float32{0, 1}), Using("dense"), Limit(shops))
	cos := func(s shop) float64 { return math.Cos(float64(s.n) / shops * math.Pi / 2) }
	day := 24 * time.Hour.Seconds()
	tests := []struct {
		name string
		expr Expr
		want func(shop) float64
	}{
		{"constant", Const(2.5), func(shop) float64 { return 2.5 }},
		{"score", ScoreOf(1), cos},
		{"score of an order", Score(), func(shop) float64 { return 1 }},
		{"missing score", ScoreOf(7).Or(3), func(shop) float64 { return 3 }},
		{"field", n, func(s shop) float64 { return float64(s.n) }},
		{"field or", Field("rare").Or(-1), func(s shop) float64 {
			if s.score != nil {
				return float64(*s.score)
			}
			return -1
		}},
		{"nested field", Field("offers[0].price"), func(s shop) float64 { return float64(s.n) }},
		{"sum", Add(n, Const(1), Const(2)), func(s shop) float64 { return float64(s.n) + 3 }},
		{"difference", Sub(Const(1), n), func(s shop) float64 { return 1 - float64(s.n) }},
		{"product", Mul(n, Const(0.5)), func(s shop) float64 { return float64(s.n) / 2 }},
		{"quotient", Div(Const(1), Add(n, Const(1))), func(s shop) float64 { return 1 / (1 + float64(s.n)) }},
		{"quotient or", DivOr(Const(1), n, -5), func(s shop) float64 {
			if s.n == 0 {
				return -5
			}
			return 1 / float64(s.n)
		}},
		{"power", Pow(n, Const(2)), func(s shop) float64 { return float64(s.n * s.n) }},
		{"functions", Abs(Neg(Sqrt(n))), func(s shop) float64 { return math.Sqrt(float64(s.n)) }},
		{"logarithms", Add(Ln(Add(n, Const(1))), Log10(Add(n, Const(1))), Exp(Neg(n))), func(s shop) float64 {
			x := float64(s.n)
			return math.Log(x+1) + math.Log10(x+1) + math.Exp(-x)
		}},
		{"condition", Add(If(Where("lang").Is("en")), If(Not(Where("open").Is(true)))), func(s shop) float64 {
			sum := 0.0
			if s.lang == "en" {
				sum++
			}
			if !s.open {
				sum++
			}
			return sum
		}},
		{"always", If(Filter{}), func(shop) float64 { return 1 }},
		{"never", If(Or()), func(shop) float64 { return 0 }},
		{"times", Sub(DatetimeField("at").Or(at), Datetime(at)), func(s shop) float64 { return float64(s.n) * day }},
		{"distance", Mul(Const(1e-3), GeoDistance(Geo{Lat: 50}, "place").Or(Geo{})), func(s shop) float64 { return haversine(Geo{Lat: 50}, s.place) / 1000 }},
		{"distance instead", GeoDistance(Geo{Lat: 50}, "nowhere").Or(Geo{Lat: 50}), func(shop) float64 { return 0 }},
		{"gauss", GaussDecay(n, Decay{Target: Const(10), Scale: 5}), func(s shop) float64 { return math.Pow(base, math.Pow(float64(s.n-10)/5, 2)) }},
		{"exp", ExpDecay(n, Decay{Scale: 5, Midpoint: new(0.25)}), func(s shop) float64 { return math.Pow(0.25, float64(s.n)/5) }},
		{"linear", LinDecay(n, Decay{Scale: 20, Midpoint: new(0.0)}), func(s shop) float64 { return max(0, 1-float64(s.n)/20) }},
		{"decay of a time", ExpDecay(DatetimeField("at"), Decay{Target: Datetime(at), Scale: 5 * day}), func(s shop) float64 { return math.Pow(base, float64(s.n)/5) }},
		{"raw", RawExpr(qdrant.NewExpressionVariable("n")), func(s shop) float64 { return float64(s.n) }},
	}
	for _, test := range tests {
		for _, collection := range []string{"plain", "indexed"} {
			t.Run(test.name+"/"+collection, func(t *testing.T) {
				first := stage
				if collection == "plain" {
					first = Fetch(nil, Limit(shops)) // an order needs an index
				}
				request, err := buildQuery(collection, Formula(test.expr, first, scored), []Option{Limit(shops)}, defaults{})
				require.NoError(t, err)
				points, err := client.Query(t.Context(), request)
				require.NoError(t, err, "%v", request)
				require.Len(t, points, shops)
				for _, p := range points {
					want := test.want(newShop(int(p.GetId().GetNum())))
					assert.InDelta(t, want, p.GetScore(), 1e-3*math.Max(1, math.Abs(want)), "shop %d", p.GetId().GetNum())
				}
			})
		}
	}
}

// serverNullInFormula holds the server to what Or says of null, so that its comment is changed when the server is.
func serverNullInFormula(t *testing.T, client *qdrant.Client) {
	t.Helper()
	for _, collection := range []string{"plain", "indexed"} {
		formula := Formula(Field("score").Or(-1), Fetch(nil, Where("score").Null(), Limit(shops)))
		request, err := buildQuery(collection, formula, nil, defaults{})
		require.NoError(t, err)
		points, err := client.Query(t.Context(), request)
		if collection == "plain" {
			require.ErrorContains(t, err, "Expected number value for score")
			continue
		}
		require.NoError(t, err)
		require.NotEmpty(t, points)
		for _, p := range points {
			assert.InDelta(t, -1, p.GetScore(), 0)
		}
	}
}

// haversine is the distance in metres on a sphere of the mean radius.
func haversine(a, b Geo) float64 {
	rad := math.Pi / 180
	sinLat, sinLon := math.Sin((b.Lat-a.Lat)*rad/2), math.Sin((b.Lon-a.Lon)*rad/2)
	return 2 * 6371008.8 * math.Asin(math.Sqrt(sinLat*sinLat+math.Cos(a.Lat*rad)*math.Cos(b.Lat*rad)*sinLon*sinLon))
}
