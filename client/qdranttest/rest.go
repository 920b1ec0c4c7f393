package qdranttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
)

// errNoCommit is what a leader answers whose proposal gets no majority, errNoLeader what others do then. Real ones take ten seconds.
var (
	errNoCommit = serviceError("Waiting for consensus operation commit failed. Timeout set at: 10 seconds")
	errNoLeader = serviceError("Failed to propose operation: leader is not established within 10s")
)

// URL is the address of the REST API on the loopback interface. It stays the same through stops and starts. The listener is made when
// the first one asks, so that a test which only uses Client has no network at all.
func (s *Server) URL() string {
	s.cluster.mu.Lock()
	defer s.cluster.mu.Unlock()
	if s.web == nil {
		s.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			recorder := s.answer(r)
			if recorder == nil {
				cut(w)
				return
			}
			for key, values := range recorder.Header() {
				w.Header()[key] = values
			}
			w.WriteHeader(recorder.Code)
			_, _ = w.Write(recorder.Body.Bytes())
		}))
	}
	return s.web.URL
}

// Client calls this server, whatever host the request names, by function calls instead of a network. It works in a bubble of
// testing/synctest, where a network would keep time from passing.
func (s *Server) Client() *http.Client {
	return &http.Client{Transport: direct{s}}
}

type direct struct{ server *Server }

var errConnection = errors.New("connection refused")

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	recorder := d.server.answer(r)
	if r.Body != nil {
		_ = r.Body.Close()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if recorder == nil {
		return nil, errConnection
	}
	response := recorder.Result()
	response.Request = r
	return response, nil
}

// cut ends a connection without an answer, as a process does that is killed.
func cut(w http.ResponseWriter) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		return
	}
	if connection, _, err := hijacker.Hijack(); err == nil {
		_ = connection.Close()
	}
}

// answer is nil when the connection is to be cut.
func (s *Server) answer(r *http.Request) *httptest.ResponseRecorder {
	c := s.cluster
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	seen := Request{Server: s.ordinal, Method: r.Method, Path: r.URL.RequestURI(), Body: string(body)}

	c.lock()
	run, hang := s.process, s.hang
	c.mu.Unlock()
	if run != nil && hang != nil {
		select {
		case <-hang:
		case <-run.ended:
		case <-c.closed:
		case <-r.Context().Done():
		}
	}

	c.lock()
	defer c.mu.Unlock()
	recorder := httptest.NewRecorder()
	f := s.fault(r.Method, r.URL.RequestURI())
	switch {
	case run == nil || s.process != run || r.Context().Err() != nil || (f != nil && f.status == 0):
		recorder = nil
	case f != nil:
		fail(recorder, &refusal{f.status, f.message})
	case !s.admits(r):
		text := "Invalid API key or JWT"
		if r.Header.Get("Api-Key") == "" && r.Header.Get("Authorization") == "" {
			text = "Must provide an API key or an Authorization bearer token"
		}
		recorder.WriteHeader(http.StatusUnauthorized)
		_, _ = recorder.WriteString(text)
	default:
		s.routes(body).ServeHTTP(recorder, r)
	}
	if recorder != nil {
		seen.Status = recorder.Code
	}
	c.requests = append(c.requests, seen)
	return recorder
}

// open are the paths that need no key.
var open = []string{"/", "/healthz", "/livez", "/readyz"}

func (s *Server) admits(r *http.Request) bool {
	key := r.Header.Get("Api-Key")
	if key == "" {
		key = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	}
	return s.apiKey == "" || key == s.apiKey || slices.Contains(open, r.URL.Path)
}

// routes are the REST API of a server. They run under the cluster's lock.
func (s *Server) routes(body []byte) *http.ServeMux {
	mux := http.NewServeMux()
	text := func(status int, words string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, words)
		}
	}
	result := func(pattern string, handler func(*http.Request, []byte) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			answer, err := handler(r, body)
			if err != nil {
				fail(w, err)
				return
			}
			reply(w, http.StatusOK, map[string]any{"result": answer, "status": "ok", "time": 0.0001})
		})
	}
	mux.HandleFunc("/", text(http.StatusNotFound, ""))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]string{"title": "qdrant - vector search engine", "version": s.version})
	})
	mux.HandleFunc("GET /healthz", text(http.StatusOK, "healthz check passed"))
	mux.HandleFunc("GET /livez", text(http.StatusOK, "healthz check passed"))
	if s.ready() {
		mux.HandleFunc("GET /readyz", text(http.StatusOK, "all shards are ready"))
	} else {
		mux.HandleFunc("GET /readyz", text(http.StatusServiceUnavailable, "some shards are not ready"))
	}
	result("GET /cluster", s.getCluster)
	result("DELETE /cluster/peer/{peer}", s.deletePeer)
	result("GET /telemetry", s.getTelemetry)
	result("GET /collections", s.getCollections)
	result("GET /collections/{collection}", s.getCollection)
	result("PUT /collections/{collection}", s.putCollection)
	result("DELETE /collections/{collection}", s.deleteCollection)
	result("GET /collections/{collection}/cluster", s.getCollectionCluster)
	result("POST /collections/{collection}/cluster", s.postCollectionCluster)
	result("GET /collections/{collection}/shards/{shard}/snapshots", s.getSnapshots)
	result("POST /collections/{collection}/shards/{shard}/snapshots", s.postSnapshot)
	result("PUT /collections/{collection}/shards/{shard}/snapshots/recover", s.recoverSnapshot)
	result("DELETE /collections/{collection}/shards/{shard}/snapshots/{snapshot}", s.deleteSnapshot)
	return mux
}

// plain is a refusal without the envelope, as of the layers around the server's handlers.
type plain struct{ refusal }

func fail(w http.ResponseWriter, err error) {
	var words *plain
	if errors.As(err, &words) {
		w.WriteHeader(words.status)
		_, _ = io.WriteString(w, words.text)
		return
	}
	status := http.StatusInternalServerError
	var refused *refusal
	if errors.As(err, &refused) {
		status = refused.status
	}
	reply(w, status, map[string]any{"status": map[string]string{"error": err.Error()}, "time": 0.0001})
}

func reply(w http.ResponseWriter, status int, answer any) {
	encoded, err := json.Marshal(answer)
	if err != nil {
		status, encoded = http.StatusInternalServerError, []byte(err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.Copy(w, bytes.NewReader(encoded))
}

// ready is what /readyz says. Yes is for good: the server looks only at the replicas that were not healthy when it started.
func (s *Server) ready() bool {
	for key := range s.process.awaits {
		col := s.view().collections[key.collection]
		if col == nil || col.shards[key.shard][s.id] == "" || states[col.shards[key.shard][s.id]] {
			delete(s.process.awaits, key)
		}
	}
	return !s.unready && len(s.process.awaits) == 0
}
