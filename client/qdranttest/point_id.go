package qdranttest

import (
	"bytes"
	"cmp"
	"strconv"

	"github.com/google/uuid"
	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// pointID is a point's id: a number or a UUID.
type pointID struct {
	named  bool // by a UUID
	number uint64
	uuid   uuid.UUID
}

// compare puts numbers before UUIDs, as the server does where it goes by ids.
func (a pointID) compare(b pointID) int {
	if a.named != b.named {
		if a.named {
			return 1
		}
		return -1
	}
	return cmp.Or(cmp.Compare(a.number, b.number), bytes.Compare(a.uuid[:], b.uuid[:]))
}

func (a pointID) String() string {
	if a.named {
		return a.uuid.String()
	}
	return strconv.FormatUint(a.number, 10)
}

func (a pointID) proto() *qdrant.PointId {
	if a.named {
		return qdrant.NewIDUUID(a.uuid.String())
	}
	return qdrant.NewIDNum(a.number)
}

// shard spreads ids evenly over so many shards. The real server spreads them by another rule.
func (a pointID) shard(shards []uint32) uint32 {
	sum := a.number
	for _, b := range a.uuid {
		sum = sum*31 + uint64(b)
	}
	return shards[sum%uint64(len(shards))]
}

func parseID(id *qdrant.PointId) (pointID, error) {
	switch option := id.GetPointIdOptions().(type) {
	case *qdrant.PointId_Num:
		return pointID{number: option.Num}, nil
	case *qdrant.PointId_Uuid:
		parsed, err := uuid.Parse(option.Uuid)
		if err != nil {
			return pointID{}, status.Errorf(codes.InvalidArgument, "Unable to parse UUID: %s", option.Uuid)
		}
		return pointID{named: true, uuid: parsed}, nil
	default:
		return pointID{}, status.Error(codes.InvalidArgument, "No ID options provided")
	}
}

func parseIDs(ids []*qdrant.PointId) ([]pointID, error) {
	parsed := make([]pointID, 0, len(ids))
	for _, id := range ids {
		one, err := parseID(id)
		if err != nil {
			return nil, err
		}
		parsed = append(parsed, one)
	}
	return parsed, nil
}
