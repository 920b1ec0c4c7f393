package qdranttest

import "slices"

// maxSteps bounds what Settle and a long pause take at once.
const maxSteps = 1000

// Step lets time pass: transfers get one step further and end, and servers begin to heal their Dead replicas.
func (c *Cluster) Step() {
	c.lock()
	defer c.mu.Unlock()
	c.step()
}

// Settle takes steps until one changes nothing, and 1000 at most. It says whether nothing is under way then.
func (c *Cluster) Settle() bool {
	c.lock()
	defer c.mu.Unlock()
	for range maxSteps {
		if !c.step() {
			break
		}
	}
	for _, col := range c.group.collections {
		if len(col.transfers) > 0 {
			return false
		}
	}
	return true
}

// SetTransferSteps changes how many steps transfers take that begin from now on; a large number is a transfer that hangs.
func (c *Cluster) SetTransferSteps(steps int) {
	c.lock()
	defer c.mu.Unlock()
	c.options.TransferSteps = max(1, steps)
}

// FailTransfers lets the next n transfers that would end well be aborted instead, as by a target that has run out of space.
func (c *Cluster) FailTransfers(n int) {
	c.lock()
	defer c.mu.Unlock()
	c.failing = n
}

// step is one step in all clusters that have servers. It says whether anything happened.
func (c *Cluster) step() bool {
	c.steps++
	changed := false
	for _, g := range c.groups() {
		if !c.quorum(g) {
			continue // nothing can be agreed on, so no transfer ends either
		}
		if c.disturbed(g) && g.leader != 0 {
			g.leader = 0
			g.term++
			continue
		}
		c.elect(g)
		for _, name := range g.names() {
			col := g.collections[name]
			for _, t := range slices.Clone(col.transfers) {
				changed = c.advance(g, name, col, t) || changed
			}
			changed = c.initialize(g, col) || changed
			changed = c.heal(g, col) || changed
		}
	}
	if changed {
		c.tidy()
	}
	return changed
}

func (c *Cluster) groups() []*consensus {
	var groups []*consensus
	for _, s := range c.servers {
		if s.group != nil && !slices.Contains(groups, s.group) {
			groups = append(groups, s.group)
		}
	}
	return groups
}

// advance takes a transfer one step further. Without its source nothing happens to it, as in the real server.
func (c *Cluster) advance(g *consensus, name string, col *collection, t *transfer) bool {
	if !c.connected(g, t.from) {
		return false
	}
	from, to := c.holder(t.from), c.holder(t.to)
	switch {
	case from.process != t.task:
		g.abort(col, t) // the process that sent it is gone, the next one knows nothing of it
		return true
	case !c.connected(g, t.to):
		g.abort(col, t)
		return true
	case from.frozen || to.frozen:
		return false // the target does not know yet that anything is coming, or the source
	}
	t.done++
	key := shardName{name, t.shard}
	whole := from.data[key]
	to.data[key] = copied{Points: whole.Points * t.done / t.steps, Bytes: whole.Bytes * int64(t.done) / int64(t.steps)}
	if t.done == t.steps-1 {
		col.shards[t.shard][t.to] = partial // copied but for what has been written meanwhile
	}
	if t.done < t.steps {
		return true
	}
	if c.failing > 0 {
		c.failing--
		g.abort(col, t)
		return true
	}
	g.finish(col, t)
	return true
}

// initialize makes replicas Active that were created while their peer was away.
func (c *Cluster) initialize(g *consensus, col *collection) bool {
	changed := false
	for _, replicas := range col.shards {
		for peer, state := range replicas {
			if state == initializing && c.connected(g, peer) {
				replicas[peer] = active
				g.commit++
				changed = true
			}
		}
	}
	return changed
}

// heal lets servers ask for their Dead replicas from a peer that has an Active one, one transfer in or out a peer in a collection,
// which is the server's own limit.
func (c *Cluster) heal(g *consensus, col *collection) bool {
	if c.options.NoHealing {
		return false
	}
	changed := false
	for _, shard := range col.shardIDs() {
		for _, peer := range g.peers() {
			if col.shards[shard][peer] != dead || !c.connected(g, peer) || col.busy(peer) {
				continue
			}
			if source := c.source(g, col, shard); source != 0 {
				begun := g.begin(col, c.newTransfer(shard, source, peer, true, "wal_delta"))
				changed = changed || begun == nil
			}
		}
	}
	return changed
}

func (c *Cluster) source(g *consensus, col *collection, shard uint32) uint64 {
	for _, peer := range g.peers() {
		if isSource(col.shards[shard][peer]) && c.connected(g, peer) && !col.busy(peer) {
			return peer
		}
	}
	return 0
}

// busy says whether a peer has a part in any transfer of the collection.
func (col *collection) busy(peer uint64) bool {
	return slices.ContainsFunc(col.transfers, func(t *transfer) bool { return t.involves(peer) })
}

func (c *Cluster) newTransfer(shard uint32, from, to uint64, sync bool, method string) *transfer {
	t := &transfer{shard: shard, from: from, to: to, sync: sync, method: method, steps: c.options.TransferSteps}
	if source := c.holder(from); source != nil {
		t.task = source.process
	}
	return t
}
