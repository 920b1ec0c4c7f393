package vector

import (
	"fmt"
	"time"
)

const (
	// defaultBatchBytes: more brings nothing. On one machine with a server that does nothing, 256 points of 100 dimensions a call (112 KB)
	// and 64 of 1,536 (396 KB) already come to within a few percent of calls four times as large; half a megabyte leaves room for a
	// network's latency.
	defaultBatchBytes = 512 << 10
	// maxBatchBytes is what a server takes over REST (service.max_request_size_mb of its config.yaml) and as large as a segment of its log
	// (wal_capacity_mb). Over gRPC it sets no limit of its own (src/tonic/mod.rs).
	maxBatchBytes = 32 << 20
	// streamsPerPeer: while one batch is applied the next one travels. A second stream is worth 1.7 to 2.4 times the first, a third hardly
	// anything.
	streamsPerPeer = 2
	// defaultPatience is longer than a peer needs to restart, and than the minute in which the server's rate limiter lets through as much
	// as it ever does at once (lib/common/common/src/rate_limiting.rs).
	defaultPatience         = 2 * time.Minute
	defaultProgressInterval = 200 * time.Millisecond
	// defaultRememberIDs entries take up to 80 MB.
	defaultRememberIDs = 2 << 20
)

// LoadOptions say how to Load. The zero value is a good one.
type LoadOptions struct {
	// BatchBytes is how large a request gets before it is sent, in bytes; it may be exceeded by one document. 0 means 512 KiB; more than
	// 32 MiB is refused. A batch has no more documents than the collection's strict mode lets through (upsert_max_batchsize), and all
	// streams' batches together no more than half of what it does in a minute (write_rate_limit).
	BatchBytes int
	// Streams is how many requests are under way at once to begin with, 0 meaning two for each peer. MaxStreams is how many they may become
	// while nothing is rejected; less than Streams means Streams. Each rejection halves their number, down to one.
	//
	// Of documents with the same id in different batches the last one wins only with a single stream.
	Streams, MaxStreams int
	// Skip is how many documents to pass over: those that an earlier Load of the same sequence acknowledged (LoadStats.Acknowledged).
	Skip int
	// DeferIndexing defers the index until all documents are there. Indexing is restored in any case: after success, after an error, when
	// ctx is over, and if the process is killed, by whoever opens the collection or loads into it two minutes later or after that. A load
	// that finds that another one has deferred the index already leaves that to the other.
	DeferIndexing Deferral
	// AllowDuplicates lets a later document replace an earlier one with the same id. Otherwise it is a *DocumentError.
	AllowDuplicates bool
	// RememberIDs bounds the memory for finding duplicates: that many ids, or 64 times as many where they are numbers without large gaps.
	// What comes later is only compared with those. 0 means 2 Mi, which takes up to 80 MB; less than 0 remembers none.
	RememberIDs int
	// Patience is how long the server may reject one and the same batch (a rate limit, a peer that is away), on top of the repeats of the
	// connection, and how long its queues may stand still at the end. 0 means two minutes.
	Patience time.Duration
	// Progress, unless nil, is called at most every ProgressInterval (0 means 200 ms) while batches are acknowledged, and whenever the
	// phase changes. It is called by one goroutine at a time, and holds up one stream meanwhile.
	Progress         func(LoadStats)
	ProgressInterval time.Duration
}

// LoadPhase is what a Load is at.
type LoadPhase string

// The phases of a Load, in order.
const (
	LoadUploading LoadPhase = "uploading"
	LoadApplying  LoadPhase = "applying" // all is acknowledged; the server works through its queues
	LoadDone      LoadPhase = "done"
)

// LoadStats are the figures of a Load, so far or at its end.
type LoadStats struct {
	Phase LoadPhase
	// Acknowledged is how many documents from the start of the sequence the servers have in their logs, without a gap and including the
	// skipped ones. A load that failed continues with Skip set to it.
	Acknowledged int
	// Documents, Batches and Bytes (of requests) were acknowledged by this call, in whatever order.
	Documents, Batches int
	Bytes              int64
	// Distinct is how many different ids the sequence had, the skipped documents included; fewer than that if more than RememberIDs were
	// needed. It is 0 until the end of the upload.
	Distinct int
	// Points is the exact number of points in the collection at the end; 0 before.
	Points uint64
	// Rejected is how often the server rejected a batch which then was sent again.
	Rejected int
	// Streams is how many requests were allowed to be under way at once at last.
	Streams int
	// Deferred: this load deferred the index.
	Deferred bool
	// Upload is the time until the last batch was acknowledged, Apply that from then on until the server had worked through its queues.
	// Neither includes building the index, for which AwaitIndexed waits.
	Upload, Apply time.Duration
}

// Rate is the number of documents a second that were uploaded.
func (s LoadStats) Rate() float64 {
	if s.Upload <= 0 {
		return 0
	}
	return float64(s.Documents) / s.Upload.Seconds()
}

// LoadError is a Load that did not come to its end.
type LoadError struct {
	Collection string
	Stats      LoadStats
	Err        error
}

// Error gives the cause and how to go on.
func (e *LoadError) Error() string {
	if e.Stats.Phase == LoadUploading {
		return fmt.Sprintf("loading into collection %s: %v; %d documents are acknowledged, continue with Skip: %d",
			e.Collection, e.Err, e.Stats.Acknowledged, e.Stats.Acknowledged)
	}
	return fmt.Sprintf("loading into collection %s: %v; all %d documents are acknowledged", e.Collection, e.Err, e.Stats.Acknowledged)
}

// Unwrap gives the cause.
func (e *LoadError) Unwrap() error { return e.Err }

// CountError is a collection that has fewer points after a Load than the sequence had different ids: somebody deleted points meanwhile, or
// a server lost what it had acknowledged (a machine that crashed before its log was on the disk). Loading everything once more mends it.
type CountError struct {
	Points   uint64
	Distinct int
}

func (e *CountError) Error() string {
	return fmt.Sprintf("it has %d points after documents with %d different ids", e.Points, e.Distinct)
}

func (o LoadOptions) withDefaults(peers int) (LoadOptions, error) {
	switch {
	case o.BatchBytes < 0 || o.BatchBytes > maxBatchBytes:
		return o, invalidf("BatchBytes is %d; it must be 1 to %d, or 0 for the default", o.BatchBytes, maxBatchBytes)
	case o.Streams < 0 || o.MaxStreams < 0 || o.Skip < 0:
		return o, invalidf("one of Streams, MaxStreams and Skip is negative")
	case o.Patience < 0 || o.ProgressInterval < 0:
		return o, invalidf("one of Patience and ProgressInterval is negative")
	case o.DeferIndexing < DeferNever || o.DeferIndexing > DeferAlways:
		return o, invalidf("DeferIndexing is %d, which there is not", o.DeferIndexing)
	}
	if o.BatchBytes == 0 {
		o.BatchBytes = defaultBatchBytes
	}
	if o.Streams == 0 {
		o.Streams = streamsPerPeer * max(1, peers)
	}
	o.MaxStreams = max(o.Streams, o.MaxStreams)
	if o.RememberIDs == 0 {
		o.RememberIDs = defaultRememberIDs
	}
	if o.Patience == 0 {
		o.Patience = defaultPatience
	}
	if o.ProgressInterval == 0 {
		o.ProgressInterval = defaultProgressInterval
	}
	return o, nil
}
