package command

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// secure is a server with TLS that answers GET / with its version, and the file of its authority.
func secure(t *testing.T) (address, caFile string) {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"version":"1.18.3"}`)
	}))
	t.Cleanup(server.Close)
	caFile = filepath.Join(t.TempDir(), "ca.crt")
	require.NoError(t, os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600))
	return server.Listener.Addr().String(), caFile
}

// leading leads every name to one address, and keeps the names that were asked for.
func leading(to string) (dialer, func() []string) {
	var mu sync.Mutex
	var asked []string
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		mu.Lock()
		asked = append(asked, address)
		mu.Unlock()
		return (&net.Dialer{}).DialContext(ctx, network, to)
	}
	return dial, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return asked
	}
}

// The certificate of httptest is for example.com and its subdomains.
func TestPeersAreTrustedByTheirAuthority(t *testing.T) {
	t.Parallel()
	address, caFile := secure(t)
	dial, asked := leading(address)
	s := &settings{scheme: "https", domain: "example.com", caFile: caFile, process: Process{Dial: dial}}

	peers, err := s.peers("")
	require.NoError(t, err)
	version, err := peers.client("q-1").Version(t.Context())

	require.NoError(t, err)
	assert.Equal(t, "1.18.3", version)
	assert.Equal(t, []string{"q-1.example.com:6333"}, asked())

	s.caFile = ""
	peers, err = s.peers("")
	require.NoError(t, err)
	_, err = peers.client("q-1").Version(t.Context())
	require.ErrorContains(t, err, "certificate signed by unknown authority")

	s.caFile, s.domain = caFile, "example.org"
	peers, err = s.peers("")
	require.NoError(t, err)
	_, err = peers.client("q-1").Version(t.Context())
	require.ErrorContains(t, err, "certificate is valid for")
}

func TestARenewedAuthorityIsRead(t *testing.T) {
	t.Parallel()
	address, caFile := secure(t)
	authority, err := os.ReadFile(caFile)
	require.NoError(t, err)
	dial, _ := leading(address)
	require.NoError(t, os.WriteFile(caFile, selfSigned(t), 0o600))
	transport := &transport{caFile: caFile, dial: dial}
	require.NoError(t, transport.load())
	get := func() error {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://q-0.example.com:6333/", nil)
		require.NoError(t, err)
		response, err := transport.RoundTrip(request)
		if err == nil {
			_ = response.Body.Close()
		}
		return err
	}
	require.ErrorContains(t, get(), "unknown authority")

	require.NoError(t, os.WriteFile(caFile, authority, 0o600))
	require.NoError(t, os.Chtimes(caFile, time.Now(), time.Now().Add(time.Second)))
	transport.mu.Lock()
	transport.checked = time.Now().Add(-time.Minute)
	transport.mu.Unlock()
	require.NoError(t, get())

	require.NoError(t, os.Remove(caFile))
	transport.mu.Lock()
	transport.checked = time.Now().Add(-time.Minute)
	transport.mu.Unlock()
	require.NoError(t, get(), "while the file is replaced, what was trusted stays so")
}

func TestTheOwnServerIsReachedThroughLoopback(t *testing.T) {
	t.Parallel()
	address, caFile := secure(t)
	dial, asked := leading(address)
	s := &settings{scheme: "https", domain: "example.com", caFile: caFile, process: Process{Dial: dial}}
	peers, err := s.peers("q-0")
	require.NoError(t, err)
	for _, pod := range []string{"q-0", "q-1"} {
		_, err := peers.client(pod).Version(t.Context())
		require.NoError(t, err, "the name stays in the handshake")
	}
	assert.Equal(t, []string{"localhost:6333", "q-1.example.com:6333"}, asked())
}

func TestAuthoritiesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	s := &settings{scheme: "https", domain: "example.com", caFile: filepath.Join(t.TempDir(), "none.crt")}
	_, err := s.peers("")
	require.ErrorContains(t, err, "reading the authorities: ")

	require.NoError(t, os.WriteFile(s.caFile, []byte("no certificate"), 0o600))
	_, err = s.peers("")
	require.ErrorContains(t, err, "there is no certificate in")
}

func TestURI(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "https://q-2.q-headless.search.svc:6335", uri("https", "q-headless.search.svc")("q-2"))
}

func TestDurationsInSeconds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"90": 90 * time.Second, "90s": 90 * time.Second, "1h30m": 90 * time.Minute, "0": 0} {
		var d duration
		require.NoError(t, d.Set(text))
		assert.Equal(t, want, time.Duration(d), text)
	}
}

// selfSigned is a certificate that has nothing to do with any server.
func selfSigned(t *testing.T) []byte {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	certificate, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
}
