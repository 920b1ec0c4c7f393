// Package ledger is the judge of every disruptive test. Writers upsert points
// whose payload is a sequence number, with wait=true, and keep a record of what
// was acknowledged; readers query all the time. When it is over, every replica
// of every peer is read and held against the record: no acknowledged write may
// be lost, no value may be there that was never sent, and the replicas must
// agree.
//
// Start needs a collection made by Collection and leaves its points there. The
// ledger runs on connections of its own until Stop or Judge.
package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// firstID is the first id that belongs to the ledger, so that a test may load
// other points into the same collection below it.
const firstID uint64 = 1 << 40

// idsOfWriter is how many ids one writer may use before it would run into the
// next writer's.
const idsOfWriter uint64 = 1 << 24

// sequenceField is the payload field that holds the sequence number.
const sequenceField = "seq"

// Config says where to write and how hard. Zero values mean the defaults.
type Config struct {
	// Targets are the gRPC addresses, host:port, that requests go to in turn. A
	// request that fails is tried again at the next one.
	Targets []string
	APIKey  string
	// Collection must have unnamed vectors of Dim dimensions.
	Collection string
	Dim        int // 16
	Writers    int // 4
	Readers    int // 2
	// IDs is how many ids each writer goes round.
	IDs int // 64
	// Rate is the number of requests a second of each writer and each reader.
	Rate float64 // 20
	// RetryFor is how long a request is tried again before it counts as failed.
	RetryFor time.Duration // 30s
	// PerTry bounds one attempt.
	PerTry time.Duration // 5s
	// Settle is how long Judge reads again when a verdict is bad: a replica may
	// lag behind for a moment, a lost write stays lost.
	Settle time.Duration // 20s
}

func (c Config) withDefaults() Config {
	c.Dim = cmp.Or(c.Dim, 16)
	c.Writers = cmp.Or(c.Writers, 4)
	c.Readers = cmp.Or(c.Readers, 2)
	c.IDs = cmp.Or(c.IDs, 64)
	c.Rate = cmp.Or(c.Rate, 20)
	c.RetryFor = cmp.Or(c.RetryFor, 30*time.Second)
	c.PerTry = cmp.Or(c.PerTry, 5*time.Second)
	c.Settle = cmp.Or(c.Settle, 20*time.Second)
	return c
}

// Collection is the request that creates a collection a ledger can be kept in.
func Collection(name string, shards, replicationFactor, writeConsistency uint32) *qdrant.CreateCollection {
	return &qdrant.CreateCollection{
		CollectionName: name,
		VectorsConfig: qdrant.NewVectorsConfig(&qdrant.VectorParams{
			Size: uint64(Config{}.withDefaults().Dim), Distance: qdrant.Distance_Dot,
		}),
		ShardNumber:            &shards,
		ReplicationFactor:      &replicationFactor,
		WriteConsistencyFactor: &writeConsistency,
	}
}

// Ledger is a running set of writers and readers and their record.
type Ledger struct {
	config  Config
	apiKey  atomic.Pointer[string]
	targets []*qdrant.Client
	started time.Time

	stop     chan struct{}
	stopOnce sync.Once
	workers  sync.WaitGroup

	mu     sync.Mutex
	acked  []acknowledged // one for each id that has been acknowledged
	index  map[uint64]int // id to its place in acked
	errors map[string]int
	stale  int

	writers []*writer
	readers []*stream
	report  Report
}

type acknowledged struct{ id, seq uint64 }

// Start connects to every target and starts the writers and readers. They run
// until Stop or Judge is called, or until ctx ends, which abandons the attempts
// that are under way.
func Start(ctx context.Context, config Config) (*Ledger, error) {
	config = config.withDefaults()
	if len(config.Targets) == 0 {
		return nil, errors.New("starting the ledger: no targets")
	}
	l := &Ledger{
		config:  config,
		started: time.Now(),
		stop:    make(chan struct{}),
		index:   map[uint64]int{},
		errors:  map[string]int{},
	}
	l.apiKey.Store(&config.APIKey)
	for _, target := range config.Targets {
		client, err := l.connect(target)
		if err != nil {
			l.close()
			return nil, fmt.Errorf("starting the ledger: %w", err)
		}
		l.targets = append(l.targets, client)
	}
	for n := range config.Writers {
		w := newWriter(n, config.IDs, l.started)
		l.writers = append(l.writers, w)
		l.workers.Go(func() { l.paced(ctx, func() { l.write(ctx, w) }) })
	}
	for n := range config.Readers {
		s := newStream(l.started)
		l.readers = append(l.readers, s)
		l.workers.Go(func() {
			turn := n
			l.paced(ctx, func() { l.read(ctx, s, turn); turn++ })
		})
	}
	return l, nil
}

// connect opens a connection to one target. grpc waits up to two minutes before
// it dials again after failures; a peer that comes back must be seen at once, so
// that wait is cut to a second.
func (l *Ledger) connect(target string) (*qdrant.Client, error) {
	host, portText, err := net.SplitHostPort(target)
	if err != nil {
		return nil, fmt.Errorf("reading target: %w", err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("reading the port of target %s: %w", target, err)
	}
	dialing := grpc.WithConnectParams(grpc.ConnectParams{
		Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
		MinConnectTimeout: 2 * time.Second,
	})
	client, err := qdrant.NewClient(&qdrant.Config{
		Host: host, Port: port, PoolSize: 1, SkipCompatibilityCheck: true,
		// The key is not given to the client but added here, because UseAPIKey
		// may change it while requests are running.
		GrpcOptions: []grpc.DialOption{dialing, grpc.WithChainUnaryInterceptor(l.withAPIKey), grpc.WithKeepaliveParams(
			keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 2 * time.Second, PermitWithoutStream: true})},
	})
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", target, err)
	}
	return client, nil
}

func (l *Ledger) withAPIKey(
	ctx context.Context, method string, request, reply any, connection *grpc.ClientConn,
	invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	if key := *l.apiKey.Load(); key != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "api-key", key)
	}
	return invoke(ctx, method, request, reply, connection, options...)
}

// UseAPIKey makes all attempts from now on use another key.
func (l *Ledger) UseAPIKey(key string) { l.apiKey.Store(&key) }

// paced calls act at the configured rate until the ledger is stopped. An act
// that is slow delays the next one, it is not made up for.
func (l *Ledger) paced(ctx context.Context, act func()) {
	ticker := time.NewTicker(time.Duration(float64(time.Second) / l.config.Rate))
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-ctx.Done():
			return
		case <-ticker.C:
			act()
		}
	}
}

// write sends the next value of the writer's next id.
func (l *Ledger) write(ctx context.Context, w *writer) {
	id, seq := w.next()
	request := &qdrant.UpsertPoints{
		CollectionName: l.config.Collection,
		Wait:           qdrant.PtrOf(true),
		Points: []*qdrant.PointStruct{{
			Id:      qdrant.NewIDNum(id),
			Vectors: qdrant.NewVectorsDense(vectorOf(id, seq, l.config.Dim)),
			Payload: map[string]*qdrant.Value{sequenceField: qdrant.NewValueInt(int64(seq))},
		}},
	}
	result := l.retry(ctx, w.stream, w.number+w.turn, func(ctx context.Context, client *qdrant.Client) error {
		answer, err := client.Upsert(ctx, request)
		if err != nil {
			return err
		}
		// Completed is the answer to wait=true, Acknowledged means that the
		// write is in the log: the server has promised to keep it either way.
		switch answer.GetStatus() {
		case qdrant.UpdateStatus_Completed, qdrant.UpdateStatus_Acknowledged:
			return nil
		default:
			return fmt.Errorf("upsert answered %s", answer.GetStatus())
		}
	})
	w.record(id, seq, result)
	if result.outcome == Acknowledged {
		l.acknowledge(id, seq)
	}
}

// read asks for a point that was acknowledged: by its id and by its vector in turn.
func (l *Ledger) read(ctx context.Context, s *stream, turn int) {
	want, any := l.someAcknowledged()
	if !any {
		return
	}
	fresh := true
	got := l.retry(ctx, s, turn, func(ctx context.Context, client *qdrant.Client) error {
		if turn/len(l.targets)%2 == 0 {
			points, err := client.Get(ctx, &qdrant.GetPoints{
				CollectionName: l.config.Collection,
				Ids:            []*qdrant.PointId{qdrant.NewIDNum(want.id)},
				WithPayload:    qdrant.NewWithPayload(true),
			})
			fresh = len(points) == 1 && uint64(points[0].GetPayload()[sequenceField].GetIntegerValue()) >= want.seq
			return err
		}
		found, err := client.Query(ctx, &qdrant.QueryPoints{
			CollectionName: l.config.Collection,
			Query:          qdrant.NewQueryDense(vectorOf(want.id, want.seq, l.config.Dim)),
			Limit:          qdrant.PtrOf(uint64(3)),
		})
		fresh = len(found) > 0
		return err
	})
	if got.outcome == Acknowledged && !fresh {
		l.mu.Lock()
		l.stale++
		l.mu.Unlock()
	}
}

func (l *Ledger) acknowledge(id, seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if place, known := l.index[id]; known {
		l.acked[place].seq = seq
		return
	}
	l.index[id] = len(l.acked)
	l.acked = append(l.acked, acknowledged{id: id, seq: seq})
}

func (l *Ledger) someAcknowledged() (acknowledged, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.acked) == 0 {
		return acknowledged{}, false
	}
	return l.acked[rand.IntN(len(l.acked))], true
}

// result is what became of one request after all its attempts.
type result struct {
	outcome Outcome
	// unresolved is true if an attempt may still be carried out, even though a
	// later one was acknowledged.
	unresolved bool
}

// retry tries a request at one target after the other, with growing pauses,
// until it succeeds or its time is over. A stop of the ledger does not cut it
// short: a request that would have succeeded must not count as failed.
func (l *Ledger) retry(ctx context.Context, s *stream, first int, attempt func(context.Context, *qdrant.Client) error) result {
	outcome := result{outcome: Refused}
	deadline := time.Now().Add(l.config.RetryFor)
	pause := 50 * time.Millisecond
	s.begin()
	for n := 0; ; n++ {
		tryCtx, cancel := context.WithTimeout(ctx, l.config.PerTry)
		err := attempt(tryCtx, l.targets[(first+n)%len(l.targets)])
		cancel()
		if err == nil {
			outcome.outcome = Acknowledged
			s.success(time.Now())
			return outcome
		}
		if !refused(err) {
			outcome.outcome, outcome.unresolved = Unknown, true
		}
		if ctx.Err() != nil {
			return outcome
		}
		s.rawFailure()
		l.note(err)
		if time.Now().Add(pause).After(deadline) {
			s.failure(outcome.outcome)
			return outcome
		}
		select {
		case <-ctx.Done():
			return outcome
		case <-time.After(pause/2 + rand.N(pause)):
		}
		pause = min(2*pause, time.Second)
	}
}

// refused reports whether an attempt surely was not carried out: nobody was
// there to receive it, or the server turned its key away. All other failures
// may yet have an effect, also when the server answered with an error: one
// replica may have written what another could not.
func refused(err error) bool {
	switch status.Code(errorOf(err)) {
	case codes.Unauthenticated, codes.PermissionDenied:
		return true
	case codes.Unavailable:
		return strings.Contains(err.Error(), "Error while dialing")
	default:
		return false
	}
}

// errorOf takes the client's wrapping off, which status.Code does not look through.
func errorOf(err error) error {
	var wrapped *qdrant.QdrantError
	if errors.As(err, &wrapped) {
		return wrapped.Unwrap()
	}
	return err
}

// note keeps a sample of what went wrong, for the report.
func (l *Ledger) note(err error) {
	const keep, length = 20, 240
	text := err.Error()
	if len(text) > length {
		text = text[:length] + "…"
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.errors[text]; known || len(l.errors) < keep {
		l.errors[text]++
	}
}

// AwaitWrites returns once n more writes have been acknowledged, so that a test
// can be sure that it disrupts something, and that the service is back.
func (l *Ledger) AwaitWrites(ctx context.Context, n int) error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	begin := l.acknowledgedSoFar()
	for {
		if l.acknowledgedSoFar() >= begin+int64(n) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %d acknowledged writes: %d so far: %w", n, l.acknowledgedSoFar()-begin, ctx.Err())
		case <-ticker.C:
		}
	}
}

func (l *Ledger) acknowledgedSoFar() int64 {
	var sum int64
	for _, w := range l.writers {
		sum += w.succeeded.Load()
	}
	return sum
}

// Stop ends the writers and readers, after the requests under way have been
// acknowledged or given up, and returns the figures.
func (l *Ledger) Stop() Report {
	l.stopOnce.Do(func() {
		close(l.stop)
		l.workers.Wait()
		l.close()
		l.report = l.makeReport(time.Now())
	})
	return l.report
}

func (l *Ledger) close() {
	for _, client := range l.targets {
		_ = client.Close()
	}
}
