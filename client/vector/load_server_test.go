package vector_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/qdrant-shepherd/shepherd/client/qdrantprocess"
	"github.com/qdrant-shepherd/shepherd/client/vector"
)

const (
	// testTimeout is long enough for a busy machine.
	testTimeout = 15 * time.Minute
	tick        = 50 * time.Millisecond
	dimensions  = 32
)

// note is what is loaded.
type note struct {
	ID     uint64    `vector:",id"`
	Text   []float32 `vector:"text,vector,size=32"`
	Number int       `vector:"number,index"`
}

func noteOf(n int) note {
	random := rand.New(rand.NewPCG(uint64(n), 1)) //nolint:gosec // the same note each time
	document := note{ID: uint64(n), Number: n, Text: make([]float32, dimensions)}
	for i := range document.Text {
		document.Text[i] = random.Float32()
	}
	return document
}

// notes are n of them. at is called before each of them.
func notes(n int, at func(position int) error) iter.Seq2[note, error] {
	return func(yield func(note, error) bool) {
		for i := range n {
			var err error
			if at != nil {
				err = at(i)
			}
			if !yield(noteOf(i), err) || err != nil {
				return
			}
		}
	}
}

func connectTo(ctx context.Context, t *testing.T, addresses ...string) *vector.DB {
	t.Helper()
	db, err := vector.Connect(ctx, vector.Config{Target: "static:///" + strings.Join(addresses, ",")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// openNotes makes a collection with three shards of two replicas, of which little is enough for a graph.
func openNotes(ctx context.Context, t *testing.T, cluster *qdrantprocess.Cluster, name string) *vector.Collection[note] {
	t.Helper()
	c, err := vector.Open[note](ctx, connectTo(ctx, t, cluster.GRPC()...), name,
		vector.Shards(3), vector.ReplicationFactor(2), vector.IndexFrom(100))
	require.NoError(t, err)
	require.NoError(t, cluster.AwaitActive(ctx, name, 2))
	return c
}

// countsOf are the exact numbers of points as the running servers count them.
func countsOf(ctx context.Context, t require.TestingT, cluster *qdrantprocess.Cluster, name string) []uint64 {
	var all []uint64
	for _, s := range cluster.Servers {
		if !s.Running() {
			continue
		}
		db, err := vector.Connect(ctx, vector.Config{Target: "static:///" + s.GRPC()})
		require.NoError(t, err)
		n, err := db.Raw().Count(ctx, &qdrant.CountPoints{CollectionName: name, Exact: qdrant.PtrOf(true)})
		require.NoError(t, err)
		require.NoError(t, db.Close())
		all = append(all, n)
	}
	return all
}

// requireDeferred checks that all servers say that the index is deferred, or that it is not. They may lag for a moment.
func requireDeferred(ctx context.Context, t *testing.T, cluster *qdrantprocess.Cluster, name string, want bool) {
	t.Helper()
	for _, s := range cluster.Servers {
		db := connectTo(ctx, t, s.GRPC())
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			info, err := db.Raw().GetCollectionInfo(ctx, name)
			require.NoError(c, err)
			threads, number := info.GetConfig().GetOptimizerConfig().GetMaxOptimizationThreads().GetVariant().(*qdrant.MaxOptimizationThreads_Value)
			assert.Equal(c, want, number && threads.Value == 0, "on %s", s.Name)
			assert.Equal(c, want, len(info.GetConfig().GetMetadata()) == 1, "the mark on %s: %v", s.Name, info.GetConfig().GetMetadata())
		}, 10*time.Second, tick)
	}
}

func TestLoadOnRealServers(t *testing.T) {
	t.Parallel()
	cluster := qdrantprocess.Start(t, 3, qdrantprocess.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	t.Cleanup(cancel)

	t.Run("all peers count all points at once when it is over", func(t *testing.T) {
		t.Parallel()
		c := openNotes(ctx, t, cluster, "all")
		stats, err := c.Load(ctx, notes(30_000, nil), vector.LoadOptions{DeferIndexing: vector.DeferAuto})
		require.NoError(t, err)
		assert.Equal(t, []uint64{30_000, 30_000, 30_000}, countsOf(ctx, t, cluster, "all"))
		assert.Equal(t, 6, stats.Streams, "two for each peer")
		assert.True(t, stats.Deferred)
		assert.Equal(t, uint64(30_000), stats.Points)
		requireDeferred(ctx, t, cluster, "all", false)
		require.EventuallyWithT(t, func(collect *assert.CollectT) {
			info, err := c.Info(ctx)
			require.NoError(collect, err)
			assert.Positive(collect, info.Indexed, "indexing goes on by itself, without another write")
		}, time.Minute, tick)
	})

	t.Run("a failure half-way is where the next one continues", func(t *testing.T) {
		t.Parallel()
		c := openNotes(ctx, t, cluster, "half")
		errCut := errors.New("the file was cut short")
		stats, err := c.Load(ctx, notes(20_000, func(position int) error {
			if position == 12_345 {
				return errCut
			}
			return nil
		}), vector.LoadOptions{BatchBytes: 20_000})
		require.ErrorIs(t, err, errCut)
		require.ErrorContains(t, err, "12345 documents are acknowledged, continue with Skip: 12345")
		again, err := c.Load(ctx, notes(20_000, nil), vector.LoadOptions{Skip: stats.Acknowledged})
		require.NoError(t, err)
		assert.Equal(t, 20_000-12_345, again.Documents)
		assert.Equal(t, uint64(20_000), again.Points)
	})

	t.Run("the last of several documents with an id stays", func(t *testing.T) {
		t.Parallel()
		c := openNotes(ctx, t, cluster, "twice")
		twice := func(yield func(note, error) bool) {
			for i := range 2000 {
				document := noteOf(i % 1000)
				document.Number = i
				if !yield(document, nil) {
					return
				}
			}
		}
		_, err := c.Load(ctx, twice, vector.LoadOptions{})
		var refused *vector.DocumentError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, 1000, refused.Position)

		stats, err := c.Load(ctx, twice, vector.LoadOptions{AllowDuplicates: true, Streams: 1, BatchBytes: 10_000})
		require.NoError(t, err)
		assert.Equal(t, 2000, stats.Documents)
		assert.Equal(t, uint64(1000), stats.Points)
		document, err := c.One(ctx, vector.Num(7))
		require.NoError(t, err)
		assert.Equal(t, 1007, document.Number)
	})

	t.Run("a load that is canceled restores indexing", func(t *testing.T) {
		t.Parallel()
		c := openNotes(ctx, t, cluster, "canceled")
		stopped, stop := context.WithCancel(ctx)
		defer stop()
		_, err := c.Load(stopped, notes(1_000_000, func(position int) error {
			if position == 5000 {
				requireDeferred(ctx, t, cluster, "canceled", true)
				stop()
			}
			return nil
		}), vector.LoadOptions{DeferIndexing: vector.DeferAuto, BatchBytes: 20_000})
		require.ErrorIs(t, err, context.Canceled)
		requireDeferred(ctx, t, cluster, "canceled", false)
	})

	t.Run("a load that is killed leaves it to whoever opens the collection next", func(t *testing.T) {
		t.Parallel()
		openNotes(ctx, t, cluster, "killed")
		child := exec.CommandContext(ctx, os.Args[0]) //nolint:gosec // TestMain has it run loadUntilKilled
		child.Env = append(os.Environ(), childTarget+"="+strings.Join(cluster.GRPC(), ","))
		output, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		for line := ""; !strings.Contains(line, halfWay); {
			var buffer [4096]byte
			n, err := output.Read(buffer[:])
			require.NoError(t, err, "the child ended: %s", line)
			line += string(buffer[:n])
		}
		require.NoError(t, child.Process.Kill())
		require.Error(t, child.Wait())
		requireDeferred(ctx, t, cluster, "killed", true)
		db := connectTo(ctx, t, cluster.GRPC()...)
		_, err = vector.Open[note](ctx, db, "killed")
		require.NoError(t, err)
		requireDeferred(ctx, t, cluster, "killed", true) // it might still be alive
		age(ctx, t, db, "killed")
		c, err := vector.Open[note](ctx, db, "killed")
		require.NoError(t, err)
		requireDeferred(ctx, t, cluster, "killed", false)
		stats, err := c.Load(ctx, notes(5000, nil), vector.LoadOptions{})
		require.NoError(t, err)
		assert.GreaterOrEqual(t, stats.Points, uint64(5000))
	})
}

// age makes the mark of a load that deferred the index three minutes older.
func age(ctx context.Context, t *testing.T, db *vector.DB, name string) {
	t.Helper()
	info, err := db.Raw().GetCollectionInfo(ctx, name)
	require.NoError(t, err)
	metadata := info.GetConfig().GetMetadata()
	require.Len(t, metadata, 1)
	for _, mark := range metadata {
		fields := mark.GetStructValue().GetFields()
		renewed, err := time.Parse(time.RFC3339, fields["renewed"].GetStringValue())
		require.NoError(t, err)
		fields["renewed"] = qdrant.NewValueString(renewed.Add(-3 * time.Minute).Format(time.RFC3339))
	}
	require.NoError(t, db.Raw().UpdateCollection(ctx, &qdrant.UpdateCollection{CollectionName: name, Metadata: metadata}))
	// A peer that did not take the update itself may lag, and be the one that is asked next.
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		for range 9 {
			info, err := db.Raw().GetCollectionInfo(ctx, name)
			require.NoError(c, err)
			for key, mark := range metadata {
				assert.True(c, proto.Equal(mark, info.GetConfig().GetMetadata()[key]))
			}
		}
	}, 10*time.Second, tick)
}

const (
	childTarget = "VECTOR_LOAD_CHILD"
	halfWay     = "half-way"
)

// loadUntilKilled is the process that TestLoadOnRealServers kills.
func loadUntilKilled(servers string) {
	db, err := vector.Connect(ctx, vector.Config{Target: "static:///" + servers})
	check(err)
	c, err := vector.Open[note](ctx, db, "killed")
	check(err)
	_, err = c.Load(ctx, notes(1_000_000, func(position int) error {
		if position == 3000 {
			fmt.Println(halfWay)
			time.Sleep(time.Minute) // until it is killed
			return errors.New("nobody killed this process")
		}
		return nil
	}), vector.LoadOptions{DeferIndexing: vector.DeferAuto, BatchBytes: 20_000})
	check(err)
}

func TestLoadSurvivesThatAServerIsKilled(t *testing.T) {
	t.Parallel()
	cluster := qdrantprocess.Start(t, 3, qdrantprocess.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	t.Cleanup(cancel)
	c := openNotes(ctx, t, cluster, "notes")
	victim := cluster.Servers[1]
	const n = 30_000
	stats, err := c.Load(ctx, notes(n, func(position int) error {
		switch position {
		case n / 3:
			victim.Kill()
		case 2 * n / 3:
			return victim.Start(ctx)
		}
		return nil
	}), vector.LoadOptions{BatchBytes: 20_000})
	require.NoError(t, err)
	assert.Equal(t, n, stats.Acknowledged)
	assert.Equal(t, uint64(n), stats.Points)

	// The replicas that the server missed updates on are brought up to date by the others.
	require.NoError(t, cluster.AwaitActive(ctx, "notes", 2))
	assert.Equal(t, []uint64{n, n, n}, countsOf(ctx, t, cluster, "notes"))
}

func TestLoadWaitsForAServerThatWasKilled(t *testing.T) {
	t.Parallel()
	cluster := qdrantprocess.Start(t, 1, qdrantprocess.Options{Single: true})
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	t.Cleanup(cancel)
	server := cluster.Servers[0]
	c, err := vector.Open[note](ctx, connectTo(ctx, t, cluster.GRPC()...), "notes")
	require.NoError(t, err)
	const n = 30_000
	stats, err := c.Load(ctx, notes(n, func(position int) error {
		if position == n/2 {
			server.Kill()
		}
		return nil
	}), vector.LoadOptions{BatchBytes: 20_000, ProgressInterval: time.Nanosecond, Progress: func(s vector.LoadStats) {
		if s.Rejected > 0 && !server.Running() {
			assert.NoError(t, server.Start(ctx))
		}
	}})
	require.NoError(t, err)
	assert.Positive(t, stats.Rejected)
	assert.Equal(t, uint64(n), stats.Points, "what was acknowledged before the end is still there")
}
