package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// shutdownTime bounds the end of the HTTP servers: what still waits then is a hook whose pod is being killed.
const shutdownTime = 2 * time.Second

// servers are the two listeners.
type servers struct {
	list   []*http.Server
	failed chan error
}

// handler answers probes and hooks.
func (w *watcher) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(response http.ResponseWriter, _ *http.Request) {
		answer(response, http.StatusOK, "watching")
	})
	mux.HandleFunc("GET /ready", func(response http.ResponseWriter, _ *http.Request) {
		seen, _ := w.seen()
		status := http.StatusServiceUnavailable
		if seen.readiness.Ready {
			status = http.StatusOK
		}
		answer(response, status, seen.readiness.Why)
	})
	mux.HandleFunc("GET /stop", func(response http.ResponseWriter, request *http.Request) {
		v, err := w.hold(request.Context())
		if err != nil {
			answer(response, http.StatusServiceUnavailable, v.Why)
			return
		}
		answer(response, http.StatusOK, v.Why)
	})
	return mux
}

func answer(response http.ResponseWriter, status int, why string) {
	response.Header().Set("Content-Type", "text/plain; charset=utf-8")
	response.WriteHeader(status)
	_, _ = io.WriteString(response, why+"\n")
}

// serve opens both listeners. The contexts of their requests end with ctx.
func (w *watcher) serve(ctx context.Context) (*servers, error) {
	scrapes := http.NewServeMux()
	scrapes.Handle("GET /metrics", promhttp.HandlerFor(w.metrics.registry, promhttp.HandlerOpts{}))
	s := &servers{failed: make(chan error, 2)}
	for _, one := range []struct {
		address string
		handler http.Handler
	}{{w.options.Listen, w.handler()}, {w.options.MetricsListen, scrapes}} {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", one.address)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("listening on %s: %w", one.address, err), s.shutdown(ctx))
		}
		server := &http.Server{
			Handler:           one.handler,
			ReadHeaderTimeout: 10 * time.Second,
			BaseContext:       func(net.Listener) context.Context { return ctx },
			ErrorLog:          slog.NewLogLogger(w.options.Log.Handler(), slog.LevelDebug),
		}
		s.list = append(s.list, server)
		go func() {
			if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				s.failed <- fmt.Errorf("serving on %s: %w", one.address, err)
			}
		}()
	}
	return s, nil
}

func (s *servers) shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	var errs []error
	for _, server := range s.list {
		if err := server.Shutdown(ctx); err != nil {
			errs = append(errs, fmt.Errorf("closing the listeners: %w", err))
		}
	}
	return errors.Join(errs...)
}
