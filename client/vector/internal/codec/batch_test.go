package codec

import (
	"testing"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
)

func TestBatch(t *testing.T) {
	t.Parallel()
	c, err := Of[word]()
	require.NoError(t, err)
	docs := words(300)
	var b Batch
	for i := range docs {
		require.NoError(t, c.Append(&b, &docs[i]))
	}

	t.Run("sends what the same points as structs would send", func(t *testing.T) {
		request := b.Upsert("words")
		request.Wait = new(true)
		sent, err := proto.Marshal(request)
		require.NoError(t, err)
		var received qdrant.UpsertPoints
		require.NoError(t, proto.Unmarshal(sent, &received))
		equal(t, &qdrant.UpsertPoints{CollectionName: "words", Wait: new(true), Points: byHand(docs)}, &received)
		known(t, received.ProtoReflect())
	})
	t.Run("knows its size to the byte", func(t *testing.T) {
		assert.Equal(t, proto.Size(&qdrant.UpsertPoints{Points: byHand(docs)}), b.Bytes())
		bare := proto.Size(&qdrant.UpsertPoints{CollectionName: "words"})
		assert.Equal(t, bare+b.Bytes(), proto.Size(b.Upsert("words")))
	})
	t.Run("knows its ids", func(t *testing.T) {
		assert.Equal(t, 300, b.Len())
		assert.Equal(t, Num(0), b.IDs()[0])
		assert.Equal(t, Num(299), b.IDs()[299])
	})
	t.Run("gives vectors alone", func(t *testing.T) {
		vectors := b.Vectors()
		require.Len(t, vectors, 300)
		equal(t, &qdrant.PointVectors{Id: qdrant.NewIDNum(299), Vectors: qdrant.NewVectorsDense(docs[299].Vector)}, vectors[299])
	})
}

func TestBatchKeepsNothingOfDocuments(t *testing.T) {
	t.Parallel()
	c, err := Of[plainDocument]()
	require.NoError(t, err)
	var b Batch
	doc := plainDocument{ID: 1, Vector: []float32{1}}
	require.NoError(t, c.Append(&b, &doc))
	doc.ID, doc.Vector[0] = 2, 2
	require.NoError(t, c.Append(&b, &doc))
	got := points(t, &b)
	equal(t, &qdrant.PointStruct{Id: qdrant.NewIDNum(1), Vectors: qdrant.NewVectors(1)}, got[0])
	equal(t, &qdrant.PointStruct{Id: qdrant.NewIDNum(2), Vectors: qdrant.NewVectors(2)}, got[1])
}

func TestBatchReset(t *testing.T) {
	t.Parallel()
	c, err := Of[id]()
	require.NoError(t, err)
	var b Batch
	for _, n := range []uint64{5, 6, 7} {
		require.NoError(t, c.Append(&b, &id{n}))
	}
	b.Reset()
	assert.Zero(t, b.Len())
	assert.Zero(t, b.Bytes())
	assert.Empty(t, b.Points())
	assert.Empty(t, b.IDs())
}

func TestBatchAllocatesNextToNothing(t *testing.T) {
	c, err := Of[word]()
	require.NoError(t, err)
	docs := words(perBatch)
	var b Batch
	fill := func() {
		b.Reset()
		for i := range docs {
			if err := c.Append(&b, &docs[i]); err != nil {
				t.Fatal(err)
			}
		}
		_ = b.Upsert("words")
	}
	fill()
	most := 2.0
	if raceDetector {
		most += perBatch // its code allocates once for each document
	}
	assert.LessOrEqual(t, testing.AllocsPerRun(10, fill), most, "the request and its raw fields, for all %d documents", perBatch)
}
