package qdranttest

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// elapsed is how long each answer says that it took, in seconds.
const elapsed = 0.0001

type collectionsAPI struct {
	qdrant.UnimplementedCollectionsServer
	server *Server
}

// checkName refuses what can be no collection's name. New ones have to do without characters that a file's name can't have.
func checkName(name string, isNew bool) error {
	forbidden := "/\x00"
	if isNew {
		forbidden = "<>:\"/\\|?*\x00\x1f"
	}
	switch at := strings.IndexAny(name, forbidden); {
	case name == "" || len([]rune(name)) > 255:
		return invalid("collection_name", "value %q invalid, must be from 1 to 255 characters", name)
	case at >= 0:
		return invalid("collection_name", "collection name cannot contain \"%c\" char", name[at])
	}
	return nil
}

// find is the collection that a name or an alias stands for, in the server's view.
func (s *Server) find(name string) (string, *collection, error) {
	if err := checkName(name, false); err != nil {
		return "", nil, err
	}
	return s.view().resolve(name)
}

// changed is the answer to a change of the collections.
func (s *Server) changed(did bool, err error) (*qdrant.CollectionOperationResponse, error) {
	if err != nil {
		return nil, err
	}
	if did {
		if _, err := s.agreed(); err != nil {
			return nil, err
		}
	}
	return &qdrant.CollectionOperationResponse{Result: did, Time: elapsed}, nil
}

func (a collectionsAPI) Get(_ context.Context, in *qdrant.GetCollectionInfoRequest) (*qdrant.GetCollectionInfoResponse, error) {
	name, col, err := a.server.find(in.GetCollectionName())
	if err != nil {
		return nil, err
	}
	schema := map[string]*qdrant.PayloadSchemaInfo{}
	for field, index := range col.store.indexes {
		points := uint64(0)
		for _, p := range col.store.points {
			if index.holds(p) {
				points++
			}
		}
		schema[field] = &qdrant.PayloadSchemaInfo{DataType: index.kind, Params: index.params, Points: &points}
	}
	return &qdrant.GetCollectionInfoResponse{Time: elapsed, Result: &qdrant.CollectionInfo{
		Status: qdrant.CollectionStatus_Green, OptimizerStatus: &qdrant.OptimizerStatus{Ok: true},
		SegmentsCount: uint64(2 * len(col.shards)), Config: col.whole(), PayloadSchema: schema,
		PointsCount: proto.Uint64(uint64(a.server.count(name, col))), IndexedVectorsCount: proto.Uint64(0),
		UpdateQueue: &qdrant.UpdateQueueInfo{},
	}}, nil
}

func (a collectionsAPI) List(context.Context, *qdrant.ListCollectionsRequest) (*qdrant.ListCollectionsResponse, error) {
	list := &qdrant.ListCollectionsResponse{Time: elapsed}
	for _, name := range a.server.view().names() {
		list.Collections = append(list.Collections, &qdrant.CollectionDescription{Name: name})
	}
	return list, nil
}

func (a collectionsAPI) CollectionExists(_ context.Context, in *qdrant.CollectionExistsRequest) (*qdrant.CollectionExistsResponse, error) {
	if err := checkName(in.GetCollectionName(), false); err != nil {
		return nil, err
	}
	_, _, err := a.server.find(in.GetCollectionName())
	return &qdrant.CollectionExistsResponse{Result: &qdrant.CollectionExists{Exists: err == nil}, Time: elapsed}, nil
}

func (a collectionsAPI) Create(_ context.Context, in *qdrant.CreateCollection) (*qdrant.CollectionOperationResponse, error) {
	s := a.server
	col, err := collectionFrom(in, len(s.view().members))
	if err != nil {
		return nil, err
	}
	if err := s.propose(); err != nil {
		return nil, err
	}
	if s.group.aliases[in.GetCollectionName()] != "" {
		return nil, wrongInput("Can't create collection with name %s. Alias with the same name already exists", in.GetCollectionName())
	}
	if err := s.group.create(in.GetCollectionName(), col); err != nil {
		return nil, err
	}
	s.initializing(col)
	return s.changed(true, nil)
}

// maxShards bounds what a slip of a test may ask for.
const maxShards = 10000

// collectionFrom is what a request asks to create, with a shard for each peer if it does not say how many.
func collectionFrom(in *qdrant.CreateCollection, peers int) (*collection, error) {
	if err := checkName(in.GetCollectionName(), true); err != nil {
		return nil, err
	}
	if err := checkVectors(in.GetVectorsConfig()); err != nil {
		return nil, err
	}
	if in.GetShardingMethod() != qdrant.ShardingMethod_Auto {
		return nil, status.Error(codes.Unimplemented, "qdranttest has no custom sharding")
	}
	config := defaultConfig(in.GetVectorsConfig())
	if config.GetParams().GetVectorsConfig() == nil {
		config.Params.VectorsConfig = qdrant.NewVectorsConfigMap(nil)
	}
	config.Params.SparseVectorsConfig = in.GetSparseVectorsConfig()
	if in.OnDiskPayload != nil {
		config.Params.OnDiskPayload = in.GetOnDiskPayload()
	}
	config.HnswConfig = override(config.GetHnswConfig(), in.GetHnswConfig())
	config.OptimizerConfig = override(config.GetOptimizerConfig(), in.GetOptimizersConfig())
	config.WalConfig = override(config.GetWalConfig(), in.GetWalConfig())
	config.QuantizationConfig, config.StrictModeConfig = in.GetQuantizationConfig(), in.GetStrictModeConfig()
	config.Metadata = in.GetMetadata()
	col := &collection{config: proto.CloneOf(config), store: newStore(), shardNumber: peers, replicationFactor: 1, writeConsistencyFactor: 1}
	for _, setting := range []struct {
		name  string
		asked *uint32
		to    *int
	}{
		{"shard_number", in.ShardNumber, &col.shardNumber},
		{"replication_factor", in.ReplicationFactor, &col.replicationFactor},
		{"write_consistency_factor", in.WriteConsistencyFactor, &col.writeConsistencyFactor},
	} {
		switch {
		case setting.asked == nil:
		case *setting.asked == 0:
			return nil, invalid(setting.name, "value 0 invalid, must be 1 or larger")
		case *setting.asked > maxShards:
			return nil, badRequest("qdranttest has no collections of %d shards or replicas", *setting.asked)
		default:
			*setting.to = int(*setting.asked)
		}
	}
	return col, nil
}

func checkVectors(vectors *qdrant.VectorsConfig) error {
	if err := checkParams(vectors.GetParams()); err != nil {
		return in("vectors_config.config", err)
	}
	for _, p := range vectors.GetParamsMap().GetMap() {
		if err := checkParams(p); err != nil {
			return in("vectors_config.config.map.[]", err)
		}
	}
	return nil
}

func checkParams(p *qdrant.VectorParams) error {
	switch {
	case p == nil:
		return nil
	case p.GetSize() < 1 || p.GetSize() > 65536:
		return invalid("size", "value %d invalid, must be from 1 to 65536", p.GetSize())
	case p.GetDistance() == qdrant.Distance_UnknownDistance:
		return status.Error(codes.InvalidArgument, "Malformed distance parameter: UnknownDistance")
	}
	return nil
}

// initializing marks the replicas of a new collection on peers that do not take part now.
func (s *Server) initializing(col *collection) {
	for _, replicas := range col.shards {
		for peer := range replicas {
			if !s.cluster.connected(s.group, peer) {
				replicas[peer] = initializing
			}
		}
	}
}

func (a collectionsAPI) Update(_ context.Context, in *qdrant.UpdateCollection) (*qdrant.CollectionOperationResponse, error) {
	s := a.server
	name, _, err := s.find(in.GetCollectionName())
	if err != nil {
		return nil, err
	}
	if err := s.propose(); err != nil {
		return nil, err
	}
	col, err := s.group.collection(name)
	if err != nil {
		return nil, err
	}
	config, err := updated(col.config, in)
	if err != nil {
		return nil, err
	}
	col.config = config
	if params := in.GetParams(); params != nil {
		if params.ReplicationFactor != nil {
			col.replicationFactor = int(params.GetReplicationFactor())
		}
		if params.WriteConsistencyFactor != nil {
			col.writeConsistencyFactor = int(params.GetWriteConsistencyFactor())
		}
	}
	s.group.commit++
	return s.changed(true, nil)
}

// updated is a configuration with the changes that a request asks for.
func updated(config *qdrant.CollectionConfig, in *qdrant.UpdateCollection) (*qdrant.CollectionConfig, error) {
	config = proto.CloneOf(config)
	config.HnswConfig = override(config.GetHnswConfig(), in.GetHnswConfig())
	if in.GetOptimizersConfig() != nil {
		optimizers := proto.CloneOf(in.GetOptimizersConfig())
		if setting := optimizers.GetMaxOptimizationThreads(); setting != nil {
			config.OptimizerConfig.MaxOptimizationThreads = nil
			config.OptimizerConfig.DeprecatedMaxOptimizationThreads = threads(setting)
		}
		config.OptimizerConfig = override(config.GetOptimizerConfig(), optimizers)
	}
	if p := in.GetParams(); p != nil {
		if p.OnDiskPayload != nil {
			config.Params.OnDiskPayload = p.GetOnDiskPayload()
		}
		if p.ReadFanOutFactor != nil {
			config.Params.ReadFanOutFactor = p.ReadFanOutFactor
		}
		if p.ReadFanOutDelayMs != nil {
			config.Params.ReadFanOutDelayMs = p.ReadFanOutDelayMs
		}
	}
	diffs := maps.Clone(in.GetVectorsConfig().GetParamsMap().GetMap())
	if single := in.GetVectorsConfig().GetParams(); single != nil {
		diffs = map[string]*qdrant.VectorParamsDiff{"": single}
	}
	for name, diff := range diffs {
		params := config.GetParams().GetVectorsConfig().GetParamsMap().GetMap()[name]
		if name == "" {
			params = config.GetParams().GetVectorsConfig().GetParams()
		}
		if params == nil {
			return nil, wrongInput("Not existing vector name error: %s", name)
		}
		if diff.GetHnswConfig() != nil {
			if params.HnswConfig == nil {
				params.HnswConfig = &qdrant.HnswConfigDiff{}
			}
			params.HnswConfig = override(params.HnswConfig, diff.GetHnswConfig())
		}
		if diff.OnDisk != nil {
			params.OnDisk = diff.OnDisk
		}
		if diff.GetQuantizationConfig() != nil {
			params.QuantizationConfig = quantizationOf(diff.GetQuantizationConfig())
		}
	}
	for name, p := range in.GetSparseVectorsConfig().GetMap() {
		if config.GetParams().GetSparseVectorsConfig().GetMap()[name] == nil {
			return nil, wrongInput("Not existing vector name error: %s", name)
		}
		config.Params.SparseVectorsConfig.Map[name] = override(config.Params.SparseVectorsConfig.Map[name], p)
	}
	if in.GetQuantizationConfig() != nil {
		config.QuantizationConfig = quantizationOf(in.GetQuantizationConfig())
	}
	if in.GetStrictModeConfig() != nil {
		if config.StrictModeConfig == nil {
			config.StrictModeConfig = &qdrant.StrictModeConfig{}
		}
		config.StrictModeConfig = override(config.StrictModeConfig, in.GetStrictModeConfig())
	}
	if in.GetMetadata() != nil {
		config.Metadata = withMetadata(config.GetMetadata(), in.GetMetadata())
	}
	return config, nil
}

// quantizationOf is what a change asks for; nil if that is none.
func quantizationOf(diff *qdrant.QuantizationConfigDiff) *qdrant.QuantizationConfig {
	switch kind := diff.GetQuantization().(type) {
	case *qdrant.QuantizationConfigDiff_Scalar:
		return &qdrant.QuantizationConfig{Quantization: &qdrant.QuantizationConfig_Scalar{Scalar: kind.Scalar}}
	case *qdrant.QuantizationConfigDiff_Product:
		return &qdrant.QuantizationConfig{Quantization: &qdrant.QuantizationConfig_Product{Product: kind.Product}}
	case *qdrant.QuantizationConfigDiff_Binary:
		return &qdrant.QuantizationConfig{Quantization: &qdrant.QuantizationConfig_Binary{Binary: kind.Binary}}
	case *qdrant.QuantizationConfigDiff_Turboquant:
		return &qdrant.QuantizationConfig{Quantization: &qdrant.QuantizationConfig_Turboquant{Turboquant: kind.Turboquant}}
	default:
		return nil
	}
}

func (a collectionsAPI) Delete(_ context.Context, in *qdrant.DeleteCollection) (*qdrant.CollectionOperationResponse, error) {
	s := a.server
	if err := checkName(in.GetCollectionName(), false); err != nil {
		return nil, err
	}
	if err := s.propose(); err != nil {
		return nil, err
	}
	if _, exists := s.group.collections[in.GetCollectionName()]; !exists {
		return s.changed(false, nil)
	}
	s.group.delete(in.GetCollectionName())
	return s.changed(true, nil)
}

func (a collectionsAPI) UpdateAliases(_ context.Context, in *qdrant.ChangeAliases) (*qdrant.CollectionOperationResponse, error) {
	s := a.server
	if err := s.propose(); err != nil {
		return nil, err
	}
	for _, action := range in.GetActions() {
		if err := s.group.alias(action); err != nil {
			return nil, err
		}
	}
	return s.changed(true, nil)
}

func (c *consensus) alias(action *qdrant.AliasOperations) error {
	switch a := action.GetAction().(type) {
	case *qdrant.AliasOperations_CreateAlias:
		if _, err := c.collection(a.CreateAlias.GetCollectionName()); err != nil {
			return err
		}
		if _, exists := c.collections[a.CreateAlias.GetAliasName()]; exists {
			return &refusal{http.StatusConflict, "Wrong input: Collection `" + a.CreateAlias.GetAliasName() + "` already exists!"}
		}
		c.aliases[a.CreateAlias.GetAliasName()] = a.CreateAlias.GetCollectionName()
	case *qdrant.AliasOperations_RenameAlias:
		of, exists := c.aliases[a.RenameAlias.GetOldAliasName()]
		if !exists {
			return notFound("Alias %s does not exists!", a.RenameAlias.GetOldAliasName())
		}
		delete(c.aliases, a.RenameAlias.GetOldAliasName())
		c.aliases[a.RenameAlias.GetNewAliasName()] = of
	case *qdrant.AliasOperations_DeleteAlias:
		delete(c.aliases, a.DeleteAlias.GetAliasName())
	default:
		return status.Error(codes.InvalidArgument, "Malformed AliasOperation type")
	}
	c.commit++
	return nil
}

func (a collectionsAPI) ListAliases(context.Context, *qdrant.ListAliasesRequest) (*qdrant.ListAliasesResponse, error) {
	return a.aliases(func(string) bool { return true }), nil
}

func (a collectionsAPI) ListCollectionAliases(
	_ context.Context, in *qdrant.ListCollectionAliasesRequest,
) (*qdrant.ListAliasesResponse, error) {
	if err := checkName(in.GetCollectionName(), false); err != nil {
		return nil, err
	}
	return a.aliases(func(of string) bool { return of == in.GetCollectionName() }), nil
}

func (a collectionsAPI) aliases(wanted func(of string) bool) *qdrant.ListAliasesResponse {
	list := &qdrant.ListAliasesResponse{Time: elapsed}
	all := a.server.view().aliases
	for _, alias := range slices.Sorted(maps.Keys(all)) {
		if wanted(all[alias]) {
			list.Aliases = append(list.Aliases, &qdrant.AliasDescription{AliasName: alias, CollectionName: all[alias]})
		}
	}
	return list
}

func (a collectionsAPI) CollectionClusterInfo(
	_ context.Context, in *qdrant.CollectionClusterInfoRequest,
) (*qdrant.CollectionClusterInfoResponse, error) {
	s := a.server
	name, col, err := s.find(in.GetCollectionName())
	if err != nil {
		return nil, err
	}
	info := &qdrant.CollectionClusterInfoResponse{PeerId: s.id, ShardCount: uint64(len(col.shards))}
	for _, shard := range col.shardIDs() {
		for _, peer := range sortedPeers(col.shards[shard]) {
			state := qdrant.ReplicaState(qdrant.ReplicaState_value[col.shards[shard][peer]])
			if peer == s.id {
				points := uint64(s.data[shardName{name, shard}].Points)
				info.LocalShards = append(info.LocalShards, &qdrant.LocalShardInfo{ShardId: shard, PointsCount: points, State: state})
			} else {
				info.RemoteShards = append(info.RemoteShards, &qdrant.RemoteShardInfo{ShardId: shard, PeerId: peer, State: state})
			}
		}
	}
	for _, t := range col.transfers {
		info.ShardTransfers = append(info.ShardTransfers, &qdrant.ShardTransferInfo{ShardId: t.shard, From: t.from, To: t.to, Sync: t.sync})
	}
	return info, nil
}
