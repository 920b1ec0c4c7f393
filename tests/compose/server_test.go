//go:build compose

package compose

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/require"
)

// server talks to one Qdrant over REST.
type server struct {
	url string
	key string
}

// ready waits until the stack's server answers as ready, which is sooner than Docker's own health check finds out.
func (s *stack) ready(t *testing.T) server {
	t.Helper()
	found := server{url: "http://" + s.address(t, "qdrant", "6333")}
	eventually(t, time.Minute, "Qdrant is ready", func(ctx context.Context) error {
		status, body, err := found.get(ctx, "/readyz")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%d: %s", status, body)
		}
		return err
	})
	return found
}

// ask sends a request and returns the status and the body.
func (s server) ask(ctx context.Context, method, path string, body any) (int, []byte, error) {
	var sent io.Reader
	if body != nil {
		content, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		sent = bytes.NewReader(content)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, sent)
	if err != nil {
		return 0, nil, err
	}
	if sent != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if s.key != "" {
		request.Header.Set("api-key", s.key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}

func (s server) get(ctx context.Context, path string) (int, []byte, error) {
	return s.ask(ctx, http.MethodGet, path, nil)
}

// status is ask for those who only want to know whether they may.
func (s server) status(t *testing.T, method, path string, body any) int {
	t.Helper()
	status, _, err := s.ask(t.Context(), method, path, body)
	require.NoError(t, err)
	return status
}

// result asks for something that has to succeed and unpacks its result.
func (s server) result(t *testing.T, method, path string, body, result any) {
	t.Helper()
	status, answer, err := s.ask(t.Context(), method, path, body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, "%s %s: %s", method, path, answer)
	if result != nil {
		require.NoError(t, json.Unmarshal(answer, &struct {
			Result any `json:"result"`
		}{result}))
	}
}

// tuning is what the server says of the settings that compose.yaml tunes.
type tuning struct {
	M, EfConstruct, FullScanThreshold, IndexingThreshold int
	CPUSearchThreads, IOSearchThreads                    int
}

// tuned reads the settings back: those of collections from a collection that does not set them itself.
func (s server) tuned(t *testing.T, collection string) tuning {
	t.Helper()
	var info struct {
		Config struct {
			Hnsw struct {
				M                 int `json:"m"`
				EfConstruct       int `json:"ef_construct"`
				FullScanThreshold int `json:"full_scan_threshold"`
			} `json:"hnsw_config"`
			Optimizer struct {
				IndexingThreshold int `json:"indexing_threshold"`
			} `json:"optimizer_config"`
		} `json:"config"`
	}
	s.result(t, http.MethodGet, "/collections/"+collection, nil, &info)
	var telemetry struct {
		SearchPool struct {
			CPU int `json:"high_cpu_threads"`
			IO  int `json:"high_io_threads"`
		} `json:"search_pool"`
	}
	s.result(t, http.MethodGet, "/telemetry?details_level=10", nil, &telemetry)
	return tuning{
		M:                 info.Config.Hnsw.M,
		EfConstruct:       info.Config.Hnsw.EfConstruct,
		FullScanThreshold: info.Config.Hnsw.FullScanThreshold,
		IndexingThreshold: info.Config.Optimizer.IndexingThreshold,
		CPUSearchThreads:  telemetry.SearchPool.CPU,
		IOSearchThreads:   telemetry.SearchPool.IO,
	}
}

// create makes a collection of vectors of four dimensions, and nothing else said.
func (s server) create(t *testing.T, collection string) {
	t.Helper()
	s.result(t, http.MethodPut, "/collections/"+collection, map[string]any{
		"vectors": map[string]any{"size": 4, "distance": "Cosine"},
	}, nil)
}

// fill upserts points with ids 1 to n and waits until they are in. Point 1 is the one nearest to (1, 0, 0, 0).
func (s server) fill(t *testing.T, collection string, n int) {
	t.Helper()
	points := make([]map[string]any, 0, n)
	for id := 1; id <= n; id++ {
		points = append(points, map[string]any{
			"id": id, "vector": []float64{1, float64(id - 1), 0, 0.5}, "payload": map[string]any{"parity": id % 2},
		})
	}
	s.result(t, http.MethodPut, "/collections/"+collection+"/points?wait=true", map[string]any{"points": points}, nil)
}

func (s server) count(t *testing.T, collection string) int {
	t.Helper()
	var counted struct {
		Count int `json:"count"`
	}
	s.result(t, http.MethodPost, "/collections/"+collection+"/points/count", map[string]any{"exact": true}, &counted)
	return counted.Count
}

// nearest is the id of the point that a search for (1, 0, 0, 0) puts first.
func (s server) nearest(t *testing.T, collection string) int {
	t.Helper()
	var found struct {
		Points []struct {
			ID int `json:"id"`
		} `json:"points"`
	}
	s.result(t, http.MethodPost, "/collections/"+collection+"/points/query", map[string]any{"query": []float64{1, 0, 0, 0}, "limit": 1}, &found)
	require.Len(t, found.Points, 1)
	return found.Points[0].ID
}

// grpc is a client of the stack's gRPC port.
func (s *stack) grpc(t *testing.T, key string) *qdrant.Client {
	t.Helper()
	host, text, err := net.SplitHostPort(s.address(t, "qdrant", "6334"))
	require.NoError(t, err)
	port, err := strconv.Atoi(text)
	require.NoError(t, err)
	client, err := qdrant.NewClient(&qdrant.Config{Host: host, Port: port, APIKey: key, SkipCompatibilityCheck: true})
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}
