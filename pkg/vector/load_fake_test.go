package vector

import (
	"context"
	"maps"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"github.com/qdrant-shepherd/shepherd/pkg/vector/internal/codec"
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
	queue    uint64
	calls    []proto.Message // those that change something, in the order of their coming
	upserts  int
	barriers int
	updates  int

	onUpsert  func(n int, request *qdrant.UpsertPoints) error
	onBarrier func(n int) (qdrant.UpdateStatus, error)
	onUpdate  func(n int) error
	during    func() // an upsert, without the lock
}

func newFakeServer() *fakeServer {
	return &fakeServer{
		points: make(map[string]*qdrant.PointStruct),
		config: &qdrant.CollectionConfig{
			OptimizerConfig: &qdrant.OptimizersConfigDiff{MaxOptimizationThreads: autoThreads()},
			Metadata:        map[string]*qdrant.Value{"owner": qdrant.NewValueString("library")},
		},
	}
}

func (s *fakeServer) HealthCheck(context.Context, *qdrant.HealthCheckRequest) (*qdrant.HealthCheckReply, error) {
	return &qdrant.HealthCheckReply{Title: "qdrant - vector search engine", Version: "1.18.3"}, nil
}

func (s *fakeServer) Upsert(_ context.Context, request *qdrant.UpsertPoints) (*qdrant.PointsOperationResponse, error) {
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
			return nil, err
		}
	}
	for _, p := range request.GetPoints() {
		s.points[p.GetId().String()] = p
	}
	return &qdrant.PointsOperationResponse{Result: &qdrant.UpdateResult{Status: qdrant.UpdateStatus_Acknowledged}}, nil
}

func (s *fakeServer) DeletePayload(_ context.Context, request *qdrant.DeletePayloadPoints) (*qdrant.PointsOperationResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.barriers++
	s.calls = append(s.calls, request)
	result := qdrant.UpdateStatus_Completed
	if s.onBarrier != nil {
		var err error
		if result, err = s.onBarrier(s.barriers); err != nil {
			return nil, err
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
		Result: &qdrant.CollectionInfo{Config: config, UpdateQueue: &qdrant.UpdateQueueInfo{Length: s.queue}},
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
	server := grpc.NewServer()
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
