package plan

import (
	"cmp"
	"slices"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

// balance evens out what the targets hold, once nothing is missing, on its way or in doubt. What is more than a collection asks for, as a
// drain that was turned round leaves it, is dropped first.
func (d *draft) balance() {
	whole, _ := d.picture.Whole()
	if !whole || slices.ContainsFunc(d.shards, func(s *shard) bool { return s.frozen }) || d.goal.Strategy != Count && d.goal.Strategy != Size {
		return
	}
	for _, s := range d.shards {
		if !d.goal.Untouched[s.name.Collection] {
			d.dropSurplus(s)
		}
	}
	l := newLayout(d)
	if d.goal.Strategy == Size {
		l.evenBytes()
	} else {
		l.evenCounts()
	}
	for _, i := range l.items {
		d.arrange(i)
	}
}

// dropSurplus drops replicas that are more than the collection asks for: first on peers that are no targets, then where copies share a
// zone, then on the fullest peer.
func (d *draft) dropSurplus(s *shard) {
	for len(s.Replicas) > s.factor && d.lasting(s) > 1 {
		holders := peersOf(s)
		surplus := slices.MaxFunc(holders, func(a, b clusterapi.PeerID) int {
			return cmp.Or(
				compareBool(!slices.Contains(d.targets, a), !slices.Contains(d.targets, b)),
				cmp.Compare(crowding(d.goal.Zones, without(holders, b)), crowding(d.goal.Zones, without(holders, a))),
				d.loads.compare(d.goal.Strategy, s.name.Collection, a, b),
				cmp.Compare(a, b))
		})
		d.do(s, Move{Kind: DropReplica, From: surplus, Why: WhyBalance})
	}
}

// arrange plans the moves that bring an item's replicas to where the layout has them. All its old places and all its new ones are known
// here, so no replica moves twice. A replica stays in its zone if another may go there, so that copies share a zone at no time that
// did not before.
func (d *draft) arrange(i *item) {
	for {
		holders := peersOf(i.shard)
		var best Move
		least := 0
		for _, from := range holders {
			if slices.Contains(i.holders, from) {
				continue
			}
			for _, to := range i.holders {
				if slices.Contains(holders, to) {
					continue
				}
				crowded := 2 * crowding(d.goal.Zones, append(without(holders, from), to))
				if d.goal.Zones[from] != d.goal.Zones[to] {
					crowded++
				}
				if best.Kind == "" || crowded < least {
					best, least = Move{Kind: MoveShard, From: from, To: to, Why: WhyBalance}, crowded
				}
			}
		}
		if best.Kind == "" {
			return
		}
		d.do(i.shard, best)
	}
}

func peersOf(s *shard) []clusterapi.PeerID {
	var ids []clusterapi.PeerID
	for _, r := range s.Replicas {
		ids = append(ids, r.Peer)
	}
	return ids
}

func without(ids []clusterapi.PeerID, id clusterapi.PeerID) []clusterapi.PeerID {
	return slices.DeleteFunc(slices.Clone(ids), func(other clusterapi.PeerID) bool { return other == id })
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}
