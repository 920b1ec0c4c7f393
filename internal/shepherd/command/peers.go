package command

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

const (
	restPort = "6333"
	p2pPort  = "6335"
	// requestTimeout bounds what has no deadline of its own; recovering a shard from a snapshot is answered when it is done.
	requestTimeout = 5 * time.Minute
)

// peers makes clients for the servers in the StatefulSet's pods.
type peers struct {
	scheme, domain, apiKey string
	http                   *http.Client
}

// peers trusts the authorities of a file, if one is given, as it is at the time: certificates are renewed while this runs. The own
// pod, if one is given, is reached through loopback: its server must be heard also when its name does not resolve.
func (s *settings) peers(ownPod string) (*peers, error) {
	if err := oneOf("scheme", s.scheme, "http", "https"); err != nil {
		return nil, err
	}
	transport := &transport{caFile: s.caFile, dial: s.process.Dial}
	if ownPod != "" {
		transport.dial = throughLoopback(s.process.Dial, net.JoinHostPort(ownPod+"."+s.domain, restPort))
	}
	if err := transport.load(); err != nil {
		return nil, err
	}
	return &peers{scheme: s.scheme, domain: s.domain, apiKey: s.apiKey, http: &http.Client{Timeout: requestTimeout, Transport: transport}}, nil
}

// client is for the server in a pod.
func (p *peers) client(pod string) *clusterapi.Client { return p.at(pod+"."+p.domain, p.apiKey) }

// at is for any host, with a key of choice.
func (p *peers) at(host, apiKey string) *clusterapi.Client {
	return clusterapi.NewWithHTTP(p.scheme+"://"+net.JoinHostPort(host, restPort), apiKey, p.http)
}

// uri is how peers know the server in a pod, as the server itself writes it.
func uri(p2pScheme, domain string) func(pod string) string {
	return func(pod string) string { return p2pScheme + "://" + net.JoinHostPort(pod+"."+domain, p2pPort) }
}

// transport is an HTTP transport that begins anew when its file of authorities has changed.
type transport struct {
	caFile string
	dial   dialer

	mu      sync.Mutex
	changed time.Time
	checked time.Time
	current *http.Transport
}

// RoundTrip sends a request over the current transport.
func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	t.mu.Lock()
	if t.caFile != "" && time.Since(t.checked) > 10*time.Second {
		// A file that is being replaced may be missing for a moment: the authorities of before stay.
		_ = t.loadLocked()
	}
	current := t.current
	t.mu.Unlock()
	return current.RoundTrip(request)
}

func (t *transport) load() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.loadLocked()
}

func (t *transport) loadLocked() error {
	t.checked = time.Now()
	var roots *x509.CertPool
	if t.caFile != "" {
		info, err := os.Stat(t.caFile)
		if err != nil {
			return fmt.Errorf("reading the authorities: %w", err)
		}
		if t.current != nil && info.ModTime().Equal(t.changed) {
			return nil
		}
		text, err := os.ReadFile(t.caFile)
		if err != nil {
			return fmt.Errorf("reading the authorities: %w", err)
		}
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(text) {
			return fmt.Errorf("reading the authorities: there is no certificate in %s", t.caFile)
		}
		t.changed = info.ModTime()
	}
	before := t.current
	t.current = newTransport(roots, t.dial)
	if before != nil {
		before.CloseIdleConnections()
	}
	return nil
}

func newTransport(roots *x509.CertPool, dial dialer) *http.Transport {
	return &http.Transport{
		DialContext:         dial,
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 5 * time.Second,
		// A server that is told to stop waits for connections that are kept open: seen with 1.18.3, for more than 30 s.
		DisableKeepAlives: true,
		// No proxy: peers are in the cluster's own network, whatever the environment says.
	}
}
