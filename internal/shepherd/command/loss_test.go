package command

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

func TestAShardWithoutReplicasCannotBeGivenUp(t *testing.T) {
	t.Parallel()
	p := topology.Picture{
		Members: []topology.Member{{
			ID: 1, KnownBy: 1, Answers: true, Working: true, Raft: clusterapi.Raft{Leader: 1, Term: 1, IsVoter: true}, Peers: []clusterapi.Peer{{ID: 1}},
		}},
		Collections: []topology.Collection{{Name: "c", ReplicationFactor: 1, Shards: []topology.Shard{{Agreed: true}}}},
	}
	_, err := loss(p, plan.ShardName{Collection: "c"})
	require.ErrorContains(t, err, "looking at shard c/0: no peer has a replica of it")
}
