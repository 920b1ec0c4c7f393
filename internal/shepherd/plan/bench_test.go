package plan

import (
	"fmt"
	"testing"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// BenchmarkMake plans for many small collections, which is where plans are longest, after two peers of ten were added and while two leave.
func BenchmarkMake(b *testing.B) {
	var p topology.Picture
	w := Goal{Targets: peers(), Repair: true, Strategy: Count, Zones: map[clusterapi.PeerID]string{}}
	for i := range clusterapi.PeerID(10) {
		p.Members = append(p.Members, topology.Member{ID: i + 1, Answers: true})
		w.Targets[i+1] = true
		w.Zones[i+1] = fmt.Sprintf("zone-%d", i%3)
	}
	introduce(&p)
	for c := range 1000 {
		collection := topology.Collection{Name: fmt.Sprintf("c%03d", c), ReplicationFactor: 2}
		for id := range clusterapi.ShardID(3) {
			s := topology.Shard{ID: id, Agreed: true}
			put(&s, topology.Replica{Peer: clusterapi.PeerID((c+int(id))%8 + 1), State: clusterapi.Active, Bytes: 100})
			put(&s, topology.Replica{Peer: clusterapi.PeerID((c+int(id)+1)%8 + 1), State: clusterapi.Active, Bytes: 100})
			collection.Shards = append(collection.Shards, s)
		}
		p.Collections = append(p.Collections, collection)
	}
	b.Run("balance", func(b *testing.B) {
		for b.Loop() {
			b.ReportMetric(float64(len(Make(p, w).Moves)), "moves")
		}
	})
	b.Run("size", func(b *testing.B) {
		w := w
		w.Strategy = Size
		for b.Loop() {
			b.ReportMetric(float64(len(Make(p, w).Moves)), "moves")
		}
	})
	b.Run("drain", func(b *testing.B) {
		w := w
		w.Leaving = peers(1, 2)
		for b.Loop() {
			b.ReportMetric(float64(len(Make(p, w).Moves)), "moves")
		}
	})
}
