// Package resolve tells gRPC where the peers of a cluster are, and keeps telling.
//
// gRPC's own dns resolver looks a name up again only when a connection has
// broken (google.golang.org/grpc/internal/resolver/dns), so it would never find
// a peer that a scale-up adds. This one asks at a steady pace as well.
package resolve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/resolver"
)

// Scheme is what a Builder answers to: the target of the connection is peers:///host:port.
const Scheme = "peers"

const (
	// DefaultRefresh is half of the 30 s that Kubernetes' DNS lets its answers be kept by default, so that a new peer has calls within a
	// minute.
	DefaultRefresh = 15 * time.Second
	// minInterval keeps gRPC, which asks anew for each connection that breaks, from flooding the name server.
	minInterval = time.Second
	// lookupTimeout bounds one look-up: the C library's two tries of 5 s each.
	lookupTimeout = 10 * time.Second
)

// Lookup returns the addresses of a host, as net.Resolver's LookupHost does.
type Lookup func(ctx context.Context, host string) ([]string, error)

// Options are how a Builder asks. The zero value asks the system's resolver every DefaultRefresh.
type Options struct {
	Refresh time.Duration
	Lookup  Lookup
	Logger  *slog.Logger // nil discards
}

// Builder makes a resolver for each connection of a pool; all of them lead to the same target.
type Builder struct {
	target  Target
	refresh time.Duration
	lookup  Lookup
	logger  *slog.Logger

	mu   sync.Mutex
	last []string // the last good answer, of whichever resolver
}

// New returns a builder for a target.
func New(t Target, o Options) *Builder {
	return &Builder{
		target:  t,
		refresh: max(minInterval, cmp.Or(o.Refresh, DefaultRefresh)),
		lookup:  orSystem(o.Lookup),
		logger:  cmp.Or(o.Logger, slog.New(slog.DiscardHandler)),
	}
}

func orSystem(lookup Lookup) Lookup {
	if lookup != nil {
		return lookup
	}
	return net.DefaultResolver.LookupHost
}

// Scheme implements resolver.Builder.
func (b *Builder) Scheme() string { return Scheme }

// Addresses returns how many peers the last good answer had; 0 before the first.
func (b *Builder) Addresses() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.last)
}

// Build implements resolver.Builder. The target of the connection is only a name for it. A resolver begins with the last good answer of
// those before it, because gRPC throws one away after half an hour without a call, and the name server may fail when the next call comes.
func (b *Builder) Build(_ resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	if !b.target.Name {
		if err := b.tell(cc, b.target.Addresses); err != nil {
			return nil, err
		}
		return fixed{}, nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &polling{Builder: b, cc: cc, cancel: cancel, hurry: make(chan struct{}, 1), done: make(chan struct{})}
	b.mu.Lock()
	last := b.last
	b.mu.Unlock()
	if last != nil {
		_ = b.tell(cc, last)
	}
	go r.run(ctx, last)
	return r, nil
}

// tell hands gRPC a list of peers, each an endpoint of its own, so that calls go to all of them.
func (b *Builder) tell(cc resolver.ClientConn, addresses []string) error {
	endpoints := make([]resolver.Endpoint, 0, len(addresses))
	for _, address := range addresses {
		peer := resolver.Address{Addr: address}
		if !b.target.Name && len(addresses) > 1 {
			// Peers with names of their own have certificates of their own.
			if host, _, err := net.SplitHostPort(address); err == nil {
				peer.ServerName = host
			}
		}
		endpoints = append(endpoints, resolver.Endpoint{Addresses: []resolver.Address{peer}})
	}
	b.mu.Lock()
	b.last = addresses
	b.mu.Unlock()
	return cc.UpdateState(resolver.State{Endpoints: endpoints})
}

// fixed has nothing to ask.
type fixed struct{}

func (fixed) ResolveNow(resolver.ResolveNowOptions) {}
func (fixed) Close()                                {}

// polling looks a name up every refresh, and sooner when gRPC lost a connection.
type polling struct {
	*Builder
	cc     resolver.ClientConn
	cancel context.CancelFunc
	hurry  chan struct{}
	done   chan struct{}
}

// ResolveNow implements resolver.Resolver.
func (r *polling) ResolveNow(resolver.ResolveNowOptions) {
	select {
	case r.hurry <- struct{}{}:
	default: // the next look-up is due at once anyway
	}
}

// Close implements resolver.Resolver. The goroutine is gone when it returns.
func (r *polling) Close() {
	r.cancel()
	<-r.done
}

// run asks until ctx is over. last is what the connection knows already; nil is nothing.
func (r *polling) run(ctx context.Context, last []string) {
	defer close(r.done)
	var (
		failing bool
		timer   = time.NewTimer(0)
		pause   = minInterval // until the next look-up while there is no answer at all
	)
	defer timer.Stop()
	<-timer.C
	for {
		select {
		case <-r.hurry: // is answered by what comes now
		default:
		}
		started := time.Now()
		addresses, err := r.ask(ctx)
		if ctx.Err() != nil {
			return
		}
		wait := r.refresh
		switch {
		case err == nil:
			if failing {
				r.logger.Info("the name has addresses again", "host", r.target.Host, "addresses", addresses)
			}
			failing, pause = false, minInterval
			if !slices.Equal(addresses, last) {
				if last != nil {
					r.logger.Info("peers came or went", "host", r.target.Host, "before", last, "now", addresses)
				}
				last = addresses
				// An error means that gRPC dislikes the list and asks again by ResolveNow.
				_ = r.tell(r.cc, addresses)
			}
		case last != nil:
			// Peers do not vanish with their name server. Those that did are found by their connections.
			if !failing {
				r.logger.Warn("looking up the peers; their last addresses stay in use", "error", err)
			}
			failing = true
		default:
			// Calls must not wait for a name that may never come.
			r.cc.ReportError(err)
			wait = pause
			pause = min(2*pause, r.refresh)
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			continue
		case <-r.hurry:
		}
		// In a hurry, but not sooner than minInterval after the last question.
		timer.Reset(max(0, minInterval-time.Since(started)))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
	}
}

// ask returns the addresses in a fixed order, at least one.
func (r *polling) ask(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	hosts, err := r.lookup(ctx, r.target.Host)
	if err == nil && len(hosts) == 0 {
		err = errors.New("it has no addresses")
	}
	if err != nil {
		return nil, fmt.Errorf("looking up %s: %w", r.target.Host, brief(err))
	}
	addresses := make([]string, 0, len(hosts))
	for _, host := range hosts {
		addresses = append(addresses, join(strings.TrimSpace(host), r.target.Port))
	}
	slices.Sort(addresses)
	return slices.Compact(addresses), nil
}

// brief drops the name and "lookup" from net's error, which the caller says already.
func brief(err error) error {
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.Err != "" {
		if dns.Server != "" {
			return fmt.Errorf("%s, says %s", dns.Err, dns.Server)
		}
		return errors.New(dns.Err)
	}
	return err
}
