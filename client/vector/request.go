package vector

import (
	"fmt"
	"maps"
	"slices"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/proto"
)

// buildQuery is the request of a search. Errors are ErrInvalid.
func buildQuery(collection string, q Query, options []Option, d defaults) (*qdrant.QueryPoints, error) {
	o, err := collectOptions(options)
	if err == nil {
		err = o.onlyForSearch(d.groups)
	}
	if err != nil {
		return nil, err
	}
	request, err := o.request(q, d)
	if err != nil {
		return nil, err
	}
	request.CollectionName = collection
	request.Offset, request.Timeout = o.offset, o.timeout
	request.WithPayload, request.WithVectors = o.payload, o.vectors
	if o.payload == nil {
		request.WithPayload = &qdrant.WithPayloadSelector{SelectorOptions: &qdrant.WithPayloadSelector_Enable{Enable: true}}
	}
	if request.ReadConsistency = o.consistency; o.consistency == nil {
		request.ReadConsistency = d.consistency
	}
	if request.ShardKeySelector = o.shards; o.shards == nil {
		request.ShardKeySelector = d.shards
	}
	for _, change := range o.raw {
		change(request)
	}
	return request, nil
}

func (o *queryOptions) onlyForSearch(groups bool) error {
	switch {
	case len(o.rawFetch) > 0:
		return invalidf("search: RawFetch belongs into Fetch")
	case !groups && (o.withLookup != nil || len(o.rawGroups) > 0):
		return invalidf("search: WithLookup and RawGroups belong to searches in groups")
	case groups && o.offset != nil:
		return invalidf("search: groups have no offset")
	case o.shards != nil && len(o.shards.ShardKeys) == 0:
		return invalidf("search: ShardFallback without ShardKeys")
	default:
		return nil
	}
}

// request is what searches and prefetches have in common.
func (o *queryOptions) request(q Query, d defaults) (*qdrant.QueryPoints, error) {
	r := &qdrant.QueryPoints{
		Using: o.using, Filter: o.filter.proto(), Params: o.params, ScoreThreshold: o.threshold, Limit: o.limit, LookupFrom: o.lookup,
	}
	if len(o.raw)+len(o.rawGroups)+len(o.rawFetch) > 0 {
		r.Filter = proto.CloneOf(r.Filter) // which a change may write to
	}
	if q != nil {
		var err error
		if r.Query, r.Prefetch, err = q.queryParts(d); err != nil {
			return nil, err
		}
	}
	_, ordered := r.Query.GetVariant().(*qdrant.Query_OrderBy)
	switch {
	case o.threshold != nil && (q == nil || ordered):
		return nil, invalidf("search: a threshold without scores")
	case o.using != nil && *o.using != "" && fused(r.Query):
		return nil, invalidf("search: a fusion uses the vectors of its searches, not %q", *o.using)
	case d.ef > 0 && len(r.Prefetch) == 0 && o.params.GetHnswEf() == 0 && !o.params.GetExact() && vectorQuery(r.Query):
		r.Params = o.search()
		r.Params.HnswEf = new(d.ef)
	}
	return r, nil
}

func fused(q *qdrant.Query) bool {
	switch q.GetVariant().(type) {
	case *qdrant.Query_Fusion, *qdrant.Query_Rrf:
		return true
	default:
		return false
	}
}

// groupRequest makes a search one in groups by a field, of size hits each. The options are those that the search was built with.
func groupRequest(r *qdrant.QueryPoints, field string, size int, options ...Option) (*qdrant.QueryPointGroups, error) {
	if err := checkKey(field); err != nil {
		return nil, invalidf("groups by %s: %w", quotedKey(field), err)
	}
	o, err := collectOptions(options)
	switch {
	case err != nil:
		return nil, err
	case size < 1:
		return nil, invalidf("groups by %s: of %d", field, size)
	case r.Offset != nil:
		return nil, invalidf("groups by %s: groups have no offset", field)
	}
	groups := &qdrant.QueryPointGroups{
		CollectionName: r.CollectionName, Prefetch: r.Prefetch, Query: r.Query, Using: r.Using, Filter: r.Filter, Params: r.Params,
		ScoreThreshold: r.ScoreThreshold, WithPayload: r.WithPayload, WithVectors: r.WithVectors, LookupFrom: r.LookupFrom, Limit: r.Limit,
		GroupSize: new(uint64(size)), GroupBy: field, ReadConsistency: r.ReadConsistency, WithLookup: o.withLookup, Timeout: r.Timeout,
		ShardKeySelector: r.ShardKeySelector,
	}
	for _, change := range o.rawGroups {
		change(groups)
	}
	return groups, nil
}

// requestFields are the payload fields that a search names: in its filters, orders and formulas, those of the searches that come first
// included, and in what is to come back.
func requestFields(r *qdrant.QueryPoints) []string {
	var names fieldNames
	names.filter("", r.GetFilter())
	names.query(r.GetQuery())
	names.prefetch(r.GetPrefetch())
	for _, field := range slices.Concat(r.GetWithPayload().GetInclude().GetFields(), r.GetWithPayload().GetExclude().GetFields()) {
		names.add("", field)
	}
	return names
}

func (n *fieldNames) prefetch(list []*qdrant.PrefetchQuery) {
	for _, p := range list {
		n.filter("", p.GetFilter())
		n.query(p.GetQuery())
		n.prefetch(p.GetPrefetch())
	}
}

func (n *fieldNames) query(q *qdrant.Query) {
	if key := q.GetOrderBy().GetKey(); key != "" {
		n.add("", key)
	}
	if formula := q.GetFormula(); formula != nil {
		n.expression(formula.GetExpression())
		for _, key := range slices.Sorted(maps.Keys(formula.GetDefaults())) {
			n.variable(key)
		}
	}
}

// queryInputs calls visit for every vector, given or meant by an id, of a query.
func queryInputs(q *qdrant.Query, visit func(what string, input *qdrant.VectorInput)) {
	switch v := q.GetVariant().(type) {
	case *qdrant.Query_Nearest:
		visit("query", v.Nearest)
	case *qdrant.Query_NearestWithMmr:
		visit("query", v.NearestWithMmr.GetNearest())
	case *qdrant.Query_Recommend:
		for i, input := range v.Recommend.GetPositive() {
			visit(fmt.Sprintf("positive example %d", i), input)
		}
		for i, input := range v.Recommend.GetNegative() {
			visit(fmt.Sprintf("negative example %d", i), input)
		}
	case *qdrant.Query_Discover:
		visit("target", v.Discover.GetTarget())
		pairInputs(v.Discover.GetContext(), visit)
	case *qdrant.Query_Context:
		pairInputs(v.Context, visit)
	case *qdrant.Query_RelevanceFeedback:
		visit("target", v.RelevanceFeedback.GetTarget())
		for i, item := range v.RelevanceFeedback.GetFeedback() {
			visit(fmt.Sprintf("example %d", i), item.GetExample())
		}
	}
}

func pairInputs(context *qdrant.ContextInput, visit func(what string, input *qdrant.VectorInput)) {
	for i, pair := range context.GetPairs() {
		visit(fmt.Sprintf("positive of pair %d", i), pair.GetPositive())
		visit(fmt.Sprintf("negative of pair %d", i), pair.GetNegative())
	}
}
