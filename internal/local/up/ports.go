package up

import (
	"context"
	"fmt"
	"net"
	"strconv"
)

// ports are where pods listen that are processes of this machine: those of the chart for the first one, and ten more for each other.
type ports struct{ first int }

// apart is how far the ports of two pods are from each other.
const apart = 10

func (p ports) rest(ordinal int) int    { return p.first + apart*ordinal }
func (p ports) grpc(ordinal int) int    { return p.rest(ordinal) + 1 }
func (p ports) p2p(ordinal int) int     { return p.rest(ordinal) + 2 }
func (p ports) metrics(ordinal int) int { return p.rest(ordinal) + 3 }
func (p ports) watch(ordinal int) int   { return p.rest(ordinal) + 4 }

// watchMetrics is shepherd's port in a pod of the StatefulSet, tendMetrics that of the one which tends.
func (p ports) watchMetrics(ordinal int) int { return p.rest(ordinal) + 5 }
func (p ports) tendMetrics() int             { return p.first + 6 }

// served are the ports of a pod that clients use.
func (p ports) served(ordinal int) []int { return []int{p.rest(ordinal), p.grpc(ordinal)} }

// all are the ports of a pod whose server is real.
func (p ports) all(ordinal int) []int {
	return append(p.served(ordinal), p.p2p(ordinal), p.metrics(ordinal), p.watch(ordinal), p.watchMetrics(ordinal))
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// free fails if somebody listens on one of the ports.
func free(ctx context.Context, ports []int) error {
	for _, port := range ports {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", loopback(port))
		if err != nil {
			return fmt.Errorf("port %d is taken; end what listens there, or move all ports with PORT=%d", port, DefaultPort+1000)
		}
		_ = listener.Close()
	}
	return nil
}
