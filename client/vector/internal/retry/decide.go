package retry

import (
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/qdrant-shepherd/shepherd/client/vector/internal/backoff"
)

// Failure is what tells whether a failure passes.
type Failure struct {
	Code    codes.Code
	Message string
	// After is what the server asked to wait, by its retry-after header; -1 where it did not.
	After time.Duration
	// Impatient: it was cut off by a limit of its own, not because the caller's time was up.
	Impatient bool
}

// failure is all that a decision needs to know about an attempt that failed.
type failure struct {
	Failure
	kind kind
	// attempts is how many there were, this one included.
	attempts int
	// left is how long the call may go on.
	left time.Duration
}

// verdict is what to do after a failure.
type verdict struct {
	again bool
	// wait is how long to wait before the next attempt.
	wait time.Duration
}

// decide says whether to try again, and after which wait. chance in [0, 1) is the part of the longest wait that is taken.
func decide(p Policy, f failure, chance float64) verdict {
	if f.kind == once || f.attempts >= p.Attempts || !f.Passing() {
		return verdict{}
	}
	wait := backoff.Jitter(p.Backoff, p.MaxBackoff, f.attempts, chance)
	if f.After >= 0 {
		// The server knows when it will take more. The jitter comes on top, for all were told the same.
		wait += f.After
	}
	// There is no use in waiting for a moment when nobody listens any more.
	if wait >= f.left {
		return verdict{}
	}
	return verdict{again: true, wait: wait}
}

// Passing reports whether the failure may be over soon, or elsewhere, while the caller still waits.
func (f Failure) Passing() bool {
	switch f.Code {
	case codes.Unavailable:
		// No connection, a connection that broke, or a shard without a replica.
		return true
	case codes.Aborted:
		return true
	case codes.Canceled:
		// The caller did not cancel, or nobody would ask: a server that stops resets its streams.
		return true
	case codes.ResourceExhausted:
		// The server's rate limiter names a time (lib/storage/src/content_manager/conversions.rs), unless the call alone is more than it
		// lets through in a minute (AlwaysOverBudget, lib/common/common/src/rate_limiting.rs). That, and a message that is too large, fails
		// again each time.
		return f.After >= 0
	case codes.DeadlineExceeded:
		return f.Impatient || Away(f.Code, f.Message)
	default:
		return Away(f.Code, f.Message)
	}
}

// phrases are how the server words an error that only means that a replica, a
// leader or a peer is away; the codes, Internal and DeadlineExceeded, do not tell it from
// others. A peer that sees the same replica may answer, and soon all will know
// that it is away. From the server's source, 1.18.3, lib/ left out:
var phrases = []string{
	"does not have enough active replicas",          // collection/src/shards/replica_set/execute_read_operation.rs
	"read operations failed",                        // the same: each replica that was asked failed in passing
	"has no active replica",                         // collection/src/shards/replica_set/update.rs
	"no leader could be selected",                   // the same
	"via leader peer",                               // the same
	"all attempts were rejected",                    // the same: clocks of the replicas disagree
	"Please retry",                                  // the same: too few replicas took it, or a dead one is not yet marked so
	"Tonic status error",                            // collection/src/operations/types.rs: the other peer's answer was Unavailable
	"Tonic transport error",                         // the same
	"Failed to connect to",                          // api/src/grpc/transport_channel_pool.rs, between peers
	"Healthcheck timeout",                           // the same, as DeadlineExceeded: the other peer hangs
	"Operation cancelled",                           // storage/src/content_manager/errors.rs: its work was dropped, as in a stop
	"leader is not established",                     // storage/src/content_manager/consensus_manager.rs
	"Waiting for consensus operation commit failed", // the same
}

// Away reports whether the server says by this error that a replica, a leader or a peer is away.
func Away(code codes.Code, message string) bool {
	return (code == codes.Internal || code == codes.DeadlineExceeded) &&
		slices.ContainsFunc(phrases, func(phrase string) bool { return strings.Contains(message, phrase) })
}
