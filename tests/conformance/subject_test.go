// Package conformance keeps client/qdranttest honest: one course of calls runs against it and against real servers, and what both
// answer must be the same file: testdata/cluster.txt for the cluster and its REST API, testdata/points.txt for points and the gRPC API.
//
// The files are written by the real servers: QDRANT_BIN=… go test ./tests/conformance -run Real -update, then review the diff.
package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/qdrantprocess"
	"github.com/qdrant-shepherd/shepherd/client/qdranttest"
	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

const (
	key = "sesame"
	// patience bounds each wait for real servers, attempts each wait for the others.
	patience = 15 * time.Minute
	attempts = 100
	tick     = 25 * time.Millisecond
)

// subject is a cluster of three servers, real or not.
type subject interface {
	client(ordinal int) *clusterapi.Client
	stop(ordinal int) error
	start(ordinal int) error
	loseVolume(ordinal int) error
	// fill gives a shard points, enough for a copy of it to take a while.
	fill(t *testing.T, collection string)
	// until lets time pass until the condition holds.
	until(t *testing.T, what string, holds func() bool)
}

// real are processes.
type real struct{ *qdrantprocess.Cluster }

func (r real) client(ordinal int) *clusterapi.Client {
	return clusterapi.New(r.Servers[ordinal].URL(), key)
}
func (r real) stop(ordinal int) error       { return r.Servers[ordinal].Stop() }
func (r real) loseVolume(ordinal int) error { return r.Servers[ordinal].LoseVolume() }

func (r real) start(ordinal int) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return r.Servers[ordinal].Start(ctx)
}

func (r real) until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	require.Eventually(t, holds, patience, tick, what)
}

// fill writes vectors of 1 KiB, all to the one shard that the collections of this test have.
func (r real) fill(t *testing.T, collection string) {
	t.Helper()
	vector := make([]float32, dimensions)
	for i := range vector {
		vector[i] = float32(i)
	}
	const batch = 1000
	for first := 0; first < points; first += batch {
		list := make([]map[string]any, batch)
		for i := range list {
			list[i] = map[string]any{"id": first + i, "vector": vector}
		}
		request := call{http.MethodPut, "/collections/" + collection + "/points?wait=true", map[string]any{"points": list}}
		status, body := request.send(t, r.client(0).URL())
		require.Equal(t, http.StatusOK, status, string(body))
	}
}

// fake is what is under test.
type fake struct{ *qdranttest.Cluster }

func (f fake) client(ordinal int) *clusterapi.Client {
	return clusterapi.New(f.Server(ordinal).URL(), key)
}
func (f fake) stop(ordinal int) error       { f.Server(ordinal).Stop(); return nil }
func (f fake) loseVolume(ordinal int) error { f.Server(ordinal).LoseVolume(); return nil }

// start founds or joins as the real server of the ordinal does, by its arguments.
func (f fake) start(ordinal int) error {
	bootstrap := ""
	if ordinal > 0 {
		bootstrap = f.Server(0).URI()
	}
	return f.Server(ordinal).StartWith(f.Server(ordinal).URI(), bootstrap)
}

func (f fake) until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range attempts {
		if holds() {
			return
		}
		f.Step()
	}
	require.Fail(t, "waited too long: "+what)
}

func (f fake) fill(_ *testing.T, collection string) {
	f.SetPoints(collection, 0, points, points*dimensions*4)
}

// call is a request that a Client would not send, or whose answer is looked at as it is.
type call struct {
	method, path string
	body         any
}

func (c call) send(t *testing.T, url string) (int, []byte) {
	t.Helper()
	var body io.Reader
	if c.body != nil {
		encoded, err := json.Marshal(c.body)
		require.NoError(t, err)
		body = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(t.Context(), c.method, url+c.path, body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Api-Key", key)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err, "%s %s", c.method, c.path)
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, answer
}
