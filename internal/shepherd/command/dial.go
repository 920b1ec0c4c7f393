package command

import (
	"context"
	"net"
	"time"
)

// dialTimeout is enough within a cluster's network; a pod that is gone often swallows packets instead of refusing them.
const dialTimeout = 2 * time.Second

type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

// Dial reaches a server over the network.
func Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}).DialContext(ctx, network, address)
}

// throughLoopback leads the own pod's name to loopback, so that the sidecar hears its server whatever DNS says; the name stays in the
// request and in the TLS handshake.
func throughLoopback(dial dialer, own string) dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == own {
			_, port, err := net.SplitHostPort(own)
			if err != nil {
				return nil, err
			}
			address = net.JoinHostPort("localhost", port)
		}
		return dial(ctx, network, address)
	}
}
