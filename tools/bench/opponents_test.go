package main

import (
	"context"
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/vector"
)

func TestAllOpponentsAreThoseThatAreThere(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skip("SKIP: there is no /bin/sh")
	}
	bfb := filepath.Join(t.TempDir(), "bfb")
	require.NoError(t, os.WriteFile(bfb, []byte("#!/bin/sh\necho bfb 0.9\n"), 0o700))
	o := Options{Phases: Phases(), Against: []string{againstAll}, Bfb: bfb, Python: filepath.Join(t.TempDir(), "nowhere")}

	found, err := findOpponents(t.Context(), o)
	require.NoError(t, err)
	assert.Equal(t, []string{againstNaive1, againstNaive64, againstRaw, againstBfb, againstRawSearch, againstExact}, found.names)
	assert.Equal(t, "bfb 0.9", found.versions[againstBfb])
	require.Len(t, found.missing, 1)
	assert.Equal(t, againstPython, found.missing[0].Opponent)
	assert.Contains(t, found.missing[0].Why, "nowhere")

	o.Connection.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	found, err = findOpponents(t.Context(), o)
	require.NoError(t, err)
	assert.Len(t, found.missing, 2, "neither speaks TLS here")

	o.Against = []string{againstRaw, againstBfb}
	_, err = findOpponents(t.Context(), o)
	require.EqualError(t, err, "--against bfb: it is only compared without TLS")

	o.Phases = []string{PhaseSweep}
	found, err = findOpponents(t.Context(), o)
	require.NoError(t, err, "nobody is needed")
	assert.Empty(t, found.names)
}

func TestLookingForOpponentsIsInterrupted(t *testing.T) {
	t.Parallel()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := findOpponents(over, Options{Phases: Phases(), Against: []string{againstAll}, Bfb: "bfb", Python: "python3"})
	require.ErrorIs(t, err, context.Canceled)
}

func TestOneIsNotComparedWithSeveral(t *testing.T) {
	t.Parallel()
	require.NoError(t, among("a", []string{"10.0.0.1"}))
	require.NoError(t, among("localhost", []string{"127.0.0.1", "::1"}), "they are one")
	require.NoError(t, among("a", []string{"10.0.0.1", "10.0.0.1"}))
	require.ErrorContains(t, among("qdrant", []string{"10.0.0.1", "10.0.0.2"}), "qdrant has 2 addresses")
	several, err := severalPeers(t.Context(), "127.0.0.1:6334")
	require.NoError(t, err)
	require.NoError(t, several)
}

func TestTargets(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]string{"a:1": "a", "dns:///a:1": "a", "static:///a:1": "a", "[::1]:1": "::1", "dns:///[::1]:1": "::1"} {
		host, port, err := splitTarget(target)
		require.NoError(t, err, target)
		assert.Equal(t, want, host)
		assert.Equal(t, 1, port)
	}
	for _, target := range []string{"a", "static:///a:1,b:1", "unix:///a", "dns:///a"} {
		_, _, err := splitTarget(target)
		require.Error(t, err, target)
	}
	_, err := connectRaw(vector.Config{Target: "a"})
	require.ErrorContains(t, err, "host:port")
}
