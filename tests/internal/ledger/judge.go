package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

// Peer is a member of the cluster that Judge reads.
type Peer struct {
	// Name is what messages call it, such as the name of its pod.
	Name   string
	Client *clusterapi.Client
}

// Judge stops the ledger and compares its record with every replica. The peers
// must be all peers of the cluster: a replica that nobody reads is a problem of
// the verdict.
//
// Each replica is read by itself, through the endpoint that reads the answering
// peer's own copy of a shard and nothing else. An ordinary read would not do: a
// peer passes it on to another one when its own replica is behind. A read with
// consistency All would not either: it leaves out the points on which replicas
// differ, without saying which one is wrong, and fails as soon as one replica
// is dead. After that each peer is asked for the whole collection the way
// clients ask, which also finds a peer that has lost sight of the others.
//
// A bad verdict is taken again until Config.Settle is over.
func (l *Ledger) Judge(ctx context.Context, peers []Peer) Verdict {
	report := l.Stop()
	var writes []Write
	for _, w := range l.writers {
		writes = append(writes, w.writes...)
	}
	deadline := time.Now().Add(l.config.Settle)
	for {
		verdict := l.judgeOnce(ctx, writes, peers)
		verdict.Report = report
		if verdict.OK() || time.Now().After(deadline) {
			return verdict
		}
		select {
		case <-ctx.Done():
			return verdict
		case <-time.After(time.Second):
		}
	}
}

func (l *Ledger) judgeOnce(ctx context.Context, writes []Write, peers []Peer) Verdict {
	var replicas []ReplicaValues
	var answers []PeerValues
	var problems []string
	known := map[clusterapi.Replica]bool{} // what any peer believes to exist
	read := map[clusterapi.PeerID]bool{}
	for _, peer := range peers {
		cluster, err := peer.Client.CollectionCluster(ctx, l.config.Collection)
		if err != nil {
			problems = append(problems, fmt.Sprintf("peer %s: %v", peer.Name, err))
			continue
		}
		read[cluster.PeerID] = true
		for _, replica := range cluster.Replicas {
			known[clusterapi.Replica{Shard: replica.Shard, Peer: replica.Peer}] = true
			if !replica.State.Readable() {
				problems = append(problems, fmt.Sprintf("peer %s says that shard %d on peer %d is %s", peer.Name, replica.Shard, replica.Peer, replica.State))
			}
			if !replica.Local || !replica.State.Readable() {
				continue
			}
			values, err := l.scroll(ctx, func(ctx context.Context, request clusterapi.ScrollRequest) (clusterapi.Page, error) {
				return peer.Client.ScrollReplica(ctx, l.config.Collection, replica.Shard, request)
			})
			if err != nil {
				problems = append(problems, fmt.Sprintf("peer %s: %v", peer.Name, err))
				continue
			}
			replicas = append(replicas, ReplicaValues{Peer: peer.Name, Shard: uint32(replica.Shard), Values: values})
		}
		values, err := l.scroll(ctx, func(ctx context.Context, request clusterapi.ScrollRequest) (clusterapi.Page, error) {
			return peer.Client.Scroll(ctx, l.config.Collection, request)
		})
		if err != nil {
			problems = append(problems, fmt.Sprintf("peer %s: %v", peer.Name, err))
			continue
		}
		answers = append(answers, PeerValues{Peer: peer.Name, Values: values})
	}
	for replica := range known {
		if !read[replica.Peer] {
			problems = append(problems, fmt.Sprintf("shard %d has a replica on peer %d, which was not read", replica.Shard, replica.Peer))
		}
	}
	slices.Sort(problems)
	verdict := judge(writes, replicas, answers)
	verdict.Problems = problems
	return verdict
}

// scroll reads all ids of the ledger, page by page.
func (l *Ledger) scroll(ctx context.Context, page func(context.Context, clusterapi.ScrollRequest) (clusterapi.Page, error)) (map[uint64]Value, error) {
	values := map[uint64]Value{}
	next := &clusterapi.PointID{Num: firstID}
	for next != nil {
		got, err := page(ctx, clusterapi.ScrollRequest{Offset: next, Limit: 1000, WithPayload: true, WithVector: true})
		if err != nil {
			return nil, err
		}
		for _, point := range got.Points {
			value, err := l.valueOf(point)
			if err != nil {
				return nil, fmt.Errorf("reading point %s: %w", point.ID, err)
			}
			values[point.ID.Num] = value
		}
		next = got.Next
	}
	return values, nil
}

func (l *Ledger) valueOf(point clusterapi.Point) (Value, error) {
	var seq uint64
	var vector []float32
	if raw, present := point.Payload[sequenceField]; present {
		if err := json.Unmarshal(raw, &seq); err != nil {
			return Value{}, fmt.Errorf("decoding its sequence number: %w", err)
		}
	}
	if err := json.Unmarshal(point.Vector, &vector); err != nil {
		return Value{}, fmt.Errorf("decoding its vector: %w", err)
	}
	return Value{Seq: seq, Torn: !sameVector(vector, vectorOf(point.ID.Num, seq, l.config.Dim))}, nil
}
