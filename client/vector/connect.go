package vector

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/qdrant/go-client/qdrant"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/qdrant-shepherd/shepherd/client/vector/internal/resolve"
	"github.com/qdrant-shepherd/shepherd/client/vector/internal/retry"
)

// Profile is what a search does where it does not say so itself.
type Profile struct {
	// EF is the size of the beam in which the graph is searched (hnsw_ef). More
	// finds more and takes longer. It is always sent, because the server's own
	// default is the graph's ef_construct, whatever that was.
	EF uint64
}

var (
	// Development searches with ef 256, for graphs built with m 48 and ef_construct 512.
	Development = Profile{EF: 256}
	// Production searches with ef 512, for graphs built with m 64 and ef_construct 1024. The zero Config means it.
	Production = Profile{EF: 512}
)

// Retry says how often and how soon a call is repeated. The zero value is a good one.
type Retry struct {
	// Attempts is how often a call is made at most, the first time included. 0 means 5, and 1 that nothing is repeated.
	Attempts int
	// Backoff bounds the random wait before the first repeat, and doubles up to
	// MaxBackoff with each further one. 0 means 50 ms and 2 s.
	Backoff, MaxBackoff time.Duration
	// Budget is the share of calls that may be repeats over the last ten
	// seconds, so that a cluster in trouble is not asked several times as much.
	// 0 means 0.2. Reserve is how many repeats a second are free; 0 means 10.
	// Both are the defaults of Finagle's RetryBudget.
	Budget  float64
	Reserve int
}

// Config is how to reach a cluster. Only Target is needed.
type Config struct {
	// Target names the peers' gRPC API:
	//
	//	dns:///q-qdrant-clients:6334   all addresses of the name, asked again every Refresh
	//	q-qdrant-clients:6334          the same; the port may be left out
	//	static:///a:6334,b:6334        these
	//	passthrough:///a:6334          this one, which the dialer looks up
	//	unix:///run/qdrant.sock        a socket
	//
	// Calls go to all of the peers in turn.
	Target string
	// APIKey goes with each call unless it is empty.
	APIKey string
	// TLS encrypts the connections unless it is nil. With certificates in it the
	// server can tell who calls (mTLS). An empty ServerName means the host of Target.
	TLS *tls.Config
	// Profile is what searches do by default; the zero one means Production.
	Profile Profile
	// Timeout bounds a call with all its repeats where the caller's context has
	// no deadline. A context that has one keeps it, be it shorter or longer. 0
	// means 30 s.
	Timeout time.Duration
	// AttemptTimeout bounds one attempt of a read, or of a write that does not
	// wait, so that a peer that hangs costs one attempt and not the call. 0 means
	// 10 s. Other writes may take as long as the call, because the server may
	// rightly be at work; there KeepAlive finds a peer that is gone.
	AttemptTimeout time.Duration
	// Retry says how often a call that is safe to repeat is repeated.
	Retry Retry
	// Refresh is how often the addresses behind a name are asked for. 0 means 15 s.
	Refresh time.Duration
	// Connections is how many to open to each peer. 0 means 1, which any number of calls share.
	Connections int
	// KeepAlive is how long a connection may be silent before it is tried with a
	// ping, which must be answered within KeepAliveTimeout. 0 means 10 s and 2 s; grpc raises less than 10 s to that.
	KeepAlive, KeepAliveTimeout time.Duration
	// Consistency is how many replicas a read asks, and Ordering how writes are
	// ordered, where a call does not say so. The zero values leave it to the server.
	Consistency ReadConsistency
	Ordering    WriteOrdering
	// Registerer takes the metrics unless it is nil. Several connections may share one.
	Registerer prometheus.Registerer
	// TracerProvider gets a span for each attempt of a call unless it is nil.
	TracerProvider trace.TracerProvider
	// Logger gets what is no error but worth knowing. nil discards it.
	Logger *slog.Logger
	// DialOptions come last. An interceptor that comes by WithChainUnaryInterceptor sees every attempt of a call, one
	// that comes by WithUnaryInterceptor the call as a whole. Neither keeps the API key from it.
	DialOptions []grpc.DialOption
}

// DB is a pool of connections to the peers of a cluster. It may be used by many
// goroutines at a time, and should live as long as the program.
type DB struct {
	client      *qdrant.Client
	connections []*grpc.ClientConn      // the client's
	config      Config                  // with its defaults filled in
	consistency *qdrant.ReadConsistency // of Config, for requests; nil leaves it to the server
	ordering    *qdrant.WriteOrdering
	resolver    *resolve.Builder
	closing     sync.Once
	closed      chan struct{}
}

// oldest is the first version whose API this package speaks: 1.16 brought the collection's metadata, in which Load keeps its marks.
var oldest = version{1, 16}

// Connect opens connections to all peers behind c.Target, and asks one of them
// for its version, which must be 1.16 or later. When it fails, it leaves no
// goroutine and no connection behind. ctx bounds Connect alone.
func Connect(ctx context.Context, c Config) (*DB, error) { return connect(ctx, c, nil) }

// connect is Connect with a name server; nil means the system's.
func connect(ctx context.Context, c Config, lookup resolve.Lookup) (*DB, error) {
	act := "connecting to " + cmp.Or(c.Target, "the database")
	db, err := dial(c, lookup)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", act, err)
	}
	if err := db.greet(ctx, act); err != nil {
		_ = db.Close() // the first error is the one that tells
		return nil, err
	}
	return db, nil
}

// greet asks a peer for its version.
func (db *DB) greet(ctx context.Context, act string) error {
	reply, err := db.client.HealthCheck(ctx)
	if err != nil {
		return wrap(act, err)
	}
	found, err := parseVersion(reply.GetVersion())
	if err != nil {
		return fmt.Errorf("%s: %w", act, err)
	}
	if found.before(oldest) {
		return fmt.Errorf("%s: the server is version %s, and this package needs %s or later", act, reply.GetVersion(), oldest)
	}
	return nil
}

// dial makes the pool, without a call.
func dial(c Config, lookup resolve.Lookup) (*DB, error) {
	target, err := resolve.Parse(c.Target)
	if err != nil {
		return nil, err
	}
	if c, err = c.complete(); err != nil {
		return nil, err
	}
	m, err := newMetrics(c.Registerer)
	if err != nil {
		return nil, err
	}
	if c.APIKey != "" && c.TLS == nil && !target.Loopback() {
		c.Logger.Warn("the API key travels without encryption; set TLS", "target", c.Target)
	}
	db := &DB{
		config: c, consistency: c.Consistency.proto(), ordering: c.Ordering.proto(), closed: make(chan struct{}),
		resolver: resolve.New(target, resolve.Options{Refresh: c.Refresh, Lookup: lookup, Logger: c.Logger}),
	}
	host := target.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	db.client, err = qdrant.NewClient(&qdrant.Config{
		// The client puts host and port into the target, which selects our resolver by its scheme.
		Host: resolve.Scheme + ":///" + host, Port: target.Port,
		UseTLS: c.TLS != nil, TLSConfig: c.TLS,
		PoolSize: uint(c.Connections), KeepAliveTime: -1, SkipCompatibilityCheck: true,
		GrpcOptions: append(db.options(m), c.DialOptions...),
	})
	if err != nil {
		return nil, err
	}
	// The client's own Close makes later calls panic, so the connections are closed here. It hands them out in turn.
	for range c.Connections {
		db.connections = append(db.connections, db.client.GetConnection())
	}
	return db, nil
}

const (
	// roundRobin sends each call to the next peer that has a connection.
	roundRobin = `{"loadBalancingConfig": [{"round_robin": {}}]}`
	// maxMessage is for answers: a page of 10,000 points with 1,536 dimensions has 62 MB. gRPC's 4 MB are for nobody's vectors.
	maxMessage = 256 << 20
)

// reconnect tries a peer that went away again after 5 s at the latest; gRPC's two minutes would leave one that is back without calls.
var reconnect = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 5 * time.Second},
	MinConnectTimeout: 5 * time.Second,
}

// options are those of each connection. Interceptors run in this order, after the client's own.
func (db *DB) options(m *metrics) []grpc.DialOption {
	c := db.config
	options := []grpc.DialOption{
		grpc.WithResolvers(db.resolver),
		grpc.WithDefaultServiceConfig(roundRobin),
		grpc.WithConnectParams(reconnect),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: c.KeepAlive, Timeout: c.KeepAliveTimeout, PermitWithoutStream: true}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
		grpc.WithChainUnaryInterceptor(db.begin),
		grpc.WithChainUnaryInterceptor(m.calls...),
		grpc.WithChainUnaryInterceptor(retry.Interceptor(retry.Policy{
			Attempts: c.Retry.Attempts, Backoff: c.Retry.Backoff, MaxBackoff: c.Retry.MaxBackoff,
			Timeout: c.Timeout, AttemptTimeout: c.AttemptTimeout,
		}, retry.NewBudget(c.Retry.Budget, c.Retry.Reserve), m.repeats, db.closed)),
	}
	if c.APIKey != "" {
		// Not an interceptor, because the client installs its own by WithUnaryInterceptor, of which only the last
		// counts: one more among the options, and the server would refuse all calls.
		options = append(options, grpc.WithPerRPCCredentials(apiKey(c.APIKey)))
	}
	if c.TracerProvider != nil {
		options = append(options, grpc.WithStatsHandler(otelgrpc.NewClientHandler(
			otelgrpc.WithTracerProvider(c.TracerProvider),
			otelgrpc.WithPropagators(propagation.TraceContext{}),
			otelgrpc.WithMeterProvider(noop.NewMeterProvider()), // Prometheus has them
		)))
	}
	return options
}

// begin gives a call its request id, and tells what is known of it in its error.
func (db *DB) begin(
	ctx context.Context, method string, request, reply any, connection *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	select {
	case <-db.closed:
		return ErrClosed
	default:
	}
	err := invoke(identify(ctx), method, request, reply, connection, options...)
	if err == nil {
		return nil
	}
	select {
	case <-db.closed:
		return fmt.Errorf("%w: %w", ErrClosed, err)
	default:
	}
	call := &callError{
		requestID: identity(ctx, db.config.TracerProvider != nil), attempts: retry.Attempts(err),
		canceled: errors.Is(ctx.Err(), context.Canceled), err: err,
	}
	if after := retry.After(err); after >= 0 && status.Code(err) == codes.ResourceExhausted {
		// The client underneath has this error for a call that came too often. Where it makes it itself, out of a status, all that is known
		// beside that is lost; this has no status, so the client leaves it alone.
		call.err = &qdrant.QdrantResourceExhaustedError{Reason: status.Convert(err).Message(), RetryAfterS: int(after / time.Second)}
	}
	return call
}

// apiKey goes with every attempt of every call.
type apiKey string

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (k apiKey) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"api-key": string(k)}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials. Inside a cluster there may be no TLS; dial warns about it.
func (apiKey) RequireTransportSecurity() bool { return false }

// complete checks the values and fills in the defaults.
func (c Config) complete() (Config, error) {
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"Timeout", c.Timeout}, {"AttemptTimeout", c.AttemptTimeout}, {"Refresh", c.Refresh}, {"KeepAlive", c.KeepAlive},
		{"KeepAliveTimeout", c.KeepAliveTimeout}, {"Retry.Backoff", c.Retry.Backoff}, {"Retry.MaxBackoff", c.Retry.MaxBackoff},
	} {
		if d.value < 0 {
			return c, fmt.Errorf("config: %s is %s, which is negative", d.name, d.value)
		}
	}
	for _, n := range []struct {
		name  string
		value int
	}{{"Connections", c.Connections}, {"Retry.Attempts", c.Retry.Attempts}, {"Retry.Reserve", c.Retry.Reserve}} {
		if n.value < 0 {
			return c, fmt.Errorf("config: %s is %d, which is negative", n.name, n.value)
		}
	}
	if !(c.Retry.Budget >= 0) { // NaN too
		return c, fmt.Errorf("config: Retry.Budget is %v, which is no share of calls", c.Retry.Budget)
	}
	if err := c.Consistency.valid(); err != nil {
		return c, fmt.Errorf("config: Consistency: %w", err)
	}
	if err := c.Ordering.valid(); err != nil {
		return c, fmt.Errorf("config: Ordering: %w", err)
	}
	// The classic one is the line break at the end of a file.
	if i := strings.IndexFunc(c.APIKey, func(r rune) bool { return r <= ' ' || r > '~' }); i >= 0 {
		return c, fmt.Errorf("config: APIKey has a space, a line break or another unprintable character at position %d of %d", i, len(c.APIKey))
	}
	if c.TLS != nil {
		c.TLS = c.TLS.Clone()
	}
	c.Profile.EF = cmp.Or(c.Profile.EF, Production.EF)
	c.Timeout = cmp.Or(c.Timeout, 30*time.Second)
	c.AttemptTimeout = cmp.Or(c.AttemptTimeout, 10*time.Second)
	c.Retry.Attempts = cmp.Or(c.Retry.Attempts, 5)
	c.Retry.Backoff = cmp.Or(c.Retry.Backoff, 50*time.Millisecond)
	c.Retry.MaxBackoff = cmp.Or(c.Retry.MaxBackoff, 2*time.Second)
	c.Retry.Budget = cmp.Or(c.Retry.Budget, 0.2)
	c.Retry.Reserve = cmp.Or(c.Retry.Reserve, 10)
	c.Refresh = cmp.Or(c.Refresh, resolve.DefaultRefresh)
	c.Connections = cmp.Or(c.Connections, 1)
	// As in the client underneath: a peer that is gone without a word is found after 12 s.
	c.KeepAlive = cmp.Or(c.KeepAlive, 10*time.Second)
	c.KeepAliveTimeout = cmp.Or(c.KeepAliveTimeout, 2*time.Second)
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	return c, nil
}

// Close ends all connections. Calls that are under way fail, and so do later ones, with ErrClosed.
func (db *DB) Close() error {
	var errs []error
	db.closing.Do(func() {
		close(db.closed)
		for _, connection := range db.connections {
			errs = append(errs, connection.Close())
		}
	})
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("closing the connection: %w", err)
	}
	return nil
}

// Raw returns the client underneath, for what this package has no words for.
// Its calls have the same key, deadlines, retries, metrics and traces. Close the DB, not this.
func (db *DB) Raw() *qdrant.Client { return db.client }

// peers returns how many addresses calls go to now, at least 1.
func (db *DB) peers() int { return max(1, db.resolver.Addresses()) }
