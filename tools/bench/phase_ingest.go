package main

import (
	"context"
	"slices"
	"time"

	"github.com/qdrant-shepherd/shepherd/client/vector"
	"github.com/qdrant-shepherd/shepherd/internal/stat"
)

// Ingested is how a base came to the server by Collection.Load, with its index put off until all was there.
type Ingested struct {
	// Upload is points a second until the exact count was right, over the rounds; Total until all was indexed, over the builds.
	Upload stat.Spread `json:"upload_points_per_second"`
	Total  stat.Spread `json:"total_points_per_second"`
	// UploadSeconds, IndexSeconds and TotalSeconds are the same as times.
	UploadSeconds stat.Spread `json:"upload_seconds"`
	IndexSeconds  stat.Spread `json:"index_seconds"`
	TotalSeconds  stat.Spread `json:"total_seconds"`
	// ClientCPU and ServerCPU are milliseconds of processor time for a thousand points: the upload's, and the server's with its index.
	ClientCPU      stat.Spread `json:"client_cpu_ms_per_1000"`
	ServerCPU      stat.Spread `json:"server_cpu_ms_per_1000"`
	ServerIndexCPU stat.Spread `json:"server_index_cpu_ms_per_1000"`
	ServerMiB      float64     `json:"server_memory_mib,omitempty"` // after the last build
	// Progress is the last build over time.
	Progress []look `json:"progress"`
}

// main is the collection that everything but comparisons runs on.
const mainCollection = "main"

// ingestion is what rounds of loading have come to: seconds, and milliseconds of processor time for a thousand points.
type ingestion struct {
	uploads, indexes, totals       []float64
	clientCPU, serverCPU, indexCPU []float64
	progress                       []look // of the last
	graph                          Graph
}

// ingest loads the base as often as there are rounds, and waits for the graph in the last of them.
func (s *session) ingest(ctx context.Context, profile Profile) (err error) {
	rounds := s.options.Builds
	if s.options.runs(PhaseIngest) {
		rounds = max(rounds, s.options.Rounds)
	}
	var all ingestion
	for i := 0; i < rounds && err == nil; i++ {
		s.say("%s: ingest %d of %d", profile.Name, i+1, rounds)
		err = s.ingestOnce(ctx, profile, i >= rounds-s.options.Builds, &all)
	}
	part := s.report.profile(profile.Name)
	part.Graph = all.graph
	if s.options.runs(PhaseIngest) && len(all.uploads) > 0 {
		part.Ingest = all.concluded(s.data.base.Len(), s.serverMiB())
	}
	return err
}

func (s *session) ingestOnce(ctx context.Context, profile Profile, build bool, all *ingestion) error {
	n := s.data.base.Len()
	c, err := fresh[word](ctx, s, mainCollection, profile, build)
	if err != nil {
		return err
	}
	s.calm(ctx)
	all.progress = []look{}
	options := vector.LoadOptions{Progress: func(done vector.LoadStats) {
		all.progress = append(all.progress, look{Seconds: done.Upload.Seconds(), Points: uint64(done.Documents)})
	}}
	if build {
		options.DeferIndexing = vector.DeferAuto
	}
	before, begin := s.cpu(), time.Now()
	if _, err := c.Load(ctx, documents(s.data.base, n, wordAt), options); err != nil {
		return err
	}
	if err := s.requireCount(ctx, mainCollection, n); err != nil {
		return err
	}
	upload, used := time.Since(begin).Seconds(), s.cpu().since(before)
	all.uploads = append(all.uploads, upload)
	all.clientCPU = append(all.clientCPU, perThousand(used.client, n))
	all.serverCPU = append(all.serverCPU, perThousand(used.server, n))
	s.say("%s: %d points in %.2f s", profile.Name, n, upload)
	if !build {
		return nil
	}
	before = s.cpu()
	graph, err := s.awaitGraph(ctx, mainCollection, func(l look) {
		l.Seconds += upload
		all.progress = append(all.progress, l)
	})
	if err != nil {
		return err
	}
	all.graph = graph
	all.indexes = append(all.indexes, graph.Seconds)
	all.totals = append(all.totals, upload+graph.Seconds)
	all.indexCPU = append(all.indexCPU, perThousand(s.cpu().since(before).server, n))
	s.say("%s: graph of %d vectors in %.1f s", profile.Name, graph.IndexedVectors, graph.Seconds)
	return nil
}

func (i ingestion) concluded(n int, serverMiB float64) *Ingested {
	return &Ingested{
		Upload: stat.SpreadOf(rates(n, i.uploads)), Total: stat.SpreadOf(rates(n, i.totals)),
		UploadSeconds: stat.SpreadOf(i.uploads), IndexSeconds: stat.SpreadOf(i.indexes), TotalSeconds: stat.SpreadOf(i.totals),
		ClientCPU: known(i.clientCPU), ServerCPU: known(i.serverCPU), ServerIndexCPU: known(i.indexCPU),
		ServerMiB: serverMiB, Progress: i.progress,
	}
}

// known leaves out what could not be read.
func known(used []float64) stat.Spread {
	return stat.SpreadOf(slices.DeleteFunc(slices.Clone(used), func(u float64) bool { return u == 0 }))
}

func (s *session) serverMiB() float64 {
	if s.server.pid == 0 {
		return 0
	}
	now, _, err := processMemory(s.server.pid)
	if err != nil {
		return 0
	}
	return float64(now) / (1 << 20)
}

func perThousand(used time.Duration, n int) float64 {
	return stat.Milliseconds(used) / float64(n) * 1000
}

func rates(n int, seconds []float64) []float64 {
	rates := make([]float64, len(seconds))
	for i, s := range seconds {
		rates[i] = float64(n) / s
	}
	return rates
}
