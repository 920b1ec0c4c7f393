package codec

import (
	"slices"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/proto"
)

// Batch collects encoded documents for one upsert. The zero value is ready to use. It is not safe for several goroutines.
//
// Documents are kept in protobuf's wire form, as they will be sent: see Upsert. So a batch shares no memory with the documents
// that went into it (they may be changed or reused as soon as Append returns), Bytes is exact, and there is next to nothing to
// allocate for a document.
type Batch struct {
	buf []byte // field points of UpsertPoints, once for each document
	ids []ID
	// length is the number of bytes that the length of the last point took up: the best guess for the next one.
	length int
}

// Len is the number of documents.
func (b *Batch) Len() int { return len(b.ids) }

// Bytes is the exact size in bytes that the documents take up in the request; the request adds its few options to it.
func (b *Batch) Bytes() int { return len(b.buf) }

// IDs are the documents' ids in the order of Append. They are valid until Reset.
func (b *Batch) IDs() []ID { return b.ids }

// Upsert is the request that stores the documents: ready for Client.Upsert after Wait, Ordering and the like are set. This is the
// fast way to send a batch: GetPoints of the request is empty, as its points are already encoded and travel as the message's raw
// fields (protoreflect.Message.SetUnknown), which are sent as they are. A server cannot tell the difference.
//
// The request holds the batch's memory: Reset and Append must wait until the call that sends it has returned.
func (b *Batch) Upsert(collection string) *qdrant.UpsertPoints {
	request := &qdrant.UpsertPoints{CollectionName: collection}
	// Without spare capacity, so that nobody who adds to the fields can write into the batch.
	request.ProtoReflect().SetUnknown(slices.Clip(b.buf))
	return request
}

// Points are the documents as go-client's structs, for requests other than Upsert (an update in a batch of operations, say) and for
// looking at. They are made anew by each call, cost what hand-written ones do, and do not hold the batch's memory.
func (b *Batch) Points() []*qdrant.PointStruct {
	request := &qdrant.UpsertPoints{}
	// What Append writes is well-formed, or the tests of this package fail; the points that were read are returned in any case.
	_ = proto.Unmarshal(b.buf, request)
	return request.GetPoints()
}

// Vectors are the documents' ids and vectors, as Client.UpdateVectors takes them, after AppendVectors or Append. They are made anew by
// each call.
func (b *Batch) Vectors() []*qdrant.PointVectors {
	points := b.Points()
	vectors := make([]*qdrant.PointVectors, len(points))
	for i, p := range points {
		vectors[i] = &qdrant.PointVectors{Id: p.GetId(), Vectors: p.GetVectors()}
	}
	return vectors
}

// Reset empties the batch and keeps its memory for the next documents. Nothing that was sent with Upsert may still be running.
func (b *Batch) Reset() {
	b.buf, b.ids = b.buf[:0], b.ids[:0]
}

// begin opens a point; the mark is for finish or abandon, one of which must follow.
func (b *Batch) begin() (mark int) {
	b.buf, mark = open(append(b.buf, tagPoint), max(b.length, 1))
	return mark
}

// finish takes what was written since begin as the point with that id.
func (b *Batch) finish(mark int, id ID) {
	reserved := max(b.length, 1)
	b.length = sizeVarint(uint64(len(b.buf) - mark - reserved))
	b.buf = seal(b.buf, mark, reserved)
	b.ids = append(b.ids, id)
}

// abandon takes everything since begin back.
func (b *Batch) abandon(mark int) { b.buf = b.buf[:mark-1] }
