package qdranttest

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/proto"
)

func singleVector(size uint64, distance qdrant.Distance) *qdrant.VectorsConfig {
	return qdrant.NewVectorsConfig(&qdrant.VectorParams{Size: size, Distance: distance})
}

// defaultConfig is what the server makes of a collection of which only the vectors are said.
func defaultConfig(vectors *qdrant.VectorsConfig) *qdrant.CollectionConfig {
	return &qdrant.CollectionConfig{
		Params: &qdrant.CollectionParams{OnDiskPayload: true, VectorsConfig: vectors},
		HnswConfig: &qdrant.HnswConfigDiff{
			M: proto.Uint64(16), EfConstruct: proto.Uint64(100), FullScanThreshold: proto.Uint64(10000), MaxIndexingThreads: proto.Uint64(0),
			OnDisk: proto.Bool(false),
		},
		OptimizerConfig: &qdrant.OptimizersConfigDiff{
			DeletedThreshold: proto.Float64(0.2), VacuumMinVectorNumber: proto.Uint64(1000), DefaultSegmentNumber: proto.Uint64(0),
			IndexingThreshold: proto.Uint64(10000), FlushIntervalSec: proto.Uint64(5),
			MaxOptimizationThreads: &qdrant.MaxOptimizationThreads{Variant: &qdrant.MaxOptimizationThreads_Setting_{}},
		},
		WalConfig: &qdrant.WalConfigDiff{WalCapacityMb: proto.Uint64(32), WalSegmentsAhead: proto.Uint64(0), WalRetainClosed: proto.Uint64(1)},
	}
}

// whole is the configuration with the numbers that the cluster side keeps. The caller may change it.
func (col *collection) whole() *qdrant.CollectionConfig {
	c := proto.CloneOf(col.config)
	c.Params.ShardNumber = uint32(col.shardNumber)
	c.Params.ReplicationFactor = proto.Uint32(uint32(col.replicationFactor))
	c.Params.WriteConsistencyFactor = proto.Uint32(uint32(col.writeConsistencyFactor))
	return c
}

// settings are the configuration as the REST API words it.
func (col *collection) settings() map[string]any {
	c := col.config
	params := map[string]any{
		"vectors": vectorsJSON(c.GetParams().GetVectorsConfig()), "shard_number": col.shardNumber,
		"replication_factor": col.replicationFactor, "write_consistency_factor": col.writeConsistencyFactor,
		"on_disk_payload": c.GetParams().GetOnDiskPayload(),
	}
	if sparse := c.GetParams().GetSparseVectorsConfig().GetMap(); len(sparse) > 0 {
		named := map[string]any{}
		for name, p := range sparse {
			one := map[string]any{}
			if p.GetModifier() == qdrant.Modifier_Idf {
				one["modifier"] = "idf"
			}
			named[name] = one
		}
		params["sparse_vectors"] = named
	}
	o := c.GetOptimizerConfig()
	settings := map[string]any{
		"params": params, "hnsw_config": hnswJSON(c.GetHnswConfig()), "quantization_config": nil,
		"optimizer_config": map[string]any{
			"deleted_threshold": o.DeletedThreshold, "vacuum_min_vector_number": o.VacuumMinVectorNumber,
			"default_segment_number": o.DefaultSegmentNumber, "max_segment_size": o.MaxSegmentSize, "memmap_threshold": o.MemmapThreshold,
			"indexing_threshold": o.IndexingThreshold, "flush_interval_sec": o.FlushIntervalSec,
			"max_optimization_threads": threads(o.GetMaxOptimizationThreads()), "prevent_unoptimized": o.PreventUnoptimized,
		},
		"wal_config": map[string]any{
			"wal_capacity_mb": c.GetWalConfig().WalCapacityMb, "wal_segments_ahead": c.GetWalConfig().WalSegmentsAhead,
			"wal_retain_closed": c.GetWalConfig().WalRetainClosed,
		},
	}
	if len(c.GetMetadata()) > 0 {
		metadata, _ := payloadOf(c.GetMetadata())
		settings["metadata"] = metadata
	}
	return settings
}

func threads(t *qdrant.MaxOptimizationThreads) *uint64 {
	if value, is := t.GetVariant().(*qdrant.MaxOptimizationThreads_Value); is {
		return &value.Value
	}
	return nil
}

// hnswJSON leaves out what the server leaves out when it was not set.
func hnswJSON(h *qdrant.HnswConfigDiff) map[string]any {
	fields := map[string]any{}
	put(fields, "m", h.M)
	put(fields, "ef_construct", h.EfConstruct)
	put(fields, "full_scan_threshold", h.FullScanThreshold)
	put(fields, "max_indexing_threads", h.MaxIndexingThreads)
	put(fields, "on_disk", h.OnDisk)
	put(fields, "payload_m", h.PayloadM)
	return fields
}

func put[T any](fields map[string]any, name string, value *T) {
	if value != nil {
		fields[name] = *value
	}
}

func vectorsJSON(vectors *qdrant.VectorsConfig) map[string]any {
	if single := vectors.GetParams(); single != nil {
		return vectorJSON(single)
	}
	named := map[string]any{}
	for name, p := range vectors.GetParamsMap().GetMap() {
		named[name] = vectorJSON(p)
	}
	return named
}

func vectorJSON(p *qdrant.VectorParams) map[string]any {
	fields := map[string]any{"size": p.GetSize(), "distance": p.GetDistance().String()}
	put(fields, "on_disk", p.OnDisk)
	if p.GetHnswConfig() != nil {
		fields["hnsw_config"] = hnswJSON(p.GetHnswConfig())
	}
	if p.GetMultivectorConfig() != nil {
		fields["multivector_config"] = map[string]string{"comparator": "max_sim"}
	}
	if p.Datatype != nil {
		fields["datatype"] = strings.ToLower(p.GetDatatype().String())
	}
	return fields
}

// vectorParams is how the REST API words a vector's parameters, as far as they are looked at.
type vectorParams struct {
	Size        *uint64         `json:"size"`
	Distance    string          `json:"distance"`
	OnDisk      *bool           `json:"on_disk"`
	Multivector json.RawMessage `json:"multivector_config"`
}

func (p vectorParams) proto() *qdrant.VectorParams {
	params := &qdrant.VectorParams{Size: *p.Size, Distance: qdrant.Distance(qdrant.Distance_value[p.Distance]), OnDisk: p.OnDisk}
	if p.Multivector != nil {
		params.MultivectorConfig = &qdrant.MultiVectorConfig{}
	}
	return params
}

// vectorsFromJSON reads a collection's vectors as the REST API words them: one without a name, or several by their names.
func vectorsFromJSON(text json.RawMessage) (*qdrant.VectorsConfig, error) {
	var single vectorParams
	if err := json.Unmarshal(text, &single); err == nil && single.Size != nil {
		return qdrant.NewVectorsConfig(single.proto()), nil
	}
	var named map[string]vectorParams
	if err := json.Unmarshal(text, &named); err != nil {
		return nil, err
	}
	params := map[string]*qdrant.VectorParams{}
	for name, p := range named {
		if p.Size == nil {
			return nil, fmt.Errorf("vectors.%s: missing field `size`", name)
		}
		params[name] = p.proto()
	}
	return qdrant.NewVectorsConfigMap(params), nil
}

// override puts the fields of a diff that are set into what there is, as the server does with parts of a configuration.
func override[M proto.Message](base, diff M) M {
	result := proto.Clone(base).(M)
	if diff.ProtoReflect().IsValid() {
		proto.Merge(result, diff)
	}
	return result
}

// withMetadata adds fields to a collection's metadata; null takes one away.
func withMetadata(base, fields map[string]*qdrant.Value) map[string]*qdrant.Value {
	result := maps.Clone(base)
	if result == nil {
		result = map[string]*qdrant.Value{}
	}
	for key, value := range fields {
		if _, isNull := value.GetKind().(*qdrant.Value_NullValue); isNull {
			delete(result, key)
		} else {
			result[key] = value
		}
	}
	return result
}
