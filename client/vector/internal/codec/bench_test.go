package codec

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
)

// word is a document as the benchmarks load it: 100 dimensions and six payload fields of the usual types.
type word struct {
	ID      uint64    `vector:",id"`
	Vector  []float32 `vector:",vector,unnamed,size=100"`
	Title   string    `vector:",index"`
	Lang    string    `vector:",index"`
	Year    int       `vector:",index"`
	Score   float64
	Tags    []string
	Written time.Time `vector:",index"`
}

const perBatch = 256

func words(n int) []word {
	r := rand.New(rand.NewPCG(1, 2))
	docs := make([]word, n)
	for i := range docs {
		docs[i] = word{
			ID: uint64(i), Vector: make([]float32, 100), Title: fmt.Sprintf("the word number %d", i), Lang: "en", Year: 1900 + i%125,
			Score: r.Float64(), Tags: []string{"noun", "common"}, Written: time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC),
		}
		for j := range docs[i].Vector {
			docs[i].Vector[j] = r.Float32()
		}
	}
	return docs
}

// byHand is what an application writes without this package.
func byHand(docs []word) []*qdrant.PointStruct {
	points := make([]*qdrant.PointStruct, len(docs))
	for i := range docs {
		d := &docs[i]
		points[i] = &qdrant.PointStruct{
			Id:      qdrant.NewIDNum(d.ID),
			Vectors: qdrant.NewVectorsDense(d.Vector),
			Payload: map[string]*qdrant.Value{
				"title":   qdrant.NewValueString(d.Title),
				"lang":    qdrant.NewValueString(d.Lang),
				"year":    qdrant.NewValueInt(int64(d.Year)),
				"score":   qdrant.NewValueDouble(d.Score),
				"tags":    qdrant.NewValueFromList(qdrant.NewValueString(d.Tags[0]), qdrant.NewValueString(d.Tags[1])),
				"written": qdrant.NewValueString(d.Written.Format(time.RFC3339Nano)),
			},
		}
	}
	return points
}

// perDocument turns the figures of a batch into those of a document.
func perDocument(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/perBatch, "ns/doc")
}

func BenchmarkEncode(b *testing.B) {
	docs := words(perBatch)
	c, err := Of[word]()
	require.NoError(b, err)

	b.Run("codec", func(b *testing.B) {
		b.ReportAllocs()
		var batch Batch
		for b.Loop() {
			batch.Reset()
			for i := range docs {
				if err := c.Append(&batch, &docs[i]); err != nil {
					b.Fatal(err)
				}
			}
			_ = batch.Upsert("words")
		}
		perDocument(b)
	})
	b.Run("hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = &qdrant.UpsertPoints{CollectionName: "words", Points: byHand(docs)}
		}
		perDocument(b)
	})
}

// BenchmarkSend goes on to the bytes that gRPC sends, which is where most of the work on structs is done.
func BenchmarkSend(b *testing.B) {
	docs := words(perBatch)
	c, err := Of[word]()
	require.NoError(b, err)
	wire := make([]byte, 0, 1<<20)

	marshal := func(b *testing.B, request *qdrant.UpsertPoints) {
		b.SetBytes(int64(proto.Size(request))) // gRPC asks for the size first, too
		var err error
		if wire, err = (proto.MarshalOptions{UseCachedSize: true}).MarshalAppend(wire[:0], request); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("codec", func(b *testing.B) {
		b.ReportAllocs()
		var batch Batch
		for b.Loop() {
			batch.Reset()
			for i := range docs {
				if err := c.Append(&batch, &docs[i]); err != nil {
					b.Fatal(err)
				}
			}
			marshal(b, batch.Upsert("words"))
		}
		perDocument(b)
	})
	b.Run("hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			marshal(b, &qdrant.UpsertPoints{CollectionName: "words", Points: byHand(docs)})
		}
		perDocument(b)
	})
}

// found are the documents as a search with payload and vectors finds them.
func found(b *testing.B, docs []word) []*qdrant.RetrievedPoint {
	points := make([]*qdrant.RetrievedPoint, len(docs))
	for i, p := range byHand(docs) {
		points[i] = answered(b, p)
	}
	return points
}

// readByHand is what an application writes without this package, with the checks that keep it from panicking and no others.
func readByHand(p *qdrant.RetrievedPoint, d *word) error {
	tags := p.Payload["tags"].GetListValue().GetValues()
	written, err := time.Parse(time.RFC3339Nano, p.Payload["written"].GetStringValue())
	*d = word{
		ID:      p.Id.GetNum(),
		Vector:  p.Vectors.GetVector().GetDense().GetData(),
		Title:   p.Payload["title"].GetStringValue(),
		Lang:    p.Payload["lang"].GetStringValue(),
		Year:    int(p.Payload["year"].GetIntegerValue()),
		Score:   p.Payload["score"].GetDoubleValue(),
		Tags:    make([]string, len(tags)),
		Written: written,
	}
	for i, tag := range tags {
		d.Tags[i] = tag.GetStringValue()
	}
	return err
}

func BenchmarkDecode(b *testing.B) {
	points := found(b, words(perBatch))
	c, err := Of[word]()
	require.NoError(b, err)
	var doc word

	b.Run("codec", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, p := range points {
				if err := c.Decode(p.Id, p.Payload, p.Vectors, &doc); err != nil {
					b.Fatal(err)
				}
			}
		}
		perDocument(b)
	})
	b.Run("hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, p := range points {
				if err := readByHand(p, &doc); err != nil {
					b.Fatal(err)
				}
			}
		}
		perDocument(b)
	})
}
