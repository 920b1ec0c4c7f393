package bench

import (
	"context"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/bench/stat"
	"github.com/qdrant-shepherd/shepherd/pkg/vector"
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

// ingest loads the base as often as there are rounds, and waits for the graph in the last of them.
func (s *session) ingest(ctx context.Context, profile Profile) error {
	n := s.data.base.Len()
	var uploads, indexes, totals, clientCPU, serverCPU, indexCPU []float64
	var progress []look
	var graph Graph
	rounds := s.options.Builds
	if s.options.runs(PhaseIngest) {
		rounds = max(rounds, s.options.Rounds)
	}
	for i := range rounds {
		build := i >= rounds-s.options.Builds
		c, err := fresh[word](ctx, s, mainCollection, profile, build)
		if err != nil {
			return err
		}
		s.calm(ctx)
		progress = []look{}
		options := vector.LoadOptions{Progress: func(done vector.LoadStats) {
			progress = append(progress, look{Seconds: done.Upload.Seconds(), Points: uint64(done.Documents)})
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
		uploads = append(uploads, upload)
		clientCPU = append(clientCPU, perThousand(used.client, n))
		serverCPU = append(serverCPU, perThousand(used.server, n))
		s.say("%s: ingest %d of %d: %d points in %.2f s", profile.Name, i+1, rounds, n, upload)
		if !build {
			continue
		}
		before = s.cpu()
		graph, err = s.awaitGraph(ctx, mainCollection, func(l look) {
			l.Seconds += upload
			progress = append(progress, l)
		})
		if err != nil {
			return err
		}
		indexes = append(indexes, graph.Seconds)
		totals = append(totals, upload+graph.Seconds)
		indexCPU = append(indexCPU, perThousand(s.cpu().since(before).server, n))
		s.say("%s: graph of %d vectors in %.1f s", profile.Name, graph.IndexedVectors, graph.Seconds)
	}
	part := s.report.profile(profile.Name)
	part.Graph = graph
	if !s.options.runs(PhaseIngest) {
		return nil
	}
	part.Ingest = &Ingested{
		Upload: stat.SpreadOf(rates(n, uploads)), Total: stat.SpreadOf(rates(n, totals)),
		UploadSeconds: stat.SpreadOf(uploads), IndexSeconds: stat.SpreadOf(indexes), TotalSeconds: stat.SpreadOf(totals),
		ClientCPU: stat.SpreadOf(clientCPU), ServerCPU: stat.SpreadOf(serverCPU), ServerIndexCPU: stat.SpreadOf(indexCPU),
		ServerMiB: s.serverMiB(), Progress: progress,
	}
	return nil
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
