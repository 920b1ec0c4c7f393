//go:build controlplane

package controlplane

import (
	"net/http"
	"sync/atomic"
)

// calls counts the requests of a client to the API server.
type calls struct{ n atomic.Int64 }

func (c *calls) count(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		c.n.Add(1)
		return next.RoundTrip(r)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip is http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
