package qdranttest

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// dial connects to the gRPC API of a server.
func dial(t *testing.T, s *Server) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+s.GRPC(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// words makes a collection of one shard with a replica on each server, and returns the points' client of the first.
func words(t *testing.T, c *Cluster, replicas uint32) qdrant.PointsClient {
	t.Helper()
	conn := dial(t, c.Server(0))
	_, err := qdrant.NewCollectionsClient(conn).Create(t.Context(), &qdrant.CreateCollection{
		CollectionName: "words", ShardNumber: proto.Uint32(1), ReplicationFactor: &replicas,
		VectorsConfig: qdrant.NewVectorsConfig(&qdrant.VectorParams{Size: 2, Distance: qdrant.Distance_Dot}),
	})
	require.NoError(t, err)
	return qdrant.NewPointsClient(conn)
}

func upsertWords(ctx context.Context, points qdrant.PointsClient, ids ...uint64) error {
	var list []*qdrant.PointStruct
	for _, id := range ids {
		list = append(list, &qdrant.PointStruct{Id: qdrant.NewIDNum(id), Vectors: qdrant.NewVectors(float32(id), 1)})
	}
	_, err := points.Upsert(ctx, &qdrant.UpsertPoints{CollectionName: "words", Points: list, Wait: proto.Bool(true)})
	return err
}

func countWords(t *testing.T, points qdrant.PointsClient) (uint64, error) {
	t.Helper()
	answer, err := points.Count(t.Context(), &qdrant.CountPoints{CollectionName: "words", Exact: proto.Bool(true)})
	return answer.GetResult().GetCount(), err
}

func TestOneModel(t *testing.T) {
	t.Parallel()
	c := Start(t, 2, Options{})
	rest := func(method, path, body string) string {
		request, err := http.NewRequestWithContext(t.Context(), method, "http://any"+path, strings.NewReader(body))
		require.NoError(t, err)
		response, err := c.Server(1).Client().Do(request)
		require.NoError(t, err)
		defer func() { _ = response.Body.Close() }()
		answer, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return string(answer)
	}
	conn := dial(t, c.Server(0))
	collections, points := qdrant.NewCollectionsClient(conn), qdrant.NewPointsClient(conn)
	rest("PUT", "/collections/words", `{"vectors":{"size":2,"distance":"Euclid"},"shard_number":2,"replication_factor":2}`)
	info, err := collections.Get(t.Context(), &qdrant.GetCollectionInfoRequest{CollectionName: "words"})
	require.NoError(t, err)
	assert.Equal(t, qdrant.Distance_Euclid, info.GetResult().GetConfig().GetParams().GetVectorsConfig().GetParams().GetDistance())
	assert.Equal(t, uint32(2), info.GetResult().GetConfig().GetParams().GetShardNumber())

	require.NoError(t, upsertWords(t.Context(), points, 1, 2, 3))
	assert.Contains(t, rest("GET", "/collections/words", ""), `"points_count":3`)
	require.NoError(t, upsertWords(t.Context(), points, 3, 4))
	assert.Contains(t, rest("GET", "/collections/words", ""), `"points_count":4`)

	_, err = collections.Update(t.Context(), &qdrant.UpdateCollection{
		CollectionName: "words", OptimizersConfig: &qdrant.OptimizersConfigDiff{
			MaxOptimizationThreads: qdrant.NewMaxOptimizationThreads(0),
		},
	})
	require.NoError(t, err)
	assert.Contains(t, rest("GET", "/collections/words", ""), `"max_optimization_threads":0`)

	_, err = collections.Create(t.Context(), &qdrant.CreateCollection{CollectionName: "named", VectorsConfig: qdrant.NewVectorsConfigMap(map[string]*qdrant.VectorParams{
		"title": {Size: 3, Distance: qdrant.Distance_Cosine, OnDisk: proto.Bool(true)},
	})})
	require.NoError(t, err)
	var named struct {
		Result struct {
			Config struct {
				Params struct {
					Vectors json.RawMessage `json:"vectors"`
				} `json:"params"`
			} `json:"config"`
		} `json:"result"`
	}
	require.NoError(t, json.Unmarshal([]byte(rest("GET", "/collections/named", "")), &named))
	assert.JSONEq(t, `{"title":{"size":3,"distance":"Cosine","on_disk":true}}`, string(named.Result.Config.Params.Vectors))
	rest("DELETE", "/collections/words", "")
	_, err = countWords(t, points)
	assert.Equal(t, codes.NotFound, status.Code(err))
}

func TestStopCutsConnections(t *testing.T) {
	t.Parallel()
	c := Start(t, 2, Options{})
	points := words(t, c, 2)
	require.NoError(t, upsertWords(t.Context(), points, 1))
	address := c.Server(0).GRPC()
	c.Server(0).Stop()
	_, err := countWords(t, points)
	assert.Equal(t, codes.Unavailable, status.Code(err))
	require.NoError(t, c.Server(0).Start())
	assert.Equal(t, address, c.Server(0).GRPC())
	require.EventuallyWithT(t, func(check *assert.CollectT) { // the client waits before it connects again
		answer, err := points.Count(t.Context(), &qdrant.CountPoints{CollectionName: "words"})
		require.NoError(check, err)
		assert.Equal(check, uint64(1), answer.GetResult().GetCount())
	}, 10*time.Second, 10*time.Millisecond)
	assert.Equal(t, "static:///"+address+","+c.Server(1).GRPC(), c.Target())
}

func TestMissedWritesMakeReplicasDead(t *testing.T) {
	t.Parallel()
	c := Start(t, 3, Options{})
	points := words(t, c, 3)
	require.NoError(t, upsertWords(t.Context(), points, 1))
	c.Server(2).Stop()
	require.NoError(t, upsertWords(t.Context(), points, 2))
	assert.Equal(t, map[int]string{0: "Active", 1: "Active", 2: "Dead"}, c.States("words", 0))
	require.NoError(t, c.Server(2).Start())
	require.True(t, c.Settle())
	assert.Equal(t, map[int]string{0: "Active", 1: "Active", 2: "Active"}, c.States("words", 0))

	c.Server(1).Stop()
	c.Server(2).Stop()
	assert.Equal(t, codes.Internal, status.Code(upsertWords(t.Context(), points, 3)), "no majority agrees that a replica is Dead")
	count, err := countWords(t, points)
	require.NoError(t, err)
	assert.Equal(t, uint64(2), count)
}

func TestFailCalls(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := Start(t, 1, Options{})
	points := words(t, c, 1)

	c.Server(0).FailCalls(CallFault{
		Method: "Upsert", Times: 2, Code: codes.ResourceExhausted, Message: "slow down", RetryAfter: 1500 * time.Millisecond,
	})
	var trailer metadata.MD
	for range 2 {
		_, err := points.Upsert(ctx, &qdrant.UpsertPoints{CollectionName: "words"}, grpc.Trailer(&trailer))
		assert.Equal(t, codes.ResourceExhausted, status.Code(err))
		assert.Equal(t, "slow down", status.Convert(err).Message())
		assert.Equal(t, []string{"2"}, trailer.Get("retry-after"))
	}
	require.NoError(t, upsertWords(ctx, points, 1))

	release := c.Server(0).FailCalls(CallFault{Method: "Points/Count", Code: codes.Unavailable})
	_, err := countWords(t, points)
	assert.Equal(t, codes.Unavailable, status.Code(err))
	require.NoError(t, upsertWords(ctx, points, 2), "another method")
	release()

	c.Server(0).FailCalls(CallFault{Times: 1, Code: codes.Unavailable, Late: true})
	assert.Equal(t, codes.Unavailable, status.Code(upsertWords(ctx, points, 3)))
	count, err := countWords(t, points)
	require.NoError(t, err)
	assert.Equal(t, uint64(3), count, "the change was made, though its answer was lost")
}

func TestCallsHang(t *testing.T) {
	t.Parallel()
	c := Start(t, 1, Options{})
	points := words(t, c, 1)
	release := c.Server(0).FailCalls(CallFault{Method: "Upsert", Hang: true})
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	assert.Equal(t, codes.DeadlineExceeded, status.Code(upsertWords(short, points, 1)))
	done := make(chan error)
	go func() { done <- upsertWords(t.Context(), points, 1) }()
	release()
	require.NoError(t, <-done)

	whole := c.Server(0).Hang()
	again, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	assert.Equal(t, codes.DeadlineExceeded, status.Code(upsertWords(again, points, 2)))
	whole()
	require.NoError(t, upsertWords(t.Context(), points, 2))
}

func TestCallsAreRemembered(t *testing.T) {
	t.Parallel()
	c := Start(t, 1, Options{APIKey: "sesame"})
	points := qdrant.NewPointsClient(dial(t, c.Server(0)))
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(t.Context(), "x-request-id", "7"), time.Minute)
	defer cancel()
	_, err := points.Count(ctx, &qdrant.CountPoints{CollectionName: "words"})
	require.Equal(t, codes.Unauthenticated, status.Code(err))
	_, err = points.Count(metadata.AppendToOutgoingContext(ctx, "api-key", "sesame"), &qdrant.CountPoints{CollectionName: "words"})
	require.Equal(t, codes.NotFound, status.Code(err))
	calls := c.Calls()
	require.Len(t, calls, 2)
	assert.Equal(t, "qdrant.Points/Count", calls[0].Method)
	assert.Equal(t, []string{"7"}, calls[0].Metadata.Get("x-request-id"))
	assert.WithinDuration(t, time.Now().Add(time.Minute), calls[0].Deadline, 10*time.Second)
	assert.Equal(t, codes.Unauthenticated, calls[0].Code)
	assert.Equal(t, codes.NotFound, calls[1].Code)
	count, isCount := calls[1].Request.(*qdrant.CountPoints)
	require.True(t, isCount)
	assert.Equal(t, "words", count.GetCollectionName())

	forgetful := Start(t, 1, Options{ForgetCalls: true})
	require.NoError(t, upsertWords(t.Context(), words(t, forgetful, 1), 1))
	assert.Empty(t, forgetful.Calls())
}

// TestEmptyRequests asks for everything without saying what: it is answered or refused, and no method breaks.
func TestEmptyRequests(t *testing.T) {
	t.Parallel()
	c := Start(t, 1, Options{})
	require.NoError(t, upsertWords(t.Context(), words(t, c, 1), 1))
	conn := dial(t, c.Server(0))
	for _, service := range []grpc.ServiceDesc{qdrant.Points_ServiceDesc, qdrant.Collections_ServiceDesc, qdrant.Qdrant_ServiceDesc} {
		for _, method := range service.Methods {
			for _, in := range []proto.Message{&qdrant.DeleteCollection{}, &qdrant.DeleteCollection{CollectionName: "nothing"}, &qdrant.ListShardKeysRequest{CollectionName: "words"}} {
				if method.MethodName == "Delete" && proto.Size(in) > 0 {
					continue // a collection's name is all that it takes
				}
				// The name of the collection is the first field of all requests that have one.
				err := conn.Invoke(t.Context(), "/"+service.ServiceName+"/"+method.MethodName, in, &qdrant.DeleteCollection{})
				assert.NotEqual(t, codes.Unavailable, status.Code(err), "%s: %v", method.MethodName, err)
				assert.NotEqual(t, codes.Unknown, status.Code(err), "%s: %v", method.MethodName, err)
			}
		}
	}
}

func TestNothingIsLeft(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	t.Run("cluster", func(t *testing.T) {
		c := Start(t, 2, Options{})
		require.NoError(t, upsertWords(t.Context(), words(t, c, 2), 1))
		c.Server(1).FailCalls(CallFault{Hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		require.Error(t, upsertWords(ctx, qdrant.NewPointsClient(dial(t, c.Server(1))), 1))
	})
	goleak.VerifyNone(t, ignore)
}
