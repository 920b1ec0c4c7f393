package vector

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/proto"

	"github.com/qdrant-shepherd/shepherd/client/vector/internal/codec"
)

// Setting is a choice about a collection for Open, which uses it when it creates one, and for Alter. What no setting names is left to the
// server's configuration.
type Setting func(*settings) error

type settings struct {
	sizes     map[string]int
	mustExist bool
	readOnly  bool
	create    *qdrant.CreateCollection // what has been chosen, without vectors
	sharding  string                   // what was chosen that can only be chosen at creation
	quantized Quantization
	raw       []func(*qdrant.CreateCollection)
}

func gather(chosen []Setting) (settings, error) {
	s := settings{sizes: map[string]int{}, create: &qdrant.CreateCollection{}}
	var errs []error
	for _, set := range chosen {
		if set == nil {
			errs = append(errs, errors.New("a setting is nil"))
			continue
		}
		errs = append(errs, set(&s))
	}
	if err := errors.Join(errs...); err != nil {
		return s, invalidf("%w", err)
	}
	return s, nil
}

// MustExist keeps Open from creating the collection: that it is not there is an error then, which is ErrNotFound.
func MustExist() Setting {
	return func(s *settings) error {
		s.mustExist = true
		return nil
	}
}

// ReadOnly keeps Open from changing anything, for programs that only search: it is MustExist, and leaves payload indexes that are missing and
// indexing that was put off as they are. An API key that may only read is enough then.
func ReadOnly() Setting {
	return func(s *settings) error {
		s.mustExist, s.readOnly = true, true
		return nil
	}
}

// Size is the number of dimensions of a vector whose struct tag has none, because it is the model that says it. The default vector's name
// is empty.
func Size(vector string, dimensions int) Setting {
	return func(s *settings) error {
		if dimensions < 1 || dimensions > codec.MaxSize {
			return fmt.Errorf("vector %q: a size of %d is not within 1 and %d", vector, dimensions, codec.MaxSize)
		}
		s.sizes[vector] = dimensions
		return nil
	}
}

// Shards is the number of shards, for collections without shard keys. As many as the cluster has peers, or a small multiple, spreads the
// load evenly; it can't be changed later.
func Shards(n int) Setting {
	return positive("shards", n, func(s *settings, n uint32) {
		s.create.ShardNumber = &n
		s.sharding = "the number of shards"
	})
}

// ReplicationFactor is the number of copies of each shard. With 2 and more, a peer may go without a failed request.
func ReplicationFactor(n int) Setting {
	return positive("replication factor", n, func(s *settings, n uint32) { s.create.ReplicationFactor = &n })
}

// WriteConsistencyFactor is how many copies must have taken a write before it is acknowledged.
func WriteConsistencyFactor(n int) Setting {
	return positive("write consistency factor", n, func(s *settings, n uint32) { s.create.WriteConsistencyFactor = &n })
}

func positive(what string, n int, set func(*settings, uint32)) Setting {
	return func(s *settings) error {
		if n < 1 || n > 1<<20 {
			return fmt.Errorf("%s: %d is not a number that makes sense", what, n)
		}
		set(s, uint32(n))
		return nil
	}
}

// CustomSharding makes a collection whose shards are made by the application, one set for each shard key (DB.Raw().CreateShardKey), such
// as a tenant. Collection.WithShardKeys then says where to read and write.
func CustomSharding() Setting {
	return func(s *settings) error {
		s.create.ShardingMethod = qdrant.ShardingMethod_Custom.Enum()
		s.sharding = "the sharding method"
		return nil
	}
}

// Graph is how the HNSW graph is built: m is the number of links of each point, efConstruct the number of candidates that are looked at
// for them. More of both costs memory and time and finds more of the true neighbours.
func Graph(m, efConstruct int) Setting {
	return func(s *settings) error {
		if m < 0 || efConstruct < 4 {
			return fmt.Errorf("graph: m %d must be at least 0 and ef_construct %d at least 4", m, efConstruct)
		}
		hnsw := s.hnsw()
		hnsw.M, hnsw.EfConstruct = qdrant.PtrOf(uint64(m)), qdrant.PtrOf(uint64(efConstruct))
		return nil
	}
}

// IndexFrom is the size of a segment's vectors, in KiB, above which it gets a graph, and above which a filtered search uses that graph.
// Below it a search compares all vectors, which finds everything. The server's default is 10,000 KiB.
func IndexFrom(kib int) Setting {
	return func(s *settings) error {
		// The server takes an indexing_threshold of 0 for "never".
		if kib < 1 {
			return fmt.Errorf("index from: %d KiB is not a size", kib)
		}
		s.optimizers().IndexingThreshold = qdrant.PtrOf(uint64(kib))
		s.hnsw().FullScanThreshold = qdrant.PtrOf(uint64(kib))
		return nil
	}
}

// Segments is the number of segments that the optimizer aims at in each shard: few for throughput, as many as there are cores for the
// latency of a single search.
func Segments(n int) Setting {
	return positive("segments", n, func(s *settings, n uint32) { s.optimizers().DefaultSegmentNumber = qdrant.PtrOf(uint64(n)) })
}

// PayloadOnDisk keeps payloads on disk, where the server does by default, or in memory. What is indexed is in memory in either case.
func PayloadOnDisk(on bool) Setting {
	return func(s *settings) error {
		s.create.OnDiskPayload = &on
		return nil
	}
}

// Quantized keeps a smaller form of each vector to search in.
func Quantized(q Quantization) Setting {
	return func(s *settings) error {
		if q.create == nil {
			return errors.New("quantization: none is named; use Int8, Binary, Product or Turbo, or NoQuantization to alter a collection")
		}
		s.quantized = q
		return nil
	}
}

// Metadata is stored beside a collection's settings, for people and programs. Altering it adds to what is there.
func Metadata(values map[string]any) Setting {
	return func(s *settings) error {
		stored, err := codec.Payload(values)
		if err != nil {
			return fmt.Errorf("metadata: %w", err)
		}
		if s.create.Metadata == nil {
			s.create.Metadata = map[string]*qdrant.Value{}
		}
		maps.Copy(s.create.Metadata, stored)
		return nil
	}
}

// RawSetting changes the request itself, after everything else, for what has no setting of its own. Alter refuses it: use
// DB.Raw().UpdateCollection there.
func RawSetting(change func(*qdrant.CreateCollection)) Setting {
	return func(s *settings) error {
		if change == nil {
			return errors.New("raw setting: there is no function")
		}
		s.raw = append(s.raw, change)
		return nil
	}
}

func (s *settings) hnsw() *qdrant.HnswConfigDiff {
	if s.create.HnswConfig == nil {
		s.create.HnswConfig = &qdrant.HnswConfigDiff{}
	}
	return s.create.HnswConfig
}

func (s *settings) optimizers() *qdrant.OptimizersConfigDiff {
	if s.create.OptimizersConfig == nil {
		s.create.OptimizersConfig = &qdrant.OptimizersConfigDiff{}
	}
	return s.create.OptimizersConfig
}

// Quantization is a smaller form of vectors. The zero value is none.
type Quantization struct {
	create *qdrant.QuantizationConfig
	alter  *qdrant.QuantizationConfigDiff
}

// Int8 keeps one byte instead of four for each dimension. The quantile, within 0.5 and 1, cuts off the largest values before the range is
// divided; 0.99 is usual. It costs little recall.
func Int8(quantile float32, alwaysRAM bool) Quantization {
	scalar := &qdrant.ScalarQuantization{Type: qdrant.QuantizationType_Int8, Quantile: &quantile, AlwaysRam: &alwaysRAM}
	return Quantization{qdrant.NewQuantizationScalar(scalar), qdrant.NewQuantizationDiffScalar(scalar)}
}

// Binary keeps a bit for each dimension. It is for vectors of 1,024 dimensions and more, with rescoring.
func Binary(alwaysRAM bool) Quantization {
	binary := &qdrant.BinaryQuantization{AlwaysRam: &alwaysRAM}
	return Quantization{qdrant.NewQuantizationBinary(binary), qdrant.NewQuantizationDiffBinary(binary)}
}

// Product keeps vectors of a fraction of the size: a byte stands for a group of dimensions. It is slower to build and to search than Int8.
func Product(ratio qdrant.CompressionRatio, alwaysRAM bool) Quantization {
	product := &qdrant.ProductQuantization{Compression: ratio, AlwaysRam: &alwaysRAM}
	return Quantization{qdrant.NewQuantizationProduct(product), qdrant.NewQuantizationDiffProduct(product)}
}

// Turbo keeps 1 to 4 bits for each dimension after a rotation; servers from 1.18.
func Turbo(bits qdrant.TurboQuantBitSize, alwaysRAM bool) Quantization {
	turbo := &qdrant.TurboQuantization{Bits: &bits, AlwaysRam: &alwaysRAM}
	return Quantization{qdrant.NewQuantizationTurbo(turbo), qdrant.NewQuantizationDiffTurbo(turbo)}
}

// NoQuantization takes the smaller form of a collection away, with Alter.
func NoQuantization() Quantization {
	return Quantization{&qdrant.QuantizationConfig{}, qdrant.NewQuantizationDiffDisabled()}
}

// createRequest is the collection of a schema with what has been chosen.
func createRequest(name string, schema codec.Schema, s settings) (*qdrant.CreateCollection, error) {
	request := s.create
	request.CollectionName = name
	if s.quantized.create.GetQuantization() != nil {
		request.QuantizationConfig = s.quantized.create
	}
	dense := map[string]*qdrant.VectorParams{}
	sparse := map[string]*qdrant.SparseVectorParams{}
	for _, v := range schema.Vectors {
		switch {
		case v.Kind == codec.SparseVector:
			sparse[v.Name] = v.SparseParams()
		case v.Size == 0 && schema.AnyVectors: // a type for any vectors: RawSetting may name them
		case v.Size == 0:
			return nil, invalidf("vector %q has no size: give its tag size=…, or name it to Open with Size(%q, …)", v.Name, v.Name)
		default:
			dense[v.Name] = v.Params()
		}
	}
	switch single, unnamed := dense[""]; {
	case unnamed && len(dense) == 1:
		request.VectorsConfig = qdrant.NewVectorsConfig(single)
	case len(dense) > 0:
		request.VectorsConfig = qdrant.NewVectorsConfigMap(dense)
	}
	if len(sparse) > 0 {
		request.SparseVectorsConfig = qdrant.NewSparseVectorsConfig(sparse)
	}
	for _, change := range s.raw {
		change(request)
	}
	return request, nil
}

// updateRequest is what of the settings can be altered.
func updateRequest(name string, s settings) (*qdrant.UpdateCollection, error) {
	var refused []string
	if s.sharding != "" {
		refused = append(refused, s.sharding)
	}
	if len(s.sizes) > 0 {
		refused = append(refused, fmt.Sprintf("the size of vectors %q", slices.Sorted(maps.Keys(s.sizes))))
	}
	if len(s.raw) > 0 {
		refused = append(refused, "a raw setting")
	}
	if s.mustExist {
		return nil, invalidf("MustExist and ReadOnly are for Open")
	}
	if len(refused) > 0 {
		return nil, invalidf("%s can only be chosen when the collection is created", strings.Join(refused, " and "))
	}
	request := &qdrant.UpdateCollection{
		CollectionName: name, HnswConfig: s.create.HnswConfig, OptimizersConfig: s.create.OptimizersConfig,
		QuantizationConfig: s.quantized.alter, Metadata: s.create.Metadata,
	}
	if s.create.ReplicationFactor != nil || s.create.WriteConsistencyFactor != nil || s.create.OnDiskPayload != nil {
		request.Params = &qdrant.CollectionParamsDiff{
			ReplicationFactor: s.create.ReplicationFactor, WriteConsistencyFactor: s.create.WriteConsistencyFactor,
			OnDiskPayload: s.create.OnDiskPayload,
		}
	}
	if proto.Equal(request, &qdrant.UpdateCollection{CollectionName: name}) {
		return nil, invalidf("no setting is named")
	}
	return request, nil
}
