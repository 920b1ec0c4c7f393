// Package clusterapi speaks the part of Qdrant's API that only REST has: the
// cluster, its peers, and where the replicas of each collection are, in the
// server's own words. Points are read here only where gRPC has no such read, or
// where the reader must know which peer answers. A Client talks to the one peer
// its URL leads to; it starts nothing and keeps no state but idle connections.
package clusterapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// requestTimeout bounds a request whose context has no deadline, so that a
// peer that accepts connections and never answers cannot hold its caller.
const requestTimeout = time.Minute

// Client calls one peer.
type Client struct {
	base   string
	apiKey string
	http   *http.Client
}

// New makes a client for the peer at baseURL, such as http://127.0.0.1:6333.
// The key is sent with each request unless it is empty.
func New(baseURL, apiKey string) *Client {
	return NewWithHTTP(baseURL, apiKey, &http.Client{Timeout: requestTimeout})
}

// NewWithHTTP is New with an HTTP client of the caller's, for TLS or a tunnel.
func NewWithHTTP(baseURL, apiKey string, client *http.Client) *Client {
	return &Client{base: strings.TrimRight(baseURL, "/"), apiKey: apiKey, http: client}
}

// URL is the address the client was made with.
func (c *Client) URL() string { return c.base }

// Error is an answer of the server that is not a success.
type Error struct {
	// Act says what was asked of whom.
	Act string
	// Status is the HTTP status code.
	Status int
	// Message is the server's own text.
	Message string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: %d %s: %s", e.Act, e.Status, http.StatusText(e.Status), e.Message)
}

// Cluster returns this peer's view of the cluster.
func (c *Client) Cluster(ctx context.Context) (Cluster, error) {
	return result[Cluster](ctx, c, "reading the cluster", http.MethodGet, "/cluster", nil)
}

// Collections returns the names of all collections.
func (c *Client) Collections(ctx context.Context) ([]string, error) {
	type collections struct {
		Collections []struct {
			Name string `json:"name"`
		} `json:"collections"`
	}
	list, err := result[collections](ctx, c, "listing collections", http.MethodGet, "/collections", nil)
	names := make([]string, 0, len(list.Collections))
	for _, collection := range list.Collections {
		names = append(names, collection.Name)
	}
	return names, err
}

// Collection returns the status and the configuration of a collection.
func (c *Client) Collection(ctx context.Context, name string) (Collection, error) {
	return result[Collection](ctx, c, "reading collection "+name, http.MethodGet, collectionPath(name), nil)
}

// CollectionCluster returns this peer's view of the replicas of a collection.
func (c *Client) CollectionCluster(ctx context.Context, name string) (CollectionCluster, error) {
	act := "reading the shards of collection " + name
	return result[CollectionCluster](ctx, c, act, http.MethodGet, collectionPath(name, "cluster"), nil)
}

// Scroll reads a page of a collection as this peer answers it to any client:
// from its own replicas where it can, from other peers where it must.
func (c *Client) Scroll(ctx context.Context, collection string, request ScrollRequest) (Page, error) {
	path := collectionPath(collection, "points", "scroll")
	return result[Page](ctx, c, "scrolling collection "+collection, http.MethodPost, path, request)
}

// ScrollReplica reads a page of this peer's own replica of a shard, and of no
// other: the request fails if the peer has none. The endpoint is the one that
// Qdrant's peers use among themselves (src/actix/api/local_shard_api.rs); it
// reads a replica in whatever state it is.
func (c *Client) ScrollReplica(ctx context.Context, collection string, shard ShardID, request ScrollRequest) (Page, error) {
	act := fmt.Sprintf("scrolling the replica of shard %d of collection %s", shard, collection)
	path := collectionPath(collection, "shards", fmt.Sprint(shard), "points", "scroll")
	return result[Page](ctx, c, act, http.MethodPost, path, request)
}

// Telemetry returns what the server tells about itself; level 10 is everything.
func (c *Client) Telemetry(ctx context.Context, level int) (json.RawMessage, error) {
	path := fmt.Sprintf("/telemetry?details_level=%d", level)
	return result[json.RawMessage](ctx, c, "reading telemetry", http.MethodGet, path, nil)
}

// Ready returns nil once the peer says that its shards are ready. The server
// never takes that answer back, so it tells how a start went and nothing later.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.call(ctx, "asking for readiness", http.MethodGet, "/readyz", nil)
	return err
}

// Metrics returns the server's metrics in Prometheus' text format.
func (c *Client) Metrics(ctx context.Context) ([]byte, error) {
	return c.call(ctx, "reading metrics", http.MethodGet, "/metrics", nil)
}

// Version returns the version of the server; it needs no key.
func (c *Client) Version(ctx context.Context) (string, error) {
	body, err := c.call(ctx, "reading the version", http.MethodGet, "/", nil)
	if err != nil {
		return "", err
	}
	var about struct {
		Version string `json:"version"`
	}
	if err := json.Unmarshal(body, &about); err != nil {
		return "", fmt.Errorf("reading the version of %s: %w", c.base, err)
	}
	return about.Version, nil
}

// result calls the server and decodes the "result" of its answer.
func result[T any](ctx context.Context, c *Client, act, method, path string, request any) (T, error) {
	var answer struct {
		Result T `json:"result"`
	}
	body, err := c.call(ctx, act, method, path, request)
	if err != nil {
		return answer.Result, err
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return answer.Result, fmt.Errorf("%s: decoding the answer of %s: %w", act, c.base, err)
	}
	return answer.Result, nil
}

// call sends one request and returns the body of the answer, or an error that
// carries the server's own text.
func (c *Client) call(ctx context.Context, act, method, path string, request any) ([]byte, error) {
	act = act + " at " + c.base
	var payload io.Reader
	if request != nil {
		encoded, err := json.Marshal(request)
		if err != nil {
			return nil, fmt.Errorf("%s: encoding the request: %w", act, err)
		}
		payload = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, payload)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", act, err)
	}
	if request != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.apiKey != "" {
		req.Header.Set("api-key", c.apiKey)
	}
	response, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", act, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("%s: reading the answer: %w", act, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, &Error{Act: act, Status: response.StatusCode, Message: errorText(body)}
	}
	return body, nil
}

// errorText finds the server's words in the body of an error. Handlers answer
// with {"status": {"error": "…"}}, the layers around them (authentication,
// readiness, unknown paths) with plain text or nothing.
func errorText(body []byte) string {
	var answer struct {
		Status struct {
			Error string `json:"error"`
		} `json:"status"`
	}
	if json.Unmarshal(body, &answer) == nil && answer.Status.Error != "" {
		return answer.Status.Error
	}
	return cmp.Or(strings.TrimSpace(string(body)), "no message")
}

func collectionPath(name string, rest ...string) string {
	path := "/collections/" + url.PathEscape(name)
	for _, part := range rest {
		path += "/" + part
	}
	return path
}
