package command

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

// probeTimeout bounds each request of the probe; making a collection waits for every peer to have it.
const probeTimeout = 30 * time.Second

// probe writes, searches and deletes a collection of its own, and checks that nobody may without the key, if there is one.
func probe(ctx context.Context, peers *peers, host string) []finding {
	findings := []finding{searches(ctx, peers, host)}
	if peers.apiKey == "" {
		return findings
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	_, err := peers.at(host, "").Collections(ctx)
	var refusal *clusterapi.Error
	switch {
	case err == nil:
		return append(findings, finding{false, host + " answers without the key"})
	case errors.As(err, &refusal) && (refusal.Status == http.StatusUnauthorized || refusal.Status == http.StatusForbidden):
		return append(findings, finding{true, host + " refuses whoever has no key"})
	default:
		return append(findings, finding{false, fmt.Sprintf("%s was asked without the key: %v", host, err)})
	}
}

func searches(ctx context.Context, peers *peers, host string) (found finding) {
	r := rest{peers: peers, host: host}
	path := "/collections/shepherd-check-" + strings.ToLower(rand.Text())
	failed := func(act string, err error) finding {
		return finding{false, fmt.Sprintf("%s at %s: %v", act, host, err)}
	}

	// From here on the collection may exist, whatever the answer was.
	defer func() {
		if _, err := r.call(context.WithoutCancel(ctx), http.MethodDelete, path, nil); err != nil && found.ok {
			found = failed("deleting the probe's collection", err)
		}
	}()
	_, err := r.call(ctx, http.MethodPut, path, map[string]any{"vectors": map[string]any{"size": 4, "distance": "Dot"}})
	if err != nil {
		return failed("making a collection", err)
	}
	_, err = r.call(ctx, http.MethodPut, path+"/points?wait=true", map[string]any{"points": []any{
		map[string]any{"id": 1, "vector": []int{1, 0, 0, 0}, "payload": map[string]any{"city": "Berlin"}},
		map[string]any{"id": 2, "vector": []int{0, 1, 0, 0}, "payload": map[string]any{"city": "London"}},
	}})
	if err != nil {
		return failed("writing", err)
	}
	body, err := r.call(ctx, http.MethodPost, path+"/points/query", map[string]any{"query": []int{0, 1, 0, 0}, "limit": 1, "with_payload": true})
	if err != nil {
		return failed("searching", err)
	}
	var answer struct {
		Result struct {
			Points []struct {
				Payload struct {
					City string `json:"city"`
				} `json:"payload"`
			} `json:"points"`
		} `json:"result"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return failed("reading what the search found", err)
	}
	if len(answer.Result.Points) != 1 || answer.Result.Points[0].Payload.City != "London" {
		return finding{false, fmt.Sprintf("the search at %s found something else: %s", host, body)}
	}
	return finding{true, fmt.Sprintf("two points written at %s, the nearest one found", host)}
}

// rest sends what the client of the cluster API has no word for.
type rest struct {
	peers *peers
	host  string
}

func (r rest) call(ctx context.Context, method, path string, body any) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, r.peers.at(r.host, "").URL()+path, bytes.NewReader(encoded))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	if r.peers.apiKey != "" {
		request.Header.Set("Api-Key", r.peers.apiKey)
	}
	response, err := r.peers.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", response.Status, answer)
	}
	return answer, nil
}
