package topology

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Fingerprint is the same for two pictures that show the same members, processes, leader, replicas and transfers. Points, bytes, the
// commit index and the time do not count: they change while nothing is going on that matters to a decision.
func (p Picture) Fingerprint() string {
	text := &strings.Builder{}
	for _, m := range p.Members {
		fmt.Fprintf(text, "member %d %q %q known %d answers %t", m.ID, m.URI, m.Pod, m.KnownBy, m.Answers)
		if m.Answers {
			fmt.Fprintf(text, " %q %d working %t voter %t leader %d", m.Version, m.Started.UnixNano(), m.Working, m.Raft.IsVoter, m.Raft.Leader)
		}
		for _, peer := range m.Peers {
			fmt.Fprintf(text, " peer %d %q", peer.ID, peer.URI)
		}
		text.WriteByte('\n')
	}
	for _, s := range p.Silent {
		fmt.Fprintf(text, "silent %q %d\n", s.Pod, s.Ordinal)
	}
	for _, c := range p.Collections {
		fmt.Fprintf(text, "collection %q factor %d resharding %t\n", c.Name, c.ReplicationFactor, c.Resharding)
		for _, s := range c.Shards {
			fmt.Fprintf(text, "shard %d %q agreed %t", s.ID, s.Key, s.Agreed)
			for _, r := range s.Replicas {
				fmt.Fprintf(text, " on %d %s", r.Peer, r.State)
			}
			for _, t := range s.Transfers {
				fmt.Fprintf(text, " transfer %d %d %t", t.From, t.To, t.Sync)
			}
			text.WriteByte('\n')
		}
	}
	doubts := slices.Sorted(slices.Values(p.Doubts))
	for _, doubt := range doubts {
		fmt.Fprintf(text, "doubt %q\n", doubt)
	}
	sum := sha256.Sum256([]byte(text.String()))
	return hex.EncodeToString(sum[:])
}
