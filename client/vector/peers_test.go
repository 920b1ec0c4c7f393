package vector

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
)

// network is a set of peers in memory, with a name server of their own, so that
// tests in a bubble of fake time can use them: no call leaves the process.
type network struct {
	mu      sync.Mutex
	peers   map[string]*peer // by address
	names   []string         // what the name of the cluster leads to
	version string
}

// peer is a server that answers every call, as answer says if that is not nil.
type peer struct {
	address string
	silent  bool // keeps no record of its calls

	mu       sync.Mutex
	version  string
	answer   func(ctx context.Context, method string, request any) error
	calls    []string // the short names of the methods
	heads    []metadata.MD
	server   *grpc.Server
	listener *bufconn.Listener
}

// newNetwork starts a peer for each address, such as 10.0.0.1.
func newNetwork(hosts ...string) *network { return newNetworkOf("1.18.3", hosts...) }

// newNetworkOf is newNetwork with peers of another version.
func newNetworkOf(version string, hosts ...string) *network {
	n := &network{peers: map[string]*peer{}, version: version}
	for _, host := range hosts {
		n.start(host)
	}
	return n
}

// start adds a peer, and its address to the name.
func (n *network) start(host string) *peer {
	p := &peer{address: net.JoinHostPort(host, "6334"), version: n.version, listener: bufconn.Listen(1 << 20)}
	p.serve(p.listener)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.peers[p.address] = p
	n.names = append(n.names, host)
	return p
}

// serve answers on a listener until the peer is stopped.
func (p *peer) serve(listener net.Listener, options ...grpc.ServerOption) {
	p.server = grpc.NewServer(append(options,
		grpc.UnaryInterceptor(p.intercept),
		// Go's server takes pings that come more often than every five minutes for an attack, unlike the real one.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
	)...)
	qdrant.RegisterQdrantServer(p.server, health{version: p.version})
	qdrant.RegisterPointsServer(p.server, points{})
	qdrant.RegisterCollectionsServer(p.server, collections{})
	qdrant.RegisterSnapshotsServer(p.server, qdrant.UnimplementedSnapshotsServer{})
	go func() { _ = p.server.Serve(listener) }()
}

// stop ends a peer as a crash would; its name stays until forget.
func (n *network) stop(host string) {
	n.mu.Lock()
	p := n.peers[net.JoinHostPort(host, "6334")]
	delete(n.peers, p.address)
	n.mu.Unlock()
	p.server.Stop()
}

// forget takes an address from the name.
func (n *network) forget(host string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.names = slices.DeleteFunc(n.names, func(name string) bool { return name == host })
}

// close ends all peers.
func (n *network) close() {
	for _, p := range n.all() {
		p.server.Stop()
	}
}

func (n *network) all() []*peer {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []*peer
	for _, p := range n.peers {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *peer) int { return slices.Compare([]byte(a.address), []byte(b.address)) })
	return all
}

func (n *network) lookup(context.Context, string) ([]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.names), nil
}

func (n *network) dial(ctx context.Context, address string) (net.Conn, error) {
	n.mu.Lock()
	p := n.peers[address]
	n.mu.Unlock()
	if p == nil {
		return nil, fmt.Errorf("dial tcp %s: connection refused", address)
	}
	return p.listener.DialContext(ctx)
}

// connect connects to the network's name until the end of the test, and fails it if that fails.
func (n *network) connect(t *testing.T, c Config) *DB {
	t.Helper()
	db, err := n.try(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// try is Connect, on this network.
func (n *network) try(ctx context.Context, c Config) (*DB, error) {
	if c.Target == "" {
		c.Target = "dns:///q-qdrant-clients:6334"
	}
	c.DialOptions = append([]grpc.DialOption{grpc.WithContextDialer(n.dial)}, c.DialOptions...)
	return connect(ctx, c, n.lookup)
}

func (p *peer) intercept(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if p.silent {
		return handle(ctx, request)
	}
	head, _ := metadata.FromIncomingContext(ctx)
	method := info.FullMethod[len("/qdrant."):]
	p.mu.Lock()
	p.calls = append(p.calls, method)
	p.heads = append(p.heads, head)
	answer := p.answer
	p.mu.Unlock()
	if answer != nil {
		if err := answer(ctx, method, request); err != nil {
			return nil, err
		}
	}
	return handle(ctx, request)
}

// answers replaces what the peer does before it answers.
func (p *peer) answers(answer func(ctx context.Context, method string, request any) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

// count returns how often a method was called.
func (p *peer) count(method string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, call := range p.calls {
		if call == method {
			n++
		}
	}
	return n
}

// reset forgets what was called.
func (p *peer) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls, p.heads = nil, nil
}

// headers returns a header of each call so far; "" where it was not sent.
func (p *peer) headers(name string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var values []string
	for _, head := range p.heads {
		values = append(values, fmt.Sprint(head.Get(name)))
	}
	return values
}

// hang answers no call, until its deadline, as the real server does.
func hang(ctx context.Context, _ string, _ any) error {
	<-ctx.Done()
	return status.Error(codes.Canceled, "Timeout expired")
}

type health struct {
	qdrant.UnimplementedQdrantServer
	version string
}

func (h health) HealthCheck(context.Context, *qdrant.HealthCheckRequest) (*qdrant.HealthCheckReply, error) {
	return &qdrant.HealthCheckReply{Title: "qdrant - vector search engine", Version: h.version}, nil
}

type points struct {
	qdrant.UnimplementedPointsServer
}

func (points) Query(context.Context, *qdrant.QueryPoints) (*qdrant.QueryResponse, error) {
	return &qdrant.QueryResponse{}, nil
}

func (points) Upsert(context.Context, *qdrant.UpsertPoints) (*qdrant.PointsOperationResponse, error) {
	return &qdrant.PointsOperationResponse{Result: &qdrant.UpdateResult{}}, nil
}

type collections struct {
	qdrant.UnimplementedCollectionsServer
}

func (collections) List(context.Context, *qdrant.ListCollectionsRequest) (*qdrant.ListCollectionsResponse, error) {
	return &qdrant.ListCollectionsResponse{}, nil
}
