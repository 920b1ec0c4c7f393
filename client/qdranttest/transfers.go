package qdranttest

import "slices"

// transfer is a copy of a shard under way.
type transfer struct {
	shard    uint32
	from, to uint64
	sync     bool
	method   string
	// steps are how many it takes, done how many it has taken.
	steps, done int
	// task is the source's process that sends it. A transfer outlives it, and is aborted by the source's next process.
	task *process
}

// methods are the ways of transfers, and the state that the target has at first.
var methods = map[string]string{"stream_records": partial, "snapshot": recovery, "wal_delta": recovery}

// defaultMethod is the server's since 1.18.
const defaultMethod = "snapshot"

// begin starts a transfer, if it fits what the cluster has agreed on.
func (c *consensus) begin(col *collection, t *transfer) error {
	replicas := col.shards[t.shard]
	if c.members[t.from] == "" {
		return badRequest("Peer %d does not exist", t.from)
	}
	if c.members[t.to] == "" {
		return badRequest("Peer %d does not exist", t.to)
	}
	if !isSource(replicas[t.from]) {
		return badRequest("Shard %d is not active on peer %d", t.shard, t.from)
	}
	for _, other := range col.transfers {
		if other.shard == t.shard && (other.involves(t.from) || other.involves(t.to)) {
			return badRequest("Shard %d is already involved in transfer %d -> %d", t.shard, other.from, other.to)
		}
	}
	replicas[t.to] = methods[t.method]
	col.transfers = append(col.transfers, t)
	c.commit++
	return nil
}

func (t *transfer) involves(peer uint64) bool { return t.from == peer || t.to == peer }

// finish makes the target Active; a move ends with the source's replica dropped.
func (c *consensus) finish(col *collection, t *transfer) {
	replicas := col.shards[t.shard]
	if replicas[t.to] != "" {
		replicas[t.to] = active
		if !t.sync {
			delete(replicas, t.from)
		}
	}
	col.forget(t)
	c.commit++
}

// abort ends a transfer. A target that was to be one more replica is Dead then, one that was to take over is gone, even if it had a
// good replica before.
func (c *consensus) abort(col *collection, t *transfer) {
	replicas := col.shards[t.shard]
	if replicas[t.to] != "" {
		if t.sync {
			replicas[t.to] = dead
		} else {
			delete(replicas, t.to)
		}
	}
	col.forget(t)
	c.commit++
}

func (c *consensus) abortRelated(col *collection, shard uint32, peer uint64) {
	for _, t := range slices.Clone(col.transfers) {
		if t.shard == shard && t.involves(peer) {
			c.abort(col, t)
		}
	}
}

func (col *collection) forget(t *transfer) {
	col.transfers = slices.DeleteFunc(col.transfers, func(other *transfer) bool { return other == t })
}

func (col *collection) transfer(shard uint32, from, to uint64) *transfer {
	for _, t := range col.transfers {
		if t.shard == shard && t.from == from && t.to == to {
			return t
		}
	}
	return nil
}
