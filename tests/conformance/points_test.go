package conformance

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/qdrant-shepherd/shepherd/client/qdrantprocess"
	"github.com/qdrant-shepherd/shepherd/client/qdranttest"
)

// pointsFile is what the gRPC API of real servers answered.
const pointsFile = "testdata/points.txt"

func TestRealPoints(t *testing.T) {
	alone := qdrantprocess.Start(t, 1, qdrantprocess.Options{APIKey: key})
	three := qdrantprocess.Start(t, 3, qdrantprocess.Options{APIKey: key})
	answers := pointsCourse(newDiary(t, alone.GRPC(), real{alone})) + "\n" + replicasCourse(newDiary(t, three.GRPC(), real{three}))
	if *update {
		write(t, pointsFile, answers)
	}
	compare(t, pointsFile, answers)
}

func TestQdranttestPoints(t *testing.T) {
	t.Parallel()
	alone := qdranttest.Start(t, 1, qdranttest.Options{APIKey: key})
	three := qdranttest.Start(t, 3, qdranttest.Options{APIKey: key})
	answers := pointsCourse(newDiary(t, addresses(alone), fake{alone})) + "\n" + replicasCourse(newDiary(t, addresses(three), fake{three}))
	compare(t, pointsFile, answers)
}

func addresses(cluster *qdranttest.Cluster) []string {
	var list []string
	for _, s := range cluster.Servers() {
		list = append(list, s.GRPC())
	}
	return list
}

// pointsCourse is the calls, and returns what came of them.
func pointsCourse(d *diary) string {
	for _, chapter := range []struct {
		title string
		run   func(*diary)
	}{
		{"health and keys", health},
		{"collections", createdCollections},
		{"aliases", aliases},
		{"points", storedPoints},
		{"refused points", refusedPoints},
		{"indexes", indexes},
		{"filters", filtered},
		{"refused filters", refusedFilters},
		{"scrolling", scrolled},
		{"nearest", nearest},
		{"queries by examples", byExample},
		{"hybrid queries", hybrid},
		{"formulas", formulas},
		{"groups and facets", groups},
		{"older calls", older},
		{"vectors change", changedVectors},
		{"payload changes", changedPayload},
		{"conditional upserts", conditional},
		{"batches of updates", batches},
	} {
		d.chapter(chapter.title)
		chapter.run(d)
		require.False(d.t, d.t.Failed(), chapter.title)
	}
	return d.text()
}

// replicasCourse is what takes several servers.
func replicasCourse(d *diary) string {
	d.chapter("several shards")
	sharded(d)
	d.chapter("a server is away")
	away(d)
	return d.text()
}

func health(d *diary) {
	root := qdrant.NewQdrantClient(d.connections[0])
	did[*qdrant.HealthCheckReply](d, "root health without a key")(root.HealthCheck(d.t.Context(), &qdrant.HealthCheckRequest{}))
	checks := grpc_health_v1.NewHealthClient(d.connections[0])
	for _, service := range []string{"", "qdrant.Points", "nothing"} {
		did[*grpc_health_v1.HealthCheckResponse](d, "health of "+service)(checks.Check(d.t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service}))
	}
	list := did[*qdrant.ListCollectionsResponse]
	list(d, "without a key")(d.collections.List(d.t.Context(), &qdrant.ListCollectionsRequest{}))
	list(d, "with another key")(d.collections.List(metadata.AppendToOutgoingContext(d.t.Context(), "api-key", "open"), &qdrant.ListCollectionsRequest{}))
	list(d, "with a bearer")(d.collections.List(metadata.AppendToOutgoingContext(d.t.Context(), "authorization", "Bearer "+key), &qdrant.ListCollectionsRequest{}))
}

func createdCollections(d *diary) {
	create := func(what string, in *qdrant.CreateCollection) {
		did[*qdrant.CollectionOperationResponse](d, "create "+what)(d.collections.Create(d.ctx, in))
	}
	one := qdrant.NewVectorsConfig(&qdrant.VectorParams{Size: 4, Distance: qdrant.Distance_Cosine})
	create("plain", &qdrant.CreateCollection{CollectionName: "plain", VectorsConfig: one})
	create("plain again", &qdrant.CreateCollection{CollectionName: "plain", VectorsConfig: one})
	create("without a name", &qdrant.CreateCollection{VectorsConfig: one})
	create("with a bad name", &qdrant.CreateCollection{CollectionName: "a/b", VectorsConfig: one})
	create("of no shards", &qdrant.CreateCollection{CollectionName: "bad", VectorsConfig: one, ShardNumber: proto.Uint32(0)})
	create("of size 0", &qdrant.CreateCollection{
		CollectionName: "bad", VectorsConfig: qdrant.NewVectorsConfig(&qdrant.VectorParams{Distance: qdrant.Distance_Dot}),
	})
	create("of no distance", &qdrant.CreateCollection{
		CollectionName: "bad", VectorsConfig: qdrant.NewVectorsConfig(&qdrant.VectorParams{Size: 4}),
	})
	create("of size 0 by name", &qdrant.CreateCollection{
		CollectionName: "bad",
		VectorsConfig:  qdrant.NewVectorsConfigMap(map[string]*qdrant.VectorParams{"a": {Distance: qdrant.Distance_Dot}}),
	})
	create("of no distance by name", &qdrant.CreateCollection{
		CollectionName: "bad", VectorsConfig: qdrant.NewVectorsConfigMap(map[string]*qdrant.VectorParams{"a": {Size: 1}}),
	})
	create("with a long name", &qdrant.CreateCollection{CollectionName: strings.Repeat("n", 256), VectorsConfig: one})
	create("without vectors", &qdrant.CreateCollection{CollectionName: "payloads"})
	create("full", &qdrant.CreateCollection{
		CollectionName: "full", ShardNumber: proto.Uint32(3), ReplicationFactor: proto.Uint32(2), WriteConsistencyFactor: proto.Uint32(2),
		OnDiskPayload: proto.Bool(false), HnswConfig: &qdrant.HnswConfigDiff{M: proto.Uint64(64), EfConstruct: proto.Uint64(512)},
		OptimizersConfig: &qdrant.OptimizersConfigDiff{IndexingThreshold: proto.Uint64(500)},
		VectorsConfig: qdrant.NewVectorsConfigMap(map[string]*qdrant.VectorParams{
			"title": {Size: 8, Distance: qdrant.Distance_Dot, OnDisk: proto.Bool(true)},
			"body":  {Size: 4, Distance: qdrant.Distance_Cosine, MultivectorConfig: &qdrant.MultiVectorConfig{}},
		}),
		SparseVectorsConfig: qdrant.NewSparseVectorsConfig(map[string]*qdrant.SparseVectorParams{
			"words": {Modifier: qdrant.Modifier_Idf.Enum()},
		}),
		QuantizationConfig: qdrant.NewQuantizationScalar(&qdrant.ScalarQuantization{
			Type: qdrant.QuantizationType_Int8, AlwaysRam: proto.Bool(true),
		}),
		Metadata: qdrant.NewValueMap(map[string]any{"owner": "search", "version": 3}),
	})
	info := func(name string) {
		// A change of the optimizers keeps the collection from being green for a moment.
		require.Eventually(d.t, func() bool {
			answer, err := d.collections.Get(d.ctx, &qdrant.GetCollectionInfoRequest{CollectionName: name})
			return err != nil || answer.GetResult().GetStatus() == qdrant.CollectionStatus_Green
		}, patience, tick)
		did[*qdrant.GetCollectionInfoResponse](d, "get "+name)(d.collections.Get(d.ctx, &qdrant.GetCollectionInfoRequest{CollectionName: name}))
	}
	info("plain")
	info("full")
	info("payloads")
	info("nothing")
	info("a/b")
	for _, name := range []string{"plain", "nothing", ""} {
		did[*qdrant.CollectionExistsResponse](d, "exists "+name)(d.collections.CollectionExists(d.ctx, &qdrant.CollectionExistsRequest{CollectionName: name}))
	}
	alter := func(what string, in *qdrant.UpdateCollection) {
		did[*qdrant.CollectionOperationResponse](d, "update "+what)(d.collections.Update(d.ctx, in))
	}
	alter("optimizers", &qdrant.UpdateCollection{CollectionName: "full", OptimizersConfig: &qdrant.OptimizersConfigDiff{
		MaxOptimizationThreads: &qdrant.MaxOptimizationThreads{Variant: &qdrant.MaxOptimizationThreads_Value{Value: 0}}, IndexingThreshold: proto.Uint64(0),
	}})
	info("full")
	alter("threads to auto", &qdrant.UpdateCollection{CollectionName: "full", OptimizersConfig: &qdrant.OptimizersConfigDiff{
		MaxOptimizationThreads: &qdrant.MaxOptimizationThreads{Variant: &qdrant.MaxOptimizationThreads_Setting_{}},
	}})
	alter("graph and vectors", &qdrant.UpdateCollection{
		CollectionName: "full", HnswConfig: &qdrant.HnswConfigDiff{M: proto.Uint64(24)},
		VectorsConfig: qdrant.NewVectorsConfigDiffMap(map[string]*qdrant.VectorParamsDiff{
			"title": {HnswConfig: &qdrant.HnswConfigDiff{M: proto.Uint64(8)}, OnDisk: proto.Bool(false)},
		}),
		QuantizationConfig: qdrant.NewQuantizationDiffDisabled(),
		Params:             &qdrant.CollectionParamsDiff{WriteConsistencyFactor: proto.Uint32(1), OnDiskPayload: proto.Bool(true)},
	})
	alter("metadata", &qdrant.UpdateCollection{
		CollectionName: "full", Metadata: qdrant.NewValueMap(map[string]any{"version": 4, "owner": nil, "more": "x"}),
	})
	alter("an unknown vector", &qdrant.UpdateCollection{
		CollectionName: "full",
		VectorsConfig:  qdrant.NewVectorsConfigDiffMap(map[string]*qdrant.VectorParamsDiff{"other": {OnDisk: proto.Bool(true)}}),
	})
	alter("nothing", &qdrant.UpdateCollection{CollectionName: "nothing", HnswConfig: &qdrant.HnswConfigDiff{M: proto.Uint64(24)}})
	info("full")
	did[*qdrant.CollectionClusterInfoResponse](d, "cluster info of full")(d.collections.CollectionClusterInfo(d.ctx, &qdrant.CollectionClusterInfoRequest{CollectionName: "full"}))
	did[*qdrant.CollectionClusterInfoResponse](d, "cluster info of nothing")(d.collections.CollectionClusterInfo(d.ctx, &qdrant.CollectionClusterInfoRequest{CollectionName: "nothing"}))
	remove := func(name string) {
		did[*qdrant.CollectionOperationResponse](d, "delete "+name)(d.collections.Delete(d.ctx, &qdrant.DeleteCollection{CollectionName: name}))
	}
	remove("payloads")
	remove("nothing")
	remove("full")
}

func aliases(d *diary) {
	change := func(what string, actions ...*qdrant.AliasOperations) {
		did[*qdrant.CollectionOperationResponse](d, what)(d.collections.UpdateAliases(d.ctx, &qdrant.ChangeAliases{Actions: actions}))
	}
	list := func() {
		did[*qdrant.ListAliasesResponse](d, "aliases")(d.collections.ListAliases(d.ctx, &qdrant.ListAliasesRequest{}))
	}
	change("create", qdrant.NewAliasCreate("current", "plain"))
	list()
	change("create of nothing", qdrant.NewAliasCreate("other", "nothing"))
	change("create with a collection's name", qdrant.NewAliasCreate("plain", "plain"))
	change("rename", qdrant.NewAliasRename("current", "latest"))
	change("rename an unknown one", qdrant.NewAliasRename("current", "latest"))
	list()
	did[*qdrant.ListAliasesResponse](d, "aliases of plain")(d.collections.ListCollectionAliases(d.ctx, &qdrant.ListCollectionAliasesRequest{CollectionName: "plain"}))
	did[*qdrant.ListAliasesResponse](d, "aliases of nothing")(d.collections.ListCollectionAliases(d.ctx, &qdrant.ListCollectionAliasesRequest{CollectionName: "nothing"}))
	did[*qdrant.CollectionOperationResponse](d, "create a collection with an alias's name")(d.collections.Create(d.ctx, &qdrant.CreateCollection{
		CollectionName: "latest", VectorsConfig: qdrant.NewVectorsConfig(&qdrant.VectorParams{Size: 4, Distance: qdrant.Distance_Dot}),
	}))
	did[*qdrant.CollectionExistsResponse](d, "exists by alias")(d.collections.CollectionExists(d.ctx, &qdrant.CollectionExistsRequest{CollectionName: "latest"}))
	did[*qdrant.CountResponse](d, "count by alias")(d.points.Count(d.ctx, &qdrant.CountPoints{
		CollectionName: "latest", Exact: proto.Bool(true),
	}))
	did[*qdrant.CollectionOperationResponse](d, "delete by alias")(d.collections.Delete(d.ctx, &qdrant.DeleteCollection{CollectionName: "latest"}))
	change("delete", qdrant.NewAliasDelete("latest"))
	change("delete once more", qdrant.NewAliasDelete("latest"))
	list()
}

const (
	things = "things"
	uuidA  = "0b5eb5e0-5a8c-4a0b-9c5f-6d8a4e1f2a01"
	uuidB  = "f47ac10b-58cc-4372-a567-0e02b2c3d479"
)

// wave is a vector without regularities, so that no two scores are equal.
func wave(seed, size int) []float32 {
	values := make([]float32, size)
	for i := range values {
		values[i] = float32(math.Round(1000*math.Sin(float64(seed*13+i*5)*0.37))/1000 + 0.001*float64(seed))
	}
	return values
}

var sentences = []string{
	"The quick brown fox jumps over the lazy dog", "A lazy afternoon, brown leaves", "Quick! Foxes are QUICK", "over the hills and far away",
	"the dog that jumps", "brown bread",
}

func thing(i int) *qdrant.PointStruct {
	payload := map[string]any{
		"n": i*3 - 10, "x": float64(i)*1.25 - 4, "tag": []string{"red", "green", "blue"}[i%3], "text": sentences[i%len(sentences)],
	}
	if i%2 == 0 {
		payload["flag"] = i%4 == 0
		payload["when"] = time.Date(2024, time.Month(i), 3, 4, 5, 6, i*1000, time.UTC).Format(time.RFC3339Nano)
		payload["tags"] = []any{"even", fmt.Sprintf("t%d", i%3)}
	}
	if i%3 != 1 {
		payload["at"] = map[string]any{"lat": 40 + float64(i), "lon": 10 - float64(i)/2}
		payload["numbers"] = []any{i, i * i, "text"}
	}
	if i%4 == 1 {
		payload["nothing"] = nil
		payload["empty"] = []any{}
		payload["nulls"] = []any{nil, 1}
	}
	payload["deep"] = map[string]any{"a": map[string]any{"b": i}, "odd key": "k"}
	payload["items"] = []any{
		map[string]any{"kind": "a", "n": i}, map[string]any{"kind": "b", "n": i + 1, "sizes": []any{1, i}}, "no object",
	}
	vectors := map[string]*qdrant.Vector{
		"dot": qdrant.NewVectorDense(wave(i, 4)), "cosine": qdrant.NewVectorDense(wave(i+20, 4)),
		"euclid": qdrant.NewVectorDense(wave(i+40, 4)), "manhattan": qdrant.NewVectorDense(wave(i+60, 4)),
		"rows":  qdrant.NewVectorMulti([][]float32{wave(i, 3), wave(i+5, 3)}),
		"words": qdrant.NewVectorSparse([]uint32{uint32(10 + i), uint32(i % 5), 7}, []float32{1.5, 0.5, 0.25 + 0.01*float32(i)}),
		"rare":  qdrant.NewVectorSparse([]uint32{3, uint32(20 + i%4)}, []float32{1, 1 + 0.1*float32(i)}),
	}
	if i == 3 {
		delete(vectors, "euclid")
		delete(vectors, "words")
	}
	return &qdrant.PointStruct{Id: qdrant.NewIDNum(uint64(i)), Payload: qdrant.NewValueMap(payload), Vectors: qdrant.NewVectorsMap(vectors)}
}

func (d *diary) get(what string, ids ...*qdrant.PointId) {
	did[*qdrant.GetResponse](d, "get "+what)(d.points.Get(d.ctx, &qdrant.GetPoints{
		CollectionName: things, Ids: ids, WithPayload: qdrant.NewWithPayload(true), WithVectors: qdrant.NewWithVectors(true),
	}))
}

func storedPoints(d *diary) {
	dense := func(distance qdrant.Distance) *qdrant.VectorParams {
		return &qdrant.VectorParams{Size: 4, Distance: distance}
	}
	did[*qdrant.CollectionOperationResponse](d, "create things")(d.collections.Create(d.ctx, &qdrant.CreateCollection{
		CollectionName: things, ShardNumber: proto.Uint32(1),
		VectorsConfig: qdrant.NewVectorsConfigMap(map[string]*qdrant.VectorParams{
			"dot": dense(qdrant.Distance_Dot), "cosine": dense(qdrant.Distance_Cosine), "euclid": dense(qdrant.Distance_Euclid),
			"manhattan": dense(qdrant.Distance_Manhattan),
			"rows":      {Size: 3, Distance: qdrant.Distance_Dot, MultivectorConfig: &qdrant.MultiVectorConfig{}},
		}),
		SparseVectorsConfig: qdrant.NewSparseVectorsConfig(map[string]*qdrant.SparseVectorParams{
			"words": {}, "rare": {Modifier: qdrant.Modifier_Idf.Enum()},
		}),
	}))
	points := []*qdrant.PointStruct{
		{Id: qdrant.NewID(uuidA), Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{"dot": qdrant.NewVector(wave(90, 4)...)})},
		{Id: qdrant.NewID(uuidB), Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{}), Payload: qdrant.NewValueMap(map[string]any{"tag": "none"})},
	}
	for i := 10; i > 0; i-- {
		points = append(points, thing(i))
	}
	upsert := did[*qdrant.PointsOperationResponse]
	upsert(d, "upsert")(d.points.Upsert(d.ctx, &qdrant.UpsertPoints{CollectionName: things, Points: points, Wait: proto.Bool(true)}))
	upsert(d, "upsert without waiting")(d.points.Upsert(d.ctx, &qdrant.UpsertPoints{CollectionName: things, Points: points[:1]}))
	upsert(d, "set payload without points")(d.points.SetPayload(d.ctx, &qdrant.SetPayloadPoints{
		CollectionName: things, Wait: proto.Bool(true), PointsSelector: qdrant.NewPointsSelector(),
	}))
	upsert(d, "delete without points")(d.points.Delete(d.ctx, &qdrant.DeletePoints{
		CollectionName: things, Wait: proto.Bool(true), Points: qdrant.NewPointsSelector(),
	}))
	upsert(d, "upsert of nothing")(d.points.Upsert(d.ctx, &qdrant.UpsertPoints{CollectionName: things, Wait: proto.Bool(true)}))
	upsert(d, "upsert of one id twice")(d.points.Upsert(d.ctx, &qdrant.UpsertPoints{CollectionName: things, Wait: proto.Bool(true), Points: []*qdrant.PointStruct{
		{Id: qdrant.NewIDNum(77), Vectors: qdrant.NewVectorsMap(nil), Payload: qdrant.NewValueMap(map[string]any{"first": true})},
		{Id: qdrant.NewIDNum(77), Vectors: qdrant.NewVectorsMap(nil), Payload: qdrant.NewValueMap(map[string]any{"second": true})},
	}}))
	d.get("77", qdrant.NewIDNum(77))
	upsert(d, "delete 77")(d.points.Delete(d.ctx, &qdrant.DeletePoints{
		CollectionName: things, Wait: proto.Bool(true), Points: qdrant.NewPointsSelector(qdrant.NewIDNum(77), qdrant.NewIDNum(78)),
	}))
	d.get("some", qdrant.NewIDNum(3), qdrant.NewID(uuidB), qdrant.NewIDNum(2), qdrant.NewIDNum(99), qdrant.NewID(uuidA), qdrant.NewIDNum(3))
	get := func(what string, payload *qdrant.WithPayloadSelector, vectors *qdrant.WithVectorsSelector) {
		did[*qdrant.GetResponse](d, "get "+what)(d.points.Get(d.ctx, &qdrant.GetPoints{
			CollectionName: things, Ids: []*qdrant.PointId{qdrant.NewIDNum(2)}, WithPayload: payload, WithVectors: vectors,
		}))
	}
	get("without saying what", nil, nil)
	get("nothing of it", qdrant.NewWithPayload(false), qdrant.NewWithVectors(false))
	get("some fields", qdrant.NewWithPayloadInclude("tag", "deep.a", "items[].kind", "absent"), nil)
	get("all but some fields", qdrant.NewWithPayloadExclude("tag", "deep.a", "items[].kind", "text"), nil)
	get("some vectors", qdrant.NewWithPayload(false), qdrant.NewWithVectorsInclude("dot", "words"))
	get("an unknown vector", qdrant.NewWithPayload(false), qdrant.NewWithVectorsInclude("other"))
	get("a malformed field", qdrant.NewWithPayloadInclude("a..b"), nil)
	did[*qdrant.GetResponse](d, "get with a read consistency")(d.points.Get(d.ctx, &qdrant.GetPoints{
		CollectionName: things, Ids: []*qdrant.PointId{qdrant.NewIDNum(2)}, WithPayload: qdrant.NewWithPayload(false),
		ReadConsistency: qdrant.NewReadConsistencyType(qdrant.ReadConsistencyType_All),
	}))
	did[*qdrant.CountResponse](d, "count")(d.points.Count(d.ctx, &qdrant.CountPoints{CollectionName: things, Exact: proto.Bool(true)}))
	upsert(d, "upsert into plain")(d.points.Upsert(d.ctx, &qdrant.UpsertPoints{CollectionName: "plain", Wait: proto.Bool(true), Points: []*qdrant.PointStruct{
		{Id: qdrant.NewIDNum(1), Vectors: qdrant.NewVectors(1, 2, 2, 0)}, {Id: qdrant.NewIDNum(2), Vectors: qdrant.NewVectors(0, 0, 0, 0)},
	}}))
	did[*qdrant.GetResponse](d, "get of plain")(d.points.Get(d.ctx, &qdrant.GetPoints{
		CollectionName: "plain", Ids: []*qdrant.PointId{qdrant.NewIDNum(1), qdrant.NewIDNum(2)}, WithVectors: qdrant.NewWithVectors(true),
	}))
}
