package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/qdrant-shepherd/shepherd/client/vector"
)

// Idle is searching while many other clients hold a connection and ask nothing.
type Idle struct {
	Connections int `json:"connections"`
	// Opened answered a request when they were opened, Alive once more at the end.
	Opened        int     `json:"opened"`
	Alive         int     `json:"alive"`
	OpenSeconds   float64 `json:"open_seconds"`
	MemoryKiBEach float64 `json:"server_memory_kib_each,omitempty"`
	Alone         Level   `json:"alone"` // right before, without them
	Among         Level   `json:"among"`
	FirstError    string  `json:"first_error,omitempty"`
}

// idle opens connections, each of which answers one request, holds them while it searches, and has each answer once more.
func (s *session) idle(ctx context.Context, c *words, profile Profile) error {
	part := s.report.profile(profile.Name)
	result := &Idle{Connections: s.options.IdleConnections}
	recall := part.recallAtEF(profile.EF)
	alone := &cell{level: Level{EF: profile.EF, Clients: duringClients, Recall: recall}, do: s.query(c, vector.EF(profile.EF))}
	if err := s.run(ctx, []*cell{alone}); err != nil {
		return err
	}
	limit := allowFiles()
	if limit > 0 && limit < uint64(s.options.IdleConnections)+100 {
		s.note("%d connections need as many open files, and the limit is %d", s.options.IdleConnections, limit)
	}
	memory, begin := s.serverMiB(), time.Now()
	crowd, err := s.openCrowd(ctx)
	defer crowd.close()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		result.FirstError = err.Error()
	}
	result.OpenSeconds, result.Opened = time.Since(begin).Seconds(), len(crowd.connections)
	result.MemoryKiBEach = max(0, s.serverMiB()-memory) * 1024 / float64(max(result.Opened, 1))

	among := &cell{level: alone.level, do: alone.do}
	if err := s.run(ctx, []*cell{among}); err != nil {
		return err
	}
	alive, err := crowd.ask(ctx, s.options.Connection.APIKey)
	if err != nil && result.FirstError == "" {
		result.FirstError = err.Error()
	}
	result.Alive, result.Alone, result.Among = alive, alone.level, among.level
	part.Idle = result
	s.say("%s: %d idle connections, %d still there: %.0f searches a second, %.0f without them", profile.Name, result.Opened, alive,
		among.level.QPS.Median, alone.level.QPS.Median)
	return ctx.Err()
}

// crowd is connections that are held.
type crowd struct{ connections []*grpc.ClientConn }

// openCrowd opens as many as it can; the error is about those it could not open.
func (s *session) openCrowd(ctx context.Context) (*crowd, error) {
	var lock sync.Mutex
	held := &crowd{}
	var errs []error
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(32) // handshakes at a time
	for range s.options.IdleConnections {
		group.Go(func() error {
			connection, err := s.openOne(ctx)
			lock.Lock()
			defer lock.Unlock()
			if err != nil {
				errs = append(errs, err)
				return nil
			}
			held.connections = append(held.connections, connection)
			return nil
		})
	}
	_ = group.Wait() // the errors are in errs
	if len(errs) > 0 {
		return held, fmt.Errorf("opening %d of %d connections: %w", len(errs), s.options.IdleConnections, errs[0])
	}
	return held, nil
}

func (s *session) openOne(ctx context.Context) (*grpc.ClientConn, error) {
	security := insecure.NewCredentials()
	if config := s.options.Connection.TLS; config != nil {
		security = credentials.NewTLS(config)
	}
	connection, err := grpc.NewClient(s.server.target, grpc.WithTransportCredentials(security), grpc.WithIdleTimeout(0))
	if err != nil {
		return nil, err
	}
	if err := greet(ctx, connection, s.options.Connection.APIKey); err != nil {
		_ = connection.Close()
		return nil, err
	}
	return connection, nil
}

func greet(ctx context.Context, connection *grpc.ClientConn, apiKey string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if apiKey != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "api-key", apiKey)
	}
	_, err := qdrant.NewQdrantClient(connection).HealthCheck(ctx, &qdrant.HealthCheckRequest{})
	return err
}

// ask has each connection answer, on the connection that it has: one that was lost and would be made anew does not count.
func (c *crowd) ask(ctx context.Context, apiKey string) (alive int, err error) {
	var errs []error
	for _, connection := range c.connections {
		if state := connection.GetState(); state != connectivity.Ready {
			errs = append(errs, fmt.Errorf("a connection is %s", state))
			continue
		}
		if err := greet(ctx, connection, apiKey); err != nil {
			errs = append(errs, err)
			continue
		}
		alive++
	}
	if len(errs) > 0 {
		return alive, errors.Join(errs[0], fmt.Errorf("and %d others", len(errs)-1))
	}
	return alive, nil
}

func (c *crowd) close() {
	for _, connection := range c.connections {
		_ = connection.Close()
	}
}
