package vector

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math"
	"math/big"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// bubble runs a test in fake time, on a network that is closed at its end.
func bubble(t *testing.T, hosts []string, test func(t *testing.T, n *network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(hosts...)
		defer n.close()
		test(t, n)
	})
}

var three = []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}

func search(ctx context.Context, db *DB) error {
	_, err := db.Raw().Query(ctx, &qdrant.QueryPoints{CollectionName: "words"})
	return wrap("searching collection words", err)
}

func upsert(ctx context.Context, db *DB, wait bool) error {
	_, err := db.Raw().Upsert(ctx, &qdrant.UpsertPoints{CollectionName: "words", Wait: &wait})
	return wrap("writing to collection words", err)
}

func TestConfigIsCheckedBeforeTheNetwork(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]Config{
		"connecting to the database: the target is empty": {},
		`unknown scheme "xds"`:                            {Target: "xds:///q"},
		"Timeout is -1s":                                  {Timeout: -time.Second},
		"Retry.MaxBackoff is -1s":                         {Retry: Retry{MaxBackoff: -time.Second}},
		"Connections is -1":                               {Connections: -1},
		"Retry.Budget is NaN":                             {Retry: Retry{Budget: math.NaN()}},
		"Retry.Budget is -1":                              {Retry: Retry{Budget: -1}},
		"Consistency: -4 is neither":                      {Consistency: -4},
		"Ordering: 4 is none of the orderings":            {Ordering: 4},
		"APIKey has a space, a line break or another unprintable character at position 3 of 4": {APIKey: "key\n"},
	} {
		if c.Target == "" && want != "connecting to the database: the target is empty" {
			c.Target = "q"
		}
		c.DialOptions = []grpc.DialOption{grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			t.Errorf("%s: a connection was tried", want)
			return nil, net.ErrClosed
		})}
		_, err := connect(t.Context(), c, func(context.Context, string) ([]string, error) {
			t.Errorf("%s: a name was looked up", want)
			return nil, net.ErrClosed
		})
		assert.ErrorContains(t, err, want)
	}
}

func TestAPIKeyReachesEveryCallAndEveryAttempt(t *testing.T) {
	bubble(t, three[:1], func(t *testing.T, n *network) {
		var seen []string // what the application's interceptors see
		p := n.all()[0]
		db := n.connect(t, Config{APIKey: "s3cret", DialOptions: []grpc.DialOption{
			// Of several WithUnaryInterceptor only the last counts, and the client underneath carries its key by one.
			grpc.WithUnaryInterceptor(func(
				ctx context.Context, method string, request, reply any, c *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption,
			) error {
				seen = append(seen, "outer")
				return invoke(ctx, method, request, reply, c, o...)
			}),
			grpc.WithChainUnaryInterceptor(func(
				ctx context.Context, method string, request, reply any, c *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption,
			) error {
				seen = append(seen, "inner")
				return invoke(ctx, method, request, reply, c, o...)
			}),
		}})
		failures := 1
		p.answers(func(_ context.Context, method string, _ any) error {
			if method == "Points/Query" && failures > 0 {
				failures--
				return status.Error(codes.Unavailable, "later")
			}
			return nil
		})
		require.NoError(t, db.Ready(t.Context()))
		require.NoError(t, upsert(t.Context(), db, true))
		seen = nil
		require.NoError(t, search(t.Context(), db))
		assert.Equal(t, []string{"outer", "inner", "inner"}, seen, "the chain's last sees each attempt")
		keys := p.headers("api-key")
		assert.Len(t, keys, 6, "Connect's, two of Ready, one write, two attempts of a search")
		for i, key := range keys {
			assert.Equal(t, "[s3cret]", key, "call %d", i)
		}
	})
}

func TestAKeyWithoutEncryption(t *testing.T) {
	for _, test := range []struct {
		name string
		c    Config
		warn bool
	}{
		{"over a network", Config{Target: "static:///10.0.0.1:6334", APIKey: "sesame"}, true},
		{"without a key", Config{Target: "static:///10.0.0.1:6334"}, false},
		{"on this machine", Config{Target: "127.0.0.1:6334", APIKey: "sesame"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, []string{"10.0.0.1", "127.0.0.1"}, func(t *testing.T, n *network) {
				var log bytes.Buffer
				test.c.Logger = slog.New(slog.NewTextHandler(&log, nil))
				db := n.connect(t, test.c)
				require.NoError(t, db.Close())
				assert.Equal(t, test.warn, bytes.Contains(log.Bytes(), []byte("the API key travels without encryption")), log.String())
				assert.NotContains(t, log.String(), "sesame")
			})
		})
	}
}

func TestCallsGoToAllPeersInTurn(t *testing.T) {
	bubble(t, three, func(t *testing.T, n *network) {
		db := n.connect(t, Config{})
		synctest.Wait() // all peers are connected
		assert.Equal(t, 3, db.peers())
		for range 30 {
			require.NoError(t, search(t.Context(), db))
		}
		for _, p := range n.all() {
			assert.Equal(t, 10, p.count("Points/Query"), p.address)
		}
	})
}

func TestCallsFollowThePeers(t *testing.T) {
	bubble(t, three, func(t *testing.T, n *network) {
		db := n.connect(t, Config{Refresh: 15 * time.Second})
		synctest.Wait()
		n.stop("10.0.0.2")
		for range 10 {
			require.NoError(t, search(t.Context(), db), "a peer is gone, and its name is still there")
		}
		n.forget("10.0.0.2")
		n.start("10.0.0.4")
		n.start("10.0.0.5")
		time.Sleep(15 * time.Second)
		synctest.Wait()
		assert.Equal(t, 4, db.peers())
		for _, p := range n.all() {
			p.reset()
		}
		for range 40 {
			require.NoError(t, search(t.Context(), db))
		}
		for _, p := range n.all() {
			assert.Equal(t, 10, p.count("Points/Query"), p.address)
		}
	})
}

func TestAPeerThatComesBackGetsCallsAgain(t *testing.T) {
	bubble(t, three, func(t *testing.T, n *network) {
		db := n.connect(t, Config{})
		synctest.Wait()
		n.stop("10.0.0.2")
		time.Sleep(10 * time.Minute) // long enough for gRPC's own backoff to have grown to two minutes
		n.forget("10.0.0.2")
		p := n.start("10.0.0.2")
		time.Sleep(6 * time.Second) // five, and a fifth of it as jitter
		synctest.Wait()
		for range 9 {
			require.NoError(t, search(t.Context(), db))
		}
		assert.Equal(t, 3, p.count("Points/Query"))
	})
}

func TestAPeerThatHangsCostsOneAttempt(t *testing.T) {
	bubble(t, three, func(t *testing.T, n *network) {
		db := n.connect(t, Config{AttemptTimeout: 2 * time.Second})
		synctest.Wait()
		hung := n.all()[0]
		hung.answers(hang)
		for method, call := range map[string]func() error{
			"Points/Query":  func() error { return search(t.Context(), db) },
			"Points/Upsert": func() error { return upsert(t.Context(), db, false) },
		} {
			slow := 0
			for range 10 {
				start := time.Now()
				require.NoError(t, call())
				if took := time.Since(start); took > 0 {
					slow++
					assert.GreaterOrEqual(t, took, 2*time.Second)
					assert.Less(t, took, 2*time.Second+50*time.Millisecond)
				}
			}
			assert.Positive(t, slow)
			assert.Equal(t, hung.count(method), slow, "each call came to the peer that hangs once at most")
		}
	})
}

func TestAWriteThatWaitsIsNotCutOff(t *testing.T) {
	bubble(t, three[:1], func(t *testing.T, n *network) {
		db := n.connect(t, Config{AttemptTimeout: 2 * time.Second})
		n.all()[0].answers(func(ctx context.Context, _ string, _ any) error {
			select {
			case <-time.After(20 * time.Second):
			case <-ctx.Done():
			}
			return nil
		})
		start := time.Now()
		require.NoError(t, upsert(t.Context(), db, true))
		assert.Equal(t, 20*time.Second, time.Since(start))
		assert.Equal(t, 1, n.all()[0].count("Points/Upsert"))
	})
}

func TestDeadlines(t *testing.T) {
	bubble(t, three[:1], func(t *testing.T, n *network) {
		db := n.connect(t, Config{Timeout: 5 * time.Second})
		n.all()[0].answers(hang)
		start := time.Now()
		err := upsert(t.Context(), db, true)
		assert.Equal(t, 5*time.Second, time.Since(start), "the connection's, where the context has none")
		assert.ErrorIs(t, err, context.DeadlineExceeded)

		for _, d := range []time.Duration{time.Second, time.Minute} {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			start = time.Now()
			assert.ErrorIs(t, upsert(ctx, db, true), context.DeadlineExceeded)
			assert.Equal(t, d, time.Since(start), "the context's own, shorter or longer")
			cancel()
		}

		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start = time.Now()
		err = search(ctx, db)
		assert.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, time.Second, time.Since(start))
	})
}

func TestRateLimit(t *testing.T) {
	bubble(t, three[:1], func(t *testing.T, n *network) {
		db := n.connect(t, Config{})
		refusals := 1
		n.all()[0].answers(func(ctx context.Context, _ string, _ any) error {
			if refusals == 0 {
				return nil
			}
			refusals--
			_ = grpc.SetTrailer(ctx, metadata.Pairs("retry-after", "7"))
			return status.Error(codes.ResourceExhausted, "Rate limiting exceeded: Write rate limit exceeded, retry later")
		})
		start := time.Now()
		require.NoError(t, upsert(t.Context(), db, true))
		assert.GreaterOrEqual(t, time.Since(start), 7*time.Second)
		assert.Less(t, time.Since(start), 7*time.Second+50*time.Millisecond)

		refusals = 2
		ctx, cancel := context.WithTimeout(WithRequestID(t.Context(), "order-7"), 10*time.Second)
		defer cancel()
		start = time.Now()
		err := upsert(ctx, db, true)
		assert.Less(t, time.Since(start), 8*time.Second, "there is no use in waiting for what comes too late")
		assert.ErrorIs(t, err, ErrRateLimited)
		assert.NotErrorIs(t, err, ErrInvalid)
		assert.Equal(t, codes.ResourceExhausted, status.Code(err))
		var call *Error
		require.ErrorAs(t, err, &call)
		assert.Equal(t, 7*time.Second, call.RetryAfter)
		assert.Equal(t, 2, call.Attempts)
		assert.Equal(t, "order-7", call.RequestID)
		assert.ErrorContains(t, err, "Write rate limit exceeded, retry later (2 attempts, request order-7)")
	})
}

func TestAServerThatStopsHasNotCancelledTheCall(t *testing.T) {
	bubble(t, three[:1], func(t *testing.T, n *network) {
		db := n.connect(t, Config{})
		n.all()[0].answers(func(context.Context, string, any) error { return status.Error(codes.Canceled, "stream reset") })
		err := search(t.Context(), db)
		assert.NotErrorIs(t, err, context.Canceled)
		assert.ErrorIs(t, err, ErrUnavailable)
		assert.Equal(t, codes.Canceled, status.Code(err))
		assert.ErrorContains(t, err, "5 attempts")
	})
}

func TestWhatIsNotSafeIsNotRepeated(t *testing.T) {
	bubble(t, three, func(t *testing.T, n *network) {
		db := n.connect(t, Config{})
		synctest.Wait()
		for _, p := range n.all() {
			p.answers(func(context.Context, string, any) error { return status.Error(codes.Unavailable, "going down") })
		}
		_, err := db.Raw().CreateSnapshot(t.Context(), "words")
		assert.Equal(t, codes.Unavailable, status.Code(err))
		err = wrap("creating collection words", db.Raw().CreateCollection(t.Context(), &qdrant.CreateCollection{CollectionName: "words"}))
		assert.ErrorIs(t, err, ErrUnavailable)
		err = search(t.Context(), db)
		assert.ErrorIs(t, err, ErrUnavailable)
		assert.ErrorContains(t, err, "searching collection words: going down (5 attempts)")
		snapshots, collections, searches := 0, 0, 0
		for _, p := range n.all() {
			snapshots += p.count("Snapshots/Create")
			collections += p.count("Collections/Create")
			searches += p.count("Points/Query")
		}
		assert.Equal(t, []int{1, 1, 5}, []int{snapshots, collections, searches})
	})
}

// TestAPeerThatIsCutOff: no packet comes from a peer any more, and none says so.
// A write that waits has no limit of its own, so keepalive must find it out.
func TestAPeerThatIsCutOff(t *testing.T) {
	bubble(t, three, func(t *testing.T, n *network) {
		var cut atomic.Bool
		dial := func(ctx context.Context, address string) (net.Conn, error) {
			if cut.Load() && address == "10.0.0.1:6334" {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			c, err := n.dial(ctx, address)
			if address == "10.0.0.1:6334" {
				return cable{Conn: c, cut: &cut}, err
			}
			return c, err
		}
		db := n.connect(t, Config{DialOptions: []grpc.DialOption{grpc.WithContextDialer(dial)}})
		synctest.Wait()
		cut.Store(true)
		slow := 0
		for range 9 {
			start := time.Now()
			require.NoError(t, upsert(t.Context(), db, true))
			if took := time.Since(start); took > 0 {
				slow++
				assert.Less(t, took, 12*time.Second+50*time.Millisecond, "10 s of silence, 2 s for the answer to a ping")
			}
		}
		assert.Equal(t, 1, slow, "the peer is out of the round until it answers")
	})
}

// cable is a connection that can be cut: what goes in does not come out, and nobody is told.
type cable struct {
	net.Conn
	cut *atomic.Bool
}

func (c cable) Write(b []byte) (int, error) {
	if c.cut.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func (c cable) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if err != nil || !c.cut.Load() {
			return n, err
		}
	}
}

func TestAfterClose(t *testing.T) {
	bubble(t, three, func(t *testing.T, n *network) {
		db := n.connect(t, Config{Connections: 3})
		for _, p := range n.all() {
			p.answers(hang)
		}
		underway := make(chan error)
		go func() { underway <- search(t.Context(), db) }()
		synctest.Wait()
		require.NoError(t, db.Close())
		assert.ErrorIs(t, <-underway, ErrClosed)
		assert.ErrorIs(t, search(t.Context(), db), ErrClosed)
		assert.ErrorIs(t, db.Ready(t.Context()), ErrClosed)
		require.NoError(t, db.Close(), "once more does nothing")
	})
}

func TestNothingIsLeftBehind(t *testing.T) {
	before := goleak.IgnoreCurrent()
	refusing, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, refusing.Close())
	_, err = Connect(t.Context(), Config{Target: refusing.Addr().String(), Retry: Retry{Attempts: 2, Backoff: time.Millisecond}})
	assert.ErrorIs(t, err, ErrUnavailable)
	assert.ErrorContains(t, err, "connecting to "+refusing.Addr().String())
	assert.ErrorContains(t, err, "2 attempts")
	goleak.VerifyNone(t, before)

	n := newNetworkOf("1.15.4", three...)
	_, err = n.try(t.Context(), Config{})
	assert.EqualError(t, err, "connecting to dns:///q-qdrant-clients:6334: the server is version 1.15.4, and this package needs 1.16 or later")
	n.close()
	goleak.VerifyNone(t, before)

	n = newNetwork(three...)
	db := n.connect(t, Config{Connections: 2})
	for range 10 {
		require.NoError(t, search(t.Context(), db))
	}
	require.NoError(t, db.Close())
	n.close()
	goleak.VerifyNone(t, before)
}

func TestConnectIsCancelled(t *testing.T) {
	bubble(t, three[:1], func(t *testing.T, n *network) {
		n.all()[0].answers(hang)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		_, err := n.try(ctx, Config{})
		assert.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, time.Second, time.Since(start))
	})
}

func TestANameThatIsNotThere(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *network) {
		start := time.Now()
		_, err := n.try(t.Context(), Config{})
		assert.ErrorIs(t, err, ErrUnavailable)
		assert.ErrorContains(t, err, "looking up q-qdrant-clients: it has no addresses")
		assert.Less(t, time.Since(start), 2*time.Second, "soon, and after a few attempts")
	})
}

func TestSpanForEachAttempt(t *testing.T) {
	exporter := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(exporter))
	bubble(t, three, func(t *testing.T, n *network) {
		db := n.connect(t, Config{TracerProvider: provider})
		synctest.Wait()
		exporter.Reset()
		failures := 1
		var mu sync.Mutex
		for _, p := range n.all() {
			p.reset()
			p.answers(func(context.Context, string, any) error {
				mu.Lock()
				defer mu.Unlock()
				failures--
				if failures >= 0 {
					return status.Error(codes.Unavailable, "later")
				}
				return nil
			})
		}
		ctx, parent := provider.Tracer("test").Start(t.Context(), "request")
		require.NoError(t, search(ctx, db))
		parent.End()
		var names []string
		for _, span := range exporter.GetSpans() {
			names = append(names, span.Name)
			assert.Equal(t, parent.SpanContext().TraceID(), span.SpanContext.TraceID())
		}
		assert.Equal(t, []string{"qdrant.Points/Query", "qdrant.Points/Query", "request"}, names)
		var traces, ids []string
		for _, p := range n.all() {
			traces, ids = append(traces, p.headers("traceparent")...), append(ids, p.headers(requestIDHeader)...)
		}
		require.Len(t, traces, 2, "of each attempt")
		for _, header := range traces {
			assert.Contains(t, header, parent.SpanContext().TraceID().String())
		}
		assert.Equal(t, []string{"[]", "[]"}, ids, "the trace's id is what the server's log shall show")
	})
}

func TestTLS(t *testing.T) {
	t.Parallel()
	authority := newAuthority(t)
	start := func(config *tls.Config) string {
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		p := &peer{version: "1.18.3"}
		p.serve(listener, grpc.Creds(credentials.NewTLS(config)))
		t.Cleanup(p.server.Stop)
		_, port, err := net.SplitHostPort(listener.Addr().String())
		require.NoError(t, err)
		return port
	}
	server := authority.sign(t, "localhost")
	plain := start(&tls.Config{Certificates: []tls.Certificate{server}})
	mutual := start(&tls.Config{
		Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: authority.pool,
	})
	trust := &tls.Config{RootCAs: authority.pool}
	known := &tls.Config{RootCAs: authority.pool, Certificates: []tls.Certificate{authority.sign(t, "client")}}
	for _, test := range []struct {
		name, target string
		tls          *tls.Config
		want         string // of the error; "" for none
	}{
		{"a server that is trusted", "localhost:" + plain, trust, ""},
		{"by one of several names", "static:///127.0.0.1:1,localhost:" + plain, trust, ""},
		{"by another name", "127.0.0.1:" + plain, trust, "cannot validate certificate for 127.0.0.1"},
		{"by a name that is given", "127.0.0.1:" + plain, &tls.Config{RootCAs: authority.pool, ServerName: "localhost"}, ""},
		{"a server that is not trusted", "localhost:" + plain, &tls.Config{RootCAs: newAuthority(t).pool}, "unknown authority"},
		{"without encryption", "localhost:" + plain, nil, "connecting to localhost"},
		{"a client that is known", "localhost:" + mutual, known, ""},
		// What the client sees of the refusal depends on which side is faster.
		{"a client that is not", "localhost:" + mutual, trust, "connecting to localhost"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			db, err := Connect(t.Context(), Config{Target: test.target, TLS: test.tls, APIKey: "k", Retry: Retry{Attempts: 1}})
			if test.want != "" {
				assert.ErrorIs(t, err, ErrUnavailable)
				assert.ErrorContains(t, err, test.want)
				return
			}
			require.NoError(t, err)
			assert.NoError(t, search(t.Context(), db))
			assert.NoError(t, db.Close())
		})
	}
}

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pool        *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	a := &authority{key: key, pool: x509.NewCertPool()}
	a.certificate, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	a.pool.AddCert(a.certificate)
	return a
}

func (a *authority) sign(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
