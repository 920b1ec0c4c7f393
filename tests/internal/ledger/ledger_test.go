package ledger

import (
	"context"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

// store is a collection of one shard with a replica on each of its fake peers.
type store struct {
	mu       sync.Mutex
	replicas []map[uint64]*qdrant.PointStruct
	// interfere is asked before each upsert: an error is answered instead of
	// carrying it out, drop acknowledges without doing it.
	interfere func(peer int, id, seq uint64, key string) (drop bool, err error)
}

type fakePeer struct {
	qdrant.UnimplementedPointsServer
	store  *store
	number int
}

func (p *fakePeer) Upsert(ctx context.Context, request *qdrant.UpsertPoints) (*qdrant.PointsOperationResponse, error) {
	point := request.GetPoints()[0]
	var key string
	if values := metadata.ValueFromIncomingContext(ctx, "api-key"); len(values) > 0 {
		key = values[0]
	}
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	drop := false
	if p.store.interfere != nil {
		var err error
		seq := uint64(point.GetPayload()[sequenceField].GetIntegerValue())
		if drop, err = p.store.interfere(p.number, point.GetId().GetNum(), seq, key); err != nil {
			return nil, err
		}
	}
	if !drop {
		for _, replica := range p.store.replicas {
			replica[point.GetId().GetNum()] = point
		}
	}
	return &qdrant.PointsOperationResponse{Result: &qdrant.UpdateResult{Status: qdrant.UpdateStatus_Completed}}, nil
}

func (p *fakePeer) Get(_ context.Context, request *qdrant.GetPoints) (*qdrant.GetResponse, error) {
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	response := &qdrant.GetResponse{}
	if point, present := p.store.replicas[p.number][request.GetIds()[0].GetNum()]; present {
		response.Result = append(response.Result, &qdrant.RetrievedPoint{Id: point.GetId(), Payload: point.GetPayload()})
	}
	return response, nil
}

func (p *fakePeer) Query(context.Context, *qdrant.QueryPoints) (*qdrant.QueryResponse, error) {
	return &qdrant.QueryResponse{Result: []*qdrant.ScoredPoint{{}}}, nil
}

// start serves n fake peers and returns their gRPC addresses and, for the
// judge, their REST clients.
func (s *store) start(t *testing.T, n int) (targets []string, peers []Peer) {
	t.Helper()
	for number := range n {
		s.replicas = append(s.replicas, map[uint64]*qdrant.PointStruct{})
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		server := grpc.NewServer()
		qdrant.RegisterPointsServer(server, &fakePeer{store: s, number: number})
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(server.Stop)
		targets = append(targets, listener.Addr().String())

		api := httptest.NewServer(s.api(number, n))
		t.Cleanup(api.Close)
		peers = append(peers, Peer{Name: string(rune('a' + number)), Client: clusterapi.New(api.URL, "")})
	}
	return targets, peers
}

// api answers the three requests of the judge.
func (s *store) api(number, n int) http.Handler {
	answer := func(w http.ResponseWriter, result any) {
		_ = json.NewEncoder(w).Encode(map[string]any{"result": result})
	}
	scroll := func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		var request struct{ Offset, Limit uint64 }
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		points := []map[string]any{}
		var next any
		for _, id := range slices.Sorted(maps.Keys(s.replicas[number])) {
			if id < request.Offset {
				continue
			}
			if uint64(len(points)) == min(request.Limit, 7) { // small pages, so that paging is used
				next = id
				break
			}
			point := s.replicas[number][id]
			points = append(points, map[string]any{
				"id": id, "payload": map[string]any{"seq": point.GetPayload()[sequenceField].GetIntegerValue()},
				"vector": point.GetVectors().GetVector().GetDense().GetData(),
			})
		}
		answer(w, map[string]any{"points": points, "next_page_offset": next})
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /collections/book/cluster", func(w http.ResponseWriter, _ *http.Request) {
		remote := []map[string]any{}
		for other := range n {
			if other != number {
				remote = append(remote, map[string]any{"shard_id": 0, "peer_id": other + 1, "state": "Active"})
			}
		}
		answer(w, map[string]any{
			"peer_id": number + 1, "shard_count": 1, "remote_shards": remote,
			"local_shards": []map[string]any{{"shard_id": 0, "points_count": 1, "state": "Active"}},
		})
	})
	mux.HandleFunc("POST /collections/book/points/scroll", scroll)
	mux.HandleFunc("POST /collections/book/shards/0/points/scroll", scroll)
	return mux
}

// quick is a configuration for tests that must not take long.
func quick(targets []string) Config {
	return Config{
		Targets: targets, Collection: "book", Writers: 2, Readers: 2, IDs: 8, Rate: 200,
		RetryFor: 2 * time.Second, PerTry: 500 * time.Millisecond, Settle: time.Millisecond,
	}
}

func start(t *testing.T, config Config) *Ledger {
	t.Helper()
	l, err := Start(t.Context(), config)
	require.NoError(t, err)
	return l
}

func TestAQuietRunIsWithoutFault(t *testing.T) {
	t.Parallel()
	targets, peers := (&store{}).start(t, 3)
	l := start(t, quick(targets))
	require.NoError(t, l.AwaitWrites(t.Context(), 100))

	verdict := l.Judge(t.Context(), peers)

	verdict.RequireNoLostWrites(t)
	assert.Equal(t, 3, verdict.Replicas)
	assert.Equal(t, 16, verdict.Report.IDs)
	assert.Zero(t, verdict.Report.Writes.RawFailures)
	assert.Zero(t, verdict.Report.Stale)
	require.NoError(t, verdict.Report.Within(Budget{}))
}

func TestAWriteThatWasAcknowledgedAndNotDoneIsLost(t *testing.T) {
	t.Parallel()
	s := &store{interfere: func(_ int, id, seq uint64, _ string) (bool, error) {
		return id == firstID && seq >= 3, nil
	}}
	targets, peers := s.start(t, 2)
	l := start(t, quick(targets))
	require.NoError(t, l.AwaitWrites(t.Context(), 200))

	verdict := l.Judge(t.Context(), peers)

	require.Len(t, verdict.Lost, 1)
	assert.Contains(t, verdict.Lost[0], "shard 0 on a holds 2, shard 0 on b holds 2")
	assert.False(t, verdict.OK())
}

func TestAReplicaThatLostAPointIsSeen(t *testing.T) {
	t.Parallel()
	s := &store{}
	targets, peers := s.start(t, 2)
	l := start(t, quick(targets))
	require.NoError(t, l.AwaitWrites(t.Context(), 50))
	l.Stop()
	s.mu.Lock()
	delete(s.replicas[1], firstID+1)
	s.mu.Unlock()

	verdict := l.Judge(t.Context(), peers)

	assert.Empty(t, verdict.Lost)
	require.Len(t, verdict.Disagreements, 1)
	assert.Contains(t, verdict.Disagreements[0], "shard 0 on b lacks it")
}

func TestAReplicaThatNobodyReadIsAProblem(t *testing.T) {
	t.Parallel()
	targets, peers := (&store{}).start(t, 2)
	l := start(t, quick(targets))
	require.NoError(t, l.AwaitWrites(t.Context(), 10))

	verdict := l.Judge(t.Context(), peers[:1])

	assert.Equal(t, []string{"shard 0 has a replica on peer 2, which was not read"}, verdict.Problems)
	assert.False(t, verdict.OK())
}

func TestFailuresAreCountedRawAndAfterRetries(t *testing.T) {
	t.Parallel()
	tries := map[uint64]int{}
	s := &store{interfere: func(_ int, id, seq uint64, _ string) (bool, error) {
		tries[seq]++ // of the one writer: each of its ids has the same values
		switch {
		case id == firstID && seq == 2 && tries[seq] <= 2:
			return false, status.Error(codes.Internal, "replica away")
		case id == firstID+1:
			return false, status.Error(codes.Internal, "never works")
		default:
			return false, nil
		}
	}}
	targets, peers := s.start(t, 2)
	config := quick(targets)
	config.Writers, config.IDs, config.RetryFor = 1, 2, time.Second
	l := start(t, config)
	require.NoError(t, l.AwaitWrites(t.Context(), 20))

	verdict := l.Judge(t.Context(), peers)

	require.True(t, verdict.OK(), verdict)
	report := verdict.Report
	assert.Equal(t, 1, report.Writes.Failed, "only one id ever fails: it is not tried again")
	assert.Equal(t, 1, report.Writes.Unknown)
	assert.Greater(t, report.Writes.RawFailures, 3)
	assert.GreaterOrEqual(t, report.Writes.LongestGap, 100*time.Millisecond)
	assert.Contains(t, report.ErrorSample(), "never works")
}

func TestRequestsGoOnWhenATargetIsAway(t *testing.T) {
	t.Parallel()
	targets, peers := (&store{}).start(t, 2)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	l := start(t, quick(append(targets, closed.Addr().String())))
	require.NoError(t, l.AwaitWrites(t.Context(), 50))

	verdict := l.Judge(t.Context(), peers)

	require.True(t, verdict.OK(), verdict)
	assert.Positive(t, verdict.Report.Writes.RawFailures)
	assert.Zero(t, verdict.Report.Writes.Failed)
	assert.Equal(t, 16, verdict.Report.IDs, "a refused connection leaves no id open")
}

func TestTheKeyCanBeChangedOnTheRun(t *testing.T) {
	t.Parallel()
	valid := "old"
	s := &store{}
	s.interfere = func(_ int, _, _ uint64, key string) (bool, error) {
		if key != valid {
			return false, status.Error(codes.Unauthenticated, "wrong key")
		}
		return false, nil
	}
	targets, peers := s.start(t, 1)
	config := quick(targets)
	config.APIKey = "old"
	l := start(t, config)
	require.NoError(t, l.AwaitWrites(t.Context(), 10))
	s.mu.Lock()
	valid = "new"
	s.mu.Unlock()
	l.UseAPIKey("new")
	require.NoError(t, l.AwaitWrites(t.Context(), 10))

	verdict := l.Judge(t.Context(), peers)

	require.True(t, verdict.OK(), verdict)
	assert.Zero(t, verdict.Report.Writes.Failed)
}

func TestWaitingForWritesThatNeverComeEnds(t *testing.T) {
	t.Parallel()
	s := &store{interfere: func(int, uint64, uint64, string) (bool, error) {
		return false, status.Error(codes.Unavailable, "shutting down")
	}}
	targets, _ := s.start(t, 1)
	config := quick(targets)
	config.RetryFor = 100 * time.Millisecond
	l := start(t, config)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()

	err := l.AwaitWrites(ctx, 1)

	require.ErrorContains(t, err, "waiting for 1 acknowledged writes: 0 so far")
	report := l.Stop()
	assert.Zero(t, report.Writes.Succeeded)
	assert.Positive(t, report.Writes.Failed)
	assert.Equal(t, report.Writes.Failed, report.Writes.Unknown)
	require.Error(t, report.Within(Budget{Failed: 1000}))
}

func TestBadTargets(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]string{"": "no targets", "nowhere": "missing port", "host:name": "reading the port"} {
		_, err := Start(t.Context(), Config{Targets: strings.Fields(target)})
		require.ErrorContains(t, err, want, "target %q", target)
	}
}
