package qdranttest

import (
	"math"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// vectorRanking is that of queries that compare vectors.
func (s search) vectorRanking(st stage) (ranking, error) {
	field, exists := s.fields[st.using]
	if !exists {
		return ranking{}, wrongInput("Not existing vector name error: %s", st.using)
	}
	given := examples{search: s, field: field, lookup: st.lookup}
	var score scorer
	var err error
	smaller := false
	switch q := st.query.GetVariant().(type) {
	case *qdrant.Query_Nearest:
		smaller = field.smallerIsNearer()
		score, err = given.nearest(q.Nearest)
		err = in("query.variant.variant", err)
	case *qdrant.Query_NearestWithMmr:
		return given.diverse(q.NearestWithMmr, st)
	case *qdrant.Query_Recommend:
		smaller = field.smallerIsNearer() && q.Recommend.GetStrategy() == qdrant.RecommendStrategy_AverageVector
		score, err = given.recommend(q.Recommend)
	case *qdrant.Query_Discover:
		score, err = given.discover(q.Discover)
	case *qdrant.Query_Context:
		score, err = given.context(q.Context)
	default:
		return ranking{}, status.Error(codes.Unimplemented, "qdranttest does not have this query")
	}
	return ranking{examples: given.ids, of: func(sources [][]hit) ([]hit, error) {
		return best(scored(union(sources), field.name, score), smaller, st), nil
	}}, err
}

// scorer gives a stored vector its score, if it has one.
type scorer func(stored vector) (float32, bool)

// scored are the hits that have a vector with a score.
func scored(hits []hit, name string, score scorer) []hit {
	var result []hit
	for _, h := range hits {
		if v, has := h.vectors[name]; has {
			if value, has := score(v); has {
				result = append(result, hit{point: h.point, score: value})
			}
		}
	}
	return result
}

// examples makes vectors of what a query gives: vectors, or the ids of points that have them.
type examples struct {
	search
	field  vectorField
	lookup *qdrant.LookupLocation
	ids    []pointID // of this collection's points that were given
}

// errNoVector is the answer to an example that has no vector of the name.
func errNoVector(name string) error {
	return notFound("Vector with name %q for point not found", name)
}

// given is the vector as it was given, or as it is stored; there is none if a point has none of the name.
func (e *examples) given(input *qdrant.VectorInput) (v vector, found bool, err error) {
	byID, isID := input.GetVariant().(*qdrant.VectorInput_Id)
	if !isID {
		v, err := inputOf(input)
		return v, err == nil, err
	}
	id, err := parseID(byID.Id)
	if err != nil {
		return vector{}, false, err
	}
	col, name := e.col, e.field.name
	if e.lookup == nil {
		e.ids = append(e.ids, id)
	} else {
		if err := unsharded(e.lookup.GetShardKeySelector()); err != nil {
			return vector{}, false, err
		}
		if _, col, err = e.server.find(e.lookup.GetCollectionName()); err != nil {
			return vector{}, false, notFound("Collection %s not found", e.lookup.GetCollectionName())
		}
		if e.lookup.VectorName != nil {
			name = e.lookup.GetVectorName()
		}
		if _, exists := vectorFields(col.config.GetParams())[name]; !exists {
			return vector{}, false, wrongInput("Not existing vector name error: %s", name)
		}
	}
	p, exists := col.store.points[id]
	if !exists {
		return vector{}, false, notFound("No point with id %s found", id)
	}
	v, found = p.vectors[name]
	return v, found, nil
}

// required is a vector that must be there, made fit.
func (e *examples) required(input *qdrant.VectorInput) (vector, error) {
	v, found, err := e.given(input)
	switch {
	case err != nil:
		return vector{}, err
	case !found:
		return vector{}, errNoVector(e.field.name)
	}
	return e.field.fit(v)
}

// all are the vectors that are there, as they were given.
func (e *examples) all(inputs []*qdrant.VectorInput) ([]vector, error) {
	var vectors []vector
	for _, input := range inputs {
		v, found, err := e.given(input)
		if err != nil {
			return nil, err
		}
		if found {
			vectors = append(vectors, v)
		}
	}
	return vectors, nil
}

func (e *examples) nearest(input *qdrant.VectorInput) (scorer, error) {
	v, err := e.required(input)
	if err != nil {
		return nil, err
	}
	return e.near(v), nil
}

// near scores by the distance to a vector.
func (e *examples) near(v vector) scorer {
	if e.field.idf {
		v = e.weighted(e.field, v)
	}
	return func(stored vector) (float32, bool) {
		similarity, has := e.field.similarity(v, stored)
		return e.field.shown(similarity), has
	}
}

// weighted is a sparse vector whose components count by how rare their indices are.
func (s search) weighted(field vectorField, v vector) vector {
	having := make(map[uint32]int, len(v.sparse.indices))
	for _, index := range v.sparse.indices {
		having[index] = 0
	}
	all := 0
	for _, p := range s.col.store.points {
		stored, has := p.vectors[field.name]
		if !has {
			continue
		}
		all++
		for _, index := range stored.sparse.indices {
			if _, asked := having[index]; asked {
				having[index]++
			}
		}
	}
	weighted := &sparse{indices: v.sparse.indices, values: make([]float32, len(v.sparse.values))}
	for i, index := range v.sparse.indices {
		n, df := float32(all), float32(having[index])
		weighted.values[i] = v.sparse.values[i] * float32(math.Log(float64((n-df+0.5)/(df+0.5)+1)))
	}
	return vector{sparse: weighted}
}
