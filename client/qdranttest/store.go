package qdranttest

import (
	"maps"
	"slices"

	"github.com/qdrant/go-client/qdrant"
)

// store holds the points of a collection, whatever its shards and replicas are: all peers share it.
type store struct {
	points  map[pointID]*point
	sorted  []*point // in order of ids; nil when points have come or gone since
	indexes map[string]*fieldIndex
	// operations is the number of the next one, and the version of the points that it changes. Creating the collection was the first.
	operations uint64
	// held is what each of the shards has.
	held   map[uint32]copied
	shards []uint32
}

// point is never changed: a change puts another one in its place.
type point struct {
	id      pointID
	version uint64
	payload object
	vectors map[string]vector
}

// fieldIndex is a payload index. It does not make anything faster here, but some calls need it, and texts match by its words.
type fieldIndex struct {
	path   keyPath
	kind   qdrant.PayloadSchemaType
	params *qdrant.PayloadIndexParams
}

func newStore() *store {
	return &store{points: map[pointID]*point{}, indexes: map[string]*fieldIndex{}, operations: 1}
}

func (p *point) has(name string) bool {
	_, has := p.vectors[name]
	return has
}

// all are the points in order of their ids.
func (s *store) all() []*point {
	if s.sorted == nil {
		s.sorted = slices.SortedFunc(maps.Values(s.points), func(a, b *point) int { return a.id.compare(b.id) })
	}
	return s.sorted
}

// put stores a point as the operation under way leaves it.
func (s *store) put(p point) {
	p.version = s.operations
	old, exists := s.points[p.id]
	s.points[p.id] = &p
	if exists {
		s.weigh(old, -1)
	}
	s.weigh(&p, 1)
	if s.sorted == nil {
		return
	}
	at, _ := slices.BinarySearchFunc(s.sorted, p.id, func(a *point, id pointID) int { return a.id.compare(id) })
	switch {
	case exists && s.sorted[at] == old:
		s.sorted[at] = &p
	case at == len(s.sorted):
		s.sorted = append(s.sorted, &p)
	default:
		s.sorted = nil
	}
}

func (s *store) drop(id pointID) {
	if old, exists := s.points[id]; exists {
		s.weigh(old, -1)
		delete(s.points, id)
		s.sorted = nil
	}
}

// spread is what each of the shards holds.
func (s *store) spread(shards []uint32) map[uint32]copied {
	if !slices.Equal(s.shards, shards) {
		s.shards, s.held = shards, map[uint32]copied{}
		for _, p := range s.points {
			s.weigh(p, 1)
		}
	}
	return s.held
}

func (s *store) weigh(p *point, sign int) {
	if len(s.shards) == 0 {
		return
	}
	shard := p.id.shard(s.shards)
	had := s.held[shard]
	s.held[shard] = copied{Points: had.Points + sign, Bytes: had.Bytes + int64(sign)*p.bytes()}
}

// bytes are those of the vectors.
func (p *point) bytes() int64 {
	size := 0
	for _, v := range p.vectors {
		size += 4 * len(v.dense)
		if v.sparse != nil {
			size += 8 * len(v.sparse.indices)
		}
		for _, row := range v.multi {
			size += 4 * len(row)
		}
	}
	return int64(size)
}

// filters are for conditions on this collection's points.
func (s *store) filters() filters { return filters{indexes: s.indexes} }

// condition makes one of a request's filter, which is in the part of the request that is named so.
func (s *store) condition(part string, filter *qdrant.Filter) (condition, error) {
	meets, err := s.filters().compile(filter)
	return meets, in(part, err)
}

// matching are the points that meet a filter, in order of their ids.
func (s *store) matching(filter *qdrant.Filter) ([]*point, error) {
	meets, err := s.condition("filter", filter)
	if err != nil {
		return nil, err
	}
	var found []*point
	for _, p := range s.all() {
		if meets(subject{payload: p.payload, point: p}) {
			found = append(found, p)
		}
	}
	return found, nil
}
