package ledger

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// held makes the values of one replica from pairs of id and sequence number.
func held(peer string, shard uint32, pairs ...uint64) ReplicaValues {
	return ReplicaValues{Peer: peer, Shard: shard, Values: values(pairs...)}
}

func answered(peer string, pairs ...uint64) PeerValues {
	return PeerValues{Peer: peer, Values: values(pairs...)}
}

func values(pairs ...uint64) map[uint64]Value {
	all := map[uint64]Value{}
	for i := 0; i < len(pairs); i += 2 {
		all[pairs[i]] = Value{Seq: pairs[i+1]}
	}
	return all
}

func TestJudge(t *testing.T) {
	t.Parallel()
	acked, refused, unknown := Acknowledged, Refused, Unknown
	for _, test := range []struct {
		name     string
		writes   []Write
		replicas []ReplicaValues
		answers  []PeerValues

		lost, phantoms, disagreements, unsettled int
		says                                     string
	}{
		{
			name:     "all as acknowledged",
			writes:   []Write{{1, 1, acked}, {1, 2, acked}, {2, 1, acked}},
			replicas: []ReplicaValues{held("a", 0, 1, 2), held("b", 0, 1, 2), held("b", 1, 2, 1), held("c", 1, 2, 1)},
			answers:  []PeerValues{answered("a", 1, 2, 2, 1), answered("b", 1, 2, 2, 1), answered("c", 1, 2, 2, 1)},
		},
		{
			name:     "nothing written, nothing there",
			replicas: []ReplicaValues{held("a", 0), held("b", 0)},
			answers:  []PeerValues{answered("a"), answered("b")},
		},
		{
			name:     "an acknowledged point is gone",
			writes:   []Write{{1, 1, acked}, {2, 1, acked}},
			replicas: []ReplicaValues{held("a", 0, 2, 1), held("b", 0, 2, 1)},
			lost:     1, says: "id 1: 1 was acknowledged, no replica has it",
		},
		{
			name:   "all replicas are gone",
			writes: []Write{{1, 1, acked}, {2, 4, acked}},
			lost:   2,
		},
		{
			name:     "an older value came back",
			writes:   []Write{{1, 1, acked}, {1, 2, acked}},
			replicas: []ReplicaValues{held("a", 0, 1, 1), held("b", 0, 1, 1)},
			lost:     1, says: "id 1: 2 was acknowledged, shard 0 on a holds 1, shard 0 on b holds 1",
		},
		{
			name:     "an older write of unknown outcome is no excuse",
			writes:   []Write{{1, 1, unknown}, {1, 2, acked}},
			replicas: []ReplicaValues{held("a", 0, 1, 1)},
			lost:     1,
		},
		{
			name:     "one replica lags behind",
			writes:   []Write{{1, 1, acked}, {1, 2, acked}},
			replicas: []ReplicaValues{held("a", 0, 1, 2), held("b", 0, 1, 1)}, disagreements: 1,
		},
		{
			name:     "one replica lacks a point",
			writes:   []Write{{1, 1, acked}, {2, 1, acked}},
			replicas: []ReplicaValues{held("a", 0, 1, 1, 2, 1), held("b", 0, 2, 1)}, disagreements: 1,
			says: "shard 0 on b lacks it",
		},
		{
			name:     "a replica of another shard need not have it",
			writes:   []Write{{1, 1, acked}},
			replicas: []ReplicaValues{held("a", 0, 1, 1), held("b", 1)},
		},
		{
			name:     "the same id in two shards",
			writes:   []Write{{1, 1, acked}},
			replicas: []ReplicaValues{held("a", 0, 1, 1), held("b", 1, 1, 1)}, disagreements: 1,
		},
		{
			name:     "a write of unknown outcome was carried out",
			writes:   []Write{{1, 1, acked}, {1, 2, unknown}},
			replicas: []ReplicaValues{held("a", 0, 1, 2), held("b", 0, 1, 2)},
			answers:  []PeerValues{answered("a", 1, 2)},
		},
		{
			name:     "a write of unknown outcome was not carried out",
			writes:   []Write{{1, 1, acked}, {1, 2, unknown}},
			replicas: []ReplicaValues{held("a", 0, 1, 1), held("b", 0, 1, 1)},
			answers:  []PeerValues{answered("a", 1, 1)},
		},
		{
			name:     "a refused write is there: it was sent, so it may be",
			writes:   []Write{{1, 1, acked}, {1, 2, refused}},
			replicas: []ReplicaValues{held("a", 0, 1, 2)},
		},
		{
			name:     "a write of unknown outcome was carried out by some",
			writes:   []Write{{1, 1, acked}, {1, 2, unknown}},
			replicas: []ReplicaValues{held("a", 0, 1, 1), held("b", 0, 1, 2)}, unsettled: 1,
		},
		{
			name:     "a first write of unknown outcome was carried out by some",
			writes:   []Write{{1, 1, unknown}},
			replicas: []ReplicaValues{held("a", 0, 1, 1), held("b", 0)}, unsettled: 1,
		},
		{
			name:     "an open write does not excuse a replica that is older still",
			writes:   []Write{{1, 1, acked}, {1, 2, acked}, {1, 3, unknown}},
			replicas: []ReplicaValues{held("a", 0, 1, 3), held("b", 0, 1, 1)}, disagreements: 1,
		},
		{
			name:   "a first write of unknown outcome is nowhere",
			writes: []Write{{1, 1, unknown}}, replicas: []ReplicaValues{held("a", 0)}, answers: []PeerValues{answered("a")},
		},
		{
			name:     "a value that was never sent",
			writes:   []Write{{1, 1, acked}},
			replicas: []ReplicaValues{held("a", 0, 1, 9)}, phantoms: 1, lost: 1,
		},
		{
			name:     "an id that was never sent",
			replicas: []ReplicaValues{held("a", 0, 5, 1)}, phantoms: 1,
		},
		{
			name:   "the vector of another write",
			writes: []Write{{1, 1, acked}},
			replicas: []ReplicaValues{
				{Peer: "a", Values: map[uint64]Value{1: {Seq: 1, Torn: true}}}, held("b", 0, 1, 1),
			}, phantoms: 1, says: "with a vector of another write",
		},
		{
			name:     "a peer that does not know the collection's points",
			writes:   []Write{{1, 1, acked}},
			replicas: []ReplicaValues{held("a", 0, 1, 1), held("b", 0, 1, 1)},
			answers:  []PeerValues{answered("a", 1, 1), answered("c")}, disagreements: 1,
			says: "peer c does not know it",
		},
		{
			name:     "a peer that answers an older value",
			writes:   []Write{{1, 1, acked}, {1, 2, acked}},
			replicas: []ReplicaValues{held("a", 0, 1, 2)},
			answers:  []PeerValues{answered("c", 1, 1)}, disagreements: 1,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()

			verdict := judge(test.writes, test.replicas, test.answers)

			assert.Len(t, verdict.Lost, test.lost, "lost")
			assert.Len(t, verdict.Phantoms, test.phantoms, "phantoms")
			assert.Len(t, verdict.Disagreements, test.disagreements, "disagreements")
			assert.Len(t, verdict.Unsettled, test.unsettled, "unsettled")
			assert.Equal(t, test.lost+test.phantoms+test.disagreements == 0, verdict.OK())
			if test.says != "" {
				assert.Contains(t, verdict.String(), test.says)
			}
		})
	}
}

func TestSameVector(t *testing.T) {
	t.Parallel()
	nan, infinite := float32(math.NaN()), float32(math.Inf(1))
	assert.True(t, sameVector([]float32{1, 2}, []float32{1, 2.00001}), "as a normalisation rounds")
	for name, other := range map[string][]float32{"another": {1, 2.1}, "shorter": {1}, "no number": {1, nan}, "infinite": {1, infinite}, "nothing": nil} {
		assert.False(t, sameVector(other, []float32{1, 2}), name)
	}
}

func TestAProblemIsNoGoodVerdict(t *testing.T) {
	t.Parallel()
	assert.False(t, Verdict{Problems: []string{"shard 1 on peer 7 is Dead"}}.OK())
}

func TestVerdictShowsAFewOfMany(t *testing.T) {
	t.Parallel()
	var writes []Write
	for id := range uint64(100) {
		writes = append(writes, Write{ID: id, Seq: 1})
	}

	text := judge(writes, nil, nil).String()

	assert.True(t, strings.HasPrefix(text, "100 lost writes, 0 values never sent"), text)
	assert.Contains(t, text, "and 95 more")
	assert.Len(t, strings.Split(text, "\n"), 7)
}
