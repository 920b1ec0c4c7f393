package qdranttest

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Call is a gRPC call that a server was asked for.
type Call struct {
	Server   int    // its ordinal
	Method   string // qdrant.Points/Upsert
	Request  proto.Message
	Metadata metadata.MD // what came with it, such as x-request-id
	Deadline time.Time   // the client's; zero if it had none
	Code     codes.Code  // of the answer
}

// Calls are all gRPC calls that any server has answered so far, in that order, those included that failed on request. Messages are
// what the servers keep, too: they are not to be changed.
func (c *Cluster) Calls() []Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.calls)
}

// CallFault is what happens to gRPC calls instead of what they ask for.
type CallFault struct {
	// Method is the method's name, with or without its service: Upsert, Points/Upsert, qdrant.Points/Upsert; any method if empty.
	Method string
	// Times is how many calls it happens to, counted as they come in; all until it is released, if 0.
	Times int
	// Code and Message are the answer.
	Code    codes.Code
	Message string
	// RetryAfter is told in the trailer retry-after in whole seconds, rounded up as by a server that limits rates; none if 0.
	RetryAfter time.Duration
	// Late carries the call out first: the answer is lost, the change is made.
	Late bool
	// Hang lets the calls wait, for as long as their clients do or until it is released, and then carries them out. Nothing else of the
	// fault but Method and Times counts then.
	Hang bool

	released chan struct{}
}

// FailCalls has a fault happen to gRPC calls of this server until the returned function is called. Of several faults that fit a call
// the first one that was set counts.
func (s *Server) FailCalls(fault CallFault) (release func()) {
	s.cluster.lock()
	defer s.cluster.mu.Unlock()
	f := &fault
	f.released = make(chan struct{})
	if f.Times == 0 {
		f.Times = math.MaxInt
	}
	s.callFaults = append(s.callFaults, f)
	return s.once(func() {
		s.callFaults = slices.DeleteFunc(s.callFaults, func(other *CallFault) bool { return other == f })
		close(f.released)
	})
}

// callFault is the fault that happens to the next call of a method.
func (s *Server) callFault(method string) *CallFault {
	for _, f := range s.callFaults {
		named := f.Method == "" || method == f.Method || strings.HasSuffix(method, "/"+f.Method) || strings.HasSuffix(method, "."+f.Method)
		if named && f.Times > 0 {
			f.Times--
			return f
		}
	}
	return nil
}

func (f *CallFault) answer(ctx context.Context) error {
	if f.RetryAfter > 0 {
		seconds := strconv.Itoa(int(math.Ceil(f.RetryAfter.Seconds())))
		_ = grpc.SetTrailer(ctx, metadata.Pairs("retry-after", seconds))
	}
	return status.Error(f.Code, f.Message)
}
