package retry

import (
	"slices"
	"strings"
	"time"

	"github.com/qdrant/go-client/qdrant"
)

// kind is what a repeat of a call can do.
type kind int

const (
	// once: a repeat may do something a second time, or fail because the first
	// attempt had succeeded: snapshots are made anew; creating and deleting
	// collections, aliases and shard keys ends in "exists already" or "not found".
	once kind = iota
	// write: a repeat leaves the same points as the call alone, since it names
	// points by their ids, or by a condition on what the server has.
	write
	// read changes nothing.
	read
)

// methods has the kind of every method of the server that is not once (lib/api/src/grpc/proto/*_service.proto, 1.18).
var methods = map[string]kind{
	"/qdrant.Qdrant/HealthCheck": read,

	"/qdrant.Collections/Get":                   read,
	"/qdrant.Collections/List":                  read,
	"/qdrant.Collections/ListCollectionAliases": read,
	"/qdrant.Collections/ListAliases":           read,
	"/qdrant.Collections/CollectionClusterInfo": read,
	"/qdrant.Collections/CollectionExists":      read,
	"/qdrant.Collections/ListShardKeys":         read,
	// Sets what it names to what it says, through consensus.
	"/qdrant.Collections/Update": write,

	"/qdrant.Snapshots/List":     read,
	"/qdrant.Snapshots/ListFull": read,

	"/qdrant.Points/Get":                 read,
	"/qdrant.Points/Scroll":              read,
	"/qdrant.Points/Count":               read,
	"/qdrant.Points/Facet":               read,
	"/qdrant.Points/Query":               read,
	"/qdrant.Points/QueryBatch":          read,
	"/qdrant.Points/QueryGroups":         read,
	"/qdrant.Points/Search":              read,
	"/qdrant.Points/SearchBatch":         read,
	"/qdrant.Points/SearchGroups":        read,
	"/qdrant.Points/SearchMatrixPairs":   read,
	"/qdrant.Points/SearchMatrixOffsets": read,
	"/qdrant.Points/Recommend":           read,
	"/qdrant.Points/RecommendBatch":      read,
	"/qdrant.Points/RecommendGroups":     read,
	"/qdrant.Points/Discover":            read,
	"/qdrant.Points/DiscoverBatch":       read,

	"/qdrant.Points/Upsert":           write,
	"/qdrant.Points/Delete":           write,
	"/qdrant.Points/UpdateVectors":    write,
	"/qdrant.Points/DeleteVectors":    write,
	"/qdrant.Points/SetPayload":       write,
	"/qdrant.Points/OverwritePayload": write,
	"/qdrant.Points/DeletePayload":    write,
	"/qdrant.Points/ClearPayload":     write,
	"/qdrant.Points/UpdateBatch":      write,
	// An index that is there already stays as it is, and one that is gone is gone.
	"/qdrant.Points/CreateFieldIndex": write,
	"/qdrant.Points/DeleteFieldIndex": write,
}

// kindOf looks into the request where the method alone does not tell.
func kindOf(method string, request any) kind {
	k := methods[method]
	batch, _ := request.(*qdrant.UpdateBatchPoints)
	if operations := batch.GetOperations(); len(operations) > 1 && slices.ContainsFunc(operations, conditional) {
		// "a = 1 where b = 0" and then "b = 0 for point 5" changes point 5 differently the second time.
		return once
	}
	return k
}

// conditional reports whether an operation chooses its points by what is stored.
func conditional(o *qdrant.PointsUpdateOperation) bool {
	selectors := []*qdrant.PointsSelector{
		o.GetDeletePoints().GetPoints(), o.GetSetPayload().GetPointsSelector(), o.GetOverwritePayload().GetPointsSelector(),
		o.GetDeletePayload().GetPointsSelector(), o.GetClearPayload().GetPoints(), o.GetDeleteVectors().GetPointsSelector(),
	}
	return o.GetUpsert().GetUpdateFilter() != nil || o.GetUpdateVectors().GetUpdateFilter() != nil ||
		slices.ContainsFunc(selectors, func(s *qdrant.PointsSelector) bool { return s.GetFilter() != nil })
}

// patience returns how long one attempt may take, 0 for as long as the call, which what is not repeated gets. A
// read gets what it grants the server, if that is more than the limit. A write
// that waits may be waiting rightly, for others before it; there a peer that is
// gone is found by keepalive.
func patience(k kind, request any, limit time.Duration) time.Duration {
	if limit <= 0 || k == once {
		return 0
	}
	if waiting, ok := request.(interface{ GetWait() bool }); ok && waiting.GetWait() {
		return 0
	}
	switch request := request.(type) {
	case *qdrant.CreateFieldIndexCollection, *qdrant.DeleteFieldIndexCollection, *qdrant.UpdateCollection:
		return 0 // the server waits for consensus
	case interface{ GetTimeout() uint64 }:
		if granted := time.Duration(request.GetTimeout()) * time.Second; k == read && granted >= limit {
			return granted + time.Second
		}
	}
	return limit
}

// short is the last part of a method's name, such as Query.
func short(method string) string { return method[strings.LastIndexByte(method, '/')+1:] }
