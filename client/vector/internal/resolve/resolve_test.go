package resolve

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/serviceconfig"
)

// told notes what a resolver tells its connection, and when.
type told struct {
	start time.Time

	mu   sync.Mutex
	list []say
}

type say struct {
	after     time.Duration
	addresses []string
	names     []string
	err       string
}

func (c *told) UpdateState(s resolver.State) error {
	said := say{after: time.Since(c.start)}
	for _, endpoint := range s.Endpoints {
		for _, address := range endpoint.Addresses {
			said.addresses = append(said.addresses, address.Addr)
			said.names = append(said.names, address.ServerName)
		}
	}
	c.add(said)
	return nil
}

func (c *told) ReportError(err error) {
	c.add(say{after: time.Since(c.start), err: err.Error()})
}
func (*told) NewAddress([]resolver.Address)                        {}
func (*told) ParseServiceConfig(string) *serviceconfig.ParseResult { return nil }

func (c *told) add(s say) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, s)
}

// said is all that was said so far.
func (c *told) said() []say {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.list)
}

// last is what was said last.
func (c *told) last() say {
	said := c.said()
	return said[len(said)-1]
}

// names is a name server whose answer can be changed.
type names struct {
	mu        sync.Mutex
	asked     int
	addresses []string
	err       error
}

// count returns how often it was asked.
func (n *names) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked
}

// set changes the answer.
func (n *names) set(addresses []string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.addresses, n.err = addresses, err
}

func (n *names) lookup(context.Context, string) ([]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	return n.addresses, n.err
}

// begin starts a resolver that asks n for q:6334 every 15 s.
func begin(t *testing.T, n *names) (*told, *Builder, resolver.Resolver) {
	t.Helper()
	target, err := Parse("dns:///q:6334")
	require.NoError(t, err)
	c := &told{start: time.Now()}
	b := New(target, Options{Lookup: n.lookup})
	r, err := b.Build(resolver.Target{}, c, resolver.BuildOptions{})
	require.NoError(t, err)
	synctest.Wait()
	return c, b, r
}

// pass lets fake time go on.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestPeersComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &names{addresses: []string{"10.0.0.2", "10.0.0.1"}}
		c, b, r := begin(t, n)
		defer r.Close()
		assert.Equal(t, []string{"10.0.0.1:6334", "10.0.0.2:6334"}, c.last().addresses)
		assert.Equal(t, 2, b.Addresses())

		n.set([]string{"10.0.0.1", "10.0.0.2"}, nil)
		pass(15 * time.Second)
		assert.Len(t, c.said(), 1, "the same in another order is no news")

		n.set([]string{"10.0.0.3", "10.0.0.1", "10.0.0.2", "fd00::3"}, nil)
		pass(15 * time.Second)
		assert.Equal(t, []string{"10.0.0.1:6334", "10.0.0.2:6334", "10.0.0.3:6334", "[fd00::3]:6334"}, c.last().addresses)
		assert.Equal(t, 30*time.Second, c.last().after)

		n.set([]string{"10.0.0.3"}, nil)
		pass(15 * time.Second)
		assert.Equal(t, []string{"10.0.0.3:6334"}, c.last().addresses)
		assert.Equal(t, 1, b.Addresses())
	})
}

func TestAFailingNameServerKeepsTheLastAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, failure := range []error{errors.New("no route to host"), nil} {
			n := &names{addresses: []string{"10.0.0.1"}}
			c, b, r := begin(t, n)
			n.set(nil, failure)
			pass(time.Hour)
			assert.Greater(t, n.count(), 200)
			assert.Len(t, c.said(), 1)
			assert.Equal(t, 1, b.Addresses())
			n.set([]string{"10.0.0.9"}, nil)
			pass(15 * time.Second)
			assert.Equal(t, []string{"10.0.0.9:6334"}, c.last().addresses)
			r.Close()
		}
	})
}

func TestTheLastAnswerOutlivesItsResolver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &names{addresses: []string{"10.0.0.1"}}
		_, b, r := begin(t, n)
		r.Close() // as gRPC does after half an hour without a call
		n.set(nil, errors.New("no route to host"))
		pass(time.Hour)

		c := &told{start: time.Now()}
		r, err := b.Build(resolver.Target{}, c, resolver.BuildOptions{})
		require.NoError(t, err)
		defer r.Close()
		pass(time.Minute)
		require.Len(t, c.said(), 1, "no error, which would fail the calls")
		assert.Equal(t, []string{"10.0.0.1:6334"}, c.last().addresses)
		assert.Zero(t, c.last().after)

		n.set([]string{"10.0.0.1"}, nil)
		pass(15 * time.Second)
		assert.Len(t, c.said(), 1, "what it knows already is no news")
		n.set([]string{"10.0.0.2"}, nil)
		pass(15 * time.Second)
		assert.Equal(t, []string{"10.0.0.2:6334"}, c.last().addresses)
	})
}

func TestANameThatIsNotThereFailsCallsAtOnceAndIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &names{err: &net.DNSError{Err: "no such host", Name: "q", Server: "10.96.0.10:53", IsNotFound: true}}
		c, b, r := begin(t, n)
		defer r.Close()
		assert.Equal(t, "looking up q: no such host, says 10.96.0.10:53", c.last().err)
		assert.Zero(t, c.last().after)
		assert.Zero(t, b.Addresses())
		pass(time.Minute)
		var after []time.Duration
		for _, said := range c.said() {
			after = append(after, said.after/time.Second)
		}
		assert.Equal(t, []time.Duration{0, 1, 3, 7, 15, 30, 45, 60}, after, "in growing steps, up to the refresh")
		before := n.count()
		pass(time.Hour)
		assert.Equal(t, 4*60, n.count()-before, "and no faster again, however long it takes")
		n.set([]string{"10.0.0.1"}, nil)
		pass(15 * time.Second)
		assert.Equal(t, []string{"10.0.0.1:6334"}, c.last().addresses)
	})
}

func TestResolveNowAsksAtMostOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &names{addresses: []string{"10.0.0.1"}}
		c, _, r := begin(t, n)
		defer r.Close()
		pass(500 * time.Millisecond)
		n.set([]string{"10.0.0.2"}, nil)
		for range 100 {
			r.ResolveNow(resolver.ResolveNowOptions{})
		}
		pass(400 * time.Millisecond)
		assert.Equal(t, 1, n.count())
		pass(100 * time.Millisecond)
		assert.Equal(t, 2, n.count())
		assert.Equal(t, []string{"10.0.0.2:6334"}, c.last().addresses)
		assert.Equal(t, time.Second, c.last().after)
		pass(13 * time.Second)
		assert.Equal(t, 2, n.count(), "what came before the answer is answered")
		r.ResolveNow(resolver.ResolveNowOptions{})
		synctest.Wait()
		assert.Equal(t, 3, n.count(), "at once, if the last was long ago")
	})
}

func TestCloseInterruptsALookup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target, err := Parse("q")
		require.NoError(t, err)
		c := &told{}
		r, err := New(target, Options{Lookup: func(ctx context.Context, _ string) ([]string, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}).Build(resolver.Target{}, c, resolver.BuildOptions{})
		require.NoError(t, err)
		synctest.Wait()
		r.Close() // synctest fails if the goroutine outlives the test
		assert.Empty(t, c.said())
	})
}

func TestFixedPeers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]say{
		"static:///a:1,b:2":   {addresses: []string{"a:1", "b:2"}, names: []string{"a", "b"}},
		"static:///a:1":       {addresses: []string{"a:1"}, names: []string{""}},
		"10.0.0.1:1":          {addresses: []string{"10.0.0.1:1"}, names: []string{""}},
		"passthrough:///x:1":  {addresses: []string{"x:1"}, names: []string{""}},
		"unix:///run/q.sock":  {addresses: []string{"unix:/run/q.sock"}, names: []string{""}},
		"static:///[::1]:1,c": {addresses: []string{"[::1]:1", "c:6334"}, names: []string{"::1", "c"}},
	} {
		target, err := Parse(text)
		require.NoError(t, err)
		c := &told{start: time.Now()}
		b := New(target, Options{Lookup: func(context.Context, string) ([]string, error) {
			t.Errorf("%s: a name was looked up", text)
			return nil, nil
		}})
		r, err := b.Build(resolver.Target{}, c, resolver.BuildOptions{})
		require.NoError(t, err)
		r.ResolveNow(resolver.ResolveNowOptions{})
		r.Close()
		require.Len(t, c.said(), 1)
		got := c.last()
		got.after = 0
		assert.Equal(t, want, got, text)
		assert.Equal(t, len(want.addresses), b.Addresses())
	}
}
