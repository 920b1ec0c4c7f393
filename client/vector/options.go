package vector

import (
	"errors"
	"math"
	"slices"
	"time"

	"github.com/qdrant/go-client/qdrant"

	"github.com/qdrant-shepherd/shepherd/client/vector/internal/codec"
)

// Option is a choice about a search: a Filter, a limit, what comes back, how the search is done. Of two options about the same thing the
// later one counts, but all filters must match. An option that makes no sense where it is given, such as an offset in Fetch, is an error
// that is returned before anything is sent.
type Option interface{ applyOption(*queryOptions) }

type queryOption func(*queryOptions)

func (set queryOption) applyOption(o *queryOptions) { set(o) }

// queryOptions are options put together. What was not chosen is nil or empty.
type queryOptions struct {
	filter      Filter
	limit       *uint64
	offset      *uint64
	params      *qdrant.SearchParams
	threshold   *float32
	using       *string
	payload     *qdrant.WithPayloadSelector
	vectors     *qdrant.WithVectorsSelector
	consistency *qdrant.ReadConsistency
	shards      *qdrant.ShardKeySelector
	timeout     *uint64
	lookup      *qdrant.LookupLocation
	withLookup  *qdrant.WithLookup
	raw         []func(*qdrant.QueryPoints)
	rawGroups   []func(*qdrant.QueryPointGroups)
	rawFetch    []func(*qdrant.PrefetchQuery)
	errs        []error
}

// collectOptions puts options together; the error is about all of them.
func collectOptions(options []Option) (*queryOptions, error) {
	o := &queryOptions{}
	for i, option := range options {
		if option == nil {
			o.invalid("option %d is nil", i)
			continue
		}
		option.applyOption(o)
	}
	return o, filterJoin(o.filter.err, errors.Join(o.errs...))
}

func (o *queryOptions) invalid(format string, args ...any) {
	o.errs = append(o.errs, invalidf(format, args...))
}

// search is the place of the search's parameters.
func (o *queryOptions) search() *qdrant.SearchParams {
	if o.params == nil {
		o.params = &qdrant.SearchParams{}
	}
	return o.params
}

func (o *queryOptions) quantization() *qdrant.QuantizationSearchParams {
	p := o.search()
	if p.Quantization == nil {
		p.Quantization = &qdrant.QuantizationSearchParams{}
	}
	return p.Quantization
}

func optionNumber(what string, n, least int, set func(*queryOptions, *uint64)) Option {
	return queryOption(func(o *queryOptions) {
		if n < least {
			o.invalid("%s: %d is less than %d", what, n, least)
			return
		}
		value := uint64(n)
		set(o, &value)
	})
}

// Limit is how many hits, or groups, come back at most. The server's default is 10.
func Limit(n int) Option {
	return optionNumber("limit", n, 1, func(o *queryOptions, n *uint64) { o.limit = n })
}

// Offset is how many hits to leave out before the first. The server finds them all the same.
func Offset(n int) Option {
	return optionNumber("offset", n, 0, func(o *queryOptions, n *uint64) { o.offset = n })
}

// EF is hnsw_ef, the number of candidates that a search keeps: more find better hits and take longer. It stands in place of the
// connection's Profile.
func EF(n int) Option {
	return optionNumber("ef", n, 1, func(o *queryOptions, n *uint64) { o.search().HnswEf = n })
}

// Exact compares the query with all vectors that match the filter and uses no graph.
func Exact() Option {
	return queryOption(func(o *queryOptions) { o.search().Exact = new(true) })
}

// IndexedOnly leaves out what is not indexed yet, except for small segments: the search stays fast during a load, and misses what is new.
func IndexedOnly() Option {
	return queryOption(func(o *queryOptions) { o.search().IndexedOnly = new(true) })
}

// Oversampling is how many times the limit are preselected by quantized vectors, to be compared once more by the original ones: 1 or more.
func Oversampling(factor float64) Option {
	return queryOption(func(o *queryOptions) {
		if !(factor >= 1) || math.IsInf(factor, 0) {
			o.invalid("oversampling: %v is not 1 or more", factor)
			return
		}
		o.quantization().Oversampling = new(factor)
	})
}

// Rescoring says whether what was found by quantized vectors is compared once more by the original ones. The server decides by the kind of
// quantization where it is not said. To put hits in the order of another query there is Rescore.
func Rescoring(on bool) Option {
	return queryOption(func(o *queryOptions) { o.quantization().Rescore = new(on) })
}

// IgnoreQuantization searches by the original vectors alone.
func IgnoreQuantization() Option {
	return queryOption(func(o *queryOptions) { o.quantization().Ignore = new(true) })
}

// Acorn lets the server search the graph by ACORN, which finds more where several weak filters are combined and takes longer. It is used
// where the filter is estimated to leave at most this share of the points, 0 to 1; the server's own bound is 0.4.
func Acorn(maxSelectivity float64) Option {
	return queryOption(func(o *queryOptions) {
		if !(maxSelectivity >= 0 && maxSelectivity <= 1) {
			o.invalid("acorn: a selectivity of %v is not within 0 and 1", maxSelectivity)
			return
		}
		o.search().Acorn = &qdrant.AcornSearchParams{Enable: new(true), MaxSelectivity: new(maxSelectivity)}
	})
}

// Threshold leaves out hits with a worse score: a smaller one, or for euclidean and Manhattan distance a larger one.
func Threshold(score float32) Option {
	return queryOption(func(o *queryOptions) {
		if !codec.Finite(score) {
			o.invalid("threshold: %v is no score", score)
			return
		}
		o.threshold = new(score)
	})
}

// Using is the vector to search by, for collections with named vectors.
func Using(vector string) Option {
	return queryOption(func(o *queryOptions) { o.using = new(vector) })
}

// WithPayload is which fields of the payload come back; without names it is all of them, which is also the default.
func WithPayload(fields ...string) Option {
	return queryOption(func(o *queryOptions) {
		if len(fields) == 0 {
			o.payload = qdrant.NewWithPayloadEnable(true)
			return
		}
		o.payload = qdrant.NewWithPayloadInclude(o.keys("payload", fields)...)
	})
}

// WithoutPayload is which fields of the payload don't come back; without names none does.
func WithoutPayload(fields ...string) Option {
	return queryOption(func(o *queryOptions) {
		if len(fields) == 0 {
			o.payload = qdrant.NewWithPayloadEnable(false)
			return
		}
		o.payload = qdrant.NewWithPayloadExclude(o.keys("payload", fields)...)
	})
}

func (o *queryOptions) keys(what string, fields []string) []string {
	for _, field := range fields {
		if err := checkKey(field); err != nil {
			o.invalid("%s: %w", what, err)
		}
	}
	return slices.Clone(fields)
}

// WithVectors is which vectors come back; without names it is all of them. By default none does.
func WithVectors(names ...string) Option {
	return queryOption(func(o *queryOptions) {
		if len(names) == 0 {
			o.vectors = qdrant.NewWithVectorsEnable(true)
			return
		}
		o.vectors = qdrant.NewWithVectorsInclude(slices.Clone(names)...)
	})
}

// Consistency is how many replicas a read asks, in place of the connection's.
func Consistency(c ReadConsistency) Option {
	return queryOption(func(o *queryOptions) {
		if err := c.valid(); err != nil {
			o.invalid("consistency: %w", err)
			return
		}
		o.consistency = c.proto()
	})
}

// ShardKeys limits a search to some shard keys, each a string or an unsigned number, in place of the collection's.
func ShardKeys(keys ...any) Option {
	return queryOption(func(o *queryOptions) {
		if len(keys) == 0 {
			o.invalid("shard keys: none")
		}
		o.shardSelector().ShardKeys = o.shardKeys(keys)
	})
}

// ShardFallback is the shard key to search where one of ShardKeys has no shards of its own, as for small tenants that share a shard.
func ShardFallback(key any) Option {
	return queryOption(func(o *queryOptions) {
		for _, key := range o.shardKeys([]any{key}) {
			o.shardSelector().Fallback = key
		}
	})
}

func (o *queryOptions) shardSelector() *qdrant.ShardKeySelector {
	if o.shards == nil {
		o.shards = &qdrant.ShardKeySelector{}
	}
	return o.shards
}

func (o *queryOptions) shardKeys(keys []any) []*qdrant.ShardKey {
	list := make([]*qdrant.ShardKey, 0, len(keys))
	for i, key := range keys {
		v, err := filterValueOf(key)
		switch {
		case err == nil && v.kind == filterString:
			list = append(list, qdrant.NewShardKeyKeyword(v.string))
		case err == nil && v.kind == filterInteger && v.integer >= 0:
			list = append(list, qdrant.NewShardKeyNum(uint64(v.integer)))
		default:
			o.invalid("shard key %d: %v is no string and no unsigned number", i, key)
		}
	}
	return list
}

// Timeout is after how long the server gives the search up, in whole seconds, rounded up. The context's deadline is the client's side of
// it.
func Timeout(d time.Duration) Option {
	return queryOption(func(o *queryOptions) {
		if d <= 0 {
			o.invalid("timeout: %v", d)
			return
		}
		o.timeout = new(uint64((d + time.Second - 1) / time.Second))
	})
}

// LookupFrom takes the vectors of ids in the query from another collection. The vector's name is empty for the default one.
func LookupFrom(collection, vector string, shardKeys ...any) Option {
	return queryOption(func(o *queryOptions) {
		if collection == "" {
			o.invalid("lookup: no collection")
		}
		o.lookup = &qdrant.LookupLocation{CollectionName: collection}
		if vector != "" {
			o.lookup.VectorName = new(vector)
		}
		if len(shardKeys) > 0 {
			o.lookup.ShardKeySelector = &qdrant.ShardKeySelector{ShardKeys: o.shardKeys(shardKeys)}
		}
	})
}

// WithLookup adds to each group the point of another collection whose id is the group's value, with the fields that are named or all.
func WithLookup(collection string, fields ...string) Option {
	return queryOption(func(o *queryOptions) {
		if collection == "" {
			o.invalid("group lookup: no collection")
		}
		payload := qdrant.NewWithPayloadEnable(true)
		if len(fields) > 0 {
			payload = qdrant.NewWithPayloadInclude(o.keys("group lookup", fields)...)
		}
		o.withLookup = &qdrant.WithLookup{Collection: collection, WithPayload: payload, WithVectors: qdrant.NewWithVectorsEnable(false)}
	})
}

// Raw changes the request of a search after all other options, for what has no option.
func Raw(change func(*qdrant.QueryPoints)) Option {
	return queryOption(func(o *queryOptions) { o.raw = appendChange(o, "raw", o.raw, change) })
}

// RawGroups is Raw for searches in groups.
func RawGroups(change func(*qdrant.QueryPointGroups)) Option {
	return queryOption(func(o *queryOptions) { o.rawGroups = appendChange(o, "raw groups", o.rawGroups, change) })
}

// RawFetch is Raw for Fetch.
func RawFetch(change func(*qdrant.PrefetchQuery)) Option {
	return queryOption(func(o *queryOptions) { o.rawFetch = appendChange(o, "raw fetch", o.rawFetch, change) })
}

func appendChange[R any](o *queryOptions, what string, changes []func(*R), change func(*R)) []func(*R) {
	if change == nil {
		o.invalid("%s: there is no function", what)
		return changes
	}
	return append(changes, change)
}
