package conformance

import (
	"fmt"
	"slices"
	"strings"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/proto"
)

// query takes down the ids and scores that a query finds.
func (d *diary) query(what string, in *qdrant.QueryPoints) {
	d.t.Helper()
	in.CollectionName = things
	did[*qdrant.QueryResponse](d, what)(d.points.Query(d.ctx, in))
}

func limit(n uint64) *uint64 { return &n }

func nearest(d *diary) {
	for _, using := range []string{"dot", "cosine", "euclid", "manhattan"} {
		d.query("by "+using, &qdrant.QueryPoints{Query: qdrant.NewQuery(wave(33, 4)...), Using: &using, Limit: limit(20)})
		d.query("by "+using+" and point 2", &qdrant.QueryPoints{
			Query: qdrant.NewQueryID(qdrant.NewIDNum(2)), Using: &using, Limit: limit(3),
		})
		d.query("by "+using+" with a filter", &qdrant.QueryPoints{
			Query: qdrant.NewQuery(wave(33, 4)...), Using: &using, Limit: limit(3), Filter: must(qdrant.NewMatch("tag", "blue")),
		})
		d.query("by "+using+" with an offset", &qdrant.QueryPoints{
			Query: qdrant.NewQuery(wave(33, 4)...), Using: &using, Limit: limit(2), Offset: limit(3),
		})
		for _, threshold := range []float32{-0.5, 0.5, 2} {
			d.query(fmt.Sprintf("by %s with threshold %g", using, threshold), &qdrant.QueryPoints{
				Query: qdrant.NewQuery(wave(33, 4)...), Using: &using, ScoreThreshold: &threshold,
			})
		}
	}
	rows := qdrant.NewQueryMulti([][]float32{wave(33, 3), wave(34, 3), wave(35, 3)})
	d.query("by rows", &qdrant.QueryPoints{Query: rows, Using: proto.String("rows"), Limit: limit(4)})
	d.query("by one row", &qdrant.QueryPoints{Query: qdrant.NewQuery(wave(33, 3)...), Using: proto.String("rows"), Limit: limit(4)})
	d.query("by words", &qdrant.QueryPoints{
		Query: qdrant.NewQuerySparse([]uint32{7, 1, 12, 99}, []float32{1, 2, 3, 4}), Using: proto.String("words"), Limit: limit(20),
	})
	d.query("by words that no point has", &qdrant.QueryPoints{
		Query: qdrant.NewQuerySparse([]uint32{98, 99}, []float32{3, 4}), Using: proto.String("words"),
	})
	d.query("by words and point 2", &qdrant.QueryPoints{
		Query: qdrant.NewQueryID(qdrant.NewIDNum(2)), Using: proto.String("words"), Limit: limit(3),
	})
	d.query("by rare words", &qdrant.QueryPoints{
		Query: qdrant.NewQuerySparse([]uint32{20, 21, 22, 23}, []float32{1, 1.1, 1.2, 1.3}), Using: proto.String("rare"), Limit: limit(20),
	})
	d.query("with payload and vectors", &qdrant.QueryPoints{
		Query: qdrant.NewQuery(wave(33, 4)...), Using: proto.String("dot"), Limit: limit(1),
		WithPayload: qdrant.NewWithPayloadInclude("tag", "n"), WithVectors: qdrant.NewWithVectorsInclude("dot"),
	})
	d.query("with parameters", &qdrant.QueryPoints{
		Query: qdrant.NewQuery(wave(33, 4)...), Using: proto.String("dot"), Limit: limit(1),
		Params: &qdrant.SearchParams{HnswEf: limit(128), Exact: proto.Bool(true), IndexedOnly: proto.Bool(false)},
	})
	d.query("without a query", &qdrant.QueryPoints{Limit: limit(3)})
	d.query("without a query, with a filter and an offset", &qdrant.QueryPoints{
		Limit: limit(2), Offset: limit(1), Filter: must(qdrant.NewMatch("tag", "red")),
	})
	d.query("by n", &qdrant.QueryPoints{
		Query: qdrant.NewQueryOrderBy(&qdrant.OrderBy{Key: "n", Direction: qdrant.Direction_Desc.Enum()}), Limit: limit(3),
	})
	sample, err := d.points.Query(d.ctx, &qdrant.QueryPoints{
		CollectionName: things, Query: qdrant.NewQuerySample(qdrant.Sample_Random), Limit: limit(4),
	})
	d.note("a sample: %d points %v", len(sample.GetResult()), err)
	mmr := func(diversity *float32, candidates *uint32) *qdrant.Query {
		return qdrant.NewQueryMMR(qdrant.NewVectorInput(wave(33, 4)...), &qdrant.Mmr{Diversity: diversity, CandidatesLimit: candidates})
	}
	for _, using := range []string{"dot", "cosine", "euclid", "manhattan"} {
		d.query("diverse by "+using, &qdrant.QueryPoints{Query: mmr(proto.Float32(0.7), proto.Uint32(10)), Using: &using, Limit: limit(5)})
	}
	d.query("diverse by default", &qdrant.QueryPoints{Query: mmr(nil, nil), Using: proto.String("dot"), Limit: limit(5)})
	d.query("not diverse", &qdrant.QueryPoints{
		Query: mmr(proto.Float32(0), proto.Uint32(100)), Using: proto.String("dot"), Limit: limit(3),
	})
	d.query("too diverse", &qdrant.QueryPoints{Query: mmr(proto.Float32(1.5), nil), Using: proto.String("dot"), Limit: limit(3)})

	d.query("a wrong dimension", &qdrant.QueryPoints{Query: qdrant.NewQuery(1, 2, 3), Using: proto.String("dot")})
	d.query("an empty vector", &qdrant.QueryPoints{Query: qdrant.NewQuery(), Using: proto.String("dot")})
	d.query("no name", &qdrant.QueryPoints{Query: qdrant.NewQuery(1, 2, 3, 4)})
	d.query("an unknown name", &qdrant.QueryPoints{Query: qdrant.NewQuery(1, 2, 3, 4), Using: proto.String("other")})
	d.query("sparse for dense", &qdrant.QueryPoints{Query: qdrant.NewQuerySparse([]uint32{1}, []float32{1}), Using: proto.String("dot")})
	d.query("dense for sparse", &qdrant.QueryPoints{Query: qdrant.NewQuery(1, 2, 3, 4), Using: proto.String("words")})
	d.query("rows for dense", &qdrant.QueryPoints{
		Query: qdrant.NewQueryMulti([][]float32{{1, 2, 3, 4}, {1, 2, 3, 4}}), Using: proto.String("dot"),
	})
	d.query("sparse of two lengths", &qdrant.QueryPoints{
		Query: qdrant.NewQuerySparse([]uint32{1, 2}, []float32{1}), Using: proto.String("words"),
	})
	d.query("an unknown point", &qdrant.QueryPoints{Query: qdrant.NewQueryID(qdrant.NewIDNum(99)), Using: proto.String("dot")})
	d.query("a point without the vector", &qdrant.QueryPoints{Query: qdrant.NewQueryID(qdrant.NewID(uuidB)), Using: proto.String("dot")})
	d.query("limit 0", &qdrant.QueryPoints{Query: qdrant.NewQuery(1, 2, 3, 4), Using: proto.String("dot"), Limit: limit(0)})
	did[*qdrant.QueryResponse](d, "nothing")(d.points.Query(d.ctx, &qdrant.QueryPoints{
		CollectionName: "nothing", Query: qdrant.NewQuery(1),
	}))
	did[*qdrant.QueryResponse](d, "a name in plain")(d.points.Query(d.ctx, &qdrant.QueryPoints{
		CollectionName: "plain", Query: qdrant.NewQuery(1), Using: proto.String("dot"),
	}))
	did[*qdrant.QueryResponse](d, "plain")(d.points.Query(d.ctx, &qdrant.QueryPoints{
		CollectionName: "plain", Query: qdrant.NewQuery(3, 1, 1, 1), WithVectors: qdrant.NewWithVectors(true),
	}))
	batch := []*qdrant.QueryPoints{
		{CollectionName: things, Query: qdrant.NewQuery(wave(33, 4)...), Using: proto.String("dot"), Limit: limit(2)},
		{CollectionName: things, Query: qdrant.NewQuery(wave(33, 4)...), Using: proto.String("euclid"), Limit: limit(1), WithPayload: qdrant.NewWithPayloadInclude("n")},
	}
	did[*qdrant.QueryBatchResponse](d, "a batch")(d.points.QueryBatch(d.ctx, &qdrant.QueryBatchPoints{
		CollectionName: things, QueryPoints: batch,
	}))
	batch[1].Using = proto.String("other")
	did[*qdrant.QueryBatchResponse](d, "a batch with a wrong one")(d.points.QueryBatch(d.ctx, &qdrant.QueryBatchPoints{
		CollectionName: things, QueryPoints: batch,
	}))
}

func example(id uint64) *qdrant.VectorInput { return qdrant.NewVectorInputID(qdrant.NewIDNum(id)) }

func byExample(d *diary) {
	raw := qdrant.NewVectorInput(wave(33, 4)...)
	strategies := []*qdrant.RecommendStrategy{nil, qdrant.RecommendStrategy_BestScore.Enum(), qdrant.RecommendStrategy_SumScores.Enum()}
	for _, using := range []string{"dot", "cosine", "euclid", "manhattan"} {
		ask := func(what string, q *qdrant.Query) {
			d.query(what+" by "+using, &qdrant.QueryPoints{Query: q, Using: &using, Limit: limit(4)})
		}
		for _, strategy := range strategies {
			ask(fmt.Sprintf("recommend %v", strategy), qdrant.NewQueryRecommend(&qdrant.RecommendInput{
				Positive: []*qdrant.VectorInput{example(1), raw}, Strategy: strategy,
			}))
			ask(fmt.Sprintf("recommend %v and not", strategy), qdrant.NewQueryRecommend(&qdrant.RecommendInput{
				Positive: []*qdrant.VectorInput{example(1), raw}, Negative: []*qdrant.VectorInput{example(5), example(6)},
				Strategy: strategy,
			}))
			ask(fmt.Sprintf("recommend %v only not", strategy), qdrant.NewQueryRecommend(&qdrant.RecommendInput{
				Negative: []*qdrant.VectorInput{example(5)}, Strategy: strategy,
			}))
		}
		pairs := &qdrant.ContextInput{
			Pairs: []*qdrant.ContextInputPair{{Positive: example(1), Negative: example(2)}, {Positive: raw, Negative: example(4)}},
		}
		ask("discover", qdrant.NewQueryDiscover(&qdrant.DiscoverInput{Target: raw, Context: pairs}))
		ask("discover without a context", qdrant.NewQueryDiscover(&qdrant.DiscoverInput{Target: raw, Context: &qdrant.ContextInput{}}))
	}
	pairs := &qdrant.ContextInput{
		Pairs: []*qdrant.ContextInputPair{{Positive: example(1), Negative: example(2)}, {Positive: example(9), Negative: example(4)}},
	}
	d.query("context", &qdrant.QueryPoints{
		Query: qdrant.NewQueryContext(pairs), Using: proto.String("euclid"), Limit: limit(20), Filter: must(qdrant.NewMatch("tag", "red")),
	})
	d.query("recommend nothing", &qdrant.QueryPoints{Query: qdrant.NewQueryRecommend(&qdrant.RecommendInput{}), Using: proto.String("dot")})
	d.query("recommend an unknown point", &qdrant.QueryPoints{
		Query: qdrant.NewQueryRecommend(&qdrant.RecommendInput{Positive: []*qdrant.VectorInput{example(99)}}), Using: proto.String("dot"),
	})
	d.query("recommend a point without the vector", &qdrant.QueryPoints{
		Query: qdrant.NewQueryRecommend(&qdrant.RecommendInput{Positive: []*qdrant.VectorInput{example(3), example(1)}}),
		Using: proto.String("euclid"), Limit: limit(2),
	})
	for _, strategy := range strategies {
		d.query(fmt.Sprintf("recommend words %v", strategy), &qdrant.QueryPoints{
			Query: qdrant.NewQueryRecommend(&qdrant.RecommendInput{
				Positive: []*qdrant.VectorInput{example(1), example(2)}, Negative: []*qdrant.VectorInput{example(5)}, Strategy: strategy,
			}),
			Using: proto.String("words"), Limit: limit(4),
		})
		d.query(fmt.Sprintf("recommend rows %v", strategy), &qdrant.QueryPoints{
			Query: qdrant.NewQueryRecommend(&qdrant.RecommendInput{
				Positive: []*qdrant.VectorInput{example(1), example(2)}, Negative: []*qdrant.VectorInput{example(5)}, Strategy: strategy,
			}),
			Using: proto.String("rows"), Limit: limit(4),
		})
	}
	d.query("from another vector", &qdrant.QueryPoints{
		Query: qdrant.NewQueryID(qdrant.NewIDNum(2)), Using: proto.String("dot"), Limit: limit(2),
		LookupFrom: &qdrant.LookupLocation{CollectionName: things, VectorName: proto.String("euclid")},
	})
	d.query("from plain", &qdrant.QueryPoints{
		Query: qdrant.NewQueryID(qdrant.NewIDNum(1)), Using: proto.String("dot"), Limit: limit(2),
		LookupFrom: &qdrant.LookupLocation{CollectionName: "plain", VectorName: proto.String("")},
	})
	d.query("from a collection that is none", &qdrant.QueryPoints{
		Query: qdrant.NewQueryID(qdrant.NewIDNum(1)), Using: proto.String("dot"),
		LookupFrom: &qdrant.LookupLocation{CollectionName: "nothing"},
	})
}

func hybrid(d *diary) {
	dense := &qdrant.PrefetchQuery{Query: qdrant.NewQuery(wave(33, 4)...), Using: proto.String("dot"), Limit: limit(5)}
	sparse := &qdrant.PrefetchQuery{
		Query: qdrant.NewQuerySparse([]uint32{7, 1, 12}, []float32{1, 2, 3}), Using: proto.String("words"), Limit: limit(5),
	}
	far := &qdrant.PrefetchQuery{Query: qdrant.NewQuery(wave(33, 4)...), Using: proto.String("euclid"), Limit: limit(4)}
	both := []*qdrant.PrefetchQuery{dense, sparse}
	rrf := qdrant.NewQueryFusion(qdrant.Fusion_RRF)
	weighted := func(k *uint32, weights ...float32) *qdrant.Query {
		return qdrant.NewQueryRRF(&qdrant.Rrf{K: k, Weights: weights})
	}
	d.query("rrf of three", &qdrant.QueryPoints{
		Query: weighted(proto.Uint32(60), 1.1, 2.5, 0.73), Prefetch: []*qdrant.PrefetchQuery{dense, sparse, far}, Limit: limit(20),
	})
	d.query("rrf with weights", &qdrant.QueryPoints{Query: weighted(nil, 3, 1.7), Prefetch: both, Limit: limit(20)})
	d.query("rrf with too few weights", &qdrant.QueryPoints{Query: weighted(nil, 3), Prefetch: both})
	d.query("dbsf", &qdrant.QueryPoints{Query: qdrant.NewQueryFusion(qdrant.Fusion_DBSF), Prefetch: both, Limit: limit(20)})
	d.query("dbsf with a threshold and an offset", &qdrant.QueryPoints{
		Query: qdrant.NewQueryFusion(qdrant.Fusion_DBSF), Prefetch: both, Limit: limit(2), Offset: limit(1),
		ScoreThreshold: proto.Float32(0.4),
	})
	d.query("rrf of one", &qdrant.QueryPoints{Query: rrf, Prefetch: both[:1], Limit: limit(20)})
	d.query("rrf with a filter", &qdrant.QueryPoints{
		Query: rrf, Prefetch: both[:1], Filter: must(qdrant.NewMatch("tag", "red")), Limit: limit(20),
	})
	d.query("rescored", &qdrant.QueryPoints{
		Query: qdrant.NewQuery(wave(50, 4)...), Using: proto.String("euclid"), Prefetch: both, Limit: limit(20),
	})
	d.query("rescored by rows", &qdrant.QueryPoints{
		Query: qdrant.NewQueryMulti([][]float32{wave(1, 3)}), Using: proto.String("rows"), Prefetch: both, Limit: limit(3),
		ScoreThreshold: proto.Float32(-1),
	})
	d.query("fetched with filters and thresholds", &qdrant.QueryPoints{Query: qdrant.NewQuery(wave(50, 4)...), Using: proto.String("dot"), Prefetch: []*qdrant.PrefetchQuery{
		{Query: qdrant.NewQuery(wave(33, 4)...), Using: proto.String("dot"), Filter: must(qdrant.NewMatchBool("flag", true)), ScoreThreshold: proto.Float32(-5)},
	}, Limit: limit(20)})
	d.query("in two steps", &qdrant.QueryPoints{
		Query: qdrant.NewQuery(wave(50, 4)...), Using: proto.String("cosine"), Limit: limit(20),
		Prefetch: []*qdrant.PrefetchQuery{{Query: weighted(nil, 1, 2.2), Prefetch: both, Limit: limit(4)}},
	})
	d.query("ordered", &qdrant.QueryPoints{Query: qdrant.NewQueryOrderBy(&qdrant.OrderBy{Key: "n"}), Prefetch: both, Limit: limit(3)})
	d.query("diverse", &qdrant.QueryPoints{
		Query: qdrant.NewQueryMMR(qdrant.NewVectorInput(wave(3, 4)...), &qdrant.Mmr{
			Diversity: proto.Float32(0.6), CandidatesLimit: proto.Uint32(20),
		}),
		Using: proto.String("dot"), Prefetch: both, Limit: limit(3),
	})
	d.query("recommended", &qdrant.QueryPoints{
		Query: qdrant.NewQueryRecommend(&qdrant.RecommendInput{Positive: []*qdrant.VectorInput{example(1), example(2)}}),
		Using: proto.String("dot"), Prefetch: both, Limit: limit(20),
	})
	d.query("fetched without a query", &qdrant.QueryPoints{
		Query: qdrant.NewQuery(wave(50, 4)...), Using: proto.String("dot"), Prefetch: []*qdrant.PrefetchQuery{{Limit: limit(3)}},
	})
	d.query("prefetch without a query", &qdrant.QueryPoints{Prefetch: both})
	d.query("fusion without a prefetch", &qdrant.QueryPoints{Query: rrf})
	d.query("formula without a prefetch", &qdrant.QueryPoints{
		Query: qdrant.NewQueryFormula(&qdrant.Formula{Expression: qdrant.NewExpressionConstant(1)}),
	})
	d.query("prefetch of limit 0", &qdrant.QueryPoints{
		Query:    rrf,
		Prefetch: []*qdrant.PrefetchQuery{{Limit: limit(0), Query: qdrant.NewQuery(wave(33, 4)...), Using: proto.String("dot")}},
	})
}

func formulas(d *diary) {
	fetched := []*qdrant.PrefetchQuery{
		{Query: qdrant.NewQuery(wave(33, 4)...), Using: proto.String("dot"), Limit: limit(6), Filter: must(qdrant.NewHasID(qdrant.NewIDNum(1), qdrant.NewIDNum(2), qdrant.NewIDNum(3), qdrant.NewIDNum(4), qdrant.NewIDNum(5), qdrant.NewIDNum(6)))},
		{Query: qdrant.NewQuerySparse([]uint32{7, 1, 12}, []float32{1, 2, 3}), Using: proto.String("words"), Limit: limit(3), Filter: must(qdrant.NewHasID(qdrant.NewIDNum(1), qdrant.NewIDNum(2), qdrant.NewIDNum(4), qdrant.NewIDNum(5)))},
	}
	ask := func(what string, e *qdrant.Expression, defaults map[string]any) {
		d.query(what, &qdrant.QueryPoints{
			Query: qdrant.NewQueryFormula(&qdrant.Formula{Expression: e, Defaults: qdrant.NewValueMap(defaults)}), Prefetch: fetched,
			Limit: limit(6),
		})
	}
	constant, variable := qdrant.NewExpressionConstant, qdrant.NewExpressionVariable
	sum := func(parts ...*qdrant.Expression) *qdrant.Expression {
		return qdrant.NewExpressionSum(&qdrant.SumExpression{Sum: parts})
	}
	mult := func(parts ...*qdrant.Expression) *qdrant.Expression {
		return qdrant.NewExpressionMult(&qdrant.MultExpression{Mult: parts})
	}
	score := variable("$score")
	ask("score", score, nil)
	ask("score by its number", variable("$score[0]"), nil)
	ask("both scores", sum(score, mult(constant(0.5), variable("$score[1]"))), nil)
	ask("a default score", sum(score, variable("$score[1]")), map[string]any{"$score[1]": -7.5})
	ask("a score that is none", sum(score, variable("$score[5]")), nil)
	ask("a field", sum(score, mult(constant(0.1), variable("n"))), nil)
	ask("a deep field", sum(score, variable("deep.a.b")), nil)
	ask("a field with a default", sum(score, variable("absent")), map[string]any{"absent": 2.25})
	ask("a field without a default", sum(score, variable("absent")), nil)
	ask("a text", sum(score, variable("tag")), nil)
	ask("a list", sum(score, variable("numbers")), map[string]any{"numbers": 1})
	ask("a condition", sum(score, mult(constant(10), qdrant.NewExpressionCondition(qdrant.NewMatch("tag", "red")))), nil)
	ask("a quotient", qdrant.NewExpressionDiv(&qdrant.DivExpression{Left: score, Right: variable("x")}), nil)
	few := fetched
	fetched = []*qdrant.PrefetchQuery{
		{Query: qdrant.NewQuery(wave(33, 4)...), Using: proto.String("dot"), Filter: must(qdrant.NewHasID(qdrant.NewIDNum(4)))},
	}
	ask("a quotient by zero", qdrant.NewExpressionDiv(&qdrant.DivExpression{Left: score, Right: constant(0)}), nil)
	ask("too large", mult(constant(1e30), constant(1e30), variable("deep.a.b")), nil)
	fetched = few
	ask("a quotient by zero with a default", sum(score, qdrant.NewExpressionDiv(&qdrant.DivExpression{Left: score, Right: constant(0), ByZeroDefault: proto.Float32(3)})), nil)
	ask("functions", sum(qdrant.NewExpressionAbs(score), qdrant.NewExpressionNeg(variable("x")), qdrant.NewExpressionSqrt(constant(2)), qdrant.NewExpressionExp(variable("x")), qdrant.NewExpressionLog10(variable("deep.a.b")), qdrant.NewExpressionLn(variable("deep.a.b"))), nil)
	ask("a power", qdrant.NewExpressionPow(&qdrant.PowExpression{Base: variable("deep.a.b"), Exponent: constant(1.5)}), nil)
	ask("a root of a negative number", qdrant.NewExpressionSqrt(constant(-2)), nil)
	ask("a logarithm of zero", qdrant.NewExpressionLn(constant(0)), nil)
	origin := &qdrant.GeoPoint{Lon: 9, Lat: 42.25}
	distance := qdrant.NewExpressionGeoDistance(&qdrant.GeoDistance{Origin: origin, To: "at"})
	fetched = []*qdrant.PrefetchQuery{
		{Query: qdrant.NewQuery(wave(33, 4)...), Using: proto.String("dot"), Filter: must(qdrant.NewHasID(qdrant.NewIDNum(2), qdrant.NewIDNum(3), qdrant.NewIDNum(4)))},
	}
	ask("a distance", distance, map[string]any{"at": map[string]any{"lon": 1, "lat": 2}})
	fetched = []*qdrant.PrefetchQuery{
		{Query: qdrant.NewQuery(wave(33, 4)...), Using: proto.String("dot"), Filter: must(qdrant.NewHasID(qdrant.NewIDNum(4)))},
	}
	ask("a distance of nothing", distance, nil)
	fetched = few
	decay := func(scale, midpoint float32) *qdrant.DecayParamsExpression {
		return &qdrant.DecayParamsExpression{X: variable("deep.a.b"), Target: constant(2.25), Scale: &scale, Midpoint: &midpoint}
	}
	ask("exponential decay", qdrant.NewExpressionExpDecay(decay(3, 0.3)), nil)
	ask("gaussian decay", qdrant.NewExpressionGaussDecay(decay(3, 0.3)), nil)
	ask("linear decay", qdrant.NewExpressionLinDecay(decay(4, 0.3)), nil)
	ask("decay by default", qdrant.NewExpressionExpDecay(&qdrant.DecayParamsExpression{X: variable("deep.a.b")}), nil)
	ask("decay with midpoint 1", qdrant.NewExpressionExpDecay(decay(3, 1)), nil)
	ask("linear decay with midpoint 2", qdrant.NewExpressionLinDecay(decay(3, 2)), nil)
	ask("decay of scale 0", qdrant.NewExpressionGaussDecay(decay(0, 0.5)), nil)
	fetched = []*qdrant.PrefetchQuery{
		{Query: qdrant.NewQuery(wave(33, 4)...), Using: proto.String("dot"), Filter: must(qdrant.NewHasID(qdrant.NewIDNum(4), qdrant.NewIDNum(6), qdrant.NewIDNum(2)))},
	}
	ask("dates", qdrant.NewExpressionExpDecay(&qdrant.DecayParamsExpression{
		X: qdrant.NewExpressionDatetimeKey("when"), Target: qdrant.NewExpressionDatetime("2024-05-01T00:00:00Z"), Scale: proto.Float32(86400 * 30),
	}), nil)
	ask("a date that is none", qdrant.NewExpressionDatetimeKey("tag"), nil)
	ask("a number for a date", qdrant.NewExpressionDatetimeKey("n"), nil)
	fetched = few
	ask("a malformed variable", variable("a..b"), nil)
	ask("an unknown reserved word", variable("$other"), nil)
	ask("a malformed score", variable("$score[]"), nil)
	ask("an empty product", sum(score, mult()), nil)
	d.query("with a threshold", &qdrant.QueryPoints{
		Query: qdrant.NewQueryFormula(&qdrant.Formula{Expression: variable("x")}), Prefetch: fetched, ScoreThreshold: proto.Float32(-0.5),
	})
}

func groups(d *diary) {
	ask := func(what string, in *qdrant.QueryPointGroups) {
		in.CollectionName = things
		answer, err := d.points.QueryGroups(d.ctx, in)
		if err != nil {
			did[*qdrant.QueryGroupsResponse](d, what)(nil, err)
			return
		}
		d.note("%s:", what)
		var lines []string
		for _, g := range answer.GetResult().GetGroups() {
			lines = append(lines, words(plainOf(d.t, g)))
		}
		if strings.HasSuffix(what, "lists") {
			slices.Sort(lines) // a point may be the best one of several groups
		}
		for _, line := range lines {
			d.note("  %s", line)
		}
	}
	near := qdrant.NewQuery(wave(33, 4)...)
	ask("by tag", &qdrant.QueryPointGroups{Query: near, Using: proto.String("dot"), GroupBy: "tag", GroupSize: limit(2), Limit: limit(2)})
	ask("by tag and distance", &qdrant.QueryPointGroups{
		Query: near, Using: proto.String("euclid"), GroupBy: "tag", GroupSize: limit(2), Limit: limit(2),
	})
	ask("by default", &qdrant.QueryPointGroups{Query: near, Using: proto.String("dot"), GroupBy: "tag"})
	ask("by a number", &qdrant.QueryPointGroups{
		Query: near, Using: proto.String("dot"), GroupBy: "n", Limit: limit(3), WithPayload: qdrant.NewWithPayloadInclude("n"),
	})
	ask("by lists", &qdrant.QueryPointGroups{Query: near, Using: proto.String("dot"), GroupBy: "tags", GroupSize: limit(3)})
	ask("by mixed lists", &qdrant.QueryPointGroups{
		Query: near, Using: proto.String("dot"), GroupBy: "numbers", GroupSize: limit(1), Limit: limit(30),
	})
	ask("by floats", &qdrant.QueryPointGroups{Query: near, Using: proto.String("dot"), GroupBy: "x"})
	ask("with a filter", &qdrant.QueryPointGroups{
		Query: near, Using: proto.String("dot"), GroupBy: "tag", Filter: must(qdrant.NewMatchBool("flag", false)),
	})
	ask("looked up", &qdrant.QueryPointGroups{
		Query: near, Using: proto.String("dot"), GroupBy: "deep.a.b", GroupSize: limit(1), Limit: limit(10),
		WithLookup: &qdrant.WithLookup{Collection: "plain", WithVectors: qdrant.NewWithVectors(true)},
	})
	ask("fused", &qdrant.QueryPointGroups{Query: qdrant.NewQueryRRF(&qdrant.Rrf{Weights: []float32{1, 2.5}}), GroupBy: "tag", Prefetch: []*qdrant.PrefetchQuery{
		{Query: near, Using: proto.String("dot"), Limit: limit(10)}, {Query: qdrant.NewQuery(wave(34, 4)...), Using: proto.String("cosine"), Limit: limit(10)},
	}})
	ask("of size 0", &qdrant.QueryPointGroups{Query: near, Using: proto.String("dot"), GroupBy: "tag", GroupSize: limit(0)})
	ask("without a field", &qdrant.QueryPointGroups{Query: near, Using: proto.String("dot")})
	ask("by a malformed field", &qdrant.QueryPointGroups{Query: near, Using: proto.String("dot"), GroupBy: "a..b"})
	facet := func(what string, in *qdrant.FacetCounts) {
		in.CollectionName = things
		did[*qdrant.FacetResponse](d, "facet "+what)(d.points.Facet(d.ctx, in))
	}
	facet("tag", &qdrant.FacetCounts{Key: "tag", Exact: proto.Bool(true)})
	facet("tags", &qdrant.FacetCounts{Key: "tags", Exact: proto.Bool(true), Limit: limit(2)})
	facet("flag", &qdrant.FacetCounts{Key: "flag"})
	facet("n", &qdrant.FacetCounts{Key: "n", Filter: must(qdrant.NewMatch("tag", "red"))})
	facet("numbers", &qdrant.FacetCounts{Key: "numbers", Limit: limit(3)})
	facet("x", &qdrant.FacetCounts{Key: "x"})
	facet("without an index", &qdrant.FacetCounts{Key: "deep.a.b"})
	facet("of limit 0", &qdrant.FacetCounts{Key: "tag", Limit: limit(0)})
	facet("of nothing", &qdrant.FacetCounts{})
}

func older(d *diary) {
	did[*qdrant.SearchResponse](d, "search")(d.points.Search(d.ctx, &qdrant.SearchPoints{
		CollectionName: things, Vector: wave(33, 4), VectorName: proto.String("dot"), Limit: 2, Offset: limit(1),
		WithPayload: qdrant.NewWithPayloadInclude("n"),
	}))
	did[*qdrant.SearchResponse](d, "search words")(d.points.Search(d.ctx, &qdrant.SearchPoints{
		CollectionName: things, Vector: []float32{1, 2}, SparseIndices: &qdrant.SparseIndices{Data: []uint32{7, 1}},
		VectorName: proto.String("words"), Limit: 2,
	}))
	did[*qdrant.SearchResponse](d, "search of limit 0")(d.points.Search(d.ctx, &qdrant.SearchPoints{
		CollectionName: things, Vector: wave(33, 4), VectorName: proto.String("dot"),
	}))
	did[*qdrant.SearchBatchResponse](d, "search batch")(d.points.SearchBatch(d.ctx, &qdrant.SearchBatchPoints{CollectionName: things, SearchPoints: []*qdrant.SearchPoints{
		{CollectionName: things, Vector: wave(33, 4), VectorName: proto.String("dot"), Limit: 1}, {CollectionName: things, Vector: wave(33, 4), VectorName: proto.String("euclid"), Limit: 1},
	}}))
	did[*qdrant.SearchGroupsResponse](d, "search groups")(d.points.SearchGroups(d.ctx, &qdrant.SearchPointGroups{
		CollectionName: things, Vector: wave(33, 4), VectorName: proto.String("dot"), GroupBy: "tag", GroupSize: 1, Limit: 2,
	}))
	recommend := func(what string, in *qdrant.RecommendPoints) {
		in.CollectionName, in.Using, in.Limit = things, proto.String("dot"), 2
		did[*qdrant.RecommendResponse](d, "recommend "+what)(d.points.Recommend(d.ctx, in))
	}
	recommend("by ids", &qdrant.RecommendPoints{
		Positive: []*qdrant.PointId{qdrant.NewIDNum(1)}, Negative: []*qdrant.PointId{qdrant.NewIDNum(5)},
	})
	recommend("by a vector", &qdrant.RecommendPoints{
		PositiveVectors: []*qdrant.Vector{qdrant.NewVector(wave(33, 4)...)}, Strategy: qdrant.RecommendStrategy_BestScore.Enum(),
	})
	recommend("nothing", &qdrant.RecommendPoints{})
	recommend("only not", &qdrant.RecommendPoints{Negative: []*qdrant.PointId{qdrant.NewIDNum(5)}})
	recommend("an unknown point", &qdrant.RecommendPoints{Positive: []*qdrant.PointId{qdrant.NewIDNum(99)}})
	did[*qdrant.RecommendBatchResponse](d, "recommend batch")(d.points.RecommendBatch(d.ctx, &qdrant.RecommendBatchPoints{CollectionName: things, RecommendPoints: []*qdrant.RecommendPoints{
		{CollectionName: things, Positive: []*qdrant.PointId{qdrant.NewIDNum(1)}, Using: proto.String("dot"), Limit: 1},
	}}))
	did[*qdrant.RecommendGroupsResponse](d, "recommend groups")(d.points.RecommendGroups(d.ctx, &qdrant.RecommendPointGroups{
		CollectionName: things, Positive: []*qdrant.PointId{qdrant.NewIDNum(1)}, Using: proto.String("dot"), GroupBy: "tag", GroupSize: 1,
		Limit: 2,
	}))
	single := &qdrant.TargetVector{
		Target: &qdrant.TargetVector_Single{
			Single: &qdrant.VectorExample{Example: &qdrant.VectorExample_Vector{Vector: qdrant.NewVector(wave(33, 4)...)}},
		},
	}
	byID := func(id uint64) *qdrant.VectorExample {
		return &qdrant.VectorExample{Example: &qdrant.VectorExample_Id{Id: qdrant.NewIDNum(id)}}
	}
	pairs := []*qdrant.ContextExamplePair{{Positive: byID(1), Negative: byID(2)}}
	discover := func(what string, in *qdrant.DiscoverPoints) {
		in.CollectionName, in.Using, in.Limit = things, proto.String("dot"), 2
		did[*qdrant.DiscoverResponse](d, "discover "+what)(d.points.Discover(d.ctx, in))
	}
	discover("by a target", &qdrant.DiscoverPoints{Target: single})
	discover("by both", &qdrant.DiscoverPoints{Target: single, Context: pairs})
	discover("by nothing", &qdrant.DiscoverPoints{})
	did[*qdrant.DiscoverBatchResponse](d, "discover batch")(d.points.DiscoverBatch(d.ctx, &qdrant.DiscoverBatchPoints{CollectionName: things, DiscoverPoints: []*qdrant.DiscoverPoints{
		{CollectionName: things, Target: single, Using: proto.String("dot"), Limit: 1},
	}}))
}
