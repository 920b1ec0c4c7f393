package codec

import (
	"testing"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSchema(t *testing.T) {
	t.Parallel()
	c, err := Of[article]()
	require.NoError(t, err)
	s := c.Schema()

	assert.Equal(t, "article", s.Type)
	assert.Equal(t, "ID", s.ID)
	assert.True(t, s.AnyPayload)
	assert.True(t, s.AnyVectors)
	assert.Equal(t, []VectorField{
		{Name: "", Field: "Meaning", Size: 3, Distance: qdrant.Distance_Cosine},
		{
			Name: "image", Field: "Image", Size: 2, Distance: qdrant.Distance_Dot, Datatype: qdrant.Datatype_Float16, M: 32, EfConstruct: 256,
		},
		{Name: "colbert", Field: "Tokens", Kind: Multi, Size: 2, Distance: qdrant.Distance_Cosine, OnDisk: true},
		{Name: "terms", Field: "Terms", Kind: SparseVector, IDF: true},
	}, s.Vectors)
	assert.Equal(t, []IndexField{
		{
			Path: "title", Field: "Title", Kind: qdrant.FieldType_FieldTypeText, Tokenizer: qdrant.TokenizerType_Prefix, Phrase: true,
		},
		{Path: "lang", Field: "Lang", Kind: qdrant.FieldType_FieldTypeKeyword, Tenant: true},
		{Path: "year", Field: "Year", Kind: qdrant.FieldType_FieldTypeInteger, Principal: true, OnDisk: true},
		{Path: "score", Field: "Score", Kind: qdrant.FieldType_FieldTypeFloat},
		{Path: "open", Field: "Open", Kind: qdrant.FieldType_FieldTypeBool},
		{Path: "written", Field: "Written", Kind: qdrant.FieldType_FieldTypeDatetime},
		{Path: "place", Field: "Place", Kind: qdrant.FieldType_FieldTypeGeo},
		{Path: "owner", Field: "Owner", Kind: qdrant.FieldType_FieldTypeUuid},
		{Path: "tags", Field: "Tags", Kind: qdrant.FieldType_FieldTypeKeyword},
		{Path: "author.name", Field: "Name", Kind: qdrant.FieldType_FieldTypeKeyword},
		{Path: "author.home", Field: "Home", Kind: qdrant.FieldType_FieldTypeGeo},
		{Path: "parts[].price", Field: "Price", Kind: qdrant.FieldType_FieldTypeFloat},
		{Path: "pointer.name", Field: "Name", Kind: qdrant.FieldType_FieldTypeKeyword},
		{Path: "pointer.home", Field: "Home", Kind: qdrant.FieldType_FieldTypeGeo},
		{Path: "rev", Field: "Revision", Kind: qdrant.FieldType_FieldTypeInteger},
	}, s.Indexes)

	t.Run("belongs to the caller", func(t *testing.T) {
		c.Schema().Vectors[0].Size = 99
		assert.Equal(t, 3, c.Schema().Vectors[0].Size)
	})
	t.Run("finds vectors", func(t *testing.T) {
		v, ok := s.Vector("colbert")
		assert.True(t, ok)
		assert.Equal(t, "Tokens", v.Field)
		_, ok = s.Vector("nope")
		assert.False(t, ok)
	})
}

func TestSized(t *testing.T) {
	t.Parallel()
	type document struct {
		ID     uint64         `vector:",id"`
		A      []float32      `vector:",vector"`
		B      []float32      `vector:",vector,size=2"`
		Sparse Sparse         `vector:",vector"`
		Rest   map[string]any `vector:",vectors"`
	}
	open, err := Of[document]()
	require.NoError(t, err)
	c := open.Sized(map[string]int{"a": 3, "b": 9, "sparse": 9, "more": 1})

	v, _ := c.Schema().Vector("a")
	assert.Equal(t, 3, v.Size)
	v, _ = c.Schema().Vector("b")
	assert.Equal(t, 2, v.Size, "what the tag says stays")
	v, _ = open.Schema().Vector("a")
	assert.Zero(t, v.Size, "the codec it came from is as it was")

	doc := document{A: []float32{1, 2, 3}, B: []float32{1, 2}, Sparse: Sparse{Indices: []uint32{5}, Values: []float32{1}}}
	doc.Rest = map[string]any{"more": []float32{1}}
	var b Batch
	require.NoError(t, c.Append(&b, &doc))
	doc.A = doc.A[:2]
	require.EqualError(t, c.Append(&b, &doc), "document 0: a: 2 dimensions instead of 3")
	require.NoError(t, open.Append(&b, &doc))
	doc.A, doc.Rest["more"] = []float32{1, 2, 3}, []float32{1, 2}
	require.EqualError(t, c.Append(&b, &doc), "document 0: more: 2 dimensions instead of 1")
}

func TestVectorParams(t *testing.T) {
	t.Parallel()
	dense := VectorField{Size: 3, Distance: qdrant.Distance_Dot, Datatype: qdrant.Datatype_Uint8, OnDisk: true, M: 4, EfConstruct: 5}
	equal(t, &qdrant.VectorParams{
		Size: 3, Distance: qdrant.Distance_Dot, Datatype: qdrant.Datatype_Uint8.Enum(), OnDisk: new(true),
		HnswConfig: &qdrant.HnswConfigDiff{M: new(uint64(4)), EfConstruct: new(uint64(5))},
	}, dense.Params())
	assert.Nil(t, dense.SparseParams())

	multi := VectorField{Kind: Multi, Size: 2, Distance: qdrant.Distance_Cosine}
	equal(t, &qdrant.VectorParams{
		Size: 2, Distance: qdrant.Distance_Cosine,
		MultivectorConfig: &qdrant.MultiVectorConfig{Comparator: qdrant.MultiVectorComparator_MaxSim},
	}, multi.Params())

	sparse := VectorField{Kind: SparseVector, OnDisk: true, Datatype: qdrant.Datatype_Float16, IDF: true}
	equal(t, &qdrant.SparseVectorParams{
		Index:    &qdrant.SparseIndexConfig{OnDisk: new(true), Datatype: qdrant.Datatype_Float16.Enum()},
		Modifier: qdrant.Modifier_Idf.Enum(),
	}, sparse.SparseParams())
	assert.Nil(t, sparse.Params())
	equal(t, &qdrant.SparseVectorParams{}, VectorField{Kind: SparseVector}.SparseParams())
}

func TestIndexParams(t *testing.T) {
	t.Parallel()
	yes := new(true)
	for name, test := range map[string]struct {
		field IndexField
		want  *qdrant.PayloadIndexParams
	}{
		"keyword": {
			IndexField{Kind: qdrant.FieldType_FieldTypeKeyword, Tenant: true, OnDisk: true},
			qdrant.NewPayloadIndexParams(&qdrant.KeywordIndexParams{IsTenant: yes, OnDisk: yes}),
		},
		"integer": {
			IndexField{Kind: qdrant.FieldType_FieldTypeInteger, Principal: true},
			qdrant.NewPayloadIndexParamsInt(&qdrant.IntegerIndexParams{Lookup: yes, Range: yes, IsPrincipal: yes}),
		},
		"float": {
			IndexField{Kind: qdrant.FieldType_FieldTypeFloat, OnDisk: true},
			qdrant.NewPayloadIndexParamsFloat(&qdrant.FloatIndexParams{OnDisk: yes}),
		},
		"bool": {
			IndexField{Kind: qdrant.FieldType_FieldTypeBool},
			qdrant.NewPayloadIndexParamsBool(&qdrant.BoolIndexParams{}),
		},
		"datetime": {
			IndexField{Kind: qdrant.FieldType_FieldTypeDatetime, Principal: true},
			qdrant.NewPayloadIndexParamsDatetime(&qdrant.DatetimeIndexParams{IsPrincipal: yes}),
		},
		"geo": {
			IndexField{Kind: qdrant.FieldType_FieldTypeGeo, OnDisk: true},
			qdrant.NewPayloadIndexParamsGeo(&qdrant.GeoIndexParams{OnDisk: yes}),
		},
		"uuid": {
			IndexField{Kind: qdrant.FieldType_FieldTypeUuid, Tenant: true},
			qdrant.NewPayloadIndexParamsUUID(&qdrant.UuidIndexParams{IsTenant: yes}),
		},
		"text": {
			IndexField{Kind: qdrant.FieldType_FieldTypeText, Tokenizer: qdrant.TokenizerType_Word, Phrase: true},
			qdrant.NewPayloadIndexParamsText(&qdrant.TextIndexParams{Tokenizer: qdrant.TokenizerType_Word, PhraseMatching: yes}),
		},
	} {
		t.Run(name, func(t *testing.T) { equal(t, test.want, test.field.Params()) })
	}
}
