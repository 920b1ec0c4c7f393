package qdranttest

import (
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
)

// DefaultVersion is the server version that the answers are compared with. `make generate` sets it to that of the chart.
const DefaultVersion = "1.18.3"

// Options are what the servers of a cluster have in common. The zero value is a cluster of the default version without a key.
type Options struct {
	// APIKey is asked of all requests but those for health, unless it is empty.
	APIKey string
	// Version is what the servers say they are; DefaultVersion when empty.
	Version string
	// Name and Domain make the peers' URIs, http://NAME-0.DOMAIN:6335/ and so on; "q" and "q-headless" when empty.
	Name, Domain string
	// TransferSteps is how many steps a transfer takes, at least and by default 1.
	TransferSteps int
	// StepEvery takes a step with each such time that has passed when somebody asks or changes something; 0 leaves steps to Step.
	StepEvery time.Duration
	// ForgetCalls keeps Calls empty, for what calls so much that remembering it takes too much memory.
	ForgetCalls bool
	// NoHealing keeps servers from recovering their Dead replicas by themselves, which a real server does (at each step here).
	NoHealing bool
}

// Cluster is a set of servers. Its methods may be called from any goroutine. A method that names a server or a shard that does not exist
// changes nothing; it fails the test of Start, and makes Close of a cluster from New return an error.
type Cluster struct {
	t       reporter
	options Options
	closed  chan struct{}

	mu       sync.Mutex
	ended    bool
	servers  []*Server
	group    *consensus // of the first cluster that was founded; others are reached by their servers alone
	nextID   uint64
	steps    int // taken so far
	stepped  time.Time
	failing  int // transfers that are to fail
	missed   bool
	requests []Request
	calls    []Call
}

// Transfer is a copy of a shard on its way.
type Transfer struct {
	Collection string
	Shard      uint32
	From, To   uint64
	Sync       bool // the source stays: replicate, not move
	Method     string
}

// Request is one that a server was asked.
type Request struct {
	Server int // its ordinal
	Method string
	Path   string // with its query
	Body   string
	Status int // of the answer; 0 when the connection was cut
}

// reporter is told of calls that make no sense: the test that a cluster belongs to, or the errors that Close returns.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
}

// Start runs n servers that form one cluster until the test ends. Each has an ID of its own: 1001 for the first, then 1002 and so on.
func Start(t testing.TB, n int, options Options) *Cluster {
	t.Helper()
	c := newCluster(t, n, options)
	t.Cleanup(c.close)
	return c
}

// New runs n servers as Start does, for programs that are not a test. Close ends them.
func New(n int, options Options) (*Cluster, error) {
	errs := &misuses{}
	c := newCluster(errs, n, options)
	if err := errs.joined(); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// Close ends the servers of a cluster from New. It returns the calls that named a server or a shard that did not exist.
func (c *Cluster) Close() error {
	c.close()
	if errs, fromNew := c.t.(*misuses); fromNew {
		return errs.joined()
	}
	return nil
}

func newCluster(t reporter, n int, options Options) *Cluster {
	t.Helper()
	if options.Version == "" {
		options.Version = DefaultVersion
	}
	if options.Name == "" {
		options.Name = "q"
	}
	if options.Domain == "" {
		options.Domain = "q-headless"
	}
	options.TransferSteps = max(1, options.TransferSteps)
	c := &Cluster{t: t, options: options, closed: make(chan struct{}), nextID: 1001, stepped: time.Now()}
	for range n {
		c.Add()
	}
	return c
}

// misuses collects errors.
type misuses struct {
	mu   sync.Mutex
	errs []error
}

func (m *misuses) Helper() {}

func (m *misuses) Errorf(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.errs = append(m.errs, fmt.Errorf(format, args...))
}

func (m *misuses) joined() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return errors.Join(m.errs...)
}

func (c *Cluster) close() {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return
	}
	c.ended = true
	c.mu.Unlock()
	close(c.closed) // requests that hang end, so that closing the listeners has nothing to wait for
	var listeners []*httptest.Server
	var wires []*wire
	c.mu.Lock()
	for _, s := range c.servers {
		if s.web != nil {
			listeners = append(listeners, s.web)
		}
		if s.wire != nil {
			wires = append(wires, s.wire)
		}
	}
	c.mu.Unlock()
	for _, listener := range listeners {
		listener.Close()
	}
	for _, w := range wires {
		w.close()
	}
}

// lock takes the cluster's lock and the steps that are due.
func (c *Cluster) lock() {
	c.mu.Lock()
	if c.options.StepEvery <= 0 {
		return
	}
	due := int(time.Since(c.stepped) / c.options.StepEvery)
	c.stepped = c.stepped.Add(time.Duration(due) * c.options.StepEvery)
	for range min(due, maxSteps) {
		c.step()
	}
}

// misuse fails the test that asked for what is not there.
func (c *Cluster) misuse(format string, args ...any) {
	c.t.Helper()
	c.t.Errorf("qdranttest: "+format, args...)
}

// Server is the one of the ordinal, counted from 0; nil if there is none.
func (c *Cluster) Server(ordinal int) *Server {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ordinal < 0 || ordinal >= len(c.servers) {
		c.misuse("there is no server %d", ordinal)
		return nil
	}
	return c.servers[ordinal]
}

// Servers are all of them, running or not, in order of ordinals.
func (c *Cluster) Servers() []*Server {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.servers)
}

// Add makes one more server with an empty volume and starts it, so that it joins.
func (c *Cluster) Add() *Server {
	c.t.Helper()
	c.lock()
	ordinal := len(c.servers)
	name := fmt.Sprintf("%s-%d", c.options.Name, ordinal)
	s := &Server{
		cluster: c, ordinal: ordinal, name: name, version: c.options.Version, apiKey: c.options.APIKey,
		uri: fmt.Sprintf("http://%s.%s:6335/", name, c.options.Domain),
	}
	c.servers = append(c.servers, s)
	c.mu.Unlock()
	if err := s.Start(); err != nil {
		c.misuse("adding a server: %v", err)
	}
	return s
}

// CreateCollection spreads shards times replicas over all peers, all Active and empty, as PUT /collections/{name} does.
func (c *Cluster) CreateCollection(name string, shards, replicationFactor int) {
	c.t.Helper()
	c.lock()
	defer c.mu.Unlock()
	if err := c.group.create(name, newCollection(shards, replicationFactor)); err != nil {
		c.misuse("creating collection %s: %v", name, err)
		return
	}
	c.tidy()
}

func newCollection(shards, replicationFactor int) *collection {
	return &collection{
		shardNumber: shards, replicationFactor: replicationFactor, writeConsistencyFactor: 1,
		config: defaultConfig(singleVector(4, qdrant.Distance_Dot)), store: newStore(), shards: map[uint32]map[uint64]string{},
	}
}

// Place makes the replicas of a shard exactly those on the servers of these ordinals, all Active with the points that the shard had.
// The collection is made when there is none of the name, with as many replicas as it is first placed with, and the shard too.
func (c *Cluster) Place(collection string, shard uint32, ordinals ...int) {
	c.t.Helper()
	c.lock()
	defer c.mu.Unlock()
	replicas := map[uint64]string{}
	for _, ordinal := range ordinals {
		peer := c.peer(ordinal)
		if peer == 0 {
			c.misuse("placing shard %s/%d: server %d is not in the cluster", collection, shard, ordinal)
			return
		}
		replicas[peer] = active
	}
	if len(replicas) == 0 {
		c.misuse("placing shard %s/%d: on no server", collection, shard)
		return
	}
	col := c.group.collections[collection]
	if col == nil {
		col = newCollection(0, len(ordinals))
		c.group.collections[collection] = col
	}
	var data copied
	for peer := range col.shards[shard] {
		if s := c.holder(peer); s != nil {
			if has := s.data[shardName{collection, shard}]; has.compare(data) > 0 {
				data = has
			}
		}
	}
	for _, t := range slices.Clone(col.transfers) {
		if t.shard == shard {
			col.forget(t)
		}
	}
	col.shards[shard] = replicas
	col.shardNumber = len(col.shards)
	c.group.commit++
	c.tidy()
	for peer := range replicas {
		if s := c.holder(peer); s != nil {
			s.data[shardName{collection, shard}] = data
		}
	}
}

// SetState puts a replica into a state, such as "Dead", whatever it was and whoever else is Active: what failed writes and crashes do.
// A transfer that it is part of ends.
func (c *Cluster) SetState(collection string, shard uint32, ordinal int, state string) {
	c.t.Helper()
	c.lock()
	defer c.mu.Unlock()
	replicas, col := c.replicas(collection, shard)
	peer := c.peer(ordinal)
	if _, known := states[state]; !known || replicas[peer] == "" {
		c.misuse("setting the state of %s/%d on server %d to %q: no such replica or state", collection, shard, ordinal, state)
		return
	}
	c.group.abortRelated(col, shard, peer)
	replicas[peer] = state
	c.group.commit++
	c.tidy()
}

// SetPoints says how much each replica of a shard holds. Bytes are of vectors and payload together.
func (c *Cluster) SetPoints(collection string, shard uint32, points int, bytes int64) {
	c.t.Helper()
	c.lock()
	defer c.mu.Unlock()
	replicas, _ := c.replicas(collection, shard)
	if replicas == nil {
		c.misuse("setting the points of %s/%d: no such shard", collection, shard)
		return
	}
	for peer := range replicas {
		if s := c.holder(peer); s != nil {
			s.data[shardName{collection, shard}] = copied{Points: points, Bytes: bytes}
		}
	}
}

// SetReplicationFactor changes what a collection is configured for, and nothing else, as PATCH /collections/{name} does.
func (c *Cluster) SetReplicationFactor(collection string, replicationFactor int) {
	c.t.Helper()
	c.lock()
	defer c.mu.Unlock()
	col := c.group.collections[collection]
	if col == nil {
		c.misuse("setting the replication factor of %s: no such collection", collection)
		return
	}
	col.replicationFactor = replicationFactor
	c.group.commit++
}

// States are the replicas of a shard as the cluster has agreed on: ordinal to state. A peer whose volume is lost counts by its URI.
func (c *Cluster) States(collection string, shard uint32) map[int]string {
	c.lock()
	defer c.mu.Unlock()
	replicas, _ := c.replicas(collection, shard)
	byOrdinal := map[int]string{}
	for _, s := range c.servers {
		if state := replicas[c.peer(s.ordinal)]; state != "" {
			byOrdinal[s.ordinal] = state
		}
	}
	return byOrdinal
}

// Members are the ids of the peers that the cluster has agreed on, in order.
func (c *Cluster) Members() []uint64 {
	c.lock()
	defer c.mu.Unlock()
	return c.group.peers()
}

// Transfers are the transfers under way, in order of their collections.
func (c *Cluster) Transfers() []Transfer {
	c.lock()
	defer c.mu.Unlock()
	var all []Transfer
	for _, name := range c.group.names() {
		for _, t := range c.group.collections[name].transfers {
			all = append(all, Transfer{Collection: name, Shard: t.shard, From: t.from, To: t.to, Sync: t.sync, Method: t.method})
		}
	}
	return all
}

// Requests are all that was asked of any server so far, in order.
func (c *Cluster) Requests() []Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.requests)
}

// Changes are the requests so far that were no GET.
func (c *Cluster) Changes() []Request {
	return slices.DeleteFunc(c.Requests(), func(r Request) bool { return r.Method == "GET" })
}

func (c *Cluster) replicas(name string, shard uint32) (map[uint64]string, *collection) {
	col := c.group.collections[name]
	if col == nil {
		return nil, nil
	}
	return col.shards[shard], col
}

// peer is the id that the cluster knows the server of an ordinal by; 0 if it does not.
func (c *Cluster) peer(ordinal int) uint64 {
	if ordinal < 0 || ordinal >= len(c.servers) {
		return 0
	}
	for id, uri := range c.group.members {
		if uri == c.servers[ordinal].uri {
			return id
		}
	}
	return 0
}

// holder is the server that has the peer's volume; nil once that is lost.
func (c *Cluster) holder(peer uint64) *Server {
	for _, s := range c.servers {
		if s.id == peer {
			return s
		}
	}
	return nil
}

// connected says whether a peer takes part in its cluster right now.
func (c *Cluster) connected(g *consensus, peer uint64) bool {
	s := c.holder(peer)
	return s != nil && s.process != nil && !s.isolated && s.group == g && !s.removed && g.members[peer] != ""
}

// quorum says whether a majority of the members takes part.
func (c *Cluster) quorum(g *consensus) bool {
	reached := 0
	for id := range g.members {
		if c.connected(g, id) {
			reached++
		}
	}
	return reached > len(g.members)/2
}

// disturbed says whether a peer runs that was removed from the cluster and does not know it. It stands for election, and the others,
// who know better, lose their leader to its higher terms all the same.
func (c *Cluster) disturbed(g *consensus) bool {
	return slices.ContainsFunc(c.servers, func(s *Server) bool {
		return s.process != nil && !s.isolated && !s.frozen && s.group == g && !s.removed && g.members[s.id] == ""
	})
}

// elect finds a new leader where the old one is gone and a majority is not.
func (c *Cluster) elect(g *consensus) {
	if g == nil || c.connected(g, g.leader) || !c.quorum(g) {
		return
	}
	for _, id := range g.peers() {
		if c.connected(g, id) {
			g.leader = id
			g.term++
			g.commit++
			return
		}
	}
}

// tidy makes the data on the volumes of all servers that keep up with the cluster fit what was agreed on.
func (c *Cluster) tidy() {
	for _, s := range c.servers {
		if s.behind != nil || s.group == nil || !c.connected(s.group, s.id) {
			continue
		}
		held := map[shardName]bool{}
		for name, col := range s.group.collections {
			for shard, replicas := range col.shards {
				key := shardName{name, shard}
				if replicas[s.id] == "" {
					continue
				}
				held[key] = true
				if _, has := s.data[key]; !has {
					s.data[key] = copied{}
				}
			}
		}
		maps.DeleteFunc(s.data, func(key shardName, _ copied) bool { return !held[key] })
	}
}
