package main

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/qdrant/go-client/qdrant"

	"github.com/qdrant-shepherd/shepherd/client/vector"
)

// session is a run under way.
type session struct {
	options Options
	server  *server
	// db is what is measured. raw is go-client as its users have it, for what is compared with, and for looking on.
	db     *vector.DB
	raw    *qdrant.Client
	data   data
	report *Report
	// opponents are those of the comparisons.
	opponents opponents
	began     time.Time
	files     string // a directory for what other tools read, gone at the end
}

func (s *session) connect(ctx context.Context) error {
	config := s.options.Connection
	config.Target = s.server.target
	var err error
	if s.db, err = vector.Connect(ctx, config); err != nil {
		return err
	}
	s.raw, err = connectRaw(config)
	return err
}

// connectRaw makes a client with nothing added to it, and with one connection, as client/vector has by itself.
func connectRaw(c vector.Config) (*qdrant.Client, error) {
	host, port, err := splitTarget(c.Target)
	if err != nil {
		return nil, err
	}
	config := &qdrant.Config{Host: host, Port: port, UseTLS: c.TLS != nil, TLSConfig: c.TLS, SkipCompatibilityCheck: true, PoolSize: 1}
	if c.APIKey != "" {
		config.Headers = map[string]string{"api-key": c.APIKey} // as APIKey it is warned about for each connection
	}
	client, err := qdrant.NewClient(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", c.Target, err)
	}
	return client, nil
}

// splitTarget reads the targets that can be put for every client: of one host, as host:port, dns:///host:port or static:///host:port.
func splitTarget(target string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(strings.TrimPrefix(strings.TrimPrefix(target, "dns:///"), "static:///"))
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	if err != nil {
		return "", 0, fmt.Errorf("reading target %q, which should be host:port: %w", target, err)
	}
	return host, port, nil
}

func (s *session) close() {
	if s.raw != nil {
		_ = s.raw.Close()
	}
	if s.db != nil {
		_ = s.db.Close()
	}
}

// say tells the progress, with the seconds since the beginning.
func (s *session) say(format string, values ...any) {
	if s.options.Progress != nil {
		_, _ = fmt.Fprintf(s.options.Progress, "%7.1f s  %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, values...))
	}
}

// note goes into the report, and into the progress.
func (s *session) note(format string, values ...any) {
	text := fmt.Sprintf(format, values...)
	s.report.Notes = append(s.report.Notes, text)
	s.say("note: %s", text)
}

// cpu is processor time used by the benchmark itself and by the server.
type cpu struct{ client, server time.Duration }

func (s *session) cpu() cpu { return cpu{client: ownCPU(), server: s.server.cpu()} }

func (c cpu) since(earlier cpu) cpu { return cpu{c.client - earlier.client, c.server - earlier.server} }

// calm prepares a measurement: garbage of the one before is not billed to this one, and the server has come to the end of what it was doing,
// as far as its processor time tells.
func (s *session) calm(ctx context.Context) {
	runtime.GC()
	if s.server.pid == 0 {
		return
	}
	const (
		look    = 100 * time.Millisecond
		longest = 3 * time.Second
		idle    = look / 5
	)
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	before := s.server.cpu()
	for end := time.Now().Add(longest); time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := s.server.cpu()
		if now-before <= idle {
			return
		}
		before = now
	}
}
