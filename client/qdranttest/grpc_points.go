package qdranttest

import (
	"context"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

type pointsAPI struct {
	qdrant.UnimplementedPointsServer
	server *Server
}

var errNoSelector = status.Error(codes.InvalidArgument, "points_selector is expected")

// unsharded refuses shard keys, which only collections with custom sharding have.
func unsharded(keys *qdrant.ShardKeySelector) error {
	if len(keys.GetShardKeys()) == 0 && keys.GetFallback() == nil {
		return nil
	}
	return status.Error(codes.Unimplemented, "qdranttest has no custom sharding")
}

// preparation reads and checks a request that is about vectors of these fields.
type preparation func(fields map[string]vectorField) (update, error)

// apply carries out an update of a collection's points. That it waits for nothing is all the difference that wait makes here.
func (a pointsAPI) apply(
	name string, wait bool, keys *qdrant.ShardKeySelector, prepare preparation,
) (*qdrant.PointsOperationResponse, error) {
	if err := checkName(name, false); err != nil {
		return nil, err
	}
	if err := unsharded(keys); err != nil {
		return nil, err
	}
	name, col, err := a.server.write(name)
	if err != nil {
		return nil, err
	}
	result, err := a.run(name, col, wait, prepare)
	if err != nil {
		return nil, err
	}
	return &qdrant.PointsOperationResponse{Result: result, Time: elapsed}, nil
}

func (a pointsAPI) run(name string, col *collection, wait bool, prepare preparation) (*qdrant.UpdateResult, error) {
	carryOut, err := prepare(vectorFields(col.config.GetParams()))
	if err != nil {
		return nil, err
	}
	err = carryOut(col.store)
	id := col.store.operations
	col.store.operations++
	a.server.written(name, col)
	switch {
	case !wait:
		return &qdrant.UpdateResult{OperationId: proto.Uint64(id), Status: qdrant.UpdateStatus_Acknowledged}, nil
	case err != nil:
		return nil, err
	}
	return &qdrant.UpdateResult{OperationId: proto.Uint64(id), Status: qdrant.UpdateStatus_Completed}, nil
}

func (a pointsAPI) Upsert(_ context.Context, in *qdrant.UpsertPoints) (*qdrant.PointsOperationResponse, error) {
	return a.apply(in.GetCollectionName(), in.GetWait(), in.GetShardKeySelector(), func(fields map[string]vectorField) (update, error) {
		return upsert(fields, in.GetPoints(), in.GetUpdateMode(), in.GetUpdateFilter())
	})
}

func (a pointsAPI) Delete(_ context.Context, in *qdrant.DeletePoints) (*qdrant.PointsOperationResponse, error) {
	if in.GetPoints() == nil {
		return nil, status.Error(codes.InvalidArgument, "PointSelector is missing")
	}
	return a.apply(in.GetCollectionName(), in.GetWait(), in.GetShardKeySelector(), func(map[string]vectorField) (update, error) {
		return remove(in.GetPoints())
	})
}

func (a pointsAPI) UpdateVectors(_ context.Context, in *qdrant.UpdatePointVectors) (*qdrant.PointsOperationResponse, error) {
	return a.apply(in.GetCollectionName(), in.GetWait(), in.GetShardKeySelector(), func(fields map[string]vectorField) (update, error) {
		return updateVectors(fields, in.GetPoints(), in.GetUpdateFilter())
	})
}

func (a pointsAPI) DeleteVectors(_ context.Context, in *qdrant.DeletePointVectors) (*qdrant.PointsOperationResponse, error) {
	if in.GetPointsSelector() == nil {
		return nil, errNoSelector
	}
	if in.GetVectors() == nil {
		return nil, status.Error(codes.InvalidArgument, "vectors is expected")
	}
	return a.apply(in.GetCollectionName(), in.GetWait(), in.GetShardKeySelector(), func(fields map[string]vectorField) (update, error) {
		return deleteVectors(fields, in.GetPointsSelector(), in.GetVectors().GetNames())
	})
}

func (a pointsAPI) SetPayload(_ context.Context, in *qdrant.SetPayloadPoints) (*qdrant.PointsOperationResponse, error) {
	if in.GetPointsSelector() == nil {
		return nil, errNoSelector
	}
	return a.apply(in.GetCollectionName(), in.GetWait(), in.GetShardKeySelector(), func(map[string]vectorField) (update, error) {
		return setPayload(in.GetPointsSelector(), in.GetPayload(), in.Key)
	})
}

func (a pointsAPI) OverwritePayload(_ context.Context, in *qdrant.SetPayloadPoints) (*qdrant.PointsOperationResponse, error) {
	if in.GetPointsSelector() == nil {
		return nil, errNoSelector
	}
	return a.apply(in.GetCollectionName(), in.GetWait(), in.GetShardKeySelector(), func(map[string]vectorField) (update, error) {
		return overwritePayload(in.GetPointsSelector(), in.GetPayload())
	})
}

func (a pointsAPI) DeletePayload(_ context.Context, in *qdrant.DeletePayloadPoints) (*qdrant.PointsOperationResponse, error) {
	if in.GetPointsSelector() == nil {
		return nil, errNoSelector
	}
	return a.apply(in.GetCollectionName(), in.GetWait(), in.GetShardKeySelector(), func(map[string]vectorField) (update, error) {
		return deletePayload(in.GetPointsSelector(), in.GetKeys())
	})
}

func (a pointsAPI) ClearPayload(_ context.Context, in *qdrant.ClearPayloadPoints) (*qdrant.PointsOperationResponse, error) {
	if in.GetPoints() == nil {
		return nil, status.Error(codes.InvalidArgument, "PointSelector is missing")
	}
	return a.apply(in.GetCollectionName(), in.GetWait(), in.GetShardKeySelector(), func(map[string]vectorField) (update, error) {
		return clearPayload(in.GetPoints())
	})
}

func (a pointsAPI) CreateFieldIndex(_ context.Context, in *qdrant.CreateFieldIndexCollection) (*qdrant.PointsOperationResponse, error) {
	return a.apply(in.GetCollectionName(), in.GetWait(), nil, func(map[string]vectorField) (update, error) { return createIndex(in) })
}

func (a pointsAPI) DeleteFieldIndex(_ context.Context, in *qdrant.DeleteFieldIndexCollection) (*qdrant.PointsOperationResponse, error) {
	return a.apply(in.GetCollectionName(), in.GetWait(), nil, func(map[string]vectorField) (update, error) { return deleteIndex(in) })
}

// UpdateBatch carries out one operation after the other, until one is refused.
func (a pointsAPI) UpdateBatch(_ context.Context, in *qdrant.UpdateBatchPoints) (*qdrant.UpdateBatchResponse, error) {
	if err := checkName(in.GetCollectionName(), false); err != nil {
		return nil, err
	}
	name, col, err := a.server.write(in.GetCollectionName())
	if err != nil {
		return nil, err
	}
	if len(in.GetOperations()) == 0 {
		return nil, invalid("operations", "value [] invalid, must be at least 1 characters")
	}
	answer := &qdrant.UpdateBatchResponse{Time: elapsed}
	for _, operation := range in.GetOperations() {
		result, err := a.run(name, col, in.GetWait(), func(fields map[string]vectorField) (update, error) { return batched(fields, operation) })
		if err != nil {
			return nil, err
		}
		answer.Result = append(answer.Result, result)
	}
	return answer, nil
}

// operationKeys are the shard keys of an operation, which every kind of operation may have.
func operationKeys(operation *qdrant.PointsUpdateOperation) *qdrant.ShardKeySelector {
	switch o := operation.GetOperation().(type) {
	case *qdrant.PointsUpdateOperation_Upsert:
		return o.Upsert.GetShardKeySelector()
	case *qdrant.PointsUpdateOperation_DeletePoints_:
		return o.DeletePoints.GetShardKeySelector()
	case *qdrant.PointsUpdateOperation_SetPayload_:
		return o.SetPayload.GetShardKeySelector()
	case *qdrant.PointsUpdateOperation_OverwritePayload_:
		return o.OverwritePayload.GetShardKeySelector()
	case *qdrant.PointsUpdateOperation_DeletePayload_:
		return o.DeletePayload.GetShardKeySelector()
	case *qdrant.PointsUpdateOperation_ClearPayload_:
		return o.ClearPayload.GetShardKeySelector()
	case *qdrant.PointsUpdateOperation_UpdateVectors_:
		return o.UpdateVectors.GetShardKeySelector()
	case *qdrant.PointsUpdateOperation_DeleteVectors_:
		return o.DeleteVectors.GetShardKeySelector()
	default:
		return nil
	}
}

func batched(fields map[string]vectorField, operation *qdrant.PointsUpdateOperation) (update, error) {
	if err := unsharded(operationKeys(operation)); err != nil {
		return nil, err
	}
	switch o := operation.GetOperation().(type) {
	case *qdrant.PointsUpdateOperation_Upsert:
		return upsert(fields, o.Upsert.GetPoints(), o.Upsert.GetUpdateMode(), o.Upsert.GetUpdateFilter())
	case *qdrant.PointsUpdateOperation_DeletePoints_:
		return remove(o.DeletePoints.GetPoints())
	case *qdrant.PointsUpdateOperation_DeleteDeprecated:
		return remove(o.DeleteDeprecated) //nolint:staticcheck // what old clients send
	case *qdrant.PointsUpdateOperation_SetPayload_:
		return setPayload(o.SetPayload.GetPointsSelector(), o.SetPayload.GetPayload(), o.SetPayload.Key)
	case *qdrant.PointsUpdateOperation_OverwritePayload_:
		return overwritePayload(o.OverwritePayload.GetPointsSelector(), o.OverwritePayload.GetPayload())
	case *qdrant.PointsUpdateOperation_DeletePayload_:
		return deletePayload(o.DeletePayload.GetPointsSelector(), o.DeletePayload.GetKeys())
	case *qdrant.PointsUpdateOperation_ClearPayload_:
		return clearPayload(o.ClearPayload.GetPoints())
	case *qdrant.PointsUpdateOperation_ClearPayloadDeprecated:
		return clearPayload(o.ClearPayloadDeprecated) //nolint:staticcheck // what old clients send
	case *qdrant.PointsUpdateOperation_UpdateVectors_:
		return updateVectors(fields, o.UpdateVectors.GetPoints(), o.UpdateVectors.GetUpdateFilter())
	case *qdrant.PointsUpdateOperation_DeleteVectors_:
		return deleteVectors(fields, o.DeleteVectors.GetPointsSelector(), o.DeleteVectors.GetVectors().GetNames())
	default:
		return nil, status.Error(codes.InvalidArgument, "Operation is missing")
	}
}
