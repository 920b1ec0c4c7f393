package command

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/qdrant/go-client/qdrant"

	"github.com/qdrant-shepherd/shepherd/client/vector"
)

// warnings are what somebody who looks at a collection should know.
func warnings(info *qdrant.CollectionInfo, status vector.CollectionStatus) (list []string) {
	warn := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	switch info.GetStatus() {
	case qdrant.CollectionStatus_Red:
		warn("a part is broken: %s", status.Optimizer)
	case qdrant.CollectionStatus_Grey:
		warn("optimizations wait for the next write")
	case qdrant.CollectionStatus_Yellow:
		warn("it is being optimized: searches compete with that, and %s vectors are not indexed yet", count(int64(unindexed(info))))
	}
	if off := indexingOff(info); off != "" {
		warn("indexing is switched off: %s", off)
	} else if info.GetPointsCount() > 0 && info.GetIndexedVectorsCount() == 0 && info.GetStatus() == qdrant.CollectionStatus_Green {
		warn("%s", noGraph(info))
	}
	if length := info.GetUpdateQueue().GetLength(); length > 0 {
		warn("%s updates are acknowledged and not applied yet", count(int64(length)))
	}
	if deferred := info.GetUpdateQueue().GetDeferredPoints(); deferred > 0 {
		warn("%s points are not found by searches until they are indexed (prevent_unoptimized)", count(int64(deferred)))
	}
	list = append(list, replicaWarnings(info, status)...)
	for _, w := range info.GetWarnings() {
		warn("the server says: %s", w.GetMessage())
	}
	return list
}

// indexingOff says by which setting, "" where indexing is on.
func indexingOff(info *qdrant.CollectionInfo) string {
	optimizers := info.GetConfig().GetOptimizerConfig()
	var why []string
	threads := optimizers.GetMaxOptimizationThreads()
	if _, isNumber := threads.GetVariant().(*qdrant.MaxOptimizationThreads_Value); isNumber && threads.GetValue() == 0 {
		text := "max_optimization_threads is 0"
		if since := vector.DeferredSince(info); !since.IsZero() {
			text += fmt.Sprintf(" since a load put it off at %s; opening the collection or loading again restores it, two minutes after that load was last seen", since.Format(time.RFC3339))
		}
		why = append(why, text)
	}
	if optimizers.IndexingThreshold != nil && optimizers.GetIndexingThreshold() == 0 {
		why = append(why, "indexing_threshold is 0")
	}
	vectors := denseVectors(info)
	graphs := slices.ContainsFunc(slices.Collect(maps.Values(vectors)), func(params *qdrant.VectorParams) bool {
		m, _ := graphOf(info.GetConfig(), params)
		return m > 0
	})
	if len(vectors) > 0 && !graphs {
		why = append(why, "m is 0")
	}
	return strings.Join(why, ", ")
}

// noGraph is about a collection that has points, no index, and nothing left to do.
func noGraph(info *qdrant.CollectionInfo) string {
	var most uint64
	for _, params := range denseVectors(info) {
		most = max(most, info.GetPointsCount()*uint64(float64(params.GetSize())*widthOf(params.GetDatatype()))/max(1, info.GetSegmentsCount()))
	}
	threshold := info.GetConfig().GetOptimizerConfig().GetIndexingThreshold()
	return fmt.Sprintf("no graph: segments of about %s are below the indexing threshold of %s KiB, and a search compares all vectors",
		size(most), count(int64(threshold)))
}

func replicaWarnings(info *qdrant.CollectionInfo, status vector.CollectionStatus) (list []string) {
	factor := int(info.GetConfig().GetParams().GetReplicationFactor())
	for _, shard := range status.Shards {
		active := 0
		for _, replica := range shard.Replicas {
			if replica.State == qdrant.ReplicaState_Active.String() {
				active++
				continue
			}
			list = append(list, fmt.Sprintf("shard %d: the replica on peer %d is %s", shard.ID, replica.Peer, strings.ToLower(replica.State)))
		}
		switch {
		case active == 0:
			list = append(list, fmt.Sprintf("shard %d has no active replica: searches fail", shard.ID))
		case len(shard.Replicas) < factor:
			list = append(list, fmt.Sprintf("shard %d has %d of %d replicas", shard.ID, len(shard.Replicas), factor))
		}
	}
	for _, t := range status.Transfers {
		list = append(list, fmt.Sprintf("shard %d is on its way from peer %d to peer %d", t.Shard, t.From, t.To))
	}
	return list
}

// indexable is the number of vectors, if each point has all: what the server's number of indexed vectors is to be compared with.
func indexable(info *qdrant.CollectionInfo) uint64 {
	names := len(denseVectors(info)) + len(info.GetConfig().GetParams().GetSparseVectorsConfig().GetMap())
	return info.GetPointsCount() * uint64(max(1, names))
}

func unindexed(info *qdrant.CollectionInfo) uint64 {
	return indexable(info) - min(indexable(info), info.GetIndexedVectorsCount())
}

// size is a number of bytes as people read it.
func size(bytes uint64) string {
	x, units := float64(bytes), []string{"B", "KiB", "MiB", "GiB", "TiB"}
	for x >= 1024 && len(units) > 1 {
		x, units = x/1024, units[1:]
	}
	if x == float64(int64(x)) {
		return fmt.Sprintf("%d %s", int64(x), units[0])
	}
	return fmt.Sprintf("%.1f %s", x, units[0])
}
