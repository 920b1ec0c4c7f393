package qdranttest

import (
	"context"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // the real server reads it too
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// wire is a server's gRPC API: a listener that outlives the process, so that the address stays the same.
type wire struct {
	net.Listener
	server *Server
	grpc   *grpc.Server
	served chan struct{}
	// connections are cut when the process ends. Guarded by the cluster's lock.
	connections map[net.Conn]struct{}
}

// GRPC is the address of the gRPC API on the loopback interface, such as 127.0.0.1:40123. It stays the same through stops and starts;
// while the process is stopped, connections to it are cut. The listener is made when the first one asks.
func (s *Server) GRPC() string {
	s.cluster.mu.Lock()
	defer s.cluster.mu.Unlock()
	if s.wire != nil {
		return s.wire.Addr().String()
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		s.cluster.misuse("listening for gRPC: %v", err)
		return ""
	}
	w := &wire{Listener: listener, server: s, served: make(chan struct{}), connections: map[net.Conn]struct{}{}}
	w.grpc = grpc.NewServer(
		grpc.UnaryInterceptor(s.intercept),
		grpc.MaxRecvMsgSize(1<<30), // the real server has no limit
		grpc.MaxSendMsgSize(1<<30),
		// The real server does not mind how often clients ping.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Millisecond, PermitWithoutStream: true}),
		grpc.WaitForHandlers(true),
	)
	qdrant.RegisterQdrantServer(w.grpc, rootAPI{server: s})
	qdrant.RegisterCollectionsServer(w.grpc, collectionsAPI{server: s})
	qdrant.RegisterPointsServer(w.grpc, pointsAPI{server: s})
	grpc_health_v1.RegisterHealthServer(w.grpc, healthAPI{})
	s.wire = w
	go func() {
		defer close(w.served)
		_ = w.grpc.Serve(w)
	}()
	return w.Addr().String()
}

// Target names the gRPC addresses of all servers there are now, running or not, for a client that knows the scheme "static":
// static:///127.0.0.1:40123,127.0.0.1:40124.
func (c *Cluster) Target() string {
	var addresses []string
	for _, s := range c.Servers() {
		addresses = append(addresses, s.GRPC())
	}
	return "static:///" + strings.Join(addresses, ",")
}

// Accept cuts connections while the process is stopped.
func (w *wire) Accept() (net.Conn, error) {
	for {
		conn, err := w.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if w.keep(conn) {
			return &wireConn{Conn: conn, wire: w}, nil
		}
		_ = conn.Close()
	}
}

func (w *wire) keep(conn net.Conn) bool {
	w.server.cluster.mu.Lock()
	defer w.server.cluster.mu.Unlock()
	if w.server.process == nil {
		return false
	}
	w.connections[conn] = struct{}{}
	return true
}

// cut ends all connections, as a process does that is killed.
func (w *wire) cut() {
	for conn := range w.connections {
		_ = conn.Close()
	}
}

func (w *wire) close() {
	w.grpc.Stop()
	<-w.served
}

type wireConn struct {
	net.Conn
	wire *wire
}

func (c *wireConn) Close() error {
	c.wire.server.cluster.mu.Lock()
	delete(c.wire.connections, c.Conn)
	c.wire.server.cluster.mu.Unlock()
	return c.Conn.Close()
}

// intercept does for every call what has nothing to do with what is asked: it takes it down, hangs, fails on request and asks for the
// key. What answers the call runs under the cluster's lock.
func (s *Server) intercept(ctx context.Context, request any, info *grpc.UnaryServerInfo, answer grpc.UnaryHandler) (any, error) {
	c := s.cluster
	method := strings.TrimPrefix(info.FullMethod, "/")
	sent, _ := metadata.FromIncomingContext(ctx)
	deadline, _ := ctx.Deadline()

	c.lock()
	run, hang, fault := s.process, s.hang, s.callFault(method)
	c.mu.Unlock()
	if fault != nil && fault.Hang {
		hang = fault.released
	}
	if run != nil && hang != nil {
		select {
		case <-hang:
		case <-run.ended:
		case <-c.closed:
		case <-ctx.Done():
		}
	}

	c.lock()
	defer c.mu.Unlock()
	message, _ := request.(proto.Message)
	call := Call{Server: s.ordinal, Method: method, Request: message, Metadata: sent, Deadline: deadline}
	result, err := func() (any, error) {
		switch {
		case ctx.Err() != nil:
			return nil, status.FromContextError(ctx.Err()).Err()
		case run == nil || s.process != run:
			return nil, status.Error(codes.Unavailable, "the process has ended")
		case fault != nil && !fault.Hang && !fault.Late:
			return nil, fault.answer(ctx)
		case !s.admitsCall(method, sent):
			return nil, errKey(sent)
		}
		result, err := answer(ctx, request)
		if fault != nil && fault.Late {
			return nil, fault.answer(ctx)
		}
		return result, toStatus(err)
	}()
	call.Code = status.Code(err)
	if !c.options.ForgetCalls {
		c.calls = append(c.calls, call)
	}
	return result, err
}

// openCalls are the methods that need no key.
var openCalls = []string{"qdrant.Qdrant/HealthCheck", "grpc.health.v1.Health/Check"}

func (s *Server) admitsCall(method string, sent metadata.MD) bool {
	return s.apiKey == "" || slices.Contains(openCalls, method) || sentKey(sent) == s.apiKey
}

func sentKey(sent metadata.MD) string {
	if key := sent.Get("api-key"); len(key) > 0 {
		return key[0]
	}
	if bearer := sent.Get("authorization"); len(bearer) > 0 {
		return strings.TrimPrefix(bearer[0], "Bearer ")
	}
	return ""
}

func errKey(sent metadata.MD) error {
	if sentKey(sent) == "" {
		return status.Error(codes.Unauthenticated, "Must provide an API key or an Authorization bearer token")
	}
	return status.Error(codes.Unauthenticated, "Invalid API key or JWT")
}

type rootAPI struct {
	qdrant.UnimplementedQdrantServer
	server *Server
}

func (a rootAPI) HealthCheck(context.Context, *qdrant.HealthCheckRequest) (*qdrant.HealthCheckReply, error) {
	return &qdrant.HealthCheckReply{Title: "qdrant - vector search engine", Version: a.server.version}, nil
}

type healthAPI struct {
	grpc_health_v1.UnimplementedHealthServer
}

// Check says that the server serves as long as it answers, whatever service it is asked about.
func (healthAPI) Check(context.Context, *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
}
