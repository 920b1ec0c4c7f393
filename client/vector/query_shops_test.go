package vector

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/qdrantprocess"
	"github.com/qdrant-shepherd/shepherd/client/vector/internal/codec"
)

// shop is a payload of every kind that a filter can ask about, made from a number.
type shop struct {
	n       int
	lang    string
	tags    []any
	rating  float64
	open    bool
	at      time.Time
	key     uuid.UUID
	place   Geo
	text    string
	score   *int // null for some, missing for others
	missing bool
	offers  []offer
}

type offer struct {
	food  string
	price int64
}

const shops = 60

func newShop(n int) shop {
	s := shop{
		n: n, lang: []string{"en", "fr", "de"}[n%3], rating: float64(n) / 4, open: n%2 == 0,
		at:    time.Date(2024, 1, 1+n, 0, 0, 0, 123456000, time.UTC),
		key:   uuid.NewSHA1(uuid.NameSpaceURL, []byte{byte(n)}),
		place: Geo{Lat: 50 + float64(n)/10, Lon: float64(n%5) * 2},
		text:  []string{"quick brown fox", "brown quick dog", "slow dog"}[n%3],
	}
	for i := range n % 4 {
		s.tags = append(s.tags, fmt.Sprint("tag", i))
	}
	switch n % 3 {
	case 0:
		s.score = new(n)
	case 1:
		s.missing = true
	}
	s.offers = []offer{{"bread", int64(n)}, {"milk", int64(shops - n)}}
	return s
}

func (s shop) payload() map[string]*qdrant.Value {
	p := map[string]any{
		"n": s.n, "lang": s.lang, "tags": s.tags, "rating": s.rating, "open": s.open, "at": s.at.Format(time.RFC3339Nano), "key": s.key.String(),
		"place": map[string]any{"lat": s.place.Lat, "lon": s.place.Lon}, "text": s.text, "with space": s.n % 7,
		"address": map[string]any{"city": s.lang},
	}
	offers := []any{}
	for _, o := range s.offers {
		offers = append(offers, map[string]any{"food": o.food, "price": o.price})
	}
	p["offers"] = offers
	switch {
	case s.score != nil:
		p["score"], p["rare"] = *s.score, *s.score
	case !s.missing:
		p["score"] = nil
	}
	return qdrant.NewValueMap(p)
}

func (s shop) vectors() *qdrant.Vectors {
	dense := shopVector(s.n)
	vectors := map[string]*qdrant.Vector{
		"dense":  qdrant.NewVectorDense(dense),
		"multi":  qdrant.NewVectorMulti([][]float32{dense, shopVector(s.n + 1)}),
		"sparse": qdrant.NewVectorSparse([]uint32{uint32(s.n), 1000}, []float32{2, 1}),
	}
	if s.n%10 == 0 {
		delete(vectors, "sparse")
	}
	return qdrant.NewVectorsMap(vectors)
}

// shopVector is one of evenly spread directions, so that the nearest are the neighbours in number.
func shopVector(n int) []float32 {
	sin, cos := math.Sincos(float64(n) / shops * math.Pi / 2)
	return []float32{float32(sin), float32(cos)}
}

// servedShops is a server with the same shops in two collections: one with a payload index on every field, one with none.
func servedShops(t *testing.T) *qdrant.Client {
	t.Helper()
	server := qdrantprocess.Start(t, 1, qdrantprocess.Options{Single: true})
	client, err := qdrant.NewClient(&qdrant.Config{Host: "127.0.0.1", Port: server.Servers[0].GRPCPort(), SkipCompatibilityCheck: true, PoolSize: 1})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, client.Close()) })
	for _, collection := range []string{"plain", "indexed"} {
		dense := &qdrant.VectorParams{Size: 2, Distance: qdrant.Distance_Cosine}
		multi := &qdrant.VectorParams{Size: 2, Distance: qdrant.Distance_Cosine, MultivectorConfig: &qdrant.MultiVectorConfig{Comparator: qdrant.MultiVectorComparator_MaxSim}}
		require.NoError(t, client.CreateCollection(t.Context(), &qdrant.CreateCollection{
			CollectionName: collection, ShardNumber: new(uint32(2)),
			VectorsConfig:       qdrant.NewVectorsConfigMap(map[string]*qdrant.VectorParams{"dense": dense, "multi": multi}),
			SparseVectorsConfig: qdrant.NewSparseVectorsConfig(map[string]*qdrant.SparseVectorParams{"sparse": {}}),
		}))
		if collection == "indexed" {
			indexShops(t, client, collection)
		}
		points := make([]*qdrant.PointStruct, shops)
		for n := range points {
			s := newShop(n)
			points[n] = &qdrant.PointStruct{Id: codec.Num(uint64(n)).Proto(), Payload: s.payload(), Vectors: s.vectors()}
		}
		_, err := client.Upsert(t.Context(), &qdrant.UpsertPoints{CollectionName: collection, Points: points, Wait: new(true)})
		require.NoError(t, err)
	}
	return client
}

func indexShops(t *testing.T, client *qdrant.Client, collection string) {
	t.Helper()
	text := qdrant.NewPayloadIndexParamsText(&qdrant.TextIndexParams{Tokenizer: qdrant.TokenizerType_Word, PhraseMatching: new(true)})
	for field, kind := range map[string]qdrant.FieldType{
		"n": qdrant.FieldType_FieldTypeInteger, "lang": qdrant.FieldType_FieldTypeKeyword, "tags": qdrant.FieldType_FieldTypeKeyword,
		"rating": qdrant.FieldType_FieldTypeFloat, "open": qdrant.FieldType_FieldTypeBool, "at": qdrant.FieldType_FieldTypeDatetime,
		"key": qdrant.FieldType_FieldTypeUuid, "place": qdrant.FieldType_FieldTypeGeo, "text": qdrant.FieldType_FieldTypeText,
		"score": qdrant.FieldType_FieldTypeInteger, `"with space"`: qdrant.FieldType_FieldTypeInteger, "address.city": qdrant.FieldType_FieldTypeKeyword,
		"offers[].food": qdrant.FieldType_FieldTypeKeyword, "offers[].price": qdrant.FieldType_FieldTypeInteger,
	} {
		request := &qdrant.CreateFieldIndexCollection{CollectionName: collection, FieldName: field, FieldType: &kind, Wait: new(true)}
		if field == "text" {
			request.FieldIndexParams = text
		}
		_, err := client.CreateFieldIndex(t.Context(), request)
		require.NoError(t, err)
	}
}
