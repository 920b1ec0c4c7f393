package vector

import "github.com/qdrant/go-client/qdrant"

// ReadConsistency is how many replicas of a shard a read asks and how many must
// agree. A positive number is that many; 0 leaves it to the server, which asks one.
type ReadConsistency int

// What a read can ask for instead of a number.
const (
	// ReadMajority asks all replicas and returns what most of them have.
	ReadMajority ReadConsistency = -1 - iota
	// ReadQuorum asks a majority of the replicas and returns what all of those have.
	ReadQuorum
	// ReadAll asks all replicas and returns what all of them have. It fails while one is away.
	ReadAll
)

// valid refuses what is neither a number of replicas nor one of the names; the error is an ErrInvalid.
func (c ReadConsistency) valid() error {
	if c < ReadAll {
		return invalidf("%d is neither a number of replicas nor one of the names", c)
	}
	return nil
}

// proto returns nil for what is left to the server.
func (c ReadConsistency) proto() *qdrant.ReadConsistency {
	switch {
	case c > 0:
		return qdrant.NewReadConsistencyFactor(uint64(c))
	case c == ReadMajority:
		return qdrant.NewReadConsistencyType(qdrant.ReadConsistencyType_Majority)
	case c == ReadQuorum:
		return qdrant.NewReadConsistencyType(qdrant.ReadConsistencyType_Quorum)
	case c == ReadAll:
		return qdrant.NewReadConsistencyType(qdrant.ReadConsistencyType_All)
	default:
		return nil
	}
}

// WriteOrdering is which replica orders the writes to a shard. The zero value leaves it to the server: weak.
type WriteOrdering int

// The orderings. What is stronger is slower, and asks more of the cluster.
const (
	// WriteWeak lets any replica take a write: writes that race may end in another order.
	WriteWeak WriteOrdering = 1 + iota
	// WriteMedium passes writes through a leader that may change.
	WriteMedium
	// WriteStrong passes writes through a leader that does not change: no writes while it is away.
	WriteStrong
)

// valid refuses what is none of the orderings; the error is an ErrInvalid.
func (o WriteOrdering) valid() error {
	if o < 0 || o > WriteStrong {
		return invalidf("%d is none of the orderings", o)
	}
	return nil
}

// proto returns nil for what is left to the server.
func (o WriteOrdering) proto() *qdrant.WriteOrdering {
	switch o {
	case WriteWeak:
		return &qdrant.WriteOrdering{Type: qdrant.WriteOrderingType_Weak}
	case WriteMedium:
		return &qdrant.WriteOrdering{Type: qdrant.WriteOrderingType_Medium}
	case WriteStrong:
		return &qdrant.WriteOrdering{Type: qdrant.WriteOrderingType_Strong}
	default:
		return nil
	}
}
