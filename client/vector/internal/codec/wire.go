package codec

import (
	"encoding/hex"
	"math"
	"math/bits"

	"google.golang.org/protobuf/encoding/protowire"
)

// Tags of the messages that a batch is made of: field number and wire type of points.proto and json_with_int.proto. The tests
// decode every form with go-client's own types and refuse fields that those do not know.
const (
	tagPoint        = 3<<3 | byte(protowire.BytesType) // UpsertPoints.points
	tagPointID      = 1<<3 | byte(protowire.BytesType)
	tagPayload      = 3<<3 | byte(protowire.BytesType) // PointStruct.payload, a map
	tagVectors      = 4<<3 | byte(protowire.BytesType)
	tagIDNumber     = 1<<3 | byte(protowire.VarintType)
	tagIDUUID       = 2<<3 | byte(protowire.BytesType)
	tagVectorsOne   = 1<<3 | byte(protowire.BytesType)
	tagVectorsNamed = 2<<3 | byte(protowire.BytesType)
	tagElement      = 1<<3 | byte(protowire.BytesType) // the first and often only field: lists, maps, keys, data
	tagMapValue     = 2<<3 | byte(protowire.BytesType)
	tagIndices      = 2<<3 | byte(protowire.BytesType)

	tagNull    = 1<<3 | byte(protowire.VarintType)
	tagDouble  = 2<<3 | byte(protowire.Fixed64Type)
	tagInteger = 3<<3 | byte(protowire.VarintType)
	tagString  = 4<<3 | byte(protowire.BytesType)
	tagBool    = 5<<3 | byte(protowire.VarintType)
	tagStruct  = 6<<3 | byte(protowire.BytesType)
	tagList    = 7<<3 | byte(protowire.BytesType)

	numDense, numSparse, numMulti = 101, 102, 103 // Vector.vector
)

// open begins a message or string whose length is not known yet: it reserves as many bytes as the length is expected to take up, and
// seal fills them in.
func open(b []byte, reserve int) ([]byte, int) {
	at := len(b)
	return append(b, "\x00\x00\x00\x00\x00"[:reserve]...), at
}

// seal writes the length of everything after the reserved bytes at the mark. It moves what was written where the guess was wrong, which
// for the few bytes of a payload value costs less than working out its length before.
func seal(b []byte, at, reserved int) []byte {
	n := len(b) - at - reserved
	if n < 0x80 && reserved == 1 {
		b[at] = byte(n)
		return b
	}
	switch needed := sizeVarint(uint64(n)); {
	case needed > reserved:
		b = append(b, "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"[:needed-reserved]...)
		copy(b[at+needed:], b[at+reserved:])
	case needed < reserved:
		copy(b[at+needed:], b[at+reserved:])
		b = b[:at+needed+n]
	}
	protowire.AppendVarint(b[at:at], uint64(n))
	return b
}

func sizeVarint(n uint64) int { return (bits.Len64(n|1) + 6) / 7 }

func putString(b []byte, s string) []byte {
	b = append(b, tagString)
	b = protowire.AppendVarint(b, uint64(len(s)))
	return append(b, s...)
}

func putInteger(b []byte, n int64) []byte {
	return protowire.AppendVarint(append(b, tagInteger), uint64(n))
}

func putDouble(b []byte, x float64) []byte {
	return protowire.AppendFixed64(append(b, tagDouble), math.Float64bits(x))
}

func putBool(b []byte, x bool) []byte {
	if x {
		return append(b, tagBool, 1)
	}
	return append(b, tagBool, 0)
}

func putNull(b []byte) []byte { return append(b, tagNull, 0) }

// putKey is the key of a map entry and the tag of its value.
func putKey(b []byte, key string) []byte {
	b = append(b, tagElement)
	b = protowire.AppendVarint(b, uint64(len(key)))
	b = append(b, key...)
	return append(b, tagMapValue)
}

// putID is a PointStruct's id.
func putID(b []byte, id ID) []byte {
	if id.isUUID {
		b = append(b, tagPointID, 2+36, tagIDUUID, 36)
		return appendUUID(b, id.uuid)
	}
	b = append(b, tagPointID, byte(1+sizeVarint(id.number)), tagIDNumber)
	return protowire.AppendVarint(b, id.number)
}

// appendUUID is the UUID's usual form of 36 characters.
func appendUUID(b []byte, u [16]byte) []byte {
	b = append(hex.AppendEncode(b, u[:4]), '-')
	b = append(hex.AppendEncode(b, u[4:6]), '-')
	b = append(hex.AppendEncode(b, u[6:8]), '-')
	b = append(hex.AppendEncode(b, u[8:10]), '-')
	return hex.AppendEncode(b, u[10:])
}
