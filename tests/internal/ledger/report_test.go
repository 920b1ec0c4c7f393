package ledger

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestTheLongestGap(t *testing.T) {
	t.Parallel()
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	for _, test := range []struct {
		name      string
		successes []int
		end       int
		gap, from time.Duration
	}{
		{"between two successes", []int{100, 150, 900, 950}, 1000, 750 * time.Millisecond, 150 * time.Millisecond},
		{"before the first", []int{600, 700}, 800, 600 * time.Millisecond, 0},
		{"an outage that never ends", []int{100, 200}, 5200, 5 * time.Second, 200 * time.Millisecond},
		{"no success at all", nil, 3000, 3 * time.Second, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newStream(start)
			for _, ms := range test.successes {
				s.success(at(ms))
			}

			f := figures([]*stream{s}, at(test.end))

			assert.Equal(t, test.gap, f.LongestGap)
			assert.Equal(t, test.from, f.LongestGapAt)
		})
	}
}

func TestTheGapIsThatOfTheStreamThatWaitedLongest(t *testing.T) {
	t.Parallel()
	start := time.Now()
	quick, slow := newStream(start), newStream(start)
	for ms := range 100 {
		quick.success(start.Add(time.Duration(ms) * 10 * time.Millisecond))
	}
	slow.success(start.Add(900 * time.Millisecond))

	assert.Equal(t, 900*time.Millisecond, figures([]*stream{quick, slow}, start.Add(time.Second)).LongestGap)
}

func TestBudget(t *testing.T) {
	t.Parallel()
	report := Report{
		Writes: Figures{Succeeded: 10, Failed: 1, LongestGap: 3 * time.Second},
		Reads:  Figures{Succeeded: 10, Failed: 1, LongestGap: time.Second},
	}
	require.NoError(t, report.Within(Budget{Failed: 2, WriteGap: 3 * time.Second, ReadGap: time.Second}))
	require.NoError(t, report.Within(Budget{Failed: 2}))
	require.EqualError(t, report.Within(Budget{WriteGap: 2 * time.Second, ReadGap: time.Millisecond}),
		"over budget: 2 requests failed after retries, 0 allowed; no write for 3s, 2s allowed; no read for 1s, 1ms allowed")
	require.ErrorContains(t, Report{Writes: Figures{Succeeded: 1}}.Within(Budget{}), "1 writes and 0 reads succeeded")
}

func TestReportIsOneLine(t *testing.T) {
	t.Parallel()
	report := Report{
		Writes: Figures{Succeeded: 120, RawFailures: 7, Failed: 2, Unknown: 1, LongestGap: 2345 * time.Millisecond, LongestGapAt: 10 * time.Second},
		Reads:  Figures{Succeeded: 80, LongestGap: 81234 * time.Microsecond},
		IDs:    64, Duration: 63456 * time.Millisecond, Stale: 3,
	}
	assert.Equal(t, "writes: 120 acknowledged, 7 raw failures, 2 failed after retries (1 unknown), longest gap 2.35s at +10s; "+
		"reads: 80 answered, 0 raw failures, 0 failed after retries (0 unknown), longest gap 81ms at +0s; 64 ids, 1m3.46s; 3 stale reads", report.String())
}

func TestAnUnresolvedIDIsNotWrittenAgain(t *testing.T) {
	t.Parallel()
	w := newWriter(1, 2, time.Now())
	first := firstID + idsOfWriter

	for turn, step := range []struct {
		id, seq uint64
		result  result
	}{
		{first, 1, result{outcome: Acknowledged}},
		{first + 1, 1, result{outcome: Acknowledged, unresolved: true}}, // its place goes to the third
		{first, 2, result{outcome: Refused}},                            // nobody can have carried it out
		{first + 2, 1, result{outcome: Acknowledged}},
		{first, 3, result{outcome: Unknown, unresolved: true}},
		{first + 2, 2, result{outcome: Acknowledged}},
		{first + 3, 1, result{outcome: Acknowledged}},
	} {
		id, seq := w.next()
		require.Equal(t, step.id, id, "turn %d", turn)
		require.Equal(t, step.seq, seq, "turn %d", turn)
		w.record(id, seq, step.result)
	}
	assert.Equal(t, Write{ID: first + 1, Seq: 1, Outcome: Acknowledged}, w.writes[1])
}

func TestVectorsTellWritesApart(t *testing.T) {
	t.Parallel()
	v := vectorOf(firstID, 1, 16)

	assert.True(t, sameVector(v, vectorOf(firstID, 1, 16)))
	assert.False(t, sameVector(v, vectorOf(firstID, 2, 16)))
	assert.False(t, sameVector(v, vectorOf(firstID+1, 1, 16)))
	assert.False(t, sameVector(v, nil))
	var length float64
	for _, x := range v {
		length += float64(x) * float64(x)
	}
	assert.InDelta(t, 1, length, 1e-6)
}

func TestWhatIsSurelyNotCarriedOut(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want bool
	}{
		{status.Error(codes.Unavailable, `connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:1: connect: connection refused"`), true},
		{status.Error(codes.Unavailable, "error reading from server: EOF"), false},
		{status.Error(codes.DeadlineExceeded, "context deadline exceeded"), false},
		{status.Error(codes.Internal, "Service internal error: 1 of 1 read operations failed"), false},
		{status.Error(codes.PermissionDenied, "forbidden"), true},
		{status.Error(codes.Unauthenticated, "no key"), true},
		{errors.New("upsert answered WaitTimeout"), false},
	} {
		assert.Equal(t, test.want, refused(test.err), "%v", test.err)
	}
}
