package up

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"

	"github.com/qdrant-shepherd/shepherd/client/qdranttest"
)

// standIn is client/qdranttest on the ports of the pods: REST by its handler, gRPC by copying bytes, for it has ports of its own.
type standIn struct {
	log       *slog.Logger
	cluster   *qdranttest.Cluster
	listeners []io.Closer
	copying   sync.WaitGroup
}

func startStandIn(ctx context.Context, at ports, key string, log *slog.Logger) (*standIn, error) {
	cluster, err := qdranttest.New(replicas, qdranttest.Options{
		APIKey: key, Name: statefulSet, Domain: statefulSet + "-headless", StepEvery: time.Second, ForgetCalls: true,
	})
	if err != nil {
		return nil, fmt.Errorf("starting the stand-in: %w", err)
	}
	s := &standIn{log: log, cluster: cluster}
	for _, server := range cluster.Servers() {
		err := s.serveREST(ctx, loopback(at.rest(server.Ordinal())), server)
		if err == nil {
			err = s.serveGRPC(ctx, loopback(at.grpc(server.Ordinal())), server)
		}
		if err != nil {
			s.stop()
			return nil, fmt.Errorf("serving the stand-in: %w", err)
		}
	}
	return s, nil
}

func (s *standIn) serveREST(ctx context.Context, address string, server *qdranttest.Server) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", r.In.Host },
		Transport: server.Client().Transport,
	}
	web := &http.Server{Handler: proxy, ReadHeaderTimeout: 10 * time.Second}
	s.listeners = append(s.listeners, web)
	go func() {
		if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("serving REST", "address", address, "error", err.Error())
		}
	}()
	return nil
}

func (s *standIn) serveGRPC(ctx context.Context, address string, server *qdranttest.Server) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	s.listeners = append(s.listeners, listener)
	s.copying.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // it is closed
			}
			s.copying.Go(func() { join(ctx, client, server.GRPC()) }) //nolint:contextcheck // it only tells the address
		}
	})
	return nil
}

// join copies bytes both ways until either end has no more, or the context ends.
func join(ctx context.Context, client net.Conn, address string) {
	server, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		_ = client.Close()
		return
	}
	closeBoth := sync.OnceFunc(func() { _, _ = client.Close(), server.Close() })
	defer context.AfterFunc(ctx, closeBoth)()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		both.Go(func() {
			defer closeBoth()
			_, _ = io.Copy(way[0], way[1])
		})
	}
	both.Wait()
}

// stop closes everything; the context of the start has ended.
func (s *standIn) stop() {
	for _, listener := range s.listeners {
		_ = listener.Close()
	}
	s.copying.Wait()
	if err := s.cluster.Close(); err != nil {
		s.log.Error("closing the stand-in", "error", err.Error())
	}
}
