package conformance

import (
	"fmt"
	"math"
	"slices"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

func refusedPoints(d *diary) {
	upsert := func(what, collection string, points ...*qdrant.PointStruct) {
		did[*qdrant.PointsOperationResponse](d, "upsert "+what)(d.points.Upsert(d.ctx, &qdrant.UpsertPoints{
			CollectionName: collection, Points: points, Wait: proto.Bool(true),
		}))
	}
	one := qdrant.NewIDNum(500)
	named := func(name string, v *qdrant.Vector) *qdrant.Vectors {
		return qdrant.NewVectorsMap(map[string]*qdrant.Vector{name: v})
	}
	upsert("into nothing", "nothing", &qdrant.PointStruct{Id: one, Vectors: qdrant.NewVectors(1)})
	upsert("without vectors", "plain", &qdrant.PointStruct{Id: one})
	upsert("without an id", "plain", &qdrant.PointStruct{Vectors: qdrant.NewVectors(1, 2, 3, 4)})
	upsert("an empty id", "plain", &qdrant.PointStruct{Id: &qdrant.PointId{}, Vectors: qdrant.NewVectors(1, 2, 3, 4)})
	upsert("a malformed UUID", "plain", &qdrant.PointStruct{Id: qdrant.NewID("one"), Vectors: qdrant.NewVectors(1, 2, 3, 4)})
	upsert("a wrong dimension", "plain", &qdrant.PointStruct{Id: one, Vectors: qdrant.NewVectors(1, 2, 3)})
	upsert("an empty vector", "plain", &qdrant.PointStruct{Id: one, Vectors: qdrant.NewVectors()})
	upsert("an empty vector of a name", things, &qdrant.PointStruct{Id: one, Vectors: named("dot", qdrant.NewVector())})
	upsert("malformed sparse where there are no names", "plain", &qdrant.PointStruct{
		Id:      one,
		Vectors: &qdrant.Vectors{VectorsOptions: &qdrant.Vectors_Vector{Vector: qdrant.NewVectorSparse([]uint32{1, 1}, []float32{1, 2})}},
	})
	upsert("a name where there is none", "plain", &qdrant.PointStruct{Id: one, Vectors: named("other", qdrant.NewVector(1, 2, 3, 4))})
	upsert("a wrong dimension of a name", things, &qdrant.PointStruct{Id: one, Vectors: named("dot", qdrant.NewVector(1, 2, 3))})
	upsert("an unknown name", things, &qdrant.PointStruct{Id: one, Vectors: named("other", qdrant.NewVector(1, 2, 3))})
	upsert("no name where there are some", things, &qdrant.PointStruct{Id: one, Vectors: qdrant.NewVectors(1, 2, 3, 4)})
	upsert("sparse for dense", things, &qdrant.PointStruct{
		Id: one, Vectors: named("dot", qdrant.NewVectorSparse([]uint32{1}, []float32{1})),
	})
	upsert("dense for sparse", things, &qdrant.PointStruct{Id: one, Vectors: named("words", qdrant.NewVector(1, 2, 3, 4))})
	upsert("sparse of two lengths", things, &qdrant.PointStruct{
		Id: one, Vectors: named("words", qdrant.NewVectorSparse([]uint32{1, 2}, []float32{1})),
	})
	upsert("sparse with an index twice", things, &qdrant.PointStruct{
		Id: one, Vectors: named("words", qdrant.NewVectorSparse([]uint32{1, 1}, []float32{1, 2})),
	})
	upsert("several rows for dense", things, &qdrant.PointStruct{
		Id: one, Vectors: named("dot", qdrant.NewVectorMulti([][]float32{{1, 2, 3, 4}, {1, 2, 3, 4}})),
	})
	upsert("rows of two lengths", things, &qdrant.PointStruct{
		Id: one, Vectors: named("rows", qdrant.NewVectorMulti([][]float32{{1, 2, 3}, {1, 2}})),
	})
	upsert("rows of a wrong dimension", things, &qdrant.PointStruct{
		Id: one, Vectors: named("rows", qdrant.NewVectorMulti([][]float32{{1, 2}, {1, 2}})),
	})
	upsert("no rows", things, &qdrant.PointStruct{Id: one, Vectors: named("rows", qdrant.NewVectorMulti(nil))})
	upsert("a payload that is not finite", "plain", &qdrant.PointStruct{
		Id: one, Vectors: qdrant.NewVectors(1, 2, 3, 4), Payload: qdrant.NewValueMap(map[string]any{"x": math.Inf(1)}),
	})
	change := did[*qdrant.PointsOperationResponse]
	change(d, "an unknown name without waiting")(d.points.Upsert(d.ctx, &qdrant.UpsertPoints{
		CollectionName: things, Points: []*qdrant.PointStruct{{Id: one, Vectors: named("other", qdrant.NewVector(1, 2, 3))}},
	}))
	change(d, "a wrong dimension without waiting")(d.points.Upsert(d.ctx, &qdrant.UpsertPoints{
		CollectionName: things, Points: []*qdrant.PointStruct{{Id: one, Vectors: named("dot", qdrant.NewVector(1, 2, 3))}},
	}))
	did[*qdrant.CountResponse](d, "count of plain")(d.points.Count(d.ctx, &qdrant.CountPoints{
		CollectionName: "plain", Exact: proto.Bool(true),
	}))
	change(d, "delete without saying which")(d.points.Delete(d.ctx, &qdrant.DeletePoints{CollectionName: "plain"}))
	change(d, "delete by an empty selector")(d.points.Delete(d.ctx, &qdrant.DeletePoints{
		CollectionName: "plain", Points: &qdrant.PointsSelector{},
	}))
	change(d, "set payload without saying where")(d.points.SetPayload(d.ctx, &qdrant.SetPayloadPoints{
		CollectionName: "plain", Payload: qdrant.NewValueMap(map[string]any{"a": 1}), Wait: proto.Bool(true),
	}))
	change(d, "set payload of an unknown point")(d.points.SetPayload(d.ctx, &qdrant.SetPayloadPoints{
		CollectionName: "plain", Payload: qdrant.NewValueMap(map[string]any{"a": 1}), Wait: proto.Bool(true),
		PointsSelector: qdrant.NewPointsSelector(qdrant.NewIDNum(1), qdrant.NewIDNum(9)),
	}))
	change(d, "the same without waiting")(d.points.SetPayload(d.ctx, &qdrant.SetPayloadPoints{
		CollectionName: "plain", Payload: qdrant.NewValueMap(map[string]any{"a": 2}), PointsSelector: qdrant.NewPointsSelector(qdrant.NewIDNum(9)),
	}))
	change(d, "update vectors of an unknown point")(d.points.UpdateVectors(d.ctx, &qdrant.UpdatePointVectors{
		CollectionName: "plain", Wait: proto.Bool(true), Points: []*qdrant.PointVectors{
			{Id: qdrant.NewIDNum(9), Vectors: qdrant.NewVectors(1, 2, 3, 4)},
		},
	}))
	did[*qdrant.GetResponse](d, "get")(d.points.Get(d.ctx, &qdrant.GetPoints{
		CollectionName: "plain", Ids: []*qdrant.PointId{qdrant.NewIDNum(1)}, WithPayload: qdrant.NewWithPayload(true),
	}))
}

func changedVectors(d *diary) {
	change := did[*qdrant.PointsOperationResponse]
	change(d, "update")(d.points.UpdateVectors(d.ctx, &qdrant.UpdatePointVectors{CollectionName: things, Wait: proto.Bool(true), Points: []*qdrant.PointVectors{
		{Id: qdrant.NewID(uuidA), Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{"cosine": qdrant.NewVector(3, 4, 0, 0)})},
		{Id: qdrant.NewID(uuidA), Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{"euclid": qdrant.NewVector(1, 2, 3, 4)})},
	}}))
	d.get("it", qdrant.NewID(uuidA))
	change(d, "update if a filter is met")(d.points.UpdateVectors(d.ctx, &qdrant.UpdatePointVectors{
		CollectionName: things, Wait: proto.Bool(true), UpdateFilter: &qdrant.Filter{
			Must: []*qdrant.Condition{qdrant.NewMatch("tag", "none")},
		},
		Points: []*qdrant.PointVectors{
			{Id: qdrant.NewID(uuidA), Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{"dot": qdrant.NewVector(1, 1, 1, 1)})},
			{Id: qdrant.NewID(uuidB), Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{"dot": qdrant.NewVector(1, 1, 1, 1)})},
		},
	}))
	change(d, "update an unknown name")(d.points.UpdateVectors(d.ctx, &qdrant.UpdatePointVectors{CollectionName: things, Wait: proto.Bool(true), Points: []*qdrant.PointVectors{
		{Id: qdrant.NewID(uuidA), Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{"other": qdrant.NewVector(3, 4, 0, 0)})},
	}}))
	change(d, "update a wrong dimension")(d.points.UpdateVectors(d.ctx, &qdrant.UpdatePointVectors{CollectionName: things, Wait: proto.Bool(true), Points: []*qdrant.PointVectors{
		{Id: qdrant.NewID(uuidA), Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{"dot": qdrant.NewVector(3, 4)})},
	}}))
	remove := func(what string, selector *qdrant.PointsSelector, names ...string) {
		change(d, "delete "+what)(d.points.DeleteVectors(d.ctx, &qdrant.DeletePointVectors{
			CollectionName: things, Wait: proto.Bool(true), PointsSelector: selector, Vectors: &qdrant.VectorsSelector{Names: names},
		}))
	}
	remove("by id", qdrant.NewPointsSelector(qdrant.NewID(uuidA)), "cosine", "rows")
	remove("by filter", qdrant.NewPointsSelectorFilter(&qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatch("tag", "none")}}), "dot")
	remove("an unknown name", qdrant.NewPointsSelector(qdrant.NewID(uuidA)), "other")
	remove("of an unknown point", qdrant.NewPointsSelector(qdrant.NewIDNum(99)), "dot")
	d.get("them", qdrant.NewID(uuidA), qdrant.NewID(uuidB))
}

func (d *diary) payloads(what string, ids ...uint64) {
	var list []*qdrant.PointId
	for _, id := range ids {
		list = append(list, qdrant.NewIDNum(id))
	}
	did[*qdrant.GetResponse](d, what)(d.points.Get(d.ctx, &qdrant.GetPoints{
		CollectionName: things, Ids: list, WithPayload: qdrant.NewWithPayload(true),
	}))
}

func changedPayload(d *diary) {
	set := func(what string, ids *qdrant.PointsSelector, key *string, payload map[string]any) {
		did[*qdrant.PointsOperationResponse](d, "set "+what)(d.points.SetPayload(d.ctx, &qdrant.SetPayloadPoints{
			CollectionName: things, Wait: proto.Bool(true), PointsSelector: ids, Key: key, Payload: qdrant.NewValueMap(payload),
		}))
	}
	five := qdrant.NewPointsSelector(qdrant.NewIDNum(5))
	set("fields", five, nil, map[string]any{"tag": "new", "more": map[string]any{"x": 1}, "n": nil})
	set("by filter", qdrant.NewPointsSelectorFilter(&qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewHasID(qdrant.NewIDNum(6))}}), nil, map[string]any{"by": "filter"})
	set("by filter that nothing meets", qdrant.NewPointsSelectorFilter(&qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewHasID(qdrant.NewIDNum(99))}}), nil, map[string]any{"by": "filter"})
	d.payloads("after that", 5, 6)
	for _, path := range []string{"deep.a", "deep.new.path", "items[0]", "items[]", "items[9].z", "tag", "tag[]", `deep."odd key"`, "made[].x", "a..b"} {
		set("at "+path, five, &path, map[string]any{"set": path})
		d.payloads("after that", 5)
	}
	did[*qdrant.PointsOperationResponse](d, "overwrite")(d.points.OverwritePayload(d.ctx, &qdrant.SetPayloadPoints{
		CollectionName: things, Wait: proto.Bool(true), PointsSelector: five, Key: proto.String("ignored"), Payload: thing(5).GetPayload(),
	}))
	remove := func(keys ...string) {
		did[*qdrant.PointsOperationResponse](d, fmt.Sprintf("delete %q", keys))(d.points.DeletePayload(d.ctx, &qdrant.DeletePayloadPoints{
			CollectionName: things, Wait: proto.Bool(true), PointsSelector: five, Keys: keys,
		}))
		d.payloads("after that", 5)
	}
	remove("tag", "absent", "deep.a.b")
	remove("items[0]")
	remove("items[0].kind")
	remove("items[].n", "numbers[]")
	remove("items")
	remove("a..b")
	did[*qdrant.PointsOperationResponse](d, "clear")(d.points.ClearPayload(d.ctx, &qdrant.ClearPayloadPoints{
		CollectionName: things, Wait: proto.Bool(true), Points: five,
	}))
	did[*qdrant.PointsOperationResponse](d, "clear without saying where")(d.points.ClearPayload(d.ctx, &qdrant.ClearPayloadPoints{
		CollectionName: things, Wait: proto.Bool(true),
	}))
	d.payloads("after that", 5)
}

func conditional(d *diary) {
	upsert := func(what string, mode *qdrant.UpdateMode, filter *qdrant.Filter, ids ...uint64) {
		var points []*qdrant.PointStruct
		for _, id := range ids {
			points = append(points, &qdrant.PointStruct{
				Id: qdrant.NewIDNum(id), Vectors: qdrant.NewVectorsMap(nil), Payload: qdrant.NewValueMap(map[string]any{"by": what}),
			})
		}
		did[*qdrant.PointsOperationResponse](d, what)(d.points.Upsert(d.ctx, &qdrant.UpsertPoints{
			CollectionName: things, Wait: proto.Bool(true), Points: points, UpdateMode: mode, UpdateFilter: filter,
		}))
		d.payloads("after that", ids...)
	}
	by := func(value string) *qdrant.Filter {
		return &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatch("by", value)}}
	}
	upsert("insert", qdrant.UpdateMode_InsertOnly.Enum(), nil, 601, 602)
	upsert("insert more", qdrant.UpdateMode_InsertOnly.Enum(), nil, 602, 603)
	upsert("update", qdrant.UpdateMode_UpdateOnly.Enum(), nil, 603, 604)
	upsert("update where a filter is met", qdrant.UpdateMode_UpdateOnly.Enum(), by("insert"), 601, 603, 604)
	upsert("upsert where a filter is met", nil, by("insert"), 601, 602, 605)
	upsert("insert with a filter", qdrant.UpdateMode_InsertOnly.Enum(), by("insert"), 602, 606)
	did[*qdrant.PointsOperationResponse](d, "delete by filter")(d.points.Delete(d.ctx, &qdrant.DeletePoints{
		CollectionName: things, Wait: proto.Bool(true), Points: qdrant.NewPointsSelectorFilter(&qdrant.Filter{
			MustNot: []*qdrant.Condition{qdrant.NewIsEmpty("by")}, Must: []*qdrant.Condition{qdrant.NewIsEmpty("n")},
		}),
	}))
	did[*qdrant.CountResponse](d, "count")(d.points.Count(d.ctx, &qdrant.CountPoints{CollectionName: things, Exact: proto.Bool(true)}))
}

func batches(d *diary) {
	one := qdrant.NewPointsSelector(qdrant.NewIDNum(701))
	operations := []*qdrant.PointsUpdateOperation{
		qdrant.NewPointsUpdateUpsert(&qdrant.PointsUpdateOperation_PointStructList{Points: []*qdrant.PointStruct{
			{Id: qdrant.NewIDNum(701), Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{"dot": qdrant.NewVector(1, 2, 3, 4)}), Payload: qdrant.NewValueMap(map[string]any{"a": 1, "b": map[string]any{"c": 2}})},
			{Id: qdrant.NewIDNum(702), Vectors: qdrant.NewVectorsMap(nil)},
		}}),
		qdrant.NewPointsUpdateSetPayload(&qdrant.PointsUpdateOperation_SetPayload{
			PointsSelector: one, Payload: qdrant.NewValueMap(map[string]any{"d": 3}), Key: proto.String("b"),
		}),
		qdrant.NewPointsUpdateDeletePayload(&qdrant.PointsUpdateOperation_DeletePayload{PointsSelector: one, Keys: []string{"a"}}),
		qdrant.NewPointsUpdateUpdateVectors(&qdrant.PointsUpdateOperation_UpdateVectors{
			Points: []*qdrant.PointVectors{
				{Id: qdrant.NewIDNum(701), Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{"euclid": qdrant.NewVector(1, 2, 3, 4)})},
			},
		}),
		qdrant.NewPointsUpdateDeleteVectors(&qdrant.PointsUpdateOperation_DeleteVectors{
			PointsSelector: one, Vectors: &qdrant.VectorsSelector{Names: []string{"dot"}},
		}),
		qdrant.NewPointsUpdateDeletePoints(&qdrant.PointsUpdateOperation_DeletePoints{
			Points: qdrant.NewPointsSelector(qdrant.NewIDNum(702)),
		}),
	}
	update := func(what string, operations ...*qdrant.PointsUpdateOperation) {
		did[*qdrant.UpdateBatchResponse](d, what)(d.points.UpdateBatch(d.ctx, &qdrant.UpdateBatchPoints{
			CollectionName: things, Wait: proto.Bool(true), Operations: operations,
		}))
	}
	update("a batch", operations...)
	d.get("what it left", qdrant.NewIDNum(701), qdrant.NewIDNum(702))
	update("overwrite and clear",
		qdrant.NewPointsUpdateOverwritePayload(&qdrant.PointsUpdateOperation_OverwritePayload{
			PointsSelector: one, Payload: qdrant.NewValueMap(map[string]any{"new": true}),
		}),
		qdrant.NewPointsUpdateClearPayload(&qdrant.PointsUpdateOperation_ClearPayload{Points: one}),
		qdrant.NewPointsUpdateSetPayload(&qdrant.PointsUpdateOperation_SetPayload{
			PointsSelector: one, Payload: qdrant.NewValueMap(map[string]any{"last": 1}),
		}),
	)
	update("a batch that fails in its midst",
		qdrant.NewPointsUpdateSetPayload(&qdrant.PointsUpdateOperation_SetPayload{
			PointsSelector: one, Payload: qdrant.NewValueMap(map[string]any{"before": 1}),
		}),
		qdrant.NewPointsUpdateUpsert(&qdrant.PointsUpdateOperation_PointStructList{
			Points: []*qdrant.PointStruct{
				{Id: qdrant.NewIDNum(703), Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{"dot": qdrant.NewVector(1)})},
			},
		}),
		qdrant.NewPointsUpdateSetPayload(&qdrant.PointsUpdateOperation_SetPayload{
			PointsSelector: one, Payload: qdrant.NewValueMap(map[string]any{"after": 1}),
		}),
	)
	update("an empty batch")
	d.payloads("what is left", 701)
	update("delete it", qdrant.NewPointsUpdateDeletePoints(&qdrant.PointsUpdateOperation_DeletePoints{Points: one}))
}

// sharded asks one server for what is on several.
func sharded(d *diary) {
	did[*qdrant.CollectionOperationResponse](d, "create spread")(d.collections.Create(d.ctx, &qdrant.CreateCollection{
		CollectionName: "spread", ShardNumber: proto.Uint32(4), ReplicationFactor: proto.Uint32(3), VectorsConfig: qdrant.NewVectorsConfig(&qdrant.VectorParams{
			Size: 4, Distance: qdrant.Distance_Euclid,
		}),
	}))
	var forty []*qdrant.PointStruct
	for i := range 40 {
		forty = append(forty, &qdrant.PointStruct{
			Id: qdrant.NewIDNum(uint64(i)), Vectors: qdrant.NewVectors(wave(i, 4)...),
			Payload: qdrant.NewValueMap(map[string]any{"i": i % 7}),
		})
	}
	did[*qdrant.PointsOperationResponse](d, "upsert")(d.points.Upsert(d.ctx, &qdrant.UpsertPoints{
		CollectionName: "spread", Points: forty, Wait: proto.Bool(true),
	}))
	other := qdrant.NewPointsClient(d.connections[1])
	info, err := d.collections.CollectionClusterInfo(d.ctx, &qdrant.CollectionClusterInfoRequest{CollectionName: "spread"})
	require.NoError(d.t, err)
	var points uint64
	for _, shard := range info.GetLocalShards() {
		points += shard.GetPointsCount()
	}
	d.shards(info)
	d.note("peer %d has %d points", info.GetPeerId(), points)
	did[*qdrant.CountResponse](d, "count")(other.Count(d.ctx, &qdrant.CountPoints{CollectionName: "spread", Exact: proto.Bool(true)}))
	did[*qdrant.QueryResponse](d, "query")(other.Query(d.ctx, &qdrant.QueryPoints{
		CollectionName: "spread", Query: qdrant.NewQuery(wave(100, 4)...), Limit: proto.Uint64(5), Offset: proto.Uint64(2),
	}))
	did[*qdrant.ScrollResponse](d, "scroll")(other.Scroll(d.ctx, &qdrant.ScrollPoints{
		CollectionName: "spread", Limit: proto.Uint32(3), Offset: qdrant.NewIDNum(11),
		Filter: &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatchInts("i", 1, 2)}},
	}))
	did[*qdrant.CollectionOperationResponse](d, "delete spread")(d.collections.Delete(d.ctx, &qdrant.DeleteCollection{CollectionName: "spread"}))
}

// shards takes down where the replicas of a collection are.
func (d *diary) shards(info *qdrant.CollectionClusterInfoResponse) {
	var lines []string
	for _, shard := range info.GetLocalShards() {
		lines = append(lines, fmt.Sprintf("local shard %d is %s", shard.GetShardId(), shard.GetState()))
	}
	for _, shard := range info.GetRemoteShards() {
		lines = append(lines, fmt.Sprintf("shard %d of %s is %s", shard.GetShardId(), d.names[fmt.Sprint(shard.GetPeerId())], shard.GetState()))
	}
	slices.Sort(lines)
	for _, line := range lines {
		d.note("%s", line)
	}
}

// away is what servers can do without another. Of its refusals the words are the network's, so only the codes count.
func away(d *diary) {
	code := func(what string, err error) { d.note("%s: %s", what, status.Code(err)) }
	for name, replicas := range map[string]uint32{"single": 1, "triple": 3} {
		_, err := d.collections.Create(d.ctx, &qdrant.CreateCollection{
			CollectionName: name, ShardNumber: proto.Uint32(4), ReplicationFactor: &replicas,
			VectorsConfig: qdrant.NewVectorsConfig(&qdrant.VectorParams{Size: 4, Distance: qdrant.Distance_Euclid}),
		})
		require.NoError(d.t, err)
	}
	upsert := func(name string, ids ...uint64) error {
		var points []*qdrant.PointStruct
		for _, id := range ids {
			points = append(points, &qdrant.PointStruct{Id: qdrant.NewIDNum(id), Vectors: qdrant.NewVectors(wave(int(id), 4)...)})
		}
		_, err := d.points.Upsert(d.ctx, &qdrant.UpsertPoints{CollectionName: name, Points: points, Wait: proto.Bool(true)})
		return err
	}
	ids := make([]uint64, 40)
	for i := range ids {
		ids[i] = uint64(i)
	}
	require.NoError(d.t, upsert("single", ids...))
	require.NoError(d.t, upsert("triple", ids...))
	require.NoError(d.t, d.of.stop(1))
	states := func() {
		info, err := d.collections.CollectionClusterInfo(d.ctx, &qdrant.CollectionClusterInfoRequest{CollectionName: "triple"})
		require.NoError(d.t, err)
		d.shards(info)
	}
	for _, name := range []string{"single", "triple"} {
		_, err := d.points.Query(d.ctx, &qdrant.QueryPoints{CollectionName: name, Query: qdrant.NewQuery(wave(100, 4)...)})
		code("query of "+name, err)
		_, err = d.points.Scroll(d.ctx, &qdrant.ScrollPoints{CollectionName: name})
		code("scroll of "+name, err)
		_, err = d.points.Count(d.ctx, &qdrant.CountPoints{CollectionName: name, Exact: proto.Bool(true)})
		code("count of "+name, err)
		_, err = d.points.Get(d.ctx, &qdrant.GetPoints{
			CollectionName: name, Ids: []*qdrant.PointId{qdrant.NewIDNum(1), qdrant.NewIDNum(2), qdrant.NewIDNum(3), qdrant.NewIDNum(4)},
		})
		code("get of "+name, err)
		code("upsert into "+name, upsert(name, ids...))
		_, err = d.points.Query(d.ctx, &qdrant.QueryPoints{
			CollectionName: name, Query: qdrant.NewQuery(wave(100, 4)...),
			ReadConsistency: qdrant.NewReadConsistencyType(qdrant.ReadConsistencyType_All),
		})
		code("query of all replicas of "+name, err)
	}
	states()
	code("upsert into triple", upsert("triple", ids...))
	_, err := d.points.Query(d.ctx, &qdrant.QueryPoints{
		CollectionName: "triple", Query: qdrant.NewQuery(wave(100, 4)...),
		ReadConsistency: qdrant.NewReadConsistencyType(qdrant.ReadConsistencyType_Quorum),
	})
	code("query of a quorum of triple", err)
	_, err = d.points.Query(d.ctx, &qdrant.QueryPoints{
		CollectionName: "triple", Query: qdrant.NewQuery(wave(100, 4)...), ReadConsistency: qdrant.NewReadConsistencyFactor(3),
	})
	code("query of three replicas of triple", err)
	_, err = d.points.Query(d.ctx, &qdrant.QueryPoints{
		CollectionName: "triple", Query: qdrant.NewQuery(wave(100, 4)...), ReadConsistency: qdrant.NewReadConsistencyFactor(0),
	})
	code("query of no replica of triple", err)
}
