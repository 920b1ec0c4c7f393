package vector

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/status"

	"github.com/qdrant-shepherd/shepherd/client/qdrantprocess"
)

// enough is for all that a test on real servers waits for, on a busy machine.
const enough = 15 * time.Minute

// createWords makes a collection of n shards with two copies each.
func createWords(ctx context.Context, t *testing.T, db *DB, shards, replicas uint32) {
	t.Helper()
	require.NoError(t, db.Raw().CreateCollection(ctx, &qdrant.CreateCollection{
		CollectionName: "words", ShardNumber: &shards, ReplicationFactor: &replicas,
		VectorsConfig: qdrant.NewVectorsConfig(&qdrant.VectorParams{Size: 4, Distance: qdrant.Distance_Cosine}),
	}))
}

func randomVector() []float32 {
	return []float32{rand.Float32(), rand.Float32(), rand.Float32(), rand.Float32() + .01}
}

// TestAServerStopsAndStartsUnderLoad: calls go on while one of three servers is
// stopped, killed, and started again; none of them fails, and no acknowledged write is lost.
func TestAServerStopsAndStartsUnderLoad(t *testing.T) {
	c := qdrantprocess.Start(t, 3, qdrantprocess.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), enough)
	defer cancel()
	registry := prometheus.NewRegistry()
	db, err := Connect(ctx, Config{Target: "static:///" + strings.Join(c.GRPC(), ","), Registerer: registry})
	require.NoError(t, err)
	defer func() { assert.NoError(t, db.Close()) }()
	createWords(ctx, t, db, 3, 2)
	require.NoError(t, c.AwaitActive(ctx, "words", 2))

	var (
		load     sync.WaitGroup
		finished = make(chan struct{})
		reads    atomic.Int64
		writes   atomic.Int64 // the ids 1 to this are written
		nextID   atomic.Int64
		slowest  atomic.Int64 // nanoseconds
		failures = make(chan error, 1000)
	)
	repeat := func(call func(context.Context) error) {
		load.Go(func() {
			for {
				select {
				case <-finished:
					return
				default:
				}
				start := time.Now()
				if err := call(ctx); err != nil && len(failures) < cap(failures) {
					failures <- fmt.Errorf("after %s: %w", time.Since(start).Round(time.Millisecond), err)
				}
				for took, seen := int64(time.Since(start)), slowest.Load(); took > seen && !slowest.CompareAndSwap(seen, took); {
					seen = slowest.Load()
				}
			}
		})
	}
	for range 3 {
		repeat(func(ctx context.Context) error {
			_, err := db.Raw().Query(ctx, &qdrant.QueryPoints{CollectionName: "words", Query: qdrant.NewQuery(randomVector()...)})
			reads.Add(1)
			return err
		})
	}
	for range 2 {
		repeat(func(ctx context.Context) error {
			id := nextID.Add(1)
			_, err := db.Raw().Upsert(ctx, &qdrant.UpsertPoints{
				CollectionName: "words", Wait: qdrant.PtrOf(true),
				Points: []*qdrant.PointStruct{{Id: qdrant.NewIDNum(uint64(id)), Vectors: qdrant.NewVectors(randomVector()...)}},
			})
			writes.Add(1)
			return err
		})
	}
	// more lets the load go on for some calls, so that every state of the cluster is seen by reads and writes.
	more := func(calls int64) {
		r, w := reads.Load()+calls, writes.Load()+calls
		require.Eventually(t, func() bool { return reads.Load() >= r && writes.Load() >= w }, enough, 20*time.Millisecond)
	}
	more(200)
	for _, down := range []func(*qdrantprocess.Server) error{
		func(s *qdrantprocess.Server) error { return s.Stop() },
		func(s *qdrantprocess.Server) error { s.Kill(); return nil },
	} {
		for _, s := range c.Servers[1:] {
			require.NoError(t, down(s))
			more(200)
			require.NoError(t, s.Start(ctx))
			require.NoError(t, c.AwaitReady(ctx))
			require.NoError(t, c.AwaitActive(ctx, "words", 2))
			more(100)
		}
	}
	close(finished)
	load.Wait()
	close(failures)
	for err := range failures {
		t.Errorf("a call failed %v", err)
	}
	count, err := db.Raw().Count(ctx, &qdrant.CountPoints{CollectionName: "words", Exact: qdrant.PtrOf(true)})
	require.NoError(t, err)
	assert.EqualValues(t, nextID.Load(), count)
	repeats, err := testutil.GatherAndCount(registry, "vector_retries_total")
	require.NoError(t, err)
	assert.Positive(t, repeats, "nothing was repeated, so the servers were not missed")
	t.Logf("%d searches, %d writes, the slowest %s", reads.Load(), writes.Load(), time.Duration(slowest.Load()).Round(time.Millisecond))
	logRepeats(t, registry)
}

func logRepeats(t *testing.T, registry *prometheus.Registry) {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() == "vector_retries_total" {
			for _, metric := range family.GetMetric() {
				t.Log(metric)
			}
		}
	}
}

// TestRequestIDIsInTheAuditLog: the id reaches the log of the server that answered.
func TestRequestIDIsInTheAuditLog(t *testing.T) {
	directory := t.TempDir()
	c := qdrantprocess.Start(t, 1, qdrantprocess.Options{
		Single: true, APIKey: "sesame", Env: []string{"QDRANT__AUDIT__ENABLED=true", "QDRANT__AUDIT__DIR=" + directory},
	})
	ctx, cancel := context.WithTimeout(t.Context(), enough)
	defer cancel()
	db, err := Connect(ctx, Config{Target: c.Servers[0].GRPC(), APIKey: "sesame"})
	require.NoError(t, err)
	defer func() { assert.NoError(t, db.Close()) }()
	_, err = db.Raw().CollectionExists(WithRequestID(ctx, "order-7"), "words")
	require.NoError(t, err)
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		assert.Contains(t, auditIDs(t, directory), "order-7")
	}, enough, 50*time.Millisecond)
}

// auditIDs returns the tracing ids in the server's audit log.
func auditIDs(t require.TestingT, directory string) []string {
	files, err := filepath.Glob(filepath.Join(directory, "*"))
	require.NoError(t, err)
	var ids []string
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		for lines := bufio.NewScanner(bytes.NewReader(content)); lines.Scan(); {
			var entry struct {
				ID string `json:"tracing_id"`
			}
			if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.ID != "" {
				ids = append(ids, entry.ID)
			}
		}
	}
	return ids
}

// TestErrorsOfRealServers: the sentinels fit what servers really say, alone and in a cluster.
func TestErrorsOfRealServers(t *testing.T) {
	for name, size := range map[string]int{"alone": 1, "cluster": 2} {
		t.Run(name, func(t *testing.T) {
			c := qdrantprocess.Start(t, size, qdrantprocess.Options{Single: size == 1, APIKey: "sesame"})
			ctx, cancel := context.WithTimeout(t.Context(), enough)
			defer cancel()
			target := "static:///" + strings.Join(c.GRPC(), ",")
			db, err := Connect(ctx, Config{Target: target, APIKey: "sesame"})
			require.NoError(t, err)
			defer func() { assert.NoError(t, db.Close()) }()
			createWords(ctx, t, db, 2, 1)

			raw := db.Raw()
			wrong := &qdrant.UpsertPoints{CollectionName: "words", Wait: qdrant.PtrOf(true), Points: []*qdrant.PointStruct{
				{Id: qdrant.NewIDNum(1), Vectors: qdrant.NewVectors(1, 2, 3)},
			}}
			_, dimension := raw.Upsert(ctx, wrong)
			wrong.CollectionName = "nowhere"
			_, nowhere := raw.Upsert(ctx, wrong)
			_, missing := raw.GetCollectionInfo(ctx, "nowhere")
			_, search := raw.Query(ctx, &qdrant.QueryPoints{CollectionName: "nowhere", Query: qdrant.NewQuery(1, 2)})
			for _, test := range []struct {
				what string
				err  error
				want error
			}{
				{"reading what is not there", missing, ErrNotFound},
				{"searching what is not there", search, ErrNotFound},
				{"writing to what is not there", nowhere, ErrNotFound},
				{"deleting what is not there", raw.DeleteCollection(ctx, "nowhere"), ErrNotFound},
				{"naming what is not there", raw.CreateAlias(ctx, "name", "nowhere"), ErrNotFound},
				{"creating what is there", raw.CreateCollection(ctx, &qdrant.CreateCollection{
					CollectionName: "words", VectorsConfig: qdrant.NewVectorsConfig(&qdrant.VectorParams{Size: 4, Distance: qdrant.Distance_Dot}),
				}), ErrExists},
				{"writing a vector of another size", dimension, ErrInvalid},
			} {
				err := wrap(test.what, test.err)
				assert.ErrorIs(t, err, test.want, "%s: %v", test.what, status.Code(test.err))
				t.Log(err)
			}

			for _, key := range []string{"", "wrong"} {
				stranger, err := Connect(ctx, Config{Target: target, APIKey: key})
				require.NoError(t, err, "the version is for everybody")
				err = stranger.Ready(ctx)
				assert.ErrorIs(t, err, ErrUnauthorized)
				t.Log(err)
				assert.NoError(t, stranger.Close())
			}
		})
	}
}

// TestRateLimitOfARealServer: a batch that comes too soon is told when to come back, one that is too large for ever is not.
func TestRateLimitOfARealServer(t *testing.T) {
	c := qdrantprocess.Start(t, 1, qdrantprocess.Options{Single: true})
	ctx, cancel := context.WithTimeout(t.Context(), enough)
	defer cancel()
	db, err := Connect(ctx, Config{Target: c.Servers[0].GRPC()})
	require.NoError(t, err)
	defer func() { assert.NoError(t, db.Close()) }()
	createWords(ctx, t, db, 1, 1)
	require.NoError(t, db.Raw().UpdateCollection(ctx, &qdrant.UpdateCollection{
		CollectionName:   "words",
		StrictModeConfig: &qdrant.StrictModeConfig{Enabled: qdrant.PtrOf(true), WriteRateLimit: qdrant.PtrOf[uint32](10)},
	}))
	write := func(n int) error {
		request := &qdrant.UpsertPoints{CollectionName: "words"}
		for i := range n {
			point := &qdrant.PointStruct{Id: qdrant.NewIDNum(uint64(i)), Vectors: qdrant.NewVectors(randomVector()...)}
			request.Points = append(request.Points, point)
		}
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		_, err := db.Raw().Upsert(ctx, request)
		return wrap("writing", err)
	}
	err = write(11)
	assert.ErrorIs(t, err, ErrInvalid)
	assert.ErrorContains(t, err, "please try to split your request")
	_, again := rejection(err)
	assert.False(t, again)

	info, err := db.Raw().GetCollectionInfo(ctx, "words")
	require.NoError(t, err)
	require.Equal(t, 5, batchLimit(info))
	require.NoError(t, write(5))
	err = write(5)
	assert.ErrorIs(t, err, ErrRateLimited)
	after, again := rejection(err)
	assert.True(t, again)
	assert.InDelta(t, 25, after.Seconds(), 6)
}

// TestStatusOfRealServers: Status tells what the servers say of their shards.
func TestStatusOfRealServers(t *testing.T) {
	c := qdrantprocess.Start(t, 3, qdrantprocess.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), enough)
	defer cancel()
	db, err := Connect(ctx, Config{Target: "static:///" + strings.Join(c.GRPC(), ",")})
	require.NoError(t, err)
	defer func() { assert.NoError(t, db.Close()) }()
	require.NoError(t, db.Ready(ctx))
	createWords(ctx, t, db, 3, 2)
	require.NoError(t, c.AwaitActive(ctx, "words", 2))
	_, err = db.Raw().Upsert(ctx, &qdrant.UpsertPoints{CollectionName: "words", Wait: qdrant.PtrOf(true), Points: []*qdrant.PointStruct{
		{Id: qdrant.NewIDNum(1), Vectors: qdrant.NewVectors(randomVector()...)},
	}})
	require.NoError(t, err)
	s, err := db.Status(ctx)
	require.NoError(t, err)
	assert.Regexp(t, `^1\.\d+\.\d+`, s.Version)
	assert.Equal(t, 3, s.Peers)
	require.Len(t, s.Collections, 1)
	words := s.Collections[0]
	assert.Equal(t, []any{"words", "green", "ok", uint64(1)}, []any{words.Name, words.Color, words.Optimizer, words.Points})
	assert.True(t, words.Whole())
	require.Len(t, words.Shards, 3)
	for i, shard := range words.Shards {
		assert.EqualValues(t, i, shard.ID)
		require.Len(t, shard.Replicas, 2)
		assert.NotEqual(t, shard.Replicas[0].Peer, shard.Replicas[1].Peer)
	}

	c.Servers[2].Kill()
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		// Only a write that fails on a replica tells the others that it is gone.
		_, err := db.Raw().Upsert(ctx, &qdrant.UpsertPoints{CollectionName: "words", Wait: qdrant.PtrOf(true), Points: []*qdrant.PointStruct{
			{Id: qdrant.NewIDNum(rand.Uint64()), Vectors: qdrant.NewVectors(randomVector()...)},
		}})
		require.NoError(t, err)
		s, err := db.Status(ctx)
		require.NoError(t, err)
		assert.False(t, s.Collections[0].Whole())
	}, enough, 100*time.Millisecond)
}

// TestOneServerHasStatusToo: a server that is in no cluster answers as well.
func TestOneServerHasStatusToo(t *testing.T) {
	c := qdrantprocess.Start(t, 1, qdrantprocess.Options{Single: true})
	ctx, cancel := context.WithTimeout(t.Context(), enough)
	defer cancel()
	db, err := Connect(ctx, Config{Target: c.Servers[0].GRPC()})
	require.NoError(t, err)
	defer func() { assert.NoError(t, db.Close()) }()
	createWords(ctx, t, db, 2, 1)
	s, err := db.Status(ctx)
	require.NoError(t, err)
	require.Len(t, s.Collections, 1)
	assert.Len(t, s.Collections[0].Shards, 2)
	assert.True(t, s.Collections[0].Whole())
}
