// Package idset remembers which ids have been seen, in bounded memory.
package idset

// Set is a set of numbers and UUIDs. Numbers next to each other share an entry, 64 of them at a time, so that the usual ids 0, 1, 2, …
// take an eighth of a byte each or little more, in whatever order they come. All others take 20 to 40 bytes each.
type Set struct {
	limit int // entries at most
	// words has a bit for each number: bit n%64 of words[n/64]. The last word used is kept outside the map, because numbers tend to come
	// in order.
	words map[uint64]uint64
	key   uint64
	word  uint64 // of key; not written back yet
	uuids map[[16]byte]struct{}
	count int
}

// New makes a set of at most limit entries. An id for which there is no room left can be added twice without being noticed.
func New(limit int) *Set {
	return &Set{limit: limit, words: make(map[uint64]uint64), uuids: make(map[[16]byte]struct{})}
}

// AddNumber adds a number. It says false when the number was there.
func (s *Set) AddNumber(n uint64) bool {
	if key := n / 64; key != s.key {
		if s.word != 0 {
			s.words[s.key] = s.word
		}
		s.key, s.word = key, s.words[key]
	}
	bit := uint64(1) << (n % 64)
	switch {
	case s.word&bit != 0:
		return false
	case s.word == 0 && s.noRoom():
		return true
	}
	s.word |= bit
	s.count++
	return true
}

// AddUUID adds a UUID. It says false when the UUID was there.
func (s *Set) AddUUID(u [16]byte) bool {
	if s.noRoom() {
		_, there := s.uuids[u]
		return !there
	}
	before := len(s.uuids)
	s.uuids[u] = struct{}{} // one look-up where asking first would be two
	if len(s.uuids) == before {
		return false
	}
	s.count++
	return true
}

// noRoom says that there is no room for one more entry.
func (s *Set) noRoom() bool {
	return len(s.words)+len(s.uuids) >= s.limit
}

// Len is how many different ids the set has.
func (s *Set) Len() int { return s.count }
