package vector

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// small batches: one book is about 50 bytes.
var small = LoadOptions{BatchBytes: 500, Streams: 4, Patience: 5 * time.Second}

func TestLoadWritesAllDocuments(t *testing.T) {
	t.Parallel()
	fake := newFakeServer()
	stats, err := openBooks(t, fake, "books").Load(t.Context(), books(1000), small)
	require.NoError(t, err)

	assert.Equal(t, LoadDone, stats.Phase)
	assert.Equal(t, 1000, stats.Acknowledged)
	assert.Equal(t, 1000, stats.Documents)
	assert.Equal(t, 1000, stats.Distinct)
	assert.Equal(t, uint64(1000), stats.Points)
	assert.Equal(t, 4, stats.Streams)
	assert.Zero(t, stats.Rejected)
	assert.False(t, stats.Deferred)
	assert.Positive(t, stats.Rate())

	// Each point is what its document was, so no batch was overwritten while it was under way.
	require.Len(t, fake.points, 1000)
	for _, p := range fake.points {
		n := p.GetPayload()["number"].GetIntegerValue()
		assert.Equal(t, uint64(n), p.GetId().GetNum()) //nolint:gosec // a small number
		assert.Equal(t, []float32{1, float32(n), 2, 3}, dense(p, "text"))
	}
	var bytes int
	for _, call := range fake.calls[:len(fake.calls)-1] {
		upsert, is := call.(*qdrant.UpsertPoints)
		require.True(t, is, "%T", call)
		assert.False(t, upsert.GetWait())
		bytes += len(upsert.GetPoints())
	}
	assert.Equal(t, 1000, bytes)
	assert.Equal(t, len(fake.calls)-1, stats.Batches)
	assert.InDelta(t, 500, float64(stats.Bytes)/float64(stats.Batches), 60, "bytes of a batch")

	barrier, is := fake.calls[len(fake.calls)-1].(*qdrant.DeletePayloadPoints)
	require.True(t, is, "%T", fake.calls[len(fake.calls)-1])
	assert.True(t, barrier.GetWait())
	must := barrier.GetPointsSelector().GetFilter().GetMust()
	require.Len(t, must, 1)
	require.NotNil(t, must[0].GetHasId(), "the empty set of ids, and not no condition at all")
	assert.Empty(t, must[0].GetHasId().GetHasId())
}

// dense is a vector of a point, in either of the two forms that a server takes.
func dense(p *qdrant.PointStruct, name string) []float32 {
	v := p.GetVectors().GetVectors().GetVectors()[name]
	if d := v.GetDense().GetData(); d != nil {
		return d
	}
	return v.GetData() //nolint:staticcheck // the older form, which all servers take
}

func TestLoadOfNothing(t *testing.T) {
	t.Parallel()
	stats, err := openBooks(t, newFakeServer(), "books").Load(t.Context(), books(0), LoadOptions{})
	require.NoError(t, err)
	assert.Zero(t, stats.Batches)
}

func TestLoadKeepsToTheStrictMode(t *testing.T) {
	t.Parallel()
	fake := newFakeServer()
	fake.config.StrictModeConfig = &qdrant.StrictModeConfig{Enabled: qdrant.PtrOf(true), UpsertMaxBatchsize: qdrant.PtrOf(uint64(7))}
	stats, err := openBooks(t, fake, "books").Load(t.Context(), books(70), LoadOptions{})
	require.NoError(t, err)
	assert.Equal(t, 10, stats.Batches)
}

func TestLoadKeepsToTheWriteRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := newFakeServer()
		fake.config.StrictModeConfig = &qdrant.StrictModeConfig{Enabled: qdrant.PtrOf(true), WriteRateLimit: qdrant.PtrOf(uint32(60))}
		bucket := limiter{perMinute: 60, tokens: 60, last: time.Now()}
		fake.onUpsert = func(_ int, request *qdrant.UpsertPoints) error {
			if n := len(request.GetPoints()); n > 5 {
				return status.Errorf(codes.ResourceExhausted, "%d documents of %d streams do not pass within a minute", n, 6)
			}
			if fake.retry = bucket.take(len(request.GetPoints())); fake.retry > 0 {
				return status.Error(codes.ResourceExhausted, "Write rate limit exceeded")
			}
			return nil
		}
		began := time.Now()
		stats, err := openBooks(t, fake, "books").Load(t.Context(), books(600), LoadOptions{Streams: 6})
		require.NoError(t, err)
		assert.Equal(t, uint64(600), stats.Points)
		assert.Positive(t, stats.Rejected)
		assert.InDelta(t, 10, time.Since(began).Minutes(), 2, "60 a minute")
	})
}

func TestBatchLimit(t *testing.T) {
	t.Parallel()
	limited := func(enabled bool, size uint64, rate uint32) *qdrant.CollectionInfo {
		strict := &qdrant.StrictModeConfig{Enabled: &enabled}
		if size > 0 {
			strict.UpsertMaxBatchsize = &size
		}
		if rate > 0 {
			strict.WriteRateLimit = &rate
		}
		return &qdrant.CollectionInfo{Config: &qdrant.CollectionConfig{StrictModeConfig: strict}}
	}
	for _, test := range []struct {
		name      string
		info      *qdrant.CollectionInfo
		batch     int
		ofStreams int // six
	}{
		{"no strict mode", &qdrant.CollectionInfo{}, math.MaxInt32, math.MaxInt32},
		{"one that is off", limited(false, 10, 20), math.MaxInt32, math.MaxInt32},
		{"a size", limited(true, 10, 0), 10, math.MaxInt32},
		{"a rate", limited(true, 0, 40), 20, 3},
		{"both", limited(true, 10, 40), 10, 3},
		{"a rate that is no batch's", limited(true, 30, 5), 2, 1},
		{"a size beyond all bounds", limited(true, math.MaxUint64, 0), math.MaxInt32, math.MaxInt32},
	} {
		assert.Equal(t, test.batch, batchLimit(test.info), test.name)
		assert.Equal(t, test.ofStreams, fairShare(test.info, 6), test.name)
	}
}

func TestLoadRefusesOptions(t *testing.T) {
	t.Parallel()
	c := openBooks(t, newFakeServer(), "books")
	for want, o := range map[string]LoadOptions{
		"BatchBytes is 33554433": {BatchBytes: 32<<20 + 1},
		"BatchBytes is -1":       {BatchBytes: -1},
		"Streams":                {Streams: -1},
		"MaxStreams":             {MaxStreams: -1},
		"Skip":                   {Skip: -1},
		"Patience":               {Patience: -1},
		"ProgressInterval":       {ProgressInterval: -1},
		"DeferIndexing is 3":     {DeferIndexing: 3},
	} {
		_, err := c.Load(t.Context(), books(1), o)
		require.ErrorContains(t, err, want)
		require.ErrorIs(t, err, ErrInvalid)
	}
	_, err := c.WithOrdering(9).Load(t.Context(), books(1), LoadOptions{})
	require.ErrorIs(t, err, ErrInvalid)
}

// with replaces the document at a position, or makes the sequence fail there.
func with(n, position int, other book, failure error) func(yield func(book, error) bool) {
	return func(yield func(book, error) bool) {
		for i := range n {
			document, err := bookOf(i), error(nil)
			if i == position {
				document, err = other, failure
			}
			if !yield(document, err) {
				return
			}
		}
	}
}

func TestLoadStopsAtWhatCannotBeLoaded(t *testing.T) {
	t.Parallel()
	errCut := errors.New("the file was cut short")
	tests := []struct {
		name      string
		documents func(yield func(book, error) bool)
		options   LoadOptions
		want      string
		document  *DocumentError
		done      int // acknowledged
	}{
		{
			name: "a document of another size", documents: with(1000, 812, book{ID: 7000, Text: []float32{1}}, nil), options: small,
			want:     "document 812 (id 7000): text: 1 dimensions instead of 4; 812 documents are acknowledged, continue with Skip: 812",
			document: &DocumentError{Position: 812, ID: ID{}, Field: "text"}, done: 812,
		},
		{
			name: "the first document", documents: with(1000, 0, book{}, nil), options: small,
			want: "continue with Skip: 0", document: &DocumentError{Position: 0, Field: "text"}, done: 0,
		},
		{
			name: "an error of the sequence", documents: with(1000, 812, book{}, errCut), options: small,
			want: "reading document 812: the file was cut short; 812 documents are acknowledged, continue with Skip: 812", done: 812,
		},
		{
			name: "an id that was there", documents: with(1000, 812, bookOf(3), nil), options: small,
			want: "document 812 (id 3): id: an earlier document has the same", document: &DocumentError{Position: 812, Field: "id"}, done: 812,
		},
		{
			name: "an id that was among the skipped", documents: with(1000, 812, bookOf(3), nil),
			options: LoadOptions{Skip: 100, Patience: time.Second},
			want:    "document 812 (id 3): id: an earlier document has the same", document: &DocumentError{Position: 812, Field: "id"}, done: 812,
		},
		{
			name: "more to skip than there is", documents: books(10), options: LoadOptions{Skip: 11},
			want: "the sequence has only 10 documents, and 11 are to be skipped", done: 11,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fake := newFakeServer()
			stats, err := openBooks(t, fake, "books").Load(t.Context(), test.documents, test.options)
			require.ErrorContains(t, err, test.want)
			var failed *LoadError
			require.ErrorAs(t, err, &failed)
			assert.Equal(t, stats, failed.Stats)
			assert.Equal(t, LoadUploading, stats.Phase)
			assert.Equal(t, test.done, stats.Acknowledged)
			assert.Zero(t, fake.barriers, "there is nothing to wait for")
			if test.document != nil {
				var refused *DocumentError
				require.ErrorAs(t, err, &refused)
				assert.Equal(t, test.document.Position, refused.Position)
				assert.Equal(t, test.document.Field, refused.Field)
				require.ErrorIs(t, err, ErrInvalid)
			}
		})
	}
}

func TestLoadWithDuplicates(t *testing.T) {
	t.Parallel()
	fake := newFakeServer()
	o := small
	o.AllowDuplicates, o.Streams = true, 1
	newer := bookOf(3)
	newer.Number = 1812
	stats, err := openBooks(t, fake, "books").Load(t.Context(), with(1000, 812, newer, nil), o)
	require.NoError(t, err)
	assert.Equal(t, 1000, stats.Documents)
	assert.Equal(t, 999, stats.Distinct)
	assert.Equal(t, uint64(999), stats.Points)
	stored := fake.points[qdrant.NewIDNum(3).String()].GetPayload()
	assert.Equal(t, int64(1812), stored["number"].GetIntegerValue(), "the last one wins with one stream")
}

func TestLoadContinues(t *testing.T) {
	t.Parallel()
	fake := newFakeServer()
	failing := true
	fake.onUpsert = func(n int, _ *qdrant.UpsertPoints) error {
		if failing && n == 20 {
			return status.Error(codes.InvalidArgument, "it is Tuesday")
		}
		return nil
	}
	c := openBooks(t, fake, "books")
	stats, err := c.Load(t.Context(), books(1000), small)
	require.ErrorContains(t, err, "it is Tuesday")
	require.ErrorIs(t, err, ErrInvalid)
	require.ErrorContains(t, err, fmt.Sprintf("continue with Skip: %d", stats.Acknowledged))
	require.ErrorContains(t, err, fmt.Sprintf("writing documents %d to", stats.Acknowledged), "the first that failed is where to continue")
	require.Positive(t, stats.Acknowledged)
	for n := range stats.Acknowledged {
		require.Contains(t, fake.points, qdrant.NewIDNum(uint64(n)).String(), "what is acknowledged is there") //nolint:gosec // a small number
	}

	failing = false
	o := small
	o.Skip = stats.Acknowledged
	again, err := c.Load(t.Context(), books(1000), o)
	require.NoError(t, err)
	assert.Equal(t, 1000, again.Acknowledged)
	assert.Equal(t, 1000-stats.Acknowledged, again.Documents)
	assert.Equal(t, 1000, again.Distinct)
	assert.Len(t, fake.points, 1000)
}

func TestLoadAdaptsToRejections(t *testing.T) {
	t.Parallel()
	const second, long = time.Second, time.Minute
	tests := []struct {
		name    string
		code    codes.Code
		message string
		retry   time.Duration
		// attempts to refuse of every batch: one is repeated by the connection, three need Load.
		attempts int
	}{
		{name: "that the connection repeats", code: codes.Unavailable, attempts: 1},
		{name: "that it gives up", code: codes.Unavailable, attempts: 3},
		{name: "of a rate limit", code: codes.ResourceExhausted, retry: second, attempts: 2},
		{name: "of one that the connection does not wait for", code: codes.ResourceExhausted, retry: long, attempts: 1},
		{name: "without a replica", code: codes.Internal, message: "Consistency of this update is not guaranteed. Please retry.", attempts: 2},
		{name: "of a server that stops", code: codes.Canceled, attempts: 2},
		{name: "of a peer that hangs", code: codes.DeadlineExceeded, attempts: 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := newFakeServer()
				fake.retry = test.retry
				refused := map[string]int{}
				fake.onUpsert = func(_ int, request *qdrant.UpsertPoints) error {
					first := request.GetPoints()[0].GetId().String()
					if refused[first]++; refused[first] <= test.attempts {
						return status.Error(test.code, test.message)
					}
					return nil
				}
				o := small
				o.Streams, o.Patience = 8, 3*time.Minute
				stats, err := openBooks(t, fake, "books").Load(t.Context(), books(100), o)
				require.NoError(t, err)
				assert.Equal(t, stats.Batches*test.attempts, stats.Rejected)
				assert.Less(t, stats.Streams, 8)
				assert.Equal(t, uint64(100), stats.Points)
			})
		})
	}
}

func TestLoadEndsAtOnceAtWhatDoesNotPass(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err  error
		want error // nil for none of the sentinels
	}{
		"a batch beyond the rate limit": {status.Error(codes.ResourceExhausted,
			"Write rate limit exceeded, request larger than rate limiter capacity, please try to split your request"), ErrInvalid},
		"a server that is broken":       {status.Error(codes.Internal, "Service internal error: task panicked"), nil},
		"a key that must not":           {status.Error(codes.PermissionDenied, "forbidden"), ErrUnauthorized},
		"a collection that went away":   {status.Error(codes.NotFound, "no such collection"), ErrNotFound},
		"a request that makes no sense": {status.Error(codes.InvalidArgument, "no such vector"), ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := newFakeServer()
				fake.onUpsert = func(int, *qdrant.UpsertPoints) error { return test.err }
				began := time.Now()
				o := small
				o.Patience = time.Hour
				stats, err := openBooks(t, fake, "books").Load(t.Context(), books(1000), o)
				require.ErrorContains(t, err, "writing documents 0 to ")
				require.ErrorContains(t, err, status.Convert(test.err).Message())
				if test.want != nil {
					require.ErrorIs(t, err, test.want)
				}
				assert.Zero(t, stats.Rejected)
				assert.LessOrEqual(t, fake.upserts, o.Streams, "nothing is sent again")
				assert.Zero(t, time.Since(began))
			})
		})
	}
}

func TestLoadLosesPatience(t *testing.T) {
	t.Parallel()
	fake := newFakeServer()
	fake.onUpsert = func(_ int, request *qdrant.UpsertPoints) error {
		if request.GetPoints()[0].GetId().GetNum() > 100 {
			return status.Error(codes.Unavailable, "gone")
		}
		return nil
	}
	o := small
	o.Patience = 300 * time.Millisecond
	stats, err := openBooks(t, fake, "books").Load(t.Context(), books(1000), o)
	require.ErrorIs(t, err, ErrUnavailable)
	assert.InDelta(t, 100, stats.Acknowledged, 20)
}

func TestLoadIsCanceled(t *testing.T) { //nolint:paralleltest // it looks for goroutines, and others have some
	fake := newFakeServer()
	c := openBooks(t, fake, "books")
	_, err := c.Load(t.Context(), books(100), small) // so that the connection's goroutines are there
	require.NoError(t, err)
	fake.upserts, fake.barriers = 0, 0
	before := goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancelCause(t.Context())
	errStop := errors.New("enough")
	fake.onUpsert = func(n int, _ *qdrant.UpsertPoints) error {
		if n == 10 {
			cancel(errStop)
		}
		return nil
	}
	stats, err := c.Load(ctx, books(100_000), small)
	require.ErrorIs(t, err, errStop)
	assert.Less(t, stats.Documents, 1000)
	assert.Zero(t, fake.barriers)
	goleak.VerifyNone(t, before)
}

func TestLoadReportsProgress(t *testing.T) {
	t.Parallel()
	var seen []LoadStats
	o := small
	o.ProgressInterval = time.Nanosecond
	o.Progress = func(s LoadStats) { seen = append(seen, s) } // the race detector sees whether it is called by two at a time
	stats, err := openBooks(t, newFakeServer(), "books").Load(t.Context(), books(1000), o)
	require.NoError(t, err)
	require.Greater(t, len(seen), 3)
	assert.Equal(t, stats, seen[len(seen)-1])
	assert.Equal(t, LoadApplying, seen[len(seen)-2].Phase)
	assert.Equal(t, LoadUploading, seen[0].Phase)
	assert.True(t, slices.IsSortedFunc(seen, func(a, b LoadStats) int { return a.Acknowledged - b.Acknowledged }))
}

func TestLoadWaitsForTheQueues(t *testing.T) {
	t.Parallel()
	lengths := func(of func(n int) int) func() *qdrant.UpdateQueueInfo {
		n := 0
		return func() *qdrant.UpdateQueueInfo {
			n++
			return &qdrant.UpdateQueueInfo{Length: uint64(of(n))} //nolint:gosec // a small number
		}
	}
	unknown := func() *qdrant.UpdateQueueInfo { return nil }
	const patience, look = 2 * time.Minute, 20 * time.Second
	tests := []struct {
		name    string
		queue   func() *qdrant.UpdateQueueInfo
		barrier error // in place of "still at it"
		looks   int   // after which all is applied; 0 for never
		want    string
	}{
		{name: "as often as it takes", queue: lengths(func(n int) int { return 1000 - n }), looks: 100},
		{name: "and for a slow peer beside one that is done", queue: lengths(func(n int) int { return n % 2 * (1000 - n) }), looks: 100},
		{name: "and for one that others write to as well", queue: lengths(func(n int) int { return 10 + n }), looks: 100},
		{name: "but not for one that stands still", queue: lengths(func(int) int { return 100 }),
			want: "the servers' queues, of 100 updates, have not moved for 2m0s; all 10 documents are acknowledged"},
		{name: "nor for two that stand still", queue: lengths(func(n int) int { return 100 * (n % 2) }), want: "have not moved for 2m0s"},
		{name: "nor for one whose replicas are away", queue: lengths(func(int) int { return 0 }), want: "writing behind them: gone",
			barrier: status.Error(codes.Unavailable, "gone")},
		{name: "one that does not say is waited for", queue: unknown, looks: 100},
		{name: "unless it does not answer", queue: unknown, barrier: status.Error(codes.Unavailable, "gone"), want: "writing behind them: gone"},
		{name: "one that does not know of time limits", queue: unknown, barrier: status.Error(codes.DeadlineExceeded, "slow"), looks: 300},
		{name: "a refusal is an error", queue: unknown, want: "writing behind them: strict",
			barrier: status.Error(codes.InvalidArgument, "strict")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := newFakeServer()
				if fake.queue = test.queue; test.barrier == nil {
					fake.barrier = look
				}
				fake.onBarrier = func(n int) (qdrant.UpdateStatus, error) {
					if n > test.looks && test.looks > 0 {
						return qdrant.UpdateStatus_Completed, nil
					}
					return qdrant.UpdateStatus_WaitTimeout, test.barrier
				}
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
				defer cancel()
				began := time.Now()
				_, err := openBooks(t, fake, "books").Load(ctx, books(10), LoadOptions{})
				if test.want == "" {
					require.NoError(t, err)
					assert.Greater(t, time.Since(began), 2*patience, "it took more than patience")
					return
				}
				require.ErrorContains(t, err, test.want)
				assert.Less(t, time.Since(began), 2*patience)
			})
		})
	}
}

// What is busy says when it will be less so.
func TestLoadWaitsForTheQueuesAsLongAsARateLimitSays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := newFakeServer()
		fake.retry = 50 * time.Second
		fake.onBarrier = func(n int) (qdrant.UpdateStatus, error) {
			if n == 1 {
				return 0, status.Error(codes.ResourceExhausted, "Write rate limit exceeded")
			}
			return qdrant.UpdateStatus_Completed, nil
		}
		began := time.Now()
		_, err := openBooks(t, fake, "books").Load(t.Context(), books(10), LoadOptions{})
		require.NoError(t, err)
		assert.Equal(t, 2, fake.barriers)
		assert.Equal(t, 50*time.Second, time.Since(began))
	})
}

func TestLoadCounts(t *testing.T) {
	t.Parallel()
	fake := newFakeServer()
	fake.onBarrier = func(int) (qdrant.UpdateStatus, error) {
		delete(fake.points, qdrant.NewIDNum(5).String())
		return qdrant.UpdateStatus_Completed, nil
	}
	_, err := openBooks(t, fake, "books").Load(t.Context(), books(10), small)
	var short *CountError
	require.ErrorAs(t, err, &short)
	assert.Equal(t, &CountError{Points: 9, Distinct: 10}, short)
}
