package retry

import (
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc/codes"
	"pgregory.net/rapid"
)

var policy = Policy{
	Attempts: 5, Backoff: 50 * time.Millisecond, MaxBackoff: 2 * time.Second, Timeout: time.Minute, AttemptTimeout: 10 * time.Second,
}

// failed is an attempt to search that failed for want of a connection, 10 s before the call's end.
func failed(change func(*failure)) failure {
	f := failure{Failure: Failure{Code: codes.Unavailable, After: -1}, kind: read, attempts: 1, left: 10 * time.Second}
	change(&f)
	return f
}

func TestDecide(t *testing.T) {
	t.Parallel()
	const half = .5
	for _, test := range []struct {
		name   string
		change func(*failure)
		want   verdict
	}{
		{"no connection", func(*failure) {}, verdict{true, 25 * time.Millisecond}},
		{"the wait doubles", func(f *failure) { f.attempts = 3 }, verdict{true, 100 * time.Millisecond}},
		{"a write too", func(f *failure) { f.kind = write }, verdict{true, 25 * time.Millisecond}},
		{"what is not safe to repeat", func(f *failure) { f.kind = once }, verdict{}},
		{"the last attempt", func(f *failure) { f.attempts = 5 }, verdict{}},
		{"no time left for the wait", func(f *failure) { f.left = 25 * time.Millisecond }, verdict{}},
		{"a stream that the server reset", func(f *failure) { f.Code = codes.Canceled }, verdict{true, 25 * time.Millisecond}},
		{"a wrong request", func(f *failure) { f.Code = codes.InvalidArgument }, verdict{}},
		{"no such collection", func(f *failure) { f.Code = codes.NotFound }, verdict{}},
		{"a wrong key", func(f *failure) { f.Code = codes.Unauthenticated }, verdict{}},
		{"a rate limit waits as long as it says, and the jitter", func(f *failure) { f.Code, f.After = codes.ResourceExhausted, 3*time.Second },
			verdict{true, 3025 * time.Millisecond}},
		{"a rate limit that ends after the call", func(f *failure) { f.Code, f.After = codes.ResourceExhausted, 10*time.Second }, verdict{}},
		{"a message that is too large, or more than a rate ever lets through", func(f *failure) { f.Code = codes.ResourceExhausted }, verdict{}},
		{"a peer that hangs", func(f *failure) { f.Code, f.Impatient = codes.DeadlineExceeded, true }, verdict{true, 25 * time.Millisecond}},
		{"a search that takes too long on the server", func(f *failure) { f.Code = codes.DeadlineExceeded }, verdict{}},
		{"a peer behind the peer that hangs", func(f *failure) {
			f.Code, f.Message = codes.DeadlineExceeded, "Timeout error: Deadline Exceeded: Healthcheck timeout 2000ms exceeded"
		}, verdict{true, 25 * time.Millisecond}},
		{"a shard without replicas", func(f *failure) {
			f.Code, f.Message = codes.Internal, "Service internal error: The replica set for shard 0 on peer 1 does not have enough active replicas"
		}, verdict{true, 25 * time.Millisecond}},
		{"an internal error of the server", func(f *failure) {
			f.Code, f.Message = codes.Internal, "Service internal error: task panicked"
		}, verdict{}},
		{"the same words in a refusal", func(f *failure) { f.Code, f.Message = codes.InvalidArgument, "Please retry" }, verdict{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, decide(policy, failed(test.change), half))
		})
	}
}

func TestDecideLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := failure{
			Failure: Failure{
				Code:    codes.Code(rapid.IntRange(1, 16).Draw(t, "code")),
				Message: rapid.SampledFrom(append(phrases, "")).Draw(t, "message"),
				After:   time.Duration(rapid.IntRange(-1, 1e10).Draw(t, "after")), Impatient: rapid.Bool().Draw(t, "impatient"),
			},
			kind:     kind(rapid.IntRange(0, 2).Draw(t, "kind")),
			attempts: rapid.IntRange(1, 100).Draw(t, "attempts"), left: time.Duration(rapid.IntRange(0, 1e11).Draw(t, "left")),
		}
		p := policy
		p.Attempts = rapid.IntRange(1, 200).Draw(t, "most")
		v := decide(p, f, rapid.Float64Range(0, .999).Draw(t, "chance"))
		if !v.again {
			return
		}
		assert.NotEqual(t, once, f.kind)
		assert.Less(t, f.attempts, p.Attempts)
		assert.Less(t, v.wait, f.left, "waits for a moment when the call is over")
		assert.GreaterOrEqual(t, v.wait, f.After, "comes back sooner than the server said")
		assert.LessOrEqual(t, v.wait, max(0, f.After)+p.MaxBackoff)
	})
}

func TestKindOf(t *testing.T) {
	t.Parallel()
	byFilter := qdrant.NewPointsSelectorFilter(&qdrant.Filter{})
	byID := qdrant.NewPointsSelector(qdrant.NewIDNum(1))
	deletion := func(s *qdrant.PointsSelector) *qdrant.PointsUpdateOperation {
		return qdrant.NewPointsUpdateDeletePoints(&qdrant.PointsUpdateOperation_DeletePoints{Points: s})
	}
	batch := func(operations ...*qdrant.PointsUpdateOperation) any {
		return &qdrant.UpdateBatchPoints{Operations: operations}
	}
	for _, test := range []struct {
		name, method string
		request      any
		want         kind
	}{
		{"a search", "/qdrant.Points/Query", &qdrant.QueryPoints{}, read},
		{"an upsert", "/qdrant.Points/Upsert", &qdrant.UpsertPoints{}, write},
		{"a deletion by a filter", "/qdrant.Points/Delete", &qdrant.DeletePoints{Points: byFilter}, write},
		{"a batch by ids", "/qdrant.Points/UpdateBatch", batch(deletion(byID), deletion(byID)), write},
		{"a batch of one, by a filter", "/qdrant.Points/UpdateBatch", batch(deletion(byFilter)), write},
		{"a batch in which the second sees what the first did", "/qdrant.Points/UpdateBatch", batch(deletion(byID), deletion(byFilter)), once},
		{"a snapshot", "/qdrant.Snapshots/Create", nil, once},
		{"a new collection", "/qdrant.Collections/Create", nil, once},
		{"a deleted collection", "/qdrant.Collections/Delete", nil, once},
		{"what a later version brings", "/qdrant.Points/Explode", nil, once},
	} {
		assert.Equal(t, test.want, kindOf(test.method, test.request), test.name)
	}
}

// TestMethodsAreTheServers fails when a method is misspelled, which would only show as a repeat that is not made.
func TestMethodsAreTheServers(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, description := range []struct {
		name    string
		methods []string
	}{
		methodsOf(qdrant.Points_ServiceDesc), methodsOf(qdrant.Collections_ServiceDesc),
		methodsOf(qdrant.Snapshots_ServiceDesc), methodsOf(qdrant.Qdrant_ServiceDesc),
	} {
		for _, method := range description.methods {
			known["/"+description.name+"/"+method] = true
		}
	}
	for method := range methods {
		assert.True(t, known[method], "%s is none of the client's methods", method)
	}
	for method := range known {
		if _, safe := methods[method]; !safe {
			const unsafe = `/((Create|Delete)(|Full|ShardKey|VectorName)|UpdateAliases|UpdateCollectionClusterSetup)$`
			assert.Regexp(t, unsafe, method, "is it safe to repeat?")
		}
	}
}

func TestPatience(t *testing.T) {
	t.Parallel()
	const limit = 10 * time.Second
	for _, test := range []struct {
		name    string
		kind    kind
		request any
		want    time.Duration
	}{
		{"a search", read, &qdrant.QueryPoints{}, limit},
		{"a search that may take longer", read, &qdrant.QueryPoints{Timeout: qdrant.PtrOf[uint64](60)}, 61 * time.Second},
		{"a search that may take less", read, &qdrant.QueryPoints{Timeout: qdrant.PtrOf[uint64](2)}, limit},
		{"a write that does not wait", write, &qdrant.UpsertPoints{}, limit},
		{"a write that waits", write, &qdrant.UpsertPoints{Wait: qdrant.PtrOf(true)}, 0},
		{"an index, which needs consensus", write, &qdrant.CreateFieldIndexCollection{}, 0},
		{"what is made once", once, nil, 0},
	} {
		assert.Equal(t, test.want, patience(test.kind, test.request, limit), test.name)
	}
	assert.Zero(t, patience(read, &qdrant.QueryPoints{Timeout: qdrant.PtrOf[uint64](60)}, 0), "no limit")
}
