package qdranttest

import (
	"cmp"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"time"
)

// Server is one Qdrant with its volume: a stable name, URL and URI, whatever peer id its volume has now.
type Server struct {
	cluster *Cluster
	ordinal int
	name    string
	web     *httptest.Server // made when somebody first asks for the URL

	// All below is guarded by the cluster's lock.
	volume
	process  *process // nil while stopped
	uri      string
	version  string
	apiKey   string
	isolated bool
	frozen   bool
	unready  bool
	hang     chan struct{}
	faults   []*fault

	wire       *wire // made when somebody first asks for the gRPC address
	callFaults []*CallFault
}

// volume is what survives the process.
type volume struct {
	id    uint64     // 0 while empty
	group *consensus // the cluster that it joined or founded
	// behind is what the peer sees of its cluster when that is not what was agreed on since: it is frozen, isolated, or was removed.
	behind *consensus
	// removed says that the peer has seen its own removal, in the process removedIn: its consensus has stopped for good.
	removed   bool
	removedIn *process
	data      map[shardName]copied
	snapshots map[shardName][]snapshot
}

type shardName struct {
	collection string
	shard      uint32
}

// copied is what a replica holds.
type copied struct {
	Points int
	Bytes  int64
}

func (a copied) compare(b copied) int {
	return cmp.Or(cmp.Compare(a.Points, b.Points), cmp.Compare(a.Bytes, b.Bytes))
}

// process is one run of a server.
type process struct {
	started time.Time
	ended   chan struct{}
	// awaits are the replicas that were not healthy at the start and have not been since; ready once there are none, and then for good.
	awaits map[shardName]bool
}

// Ordinal is the server's number, counted from 0.
func (s *Server) Ordinal() int { return s.ordinal }

// Name is the pod's, such as q-0.
func (s *Server) Name() string { return s.name }

// URI is the address that other peers know this server by.
func (s *Server) URI() string {
	s.cluster.mu.Lock()
	defer s.cluster.mu.Unlock()
	return s.uri
}

// ID is the peer id on the server's volume; 0 while the volume is empty.
func (s *Server) ID() uint64 {
	s.cluster.mu.Lock()
	defer s.cluster.mu.Unlock()
	return s.id
}

// Running says whether the process is there.
func (s *Server) Running() bool {
	s.cluster.mu.Lock()
	defer s.cluster.mu.Unlock()
	return s.process != nil
}

// Stop ends the process: connections are cut until Start. The others elect a leader if they are a majority.
func (s *Server) Stop() {
	s.cluster.lock()
	defer s.cluster.mu.Unlock()
	if s.process == nil {
		return
	}
	close(s.process.ended)
	s.process = nil
	if s.wire != nil {
		s.wire.cut()
	}
	s.thaw()
	s.cluster.elect(s.group)
}

// LoseVolume empties the volume of a server that is stopped.
func (s *Server) LoseVolume() {
	s.cluster.t.Helper()
	s.cluster.lock()
	defer s.cluster.mu.Unlock()
	if s.process != nil {
		s.cluster.misuse("deleting the volume of %s: it is running", s.name)
		return
	}
	s.volume = volume{}
}

// Start runs the process again on its volume: with a state on it as that peer, else it joins through any server that takes part in the
// first cluster, or fails in the real server's words. With nobody to join it founds a cluster if its ordinal is 0. A peer that was
// removed while it was away does not know that: it stands for election again and again, and takes the leader from the others at every
// other step.
func (s *Server) Start() error {
	s.cluster.lock()
	defer s.cluster.mu.Unlock()
	bootstrap := ""
	if s.id == 0 {
		for _, other := range s.cluster.servers {
			if g := s.cluster.group; g != nil && s.cluster.connected(g, other.id) {
				bootstrap = other.uri
				break
			}
		}
		if bootstrap == "" && s.ordinal != 0 {
			return fmt.Errorf("starting %s: its volume is empty and no peer answers", s.name)
		}
	}
	return s.start(s.uri, bootstrap)
}

// StartWith is Start with the server's arguments --uri and --bootstrap. On an empty volume an empty bootstrap, or one that is the URI,
// founds a cluster, whoever else is running.
func (s *Server) StartWith(uri, bootstrap string) error {
	s.cluster.lock()
	defer s.cluster.mu.Unlock()
	return s.start(withSlash(uri), withSlash(bootstrap))
}

// withSlash spells a URI as the server does.
func withSlash(uri string) string {
	if uri == "" {
		return ""
	}
	return strings.TrimSuffix(uri, "/") + "/"
}

func (s *Server) start(uri, bootstrap string) error {
	if s.process != nil {
		return fmt.Errorf("starting %s: it is running", s.name)
	}
	if uri == "" {
		return fmt.Errorf("starting %s: it has no URI", s.name)
	}
	c := s.cluster
	run := &process{started: time.Now(), ended: make(chan struct{}), awaits: map[shardName]bool{}}
	var err error
	switch {
	case s.id != 0:
		err = s.resume(uri)
	case bootstrap == "" || bootstrap == uri:
		s.found(uri)
	default:
		err = s.join(uri, bootstrap)
	}
	if err != nil {
		return fmt.Errorf("starting %s: Can't initialize consensus: %w", s.name, err)
	}
	s.uri, s.process = uri, run
	c.elect(s.group)
	c.tidy()
	for key := range s.data {
		if state := s.view().collections[key.collection].shards[key.shard][s.id]; !states[state] {
			run.awaits[key] = true
		}
	}
	return nil
}

// resume takes up the peer on the volume. A URI that has changed is made known through any other peer that takes part.
func (s *Server) resume(uri string) error {
	known := s.group.members[s.id]
	if known == "" || known == uri || s.removed {
		return nil
	}
	for id := range s.group.members {
		if id != s.id && s.cluster.connected(s.group, id) && s.cluster.quorum(s.group) {
			s.group.members[s.id] = uri
			s.group.commit++
			return nil
		}
	}
	return fmt.Errorf("no known peer could be told the new URI %s", uri)
}

func (s *Server) found(uri string) {
	s.volume = s.cluster.emptyVolume()
	s.group = found(s.id, uri)
	if s.cluster.group == nil {
		s.cluster.group = s.group
	}
}

// join adds a new peer through the one at the URI bootstrap. A peer of the same URI that holds no shards makes way for it.
func (s *Server) join(uri, bootstrap string) error {
	c := s.cluster
	at := slices.IndexFunc(c.servers, func(other *Server) bool { return other != s && other.uri == bootstrap && other.process != nil })
	if at < 0 {
		return fmt.Errorf("no peer answers at %s", bootstrap)
	}
	through := c.servers[at]
	g := through.group
	if !c.connected(g, through.id) || !c.quorum(g) {
		return fmt.Errorf("failed to add peer: %w", errNoCommit)
	}
	for _, id := range g.peers() {
		if g.members[id] != uri {
			continue
		}
		if g.holdsShards(id) {
			return fmt.Errorf("peer URI %s already used by peer %d which still has shards, remove its shards first or use a different URI", uri, id)
		}
		c.remove(g, id)
	}
	s.volume = c.emptyVolume()
	s.group = g
	g.members[s.id] = uri
	g.commit += 2 // as a learner, then as a voter
	return nil
}

// emptyVolume draws the next peer id.
func (c *Cluster) emptyVolume() volume {
	c.nextID++
	return volume{id: c.nextID - 1, data: map[shardName]copied{}, snapshots: map[shardName][]snapshot{}}
}

// remove takes a peer out of its cluster. If it keeps up it sees that: its consensus stops, and it is alone in its own list from then
// on. Else it goes on with what it knew.
func (c *Cluster) remove(g *consensus, id uint64) {
	s := c.holder(id)
	sees := s != nil && !c.missed && s.group == g && s.behind == nil && c.connected(g, id)
	if s != nil && s.group == g && s.behind == nil && !sees {
		s.behind = g.clone()
	}
	delete(g.members, id)
	g.commit++
	if sees {
		s.stopConsensus()
	}
	c.elect(g)
}

// stopConsensus is what a peer does that sees its own removal.
func (s *Server) stopConsensus() {
	s.removed, s.removedIn = true, s.process
	s.behind = s.group.clone()
	s.behind.members = map[uint64]string{s.id: s.uri}
}

// view is what the server knows of its cluster.
func (s *Server) view() *consensus {
	if s.behind != nil {
		return s.behind
	}
	return s.group
}
