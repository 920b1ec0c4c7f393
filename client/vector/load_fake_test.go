package vector

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"github.com/qdrant-shepherd/shepherd/client/vector/internal/codec"
)

// book is what the tests of Load load.
type book struct {
	ID     uint64    `vector:",id"`
	Text   []float32 `vector:"text,vector,size=4"`
	Number int       `vector:"number"`
}

func bookOf(n int) book {
	return book{ID: uint64(n), Text: []float32{1, float32(n), 2, 3}, Number: n} //nolint:gosec // a small number
}

// books is a sequence of n of them.
func books(n int) func(yield func(book, error) bool) {
	return func(yield func(book, error) bool) {
		for i := range n {
			if !yield(bookOf(i), nil) {
				return
			}
		}
	}
}

// fakeServer has one collection and does as much as Load needs of a server. The hooks may refuse calls; they are called with the
// server's lock held, and n counts the calls of a kind from 1.
type fakeServer struct {
	qdrant.UnimplementedQdrantServer
	qdrant.UnimplementedPointsServer

	mu       sync.Mutex
	config   *qdrant.CollectionConfig
	points   map[string]*qdrant.PointStruct
	queue    func() *qdrant.UpdateQueueInfo
	calls    []proto.Message // those that change something, in the order of their coming
	upserts  int
	barriers int
	updates  int

	onUpsert  func(n int, request *qdrant.UpsertPoints) error
	onBarrier func(n int) (qdrant.UpdateStatus, error)
	onUpdate  func(n int) error
	during    func()        // an upsert, without the lock
	barrier   time.Duration // how long one takes, without the lock
	retry     time.Duration // what a call that is refused as ResourceExhausted is told to wait; 0 for nothing
}

// limiter is a bucket of tokens as the server has one for each shard (lib/common/common/src/rate_limiting.rs).
type limiter struct {
	perMinute, tokens float64
	last              time.Time
}

// take returns how long to wait for the tokens, rounded up as the server does; 0 if they are taken.
func (l *limiter) take(tokens int) time.Duration {
	now := time.Now()
	l.tokens = min(l.perMinute, l.tokens+now.Sub(l.last).Minutes()*l.perMinute)
	l.last = now
	if missing := float64(tokens) - l.tokens; missing > 0 {
		return time.Duration(math.Ceil(missing/l.perMinute*60)) * time.Second
	}
	l.tokens -= float64(tokens)
	return 0
}

func newFakeServer() *fakeServer {
	return &fakeServer{
		points: make(map[string]*qdrant.PointStruct),
		queue:  func() *qdrant.UpdateQueueInfo { return &qdrant.UpdateQueueInfo{} },
		config: &qdrant.CollectionConfig{
			OptimizerConfig: &qdrant.OptimizersConfigDiff{MaxOptimizationThreads: autoThreads()},
			Metadata:        map[string]*qdrant.Value{"owner": qdrant.NewValueString("library")},
		},
	}
}

func (s *fakeServer) HealthCheck(context.Context, *qdrant.HealthCheckRequest) (*qdrant.HealthCheckReply, error) {
	return &qdrant.HealthCheckReply{Title: "qdrant - vector search engine", Version: "1.18.3"}, nil
}

func (s *fakeServer) Upsert(ctx context.Context, request *qdrant.UpsertPoints) (*qdrant.PointsOperationResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.upserts++
	if s.during != nil {
		s.mu.Unlock()
		s.during()
		s.mu.Lock()
	}
	s.calls = append(s.calls, request)
	if s.onUpsert != nil {
		if err := s.onUpsert(s.upserts, request); err != nil {
			return nil, s.refuse(ctx, err)
		}
	}
	for _, p := range request.GetPoints() {
		s.points[p.GetId().String()] = p
	}
	return &qdrant.PointsOperationResponse{Result: &qdrant.UpdateResult{Status: qdrant.UpdateStatus_Acknowledged}}, nil
}

// refuse says when to come back.
func (s *fakeServer) refuse(ctx context.Context, err error) error {
	if s.retry > 0 && status.Code(err) == codes.ResourceExhausted {
		_ = grpc.SetTrailer(ctx, metadata.Pairs("retry-after", fmt.Sprint(int(s.retry.Seconds()))))
	}
	return err
}

func (s *fakeServer) DeletePayload(ctx context.Context, request *qdrant.DeletePayloadPoints) (*qdrant.PointsOperationResponse, error) {
	select {
	case <-time.After(s.barrier): // in a bubble's time
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.barriers++
	s.calls = append(s.calls, request)
	result := qdrant.UpdateStatus_Completed
	if s.onBarrier != nil {
		var err error
		if result, err = s.onBarrier(s.barriers); err != nil {
			return nil, s.refuse(ctx, err)
		}
	}
	return &qdrant.PointsOperationResponse{Result: &qdrant.UpdateResult{Status: result}}, nil
}

func (s *fakeServer) Count(context.Context, *qdrant.CountPoints) (*qdrant.CountResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &qdrant.CountResponse{Result: &qdrant.CountResult{Count: uint64(len(s.points))}}, nil
}

func (s *fakeServer) collectionInfo(context.Context, *qdrant.GetCollectionInfoRequest) (*qdrant.GetCollectionInfoResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	config, _ := proto.Clone(s.config).(*qdrant.CollectionConfig)
	return &qdrant.GetCollectionInfoResponse{
		Result: &qdrant.CollectionInfo{Config: config, UpdateQueue: s.queue()},
	}, nil
}

// updateCollection merges metadata as the server does.
func (s *fakeServer) updateCollection(_ context.Context, request *qdrant.UpdateCollection) (*qdrant.CollectionOperationResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.updates++
	s.calls = append(s.calls, request)
	if s.onUpdate != nil {
		if err := s.onUpdate(s.updates); err != nil {
			return nil, err
		}
	}
	if request.GetCollectionName() != "books" {
		return nil, status.Error(codes.NotFound, "no such collection")
	}
	if threads := request.GetOptimizersConfig().GetMaxOptimizationThreads(); threads != nil {
		s.config.OptimizerConfig.MaxOptimizationThreads = threads
	}
	maps.Copy(s.config.Metadata, request.GetMetadata())
	maps.DeleteFunc(s.config.Metadata, func(_ string, v *qdrant.Value) bool {
		_, null := v.GetKind().(*qdrant.Value_NullValue)
		return null
	})
	return &qdrant.CollectionOperationResponse{Result: true}, nil
}

func (s *fakeServer) listAliases(context.Context, *qdrant.ListAliasesRequest) (*qdrant.ListAliasesResponse, error) {
	return &qdrant.ListAliasesResponse{Aliases: []*qdrant.AliasDescription{{AliasName: "shelf", CollectionName: "books"}}}, nil
}

// threads is the setting now.
func (s *fakeServer) threads() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return threadsText(s.config.GetOptimizerConfig().GetMaxOptimizationThreads())
}

// metadata is the keys of the metadata now.
func (s *fakeServer) metadata() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.config.GetMetadata()))
}

// collectionsServer is the part of fakeServer whose methods are named like those of points.
type collectionsServer struct {
	qdrant.UnimplementedCollectionsServer
	fake *fakeServer
}

func (s collectionsServer) Get(ctx context.Context, r *qdrant.GetCollectionInfoRequest) (*qdrant.GetCollectionInfoResponse, error) {
	return s.fake.collectionInfo(ctx, r)
}

func (s collectionsServer) Update(ctx context.Context, r *qdrant.UpdateCollection) (*qdrant.CollectionOperationResponse, error) {
	return s.fake.updateCollection(ctx, r)
}

func (s collectionsServer) ListAliases(ctx context.Context, r *qdrant.ListAliasesRequest) (*qdrant.ListAliasesResponse, error) {
	return s.fake.listAliases(ctx, r)
}

// openBooks serves the fake over memory and returns its collection under a name.
func openBooks(t *testing.T, fake *fakeServer, name string) *Collection[book] {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	// Go's server takes pings that come more often than every five minutes for an attack, unlike the real one.
	server := grpc.NewServer(grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}))
	qdrant.RegisterQdrantServer(server, fake)
	qdrant.RegisterPointsServer(server, fake)
	qdrant.RegisterCollectionsServer(server, collectionsServer{fake: fake})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		require.NoError(t, <-served)
	})
	db, err := Connect(t.Context(), Config{
		Target: "passthrough:///fake",
		Retry:  Retry{Attempts: 2, Backoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond},
		DialOptions: []grpc.DialOption{grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return listener.DialContext(ctx)
		})},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	plan, err := codec.Of[book]()
	require.NoError(t, err)
	return &Collection[book]{db: db, name: name, codec: plan, schema: plan.Schema()}
}
