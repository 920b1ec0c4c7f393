package plan

import (
	"cmp"
	"slices"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

// layout is where the replicas that may be moved are to be. Moves are tried on it without a thought for their order.
type layout struct {
	zones map[clusterapi.PeerID]string
	peers []clusterapi.PeerID
	// items are all of them, and those of each collection, whose names are in order.
	items   []*item
	names   []string
	members map[string][]*item
	// total and bytes are what each peer has of all items, collection how many it has of one collection's.
	total      map[clusterapi.PeerID]int
	bytes      map[clusterapi.PeerID]int64
	collection map[string]map[clusterapi.PeerID]int
}

// item is a shard in the layout. All its replicas count as big as the biggest, so that where they are makes no difference to a sum.
type item struct {
	shard   *shard
	holders []clusterapi.PeerID
	bytes   int64
	moves   int
}

func newLayout(d *draft) *layout {
	l := &layout{
		zones: d.goal.Zones, peers: d.targets,
		total: map[clusterapi.PeerID]int{}, bytes: map[clusterapi.PeerID]int64{},
		collection: map[string]map[clusterapi.PeerID]int{}, members: map[string][]*item{},
	}
	for _, s := range d.shards {
		name := s.name.Collection
		if d.goal.Untouched[name] {
			continue
		}
		i := &item{shard: s, holders: peersOf(s)}
		for _, r := range s.Replicas {
			i.bytes = max(i.bytes, r.Bytes)
		}
		if l.collection[name] == nil {
			l.collection[name] = map[clusterapi.PeerID]int{}
			l.names = append(l.names, name)
		}
		for _, id := range i.holders {
			l.count(i, id, 1)
		}
		l.items, l.members[name] = append(l.items, i), append(l.members[name], i)
	}
	return l
}

func (l *layout) count(i *item, id clusterapi.PeerID, sign int) {
	l.total[id] += sign
	l.bytes[id] += int64(sign) * i.bytes
	l.collection[i.shard.name.Collection][id] += sign
}

func (l *layout) move(i *item, p pair) {
	i.holders = append(without(i.holders, p.from), p.to)
	l.count(i, p.from, -1)
	l.count(i, p.to, 1)
	i.moves++
}

// movable reports whether the item has a replica that may go from the one peer to the other, which has none, without more copies than
// before sharing a zone.
func (l *layout) movable(i *item, p pair) bool {
	return slices.Contains(i.holders, p.from) && !slices.Contains(i.holders, p.to) && l.relief(i, p) >= 0
}

// relief is how many fewer copies share a zone after the move.
func (l *layout) relief(i *item, p pair) int {
	if len(l.zones) == 0 {
		return 0
	}
	return crowding(l.zones, i.holders) - crowding(l.zones, append(without(i.holders, p.from), p.to))
}

// pair is a peer that may give and one that may take.
type pair struct{ from, to clusterapi.PeerID }

// evenCounts evens out the number of replicas: first of each collection, then of all together. The second never undoes the first, since
// it moves a replica only of a collection that the fuller peer has more of. Where zones forbid the move between the two peers that differ
// most, others are tried; and since a move may open the way for another, both are repeated until neither finds one.
func (l *layout) evenCounts() {
	for again := true; again; {
		again = false
		for _, name := range l.names {
			for l.evenCollection(name) {
				again = true
			}
		}
		for l.evenTotal() {
			again = true
		}
	}
}

// evenCollection makes one move that evens out a collection, if there is one.
func (l *layout) evenCollection(name string) bool {
	count := l.collection[name]
	for _, p := range l.pairs(func(from, to clusterapi.PeerID) bool { return count[from]-count[to] >= 2 }, func(a, b pair) int {
		return cmp.Or(
			cmp.Compare(count[b.from]-count[b.to], count[a.from]-count[a.to]),
			cmp.Compare(l.total[b.from]-l.total[b.to], l.total[a.from]-l.total[a.to]))
	}) {
		if i := l.easiest(l.members[name], p); i != nil {
			l.move(i, p)
			return true
		}
	}
	return false
}

// evenTotal makes one move that evens out all together, if there is one.
func (l *layout) evenTotal() bool {
	for _, p := range l.pairs(func(from, to clusterapi.PeerID) bool { return l.total[from]-l.total[to] >= 2 }, func(a, b pair) int {
		return cmp.Compare(l.total[b.from]-l.total[b.to], l.total[a.from]-l.total[a.to])
	}) {
		var best *item
		for _, name := range l.names {
			if l.collection[name][p.from] > l.collection[name][p.to] {
				best = l.easier(best, l.easiest(l.members[name], p), p)
			}
		}
		if best != nil {
			l.move(best, p)
			return true
		}
	}
	return false
}

// easiest is the item that can go from the one peer to the other with the least sharing of zones, then with its other replicas where they
// were, then with the least to copy; nil if none can.
func (l *layout) easiest(items []*item, p pair) *item {
	var best *item
	for _, i := range items {
		if l.movable(i, p) {
			best = l.easier(best, i, p)
		}
	}
	return best
}

// easier is the easier of two items to go from the one peer to the other, either of which may be nil.
func (l *layout) easier(a, b *item, p pair) *item {
	if a == nil || b != nil && cmp.Or(
		cmp.Compare(l.relief(a, p), l.relief(b, p)),
		cmp.Compare(b.moves, a.moves),
		cmp.Compare(b.bytes, a.bytes)) < 0 {
		return b
	}
	return a
}

// worthwhile, in percent: peers whose difference is a smaller part of what the fuller one has count as even, and a move that turns most
// of a difference round must still take that part off it. Copying costs more than a smaller gain is worth.
const worthwhile = 10

// evenBytes evens out the bytes: as long as the largest difference is worth it, the move that takes most off one that is about as large
// is made.
func (l *layout) evenBytes() {
	for l.evenLargest() {
	}
}

func (l *layout) evenLargest() bool {
	difference := func(p pair) int64 { return l.bytes[p.from] - l.bytes[p.to] }
	pairs := l.pairs(func(from, to clusterapi.PeerID) bool {
		return 100*(l.bytes[from]-l.bytes[to]) > worthwhile*l.bytes[from]
	},
		func(a, b pair) int { return cmp.Compare(difference(b), difference(a)) })
	for _, p := range pairs {
		if 100*difference(p) < (100-worthwhile)*difference(pairs[0]) {
			return false
		}
		if i := l.biggest(p); i != nil {
			l.move(i, p)
			return true
		}
	}
	return false
}

// biggest is the item whose move takes most off the difference between two peers, if any is worth it.
func (l *layout) biggest(p pair) *item {
	difference := l.bytes[p.from] - l.bytes[p.to]
	var best *item
	var least int64
	for _, i := range l.items {
		rest := difference - 2*i.bytes
		if i.bytes == 0 || -100*rest > (100-worthwhile)*difference || !l.movable(i, p) {
			continue
		}
		if rest = max(rest, -rest); best == nil || rest < least {
			best, least = i, rest
		}
	}
	return best
}

// pairs are the pairs of peers that fit, in the order given, then of their ids.
func (l *layout) pairs(fit func(from, to clusterapi.PeerID) bool, order func(a, b pair) int) []pair {
	var list []pair
	for _, from := range l.peers {
		for _, to := range l.peers {
			if from != to && fit(from, to) {
				list = append(list, pair{from, to})
			}
		}
	}
	slices.SortStableFunc(list, order)
	return list
}
