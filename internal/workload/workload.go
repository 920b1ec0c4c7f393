// Package workload does with a Qdrant what its users do: it creates
// collections, loads real vectors, searches with and without filters, updates
// and deletes, and holds every answer against its own arithmetic. Each step
// returns figures, or an error that says which answer was wrong, so that a test
// and a command line can both use it.
//
// A step needs a client (Connect) and the name of a collection; it starts
// nothing, and what it changes it puts back unless its comment says otherwise.
package workload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/qdrant-shepherd/shepherd/internal/wordvectors"
)

// batch and streams are the knee of the ingest curve on two processors: larger
// batches and more streams only add latency.
const (
	batch   = 256
	streams = 2
)

// The payload of a word.
const (
	fieldWord   = "word"
	fieldLetter = "letter" // the first character, a keyword
	fieldLength = "length" // in characters
	fieldRank   = "rank"   // place in order of frequency, from 0; also the point's id
)

// Connect makes a client for the gRPC address target, host:port.
func Connect(target, apiKey string) (*qdrant.Client, error) {
	host, portText, err := net.SplitHostPort(target)
	if err != nil {
		return nil, fmt.Errorf("reading target %q: %w", target, err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("reading the port of target %q: %w", target, err)
	}
	config := &qdrant.Config{Host: host, Port: port, SkipCompatibilityCheck: true}
	if apiKey != "" {
		// As a header and not as APIKey, which logs a warning about the lack of
		// TLS for each connection.
		config.Headers = map[string]string{"api-key": apiKey}
	}
	client, err := qdrant.NewClient(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", target, err)
	}
	return client, nil
}

// Collection says how a collection is to be made. Zero leaves a setting to the
// server's defaults, which is what tests of those defaults want.
type Collection struct {
	Name             string
	Dim              uint64
	Distance         qdrant.Distance // Cosine
	Shards           uint32
	Replicas         uint32
	WriteConsistency uint32
	M                uint64
	EFConstruct      uint64
	// FullScanThresholdKB and IndexingThresholdKB are KiB of vectors in one
	// segment. A small set never reaches the defaults: the server then searches
	// without a graph, is green, and has a recall of 1 that says nothing.
	FullScanThresholdKB uint64
	IndexingThresholdKB uint64
}

// Words is a collection for n words that is sure to build its graph. The
// graph is built once the words are loaded, see Index.
func Words(name string, shards, replicas uint32) Collection {
	return Collection{Name: name, Dim: wordvectors.Dim, Shards: shards, Replicas: replicas, FullScanThresholdKB: 10}
}

// Create makes a collection.
func Create(ctx context.Context, client *qdrant.Client, c Collection) error {
	request := &qdrant.CreateCollection{
		CollectionName: c.Name,
		VectorsConfig: qdrant.NewVectorsConfig(&qdrant.VectorParams{
			Size: c.Dim, Distance: cmp.Or(c.Distance, qdrant.Distance_Cosine),
		}),
		ShardNumber:            set(c.Shards),
		ReplicationFactor:      set(c.Replicas),
		WriteConsistencyFactor: set(c.WriteConsistency),
	}
	if c.M > 0 || c.EFConstruct > 0 || c.FullScanThresholdKB > 0 {
		request.HnswConfig = &qdrant.HnswConfigDiff{
			M: set(c.M), EfConstruct: set(c.EFConstruct), FullScanThreshold: set(c.FullScanThresholdKB),
		}
	}
	if c.IndexingThresholdKB > 0 {
		request.OptimizersConfig = &qdrant.OptimizersConfigDiff{IndexingThreshold: set(c.IndexingThresholdKB)}
	}
	if err := client.CreateCollection(ctx, request); err != nil {
		return fmt.Errorf("creating collection %s: %w", c.Name, err)
	}
	return nil
}

// set returns nil for zero, so that the setting is left out of the request.
func set[T uint32 | uint64](value T) *T {
	if value == 0 {
		return nil
	}
	return &value
}

// Drop deletes a collection if it is there.
func Drop(ctx context.Context, client *qdrant.Client, name string) error {
	there, err := client.CollectionExists(ctx, name)
	if err == nil && there {
		err = client.DeleteCollection(ctx, name)
	}
	if err != nil {
		return fmt.Errorf("deleting collection %s: %w", name, err)
	}
	return nil
}

// CreatePayloadIndexes indexes the fields that filters use. It belongs before
// Load: the graph gets its links for filtered searches as it is built.
func CreatePayloadIndexes(ctx context.Context, client *qdrant.Client, name string) error {
	for field, kind := range map[string]qdrant.FieldType{
		fieldLetter: qdrant.FieldType_FieldTypeKeyword,
		fieldLength: qdrant.FieldType_FieldTypeInteger,
		fieldRank:   qdrant.FieldType_FieldTypeInteger,
	} {
		_, err := client.CreateFieldIndex(ctx, &qdrant.CreateFieldIndexCollection{
			CollectionName: name, FieldName: field, FieldType: &kind, Wait: qdrant.PtrOf(true),
		})
		if err != nil {
			return fmt.Errorf("indexing field %s of collection %s: %w", field, name, err)
		}
	}
	return nil
}

// Loaded is what Load has written.
type Loaded struct {
	Points   int
	Duration time.Duration
}

// PerSecond is the rate of acknowledged points.
func (l Loaded) PerSecond() float64 { return float64(l.Points) / l.Duration.Seconds() }

// Load writes a set of words, each batch acknowledged as carried out, and then
// has the server count them.
func Load(ctx context.Context, client *qdrant.Client, name string, words wordvectors.Set) (Loaded, error) {
	begin := time.Now()
	batches := make(chan []*qdrant.PointStruct)
	failed := make(chan error, streams)
	working, cancel := context.WithCancel(ctx)
	defer cancel()
	var writers sync.WaitGroup
	for range streams {
		writers.Go(func() {
			for points := range batches {
				if err := upsert(working, client, name, points); err != nil {
					failed <- err
					cancel()
					return
				}
			}
		})
	}
	points := pointsOf(words)
	for len(points) > 0 && working.Err() == nil {
		n := min(batch, len(points))
		select {
		case batches <- points[:n]:
			points = points[n:]
		case <-working.Done():
		}
	}
	close(batches)
	writers.Wait()
	select {
	case err := <-failed:
		return Loaded{}, err
	default:
	}
	if err := ctx.Err(); err != nil {
		return Loaded{}, fmt.Errorf("writing to collection %s: %w", name, err)
	}
	loaded := Loaded{Points: words.Len(), Duration: time.Since(begin)}
	return loaded, RequireCount(ctx, client, name, nil, words.Len())
}

func upsert(ctx context.Context, client *qdrant.Client, name string, points []*qdrant.PointStruct) error {
	answer, err := client.Upsert(ctx, &qdrant.UpsertPoints{CollectionName: name, Wait: qdrant.PtrOf(true), Points: points})
	if err != nil {
		return fmt.Errorf("writing %d points to collection %s: %w", len(points), name, err)
	}
	return completed("writing to collection "+name, answer)
}

// completed checks the answer to a write with wait=true.
func completed(act string, answer *qdrant.UpdateResult) error {
	if status := answer.GetStatus(); status != qdrant.UpdateStatus_Completed {
		return fmt.Errorf("%s: the server answered %s instead of Completed", act, status)
	}
	return nil
}

func pointsOf(words wordvectors.Set) []*qdrant.PointStruct {
	points := make([]*qdrant.PointStruct, words.Len())
	for i := range points {
		points[i] = &qdrant.PointStruct{
			Id:      qdrant.NewIDNum(uint64(words.Ranks[i])),
			Vectors: qdrant.NewVectorsDense(words.Vectors[i]),
			Payload: map[string]*qdrant.Value{
				fieldWord:   qdrant.NewValueString(words.Words[i]),
				fieldLetter: qdrant.NewValueString(letter(words.Words[i])),
				fieldLength: qdrant.NewValueInt(int64(length(words.Words[i]))),
				fieldRank:   qdrant.NewValueInt(int64(words.Ranks[i])),
			},
		}
	}
	return points
}

func letter(word string) string {
	first, _ := utf8.DecodeRuneInString(word)
	return string(first)
}

func length(word string) int { return utf8.RuneCountInString(word) }

// RequireCount has the server count exactly the words that match the filter,
// all words without one. Other points in the collection do not matter.
func RequireCount(ctx context.Context, client *qdrant.Client, name string, filter *qdrant.Filter, want int) error {
	if filter == nil {
		filter = &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewRange(fieldRank, &qdrant.Range{Gte: qdrant.PtrOf(0.0)})}}
	}
	got, err := client.Count(ctx, &qdrant.CountPoints{CollectionName: name, Filter: filter, Exact: qdrant.PtrOf(true)})
	if err != nil {
		return fmt.Errorf("counting the points of collection %s: %w", name, err)
	}
	if got != uint64(want) {
		return fmt.Errorf("counting the points of collection %s: the server has %d, there should be %d", name, got, want)
	}
	return nil
}

// Indexed is what AwaitIndexed has seen.
type Indexed struct {
	Points, Vectors, Segments int
	Duration                  time.Duration
}

// indexedShare is how much of the points must be in the graph. A few stay in
// segments that are too small to be worth one.
const indexedShare = 0.99

// Index makes the server build the graph now: it lowers the threshold from
// which a segment gets one, and waits. Doing it after the load builds each
// graph once, where a low threshold from the beginning would build it again and
// again as the segments grow.
func Index(ctx context.Context, client *qdrant.Client, name string) (Indexed, error) {
	err := client.UpdateCollection(ctx, &qdrant.UpdateCollection{
		CollectionName:   name,
		OptimizersConfig: &qdrant.OptimizersConfigDiff{IndexingThreshold: qdrant.PtrOf(uint64(1))},
	})
	if err != nil {
		return Indexed{}, fmt.Errorf("lowering the indexing threshold of collection %s: %w", name, err)
	}
	return AwaitIndexed(ctx, client, name)
}

// AwaitIndexed returns when a collection is green twice in a row and its
// vectors are in the graph. Green alone is not enough: it flickers after a load,
// and a collection that never builds a graph is green too.
func AwaitIndexed(ctx context.Context, client *qdrant.Client, name string) (Indexed, error) {
	begin := time.Now()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	last := errors.New("no answer yet")
	for green := 0; ; {
		info, err := client.GetCollectionInfo(ctx, name)
		if err == nil {
			seen := Indexed{
				Points: int(info.GetPointsCount()), Vectors: int(info.GetIndexedVectorsCount()),
				Segments: int(info.GetSegmentsCount()), Duration: time.Since(begin),
			}
			last = fmt.Errorf("it is %s with %d of %d vectors indexed in %d segments", info.GetStatus(), seen.Vectors, seen.Points, seen.Segments)
			if info.GetStatus() == qdrant.CollectionStatus_Green && float64(seen.Vectors) >= indexedShare*float64(seen.Points) {
				green++
			} else {
				green = 0
			}
			if green == 2 {
				return seen, nil
			}
		} else if green = 0; status.Code(errors.Unwrap(err)) != codes.DeadlineExceeded {
			last = err // an answer that did not come in time would hide the one before it
		}
		select {
		case <-ctx.Done():
			return Indexed{}, fmt.Errorf("waiting for the index of collection %s: %w; last: %w", name, ctx.Err(), last)
		case <-ticker.C:
		}
	}
}
