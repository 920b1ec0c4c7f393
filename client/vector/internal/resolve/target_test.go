package resolve

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]Target{
		"dns:///q-qdrant-clients:6334":   {Host: "q-qdrant-clients", Port: 6334, Name: true},
		"dns:///q.ns.svc.cluster.local.": {Host: "q.ns.svc.cluster.local.", Port: 6334, Name: true},
		"localhost:1234":                 {Host: "localhost", Port: 1234, Name: true},
		"localhost":                      {Host: "localhost", Port: 6334, Name: true},
		"10.0.0.1":                       {Host: "10.0.0.1", Port: 6334, Addresses: []string{"10.0.0.1:6334"}},
		"[::1]:7":                        {Host: "::1", Port: 7, Addresses: []string{"[::1]:7"}},
		"[fd00::2]":                      {Host: "fd00::2", Port: 6334, Addresses: []string{"[fd00::2]:6334"}},
		"fd00::2":                        {Host: "fd00::2", Port: 6334, Addresses: []string{"[fd00::2]:6334"}},
		"static:///b:1, a,b:1":           {Host: "b", Port: 1, Addresses: []string{"a:6334", "b:1"}},
		"passthrough:///bufnet:1":        {Host: "bufnet", Port: 1, Addresses: []string{"bufnet:1"}},
		"unix:///run/q.sock":             {Host: "localhost", Port: 6334, Addresses: []string{"unix:/run/q.sock"}},
		"unix:q.sock":                    {Host: "localhost", Port: 6334, Addresses: []string{"unix:q.sock"}},
	} {
		got, err := Parse(target)
		if assert.NoError(t, err, target) {
			assert.Equal(t, want, got, target)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]string{
		"":                     "empty",
		"http://q:6333":        "three slashes",
		"xds:///q":             `unknown scheme "xds"`,
		"q:0":                  `port "0"`,
		"q:http":               `port "http"`,
		"q:65536":              `port "65536"`,
		":6334":                "host is missing",
		"dns:///":              "host is missing",
		"a:1:2":                "no host:port",
		"static:///a:1,":       "host is missing",
		"dns:///a,b:6334":      "no name of a host",
		"user@host:1":          "no name of a host",
		"dns:///8.8.8.8/q:1":   "no name of a host",
		"unix:///":             "path of the socket is missing",
		"static:///a b:1":      "no name of a host",
		"passthrough:///a?b=c": "no name of a host",
	} {
		_, err := Parse(target)
		require.ErrorContains(t, err, want, target)
	}
}

func TestLoopback(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]bool{
		"localhost:1": true, "127.0.0.1:1": true, "[::1]:1": true, "unix:///run/q.sock": true, "static:///localhost:1,127.0.0.2:2": true,
		"q:1": false, "10.0.0.1:1": false, "static:///localhost:1,q:2": false,
	} {
		parsed, err := Parse(target)
		require.NoError(t, err)
		assert.Equal(t, want, parsed.Loopback(), target)
	}
}

func FuzzParse(f *testing.F) {
	for _, target := range []string{"dns:///q:1", "[::1]:1", "static:///a,b:2", "unix:/x", "a:b:c", ":///", "passthrough:///%zz"} {
		f.Add(target)
	}
	f.Fuzz(func(t *testing.T, target string) {
		parsed, err := Parse(target)
		if err != nil {
			return
		}
		if parsed.Host == "" || parsed.Port < 1 || parsed.Port > 65535 {
			t.Errorf("%q: host %q, port %d", target, parsed.Host, parsed.Port)
		}
		if parsed.Name != (len(parsed.Addresses) == 0) {
			t.Errorf("%q: name %t and addresses %q", target, parsed.Name, parsed.Addresses)
		}
	})
}
