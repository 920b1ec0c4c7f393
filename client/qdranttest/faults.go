package qdranttest

import (
	"slices"
	"strings"
	"sync"
)

// fault is an answer that a server gives instead of its own.
type fault struct {
	method, path string
	status       int
	message      string
}

// Hang lets requests and gRPC calls wait for as long as the caller does, until the returned function is called.
func (s *Server) Hang() (release func()) {
	s.cluster.lock()
	defer s.cluster.mu.Unlock()
	if s.hang == nil {
		s.hang = make(chan struct{})
	}
	hang := s.hang
	return s.once(func() {
		if s.hang == hang {
			s.hang = nil
			close(hang)
		}
	})
}

// Freeze holds this server's view of cluster and collections as it is, until the returned function is called: it is behind the others,
// as one whose disk is slow. It still votes. What it is asked to change is changed, but it does not get to know and so answers an error.
func (s *Server) Freeze() (release func()) {
	s.cluster.lock()
	defer s.cluster.mu.Unlock()
	if s.behind == nil && s.group != nil {
		s.frozen, s.behind = true, s.group.clone()
	}
	return s.once(func() {
		s.thaw()
		s.cluster.tidy()
	})
}

// thaw lets a frozen server see what has been agreed on, its own removal included.
func (s *Server) thaw() {
	if !s.frozen {
		return
	}
	s.frozen = false
	if s.group.members[s.id] == "" {
		s.stopConsensus()
		return
	}
	s.behind = nil
}

// Isolate cuts this server off from all others, though not from clients, until the returned function is called. If it was the leader
// it goes on naming itself, and the others elect another one. If it is removed meanwhile it never gets to know.
func (s *Server) Isolate() (release func()) {
	s.cluster.lock()
	defer s.cluster.mu.Unlock()
	s.thaw()
	s.isolated = true
	if s.behind == nil && s.group != nil {
		s.behind = s.group.clone()
	}
	s.cluster.elect(s.group)
	return s.once(func() {
		s.isolated = false
		if s.group != nil && !s.removed && s.group.members[s.id] != "" {
			s.behind = nil
		}
		s.cluster.elect(s.group)
		s.cluster.tidy()
	})
}

// Fail answers REST requests of the method (any if empty) whose path begins with path with an error of the status and message, until the
// returned function is called. The status 0 cuts the connection instead.
func (s *Server) Fail(method, path string, status int, message string) (release func()) {
	s.cluster.lock()
	defer s.cluster.mu.Unlock()
	f := &fault{method, path, status, message}
	s.faults = append(s.faults, f)
	return s.once(func() {
		s.faults = slices.DeleteFunc(s.faults, func(other *fault) bool { return other == f })
	})
}

func (s *Server) fault(method, path string) *fault {
	for _, f := range s.faults {
		if (f.method == "" || f.method == method) && strings.HasPrefix(path, f.path) {
			return f
		}
	}
	return nil
}

// once makes a function that undoes a fault under the cluster's lock, the first time it is called.
func (s *Server) once(undo func()) func() {
	return sync.OnceFunc(func() {
		s.cluster.lock()
		defer s.cluster.mu.Unlock()
		undo()
	})
}

// MissRemovals lets peers that are removed from now on not learn of it, though they run: as on a busy machine, where the removal is
// committed without them and nobody sends to them after it. They list all peers as before, stand for election, and disturb the others.
func (c *Cluster) MissRemovals(miss bool) {
	c.lock()
	defer c.mu.Unlock()
	c.missed = miss
}

// SetReady makes /readyz say no, whatever the replicas are, or what they are again.
func (s *Server) SetReady(ready bool) {
	s.cluster.lock()
	defer s.cluster.mu.Unlock()
	s.unready = !ready
}

// SetVersion makes this server another version, such as "1.15.5".
func (s *Server) SetVersion(version string) {
	s.cluster.lock()
	defer s.cluster.mu.Unlock()
	s.version = version
}

// SetAPIKey changes the key that this server asks for; none if empty.
func (s *Server) SetAPIKey(key string) {
	s.cluster.lock()
	defer s.cluster.mu.Unlock()
	s.apiKey = key
}
