package topology

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

// worst orders the states from the healthiest on. One that is not here is worse than any that is.
var worst = []clusterapi.ReplicaState{
	clusterapi.Active, clusterapi.ActiveRead, clusterapi.ReshardingScaleDown, clusterapi.Resharding, clusterapi.Listener, clusterapi.Recovery,
	clusterapi.PartialSnapshot, clusterapi.Partial, clusterapi.Initializing, clusterapi.ManualRecovery, clusterapi.Dead,
}

func health(state clusterapi.ReplicaState) int {
	if i := slices.Index(worst, state); i >= 0 {
		return i
	}
	return len(worst)
}

// said is what one view says of a collection.
type said struct {
	by    View
	known bool
	state clusterapi.CollectionState
}

// collections merges what the views say of the collections, and names those that they disagree on.
func collections(views []View) (merged []Collection, doubts []string) {
	names := map[string]bool{}
	for _, v := range views {
		for _, c := range v.State.Collections {
			names[c.Name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		var all []said
		for _, v := range views {
			i := slices.IndexFunc(v.State.Collections, func(c clusterapi.CollectionState) bool { return c.Name == name })
			if i < 0 {
				all = append(all, said{by: v})
				continue
			}
			all = append(all, said{by: v, known: true, state: v.State.Collections[i]})
		}
		collection, about := mergeCollection(name, all)
		merged, doubts = append(merged, collection), append(doubts, about...)
	}
	return merged, doubts
}

func mergeCollection(name string, views []said) (Collection, []string) {
	merged := Collection{Name: name}
	shards := map[clusterapi.ShardID]bool{}
	var doubts []string
	factors := map[int]bool{}
	for _, v := range views {
		if !v.known {
			doubts = append(doubts, fmt.Sprintf("collection %s is unknown to peer %s (%s)", name, v.by.Cluster.PeerID, v.by.Pod))
			continue
		}
		factors[v.state.ReplicationFactor] = true
		merged.ReplicationFactor = max(merged.ReplicationFactor, v.state.ReplicationFactor)
		merged.Resharding = merged.Resharding || v.state.Resharding
		for _, id := range v.state.Shards {
			shards[id] = true
		}
		for _, r := range v.state.Replicas {
			shards[r.Shard] = true
		}
	}
	if len(factors) > 1 {
		doubts = append(doubts, fmt.Sprintf("answering peers name different replication factors of collection %s", name))
	}
	collectionAgreed := len(doubts) == 0
	for _, id := range slices.Sorted(maps.Keys(shards)) {
		shard := mergeShard(id, views)
		if collectionAgreed && !shard.Agreed {
			doubts = append(doubts, fmt.Sprintf("answering peers disagree on the replicas or transfers of shard %s/%d", name, id))
		}
		shard.Agreed = shard.Agreed && collectionAgreed
		merged.Shards = append(merged.Shards, shard)
	}
	return merged, doubts
}

func mergeShard(id clusterapi.ShardID, views []said) Shard {
	merged := Shard{ID: id}
	replicas := map[clusterapi.PeerID]Replica{}
	mentions := map[clusterapi.PeerID]int{}
	versions := map[string]bool{}
	for _, v := range views {
		var words []string
		for _, r := range v.state.Replicas {
			if r.Shard != id {
				continue
			}
			merged.Key = cmp.Or(merged.Key, r.ShardKey)
			words = append(words, fmt.Sprintf("%d is %s", r.Peer, r.State))
			known, found := replicas[r.Peer]
			if !found {
				known = Replica{Peer: r.Peer, State: r.State, Points: -1, Bytes: -1}
			}
			if health(r.State) > health(known.State) {
				known.State = r.State
			}
			if r.Local && r.Peer == v.by.Cluster.PeerID && known.Points < 0 {
				known.Points, known.Bytes = r.Points, r.Bytes
			}
			replicas[r.Peer] = known
			mentions[r.Peer]++
		}
		for _, t := range v.state.Transfers {
			if t.Shard != id {
				continue
			}
			words = append(words, fmt.Sprintf("%d to %d, kept %t", t.From, t.To, t.Sync))
			merged.Transfers = withTransfer(merged.Transfers, t)
		}
		slices.Sort(words)
		versions[strings.Join(words, "; ")] = true
	}
	for _, peer := range slices.Sorted(maps.Keys(replicas)) {
		r := replicas[peer]
		if mentions[peer] < len(views) {
			r.State = Unknown
		}
		merged.Replicas = append(merged.Replicas, r)
	}
	slices.SortFunc(merged.Transfers, func(a, b clusterapi.Transfer) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
	merged.Agreed = len(versions) == 1
	return merged
}

// withTransfer adds a transfer that is not in the list yet. Of two that are the same the one with a comment stays, which is the source's.
func withTransfer(list []clusterapi.Transfer, t clusterapi.Transfer) []clusterapi.Transfer {
	for i, known := range list {
		if known.From == t.From && known.To == t.To {
			if known.Comment == "" {
				list[i].Comment = t.Comment
			}
			return list
		}
	}
	return append(list, t)
}
