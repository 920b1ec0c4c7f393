package resolve

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// DefaultPort is the server's gRPC port, for a target that names none.
const DefaultPort = 6334

// Target is where the peers are: a name that may stand for many addresses, or the addresses themselves.
type Target struct {
	// Host and Port are what a certificate is checked against, and what is looked up if Name is true.
	Host string
	Port int
	// Name: Host is a name to look up, again and again.
	Name bool
	// Addresses are the peers where there is no name to look up, in the form of the dialer: host:port or unix:path.
	Addresses []string
}

// Parse reads a target: dns:///host:port, host:port or host (both mean dns),
// static:///host:port,host:port, passthrough:///host:port, or unix:///path.
// IPv6 addresses stand in brackets where a port follows.
func Parse(target string) (Target, error) {
	if target == "" {
		return Target{}, errors.New("the target is empty, instead of a host:port")
	}
	scheme, rest, found := strings.Cut(target, ":///")
	if !found {
		// unix:path is the form without an authority, which grpc takes too.
		if path, isPath := strings.CutPrefix(target, "unix:"); isPath {
			scheme, rest = "unix", path
		} else if _, host, odd := strings.Cut(target, "://"); odd {
			return Target{}, fmt.Errorf("target %q: it takes three slashes after the scheme, as in dns:///%s", target, host)
		} else {
			scheme, rest = "dns", target
		}
	} else if scheme == "unix" {
		rest = "/" + rest
	}
	t, err := parse(scheme, rest)
	if err != nil {
		return Target{}, fmt.Errorf("target %q: %w", target, err)
	}
	return t, nil
}

func parse(scheme, rest string) (Target, error) {
	switch scheme {
	case "dns":
		host, port, err := split(rest)
		if err != nil {
			return Target{}, err
		}
		t := Target{Host: host, Port: port, Name: net.ParseIP(host) == nil}
		if !t.Name {
			t.Addresses = []string{join(host, port)}
		}
		return t, nil
	case "static":
		t := Target{}
		for item := range strings.SplitSeq(rest, ",") {
			host, port, err := split(strings.TrimSpace(item))
			if err != nil {
				return Target{}, err
			}
			if len(t.Addresses) == 0 {
				t.Host, t.Port = host, port
			}
			t.Addresses = append(t.Addresses, join(host, port))
		}
		slices.Sort(t.Addresses)
		t.Addresses = slices.Compact(t.Addresses)
		return t, nil
	case "passthrough":
		host, port, err := split(rest)
		if err != nil {
			return Target{}, err
		}
		return Target{Host: host, Port: port, Addresses: []string{join(host, port)}}, nil
	case "unix":
		if rest == "" || rest == "/" {
			return Target{}, errors.New("the path of the socket is missing")
		}
		return Target{Host: "localhost", Port: DefaultPort, Addresses: []string{"unix:" + rest}}, nil
	default:
		return Target{}, fmt.Errorf("unknown scheme %q; there are dns, static, passthrough and unix", scheme)
	}
}

// Loopback reports whether the peers are on this machine.
func (t Target) Loopback() bool {
	if t.Name {
		return t.Host == "localhost"
	}
	return !slices.ContainsFunc(t.Addresses, func(address string) bool {
		if strings.HasPrefix(address, "unix:") {
			return false
		}
		host, _, err := net.SplitHostPort(address)
		ip := net.ParseIP(host)
		return err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback())
	})
}

// split parts host:port, and fills in the port if it is missing.
func split(s string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(s)
	if err != nil {
		// What is left is a host without a port, where brackets may be around an IPv6 address.
		host, text = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"), strconv.Itoa(DefaultPort)
		if strings.Contains(host, ":") && net.ParseIP(host) == nil {
			return "", 0, fmt.Errorf("%q is no host:port", s)
		}
	}
	if host == "" {
		return "", 0, fmt.Errorf("the host is missing in %q", s)
	}
	// The name becomes a part of a URL, and of the server name of TLS.
	if u, err := url.Parse("dns:///" + join(host, 1)); strings.ContainsAny(host, "/?#@ ,") || err != nil || u.Host != "" {
		return "", 0, fmt.Errorf("%q is no name of a host", host)
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil || number == 0 {
		return "", 0, fmt.Errorf("port %q is not a number from 1 to 65535", text)
	}
	return host, int(number), nil
}

func join(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
