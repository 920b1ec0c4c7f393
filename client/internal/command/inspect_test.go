package command

import (
	"testing"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"

	"github.com/qdrant-shepherd/shepherd/client/vector"
)

// collection is one of a million points of 768 dimensions that is as it should be; change makes it another.
func collection(change func(*qdrant.CollectionInfo)) *qdrant.CollectionInfo {
	info := &qdrant.CollectionInfo{
		Status: qdrant.CollectionStatus_Green, PointsCount: qdrant.PtrOf(uint64(1_000_000)), IndexedVectorsCount: qdrant.PtrOf(uint64(1_000_000)), SegmentsCount: 8,
		Config: &qdrant.CollectionConfig{
			Params: &qdrant.CollectionParams{
				VectorsConfig:     qdrant.NewVectorsConfig(&qdrant.VectorParams{Size: 768, Distance: qdrant.Distance_Cosine}),
				ReplicationFactor: qdrant.PtrOf(uint32(2)), OnDiskPayload: true,
			},
			HnswConfig:      &qdrant.HnswConfigDiff{M: qdrant.PtrOf(uint64(16)), EfConstruct: qdrant.PtrOf(uint64(100)), FullScanThreshold: qdrant.PtrOf(uint64(10000))},
			OptimizerConfig: &qdrant.OptimizersConfigDiff{IndexingThreshold: qdrant.PtrOf(uint64(10000))},
		},
	}
	if change != nil {
		change(info)
	}
	return info
}

var whole = vector.CollectionStatus{Name: "c", Shards: []vector.ShardStatus{{ID: 0, Replicas: []vector.ReplicaStatus{{Peer: 1, State: "Active"}, {Peer: 2, State: "Active"}}}}}

func TestWarnings(t *testing.T) {
	assert.Empty(t, warnings(collection(nil), whole))
	for name, c := range map[string]struct {
		change func(*qdrant.CollectionInfo)
		status vector.CollectionStatus
		want   []string
	}{
		"below the threshold": {func(i *qdrant.CollectionInfo) {
			i.IndexedVectorsCount, i.PointsCount = qdrant.PtrOf(uint64(0)), qdrant.PtrOf(uint64(1024))
		}, whole, []string{"no graph: segments of about 384 KiB are below the indexing threshold of 10,000 KiB, and a search compares all vectors"}},
		"empty": {func(i *qdrant.CollectionInfo) {
			i.IndexedVectorsCount, i.PointsCount = qdrant.PtrOf(uint64(0)), qdrant.PtrOf(uint64(0))
		}, whole, nil},
		"no threads": {func(i *qdrant.CollectionInfo) {
			i.Config.OptimizerConfig.MaxOptimizationThreads = qdrant.NewMaxOptimizationThreads(0)
		}, whole, []string{"indexing is switched off: max_optimization_threads is 0"}},
		"put off": {func(i *qdrant.CollectionInfo) {
			i.Config.OptimizerConfig.MaxOptimizationThreads = qdrant.NewMaxOptimizationThreads(0)
			i.Config.Metadata = qdrant.NewValueMap(map[string]any{"indexing_deferred": map[string]any{"since": "2026-11-23T10:00:00Z"}})
		}, whole, []string{"indexing is switched off: max_optimization_threads is 0 since a load put it off at 2026-11-23T10:00:00Z; opening the collection or loading again restores it, two minutes after that load was last seen"}},
		"no threshold and no graph": {func(i *qdrant.CollectionInfo) {
			i.Config.OptimizerConfig.IndexingThreshold = qdrant.PtrOf(uint64(0))
			i.Config.HnswConfig.M = qdrant.PtrOf(uint64(0))
		}, whole, []string{"indexing is switched off: indexing_threshold is 0, m is 0"}},
		"under way": {func(i *qdrant.CollectionInfo) {
			i.Status, i.IndexedVectorsCount = qdrant.CollectionStatus_Yellow, qdrant.PtrOf(uint64(250_000))
			i.UpdateQueue = &qdrant.UpdateQueueInfo{Length: 3, DeferredPoints: qdrant.PtrOf(uint64(1500))}
		}, whole, []string{
			"it is being optimized: searches compete with that, and 750,000 vectors are not indexed yet", "3 updates are acknowledged and not applied yet",
			"1,500 points are not found by searches until they are indexed (prevent_unoptimized)",
		}},
		"grey": {func(i *qdrant.CollectionInfo) { i.Status = qdrant.CollectionStatus_Grey }, whole, []string{"optimizations wait for the next write"}},
		"red": {func(i *qdrant.CollectionInfo) { i.Status = qdrant.CollectionStatus_Red }, vector.CollectionStatus{Optimizer: "disk full"},
			[]string{"a part is broken: disk full"}},
		"replicas": {nil, vector.CollectionStatus{Shards: []vector.ShardStatus{
			{ID: 0, Replicas: []vector.ReplicaStatus{{Peer: 1, State: "Active"}, {Peer: 2, State: "Dead"}}},
			{ID: 1, Replicas: []vector.ReplicaStatus{{Peer: 1, State: "Active"}}},
			{ID: 2, Replicas: []vector.ReplicaStatus{{Peer: 2, State: "Recovery"}, {Peer: 1, State: "Dead"}}},
		}, Transfers: []vector.Transfer{{Shard: 1, From: 1, To: 2}}}, []string{
			"shard 0: the replica on peer 2 is dead", "shard 1 has 1 of 2 replicas", "shard 2: the replica on peer 2 is recovery", "shard 2: the replica on peer 1 is dead",
			"shard 2 has no active replica: searches fail", "shard 1 is on its way from peer 1 to peer 2",
		}},
		"the server's": {func(i *qdrant.CollectionInfo) { i.Warnings = []*qdrant.CollectionWarning{{Message: "old"}} }, whole, []string{"the server says: old"}},
	} {
		assert.Equal(t, c.want, warnings(collection(c.change), c.status), name)
	}
}

// The figures are those that the formula gives by hand.
func TestEstimateMemory(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*qdrant.CollectionInfo)
		parts   []part
		copy    uint64
		missing []string
	}{
		"plain": {nil, []part{
			{"vectors", 3_072_000_000, false}, {"vectors, graph", 140_800_000, false}, {"ids", 32_000_000, false},
		}, 3_244_800_000, nil},
		"int8 in memory, vectors and graph on disk": {func(i *qdrant.CollectionInfo) {
			params := i.Config.Params.VectorsConfig.GetParams()
			params.OnDisk, i.Config.HnswConfig.OnDisk = qdrant.PtrOf(true), qdrant.PtrOf(true)
			i.Config.QuantizationConfig = qdrant.NewQuantizationScalar(&qdrant.ScalarQuantization{AlwaysRam: qdrant.PtrOf(true)})
		}, []part{
			{"vectors", 3_072_000_000, true}, {"vectors, quantized", 768_000_000, false}, {"vectors, graph", 140_800_000, true}, {"ids", 32_000_000, false},
		}, 800_000_000, nil},
		"named, of other kinds": {func(i *qdrant.CollectionInfo) {
			i.Config.Params.VectorsConfig = qdrant.NewVectorsConfigMap(map[string]*qdrant.VectorParams{
				"a": {Size: 1024, Datatype: qdrant.Datatype_Float16.Enum(), HnswConfig: &qdrant.HnswConfigDiff{M: qdrant.PtrOf(uint64(0))},
					QuantizationConfig: qdrant.NewQuantizationBinary(&qdrant.BinaryQuantization{})},
				"b": {Size: 128, MultivectorConfig: &qdrant.MultiVectorConfig{}},
			})
			i.Config.Params.SparseVectorsConfig = qdrant.NewSparseVectorsConfig(map[string]*qdrant.SparseVectorParams{"s": {}})
			i.Config.Params.OnDiskPayload = false
			i.PayloadSchema = map[string]*qdrant.PayloadSchemaInfo{"lang": {}}
		}, []part{{"vectors a", 2_048_000_000, false}, {"vectors a, quantized", 128_000_000, false}, {"ids", 32_000_000, false}}, 2_208_000_000,
			[]string{"vectors b (multi-vectors: their number is not known)", "sparse vectors", "payload indexes", "payload, which is in memory"}},
	} {
		got := estimateMemory(collection(c.change), 2)
		assert.Equal(t, c.parts, got.Parts, name)
		assert.Equal(t, c.copy, got.Copy, name)
		assert.Equal(t, 2*c.copy, got.All, name)
		assert.Equal(t, c.missing, got.Missing, name)
	}
}

func TestQuantizedWidth(t *testing.T) {
	for want, q := range map[float64]*qdrant.QuantizationConfig{
		0:      nil,
		1:      qdrant.NewQuantizationScalar(&qdrant.ScalarQuantization{}),
		0.125:  qdrant.NewQuantizationBinary(&qdrant.BinaryQuantization{}),
		0.1875: qdrant.NewQuantizationBinary(&qdrant.BinaryQuantization{Encoding: qdrant.BinaryQuantizationEncoding_OneAndHalfBits.Enum()}),
		0.25:   qdrant.NewQuantizationProduct(&qdrant.ProductQuantization{Compression: qdrant.CompressionRatio_x16}),
		0.5:    qdrant.NewQuantizationTurbo(&qdrant.TurboQuantization{Bits: qdrant.TurboQuantBitSize_Bits4.Enum()}),
	} {
		width, alwaysRAM := quantizedWidth(q)
		assert.InDelta(t, want, width, 0)
		assert.False(t, alwaysRAM)
	}
}

func TestSize(t *testing.T) {
	for bytes, want := range map[uint64]string{0: "0 B", 1023: "1023 B", 1024: "1 KiB", 10_240_000: "9.8 MiB", 3 << 40: "3 TiB", 5000 << 40: "5000 TiB"} {
		assert.Equal(t, want, size(bytes))
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		assert.Equal(t, want, count(n))
	}
}
