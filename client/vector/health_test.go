package vector

import (
	"testing"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	for text, old := range map[string]bool{
		"1.18.3": false, "1.16.0": false, "1.16": false, "2.0.0-dev": false, "1.15.9": true, "0.99.1": true, "1.9.0": true,
	} {
		v, err := parseVersion(text)
		require.NoError(t, err, text)
		assert.Equal(t, old, v.before(oldest), text)
	}
	for _, text := range []string{"", "1", "x.y.z", "1.x"} {
		_, err := parseVersion(text)
		assert.ErrorContains(t, err, "the server says that its version is", text)
	}
}

func TestStatusOf(t *testing.T) {
	t.Parallel()
	info := &qdrant.CollectionInfo{
		Status: qdrant.CollectionStatus_Yellow, OptimizerStatus: &qdrant.OptimizerStatus{Error: "no space left"},
		PointsCount: qdrant.PtrOf[uint64](7), IndexedVectorsCount: qdrant.PtrOf[uint64](5), SegmentsCount: 4,
	}
	key := qdrant.NewShardKeyNum(12)
	cluster := &qdrant.CollectionClusterInfoResponse{
		PeerId:      20,
		LocalShards: []*qdrant.LocalShardInfo{{ShardId: 1, State: qdrant.ReplicaState_Active, ShardKey: key}},
		RemoteShards: []*qdrant.RemoteShardInfo{
			{ShardId: 1, PeerId: 10, State: qdrant.ReplicaState_Dead, ShardKey: key},
			{ShardId: 0, PeerId: 10, State: qdrant.ReplicaState_Active, ShardKey: qdrant.NewShardKey("eu")},
		},
		ShardTransfers: []*qdrant.ShardTransferInfo{{ShardId: 1, From: 20, To: 10, Sync: true}},
	}
	got := statusOf("words", info, cluster)
	assert.Equal(t, CollectionStatus{
		Name: "words", Color: "yellow", Optimizer: "no space left", Points: 7, Indexed: 5, Segments: 4,
		Shards: []ShardStatus{
			{ID: 0, Key: "eu", Replicas: []ReplicaStatus{{10, "Active"}}},
			{ID: 1, Key: "12", Replicas: []ReplicaStatus{{10, "Dead"}, {20, "Active"}}},
		},
		Transfers: []Transfer{{Shard: 1, From: 20, To: 10, Sync: true}},
	}, got)
	assert.False(t, got.Whole())
	got.Shards[1].Replicas[0].State = "Active"
	assert.False(t, got.Whole(), "under way")
	got.Transfers = nil
	assert.True(t, got.Whole())
}
