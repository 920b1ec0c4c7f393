package command

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/qdrant/go-client/qdrant"
	"github.com/spf13/cobra"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
	"github.com/qdrant-shepherd/shepherd/client/vector"
	"github.com/qdrant-shepherd/shepherd/client/vectorflags"
)

func inspectCommand(p Process) *cobra.Command {
	output, use := "text", "inspect [COLLECTION]"
	define := func(f *commandline.Set, _ *vectorflags.Connection) {
		f.StringVar(&output, "output", "text", "text or json")
	}
	cmd := command(p, use, "Show a collection: points, index, shards, settings, memory, and what is wrong", commandline.Arguments(0, 1), define,
		func(ctx context.Context, s *settings, args []string) error { return inspect(ctx, s, args, output) })
	cmd.Long = "Show a collection: points, index, segments, shards and replicas, settings, payload indexes, an estimate of its memory, and what is\n" +
		"wrong with it. Memory is that of all points with all vectors,\n" +
		"once all are indexed. Without COLLECTION all of them are shown, a line each. Nothing is changed."
	return cmd
}

func inspect(ctx context.Context, s *settings, args []string, output string) (err error) {
	if _, err := commandline.OneOf("output", output, commandline.Word("text", true), commandline.Word("json", true)); err != nil {
		return err
	}
	db, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	status, err := db.Status(ctx)
	if err != nil {
		return err
	}
	names := args
	if len(args) == 0 {
		names = nil
		for _, c := range status.Collections {
			names = append(names, c.Name)
		}
	}
	aliases, err := db.Aliases(ctx)
	if err != nil {
		return err
	}
	var all []inspection
	for _, name := range names {
		name = cmp.Or(aliases[name], name)
		at := slices.IndexFunc(status.Collections, func(c vector.CollectionStatus) bool { return c.Name == name })
		if at < 0 {
			return fmt.Errorf("inspecting collection %s: %w", name, vector.ErrNotFound)
		}
		info, err := db.Raw().GetCollectionInfo(ctx, name)
		if err != nil {
			return fmt.Errorf("inspecting collection %s: %w", name, err)
		}
		all = append(all, inspectionOf(info, status.Collections[at], aliases))
	}
	switch {
	case output == "json":
		encoder := json.NewEncoder(s.process.Out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if len(args) == 1 {
			return encoder.Encode(all[0])
		}
		return encoder.Encode(all)
	case len(args) == 1:
		return all[0].write(s.process.Out)
	}
	return writeList(s.process.Out, status, all)
}

// inspection is all that is shown of a collection.
type inspection struct {
	Collection    string               `json:"collection"`
	Aliases       []string             `json:"aliases,omitempty"`
	Status        string               `json:"status"`
	Optimizer     string               `json:"optimizer"`
	Points        uint64               `json:"points"`
	Indexed       uint64               `json:"indexed_vectors"`
	Share         float64              `json:"indexed_share"`
	Segments      uint64               `json:"segments"`
	ShardNumber   uint32               `json:"shard_number"`
	Replication   uint32               `json:"replication_factor"`
	WriteFactor   uint32               `json:"write_consistency_factor"`
	Shards        []vector.ShardStatus `json:"shards"`
	Vectors       []vectorShown        `json:"vectors"`
	Graph         string               `json:"graph"`
	Optimizers    string               `json:"optimizers"`
	PayloadOnDisk bool                 `json:"payload_on_disk"`
	Indexes       []indexShown         `json:"payload_indexes"`
	Memory        estimate             `json:"memory_estimate"`
	Warnings      []string             `json:"warnings"`
}

type vectorShown struct {
	Name     string `json:"name"`
	Settings string `json:"settings"`
}

type indexShown struct {
	Field  string `json:"field"`
	Kind   string `json:"kind"`
	Points uint64 `json:"points"`
}

func inspectionOf(info *qdrant.CollectionInfo, status vector.CollectionStatus, aliases map[string]string) inspection {
	config := info.GetConfig()
	params := config.GetParams()
	i := inspection{
		Collection: status.Name, Status: status.Color, Optimizer: status.Optimizer, Points: info.GetPointsCount(), Indexed: info.GetIndexedVectorsCount(),
		Segments: info.GetSegmentsCount(), ShardNumber: params.GetShardNumber(), Replication: params.GetReplicationFactor(),
		WriteFactor: params.GetWriteConsistencyFactor(), Shards: status.Shards, PayloadOnDisk: params.GetOnDiskPayload(),
		Graph: graphText(config.GetHnswConfig()), Optimizers: optimizersText(config.GetOptimizerConfig()), Warnings: warnings(info, status),
	}
	if all := indexable(info); all > 0 {
		i.Share = min(1, float64(i.Indexed)/float64(all))
	}
	for _, alias := range slices.Sorted(maps.Keys(aliases)) {
		if aliases[alias] == status.Name {
			i.Aliases = append(i.Aliases, alias)
		}
	}
	vectors := denseVectors(info)
	for _, name := range slices.Sorted(maps.Keys(vectors)) {
		i.Vectors = append(i.Vectors, vectorShown{name, vectorText(vectors[name], config)})
	}
	for _, name := range slices.Sorted(maps.Keys(params.GetSparseVectorsConfig().GetMap())) {
		i.Vectors = append(i.Vectors, vectorShown{name, sparseText(params.GetSparseVectorsConfig().GetMap()[name])})
	}
	for _, field := range slices.Sorted(maps.Keys(info.GetPayloadSchema())) {
		schema := info.GetPayloadSchema()[field]
		i.Indexes = append(i.Indexes, indexShown{field, strings.ToLower(schema.GetDataType().String()), schema.GetPoints()})
	}
	replicas := 0
	for _, shard := range status.Shards {
		replicas += len(shard.Replicas)
	}
	i.Memory = estimateMemory(info, float64(replicas)/float64(max(1, len(status.Shards))))
	return i
}

func graphText(h *qdrant.HnswConfigDiff) string {
	text := fmt.Sprintf("m %d, ef_construct %d, full scan below %s KiB", h.GetM(), h.GetEfConstruct(), count(int64(h.GetFullScanThreshold())))
	if h.GetOnDisk() {
		text += ", on disk"
	}
	return text
}

func optimizersText(o *qdrant.OptimizersConfigDiff) string {
	text := fmt.Sprintf("indexing from %s KiB a segment", count(int64(o.GetIndexingThreshold())))
	if n := o.GetDefaultSegmentNumber(); n > 0 {
		text += fmt.Sprintf(", %d segments a shard", n)
	} else {
		text += ", as many segments a shard as CPUs"
	}
	if value, isNumber := o.GetMaxOptimizationThreads().GetVariant().(*qdrant.MaxOptimizationThreads_Value); isNumber {
		text += fmt.Sprintf(", at most %d optimization threads", value.Value)
	}
	if o.GetPreventUnoptimized() {
		text += ", points are only found once they are indexed"
	}
	return text
}

func vectorText(v *qdrant.VectorParams, config *qdrant.CollectionConfig) string {
	text := fmt.Sprintf("%d dimensions, %s", v.GetSize(), strings.ToLower(v.GetDistance().String()))
	if v.GetMultivectorConfig() != nil {
		text += ", multi-vectors"
	}
	if d := v.GetDatatype(); d != qdrant.Datatype_Default && d != qdrant.Datatype_Float32 {
		text += ", " + strings.ToLower(d.String())
	}
	if v.GetOnDisk() {
		text += ", on disk"
	} else {
		text += ", in memory"
	}
	if h := v.GetHnswConfig(); h != nil && (h.M != nil || h.EfConstruct != nil) {
		text += fmt.Sprintf(", graph of its own: m %d, ef_construct %d",
			cmp.Or(h.GetM(), config.GetHnswConfig().GetM()), cmp.Or(h.GetEfConstruct(), config.GetHnswConfig().GetEfConstruct()))
	}
	quantization := v.GetQuantizationConfig()
	if quantization == nil {
		quantization = config.GetQuantizationConfig()
	}
	return text + quantizationText(quantization)
}

func quantizationText(q *qdrant.QuantizationConfig) string {
	kind := ""
	switch {
	case q.GetScalar() != nil:
		kind = "int8"
	case q.GetBinary() != nil:
		kind = "binary"
	case q.GetProduct() != nil:
		kind = "product " + q.GetProduct().GetCompression().String()
	case q.GetTurboquant() != nil:
		kind = "turbo " + strings.ToLower(q.GetTurboquant().GetBits().String())
	default:
		return ""
	}
	if _, alwaysRAM := quantizedWidth(q); alwaysRAM {
		kind += ", always in memory"
	}
	return ", quantized (" + kind + ")"
}

func sparseText(v *qdrant.SparseVectorParams) string {
	text := "sparse"
	if v.GetModifier() == qdrant.Modifier_Idf {
		text += ", weighed by idf"
	}
	if v.GetIndex().GetOnDisk() {
		text += ", index on disk"
	}
	return text
}

// write shows one collection.
func (i inspection) write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		_, _ = fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	line("collection", "%s", i.Collection)
	if len(i.Aliases) > 0 {
		line("aliases", "%s", strings.Join(i.Aliases, ", "))
	}
	if i.Optimizer == "ok" {
		line("status", "%s", i.Status)
	} else {
		line("status", "%s: %s", i.Status, i.Optimizer)
	}
	line("points", "%s", count(int64(i.Points)))
	line("indexed", "%s vectors (%.0f %%)", count(int64(i.Indexed)), 100*i.Share)
	line("segments", "%d", i.Segments)
	line("shards", "%d, replication factor %d, write consistency factor %d", i.ShardNumber, i.Replication, i.WriteFactor)
	for _, shard := range i.Shards {
		var replicas []string
		for _, r := range shard.Replicas {
			replicas = append(replicas, fmt.Sprintf("peer %d %s", r.Peer, strings.ToLower(r.State)))
		}
		name := fmt.Sprint(shard.ID)
		if shard.Key != "" {
			name += " of key " + shard.Key
		}
		line("  "+name, "%s", strings.Join(replicas, ", "))
	}
	for _, v := range i.Vectors {
		line("vector "+cmp.Or(v.Name, "without a name"), "%s", v.Settings)
	}
	line("graph", "%s", i.Graph)
	line("optimizers", "%s", i.Optimizers)
	line("payload", "%s", map[bool]string{true: "on disk", false: "in memory"}[i.PayloadOnDisk])
	for _, index := range i.Indexes {
		line("  index "+index.Field, "%s, %s points", index.Kind, count(int64(index.Points)))
	}
	line("memory (estimate)", "%s in one copy, %s in all replicas", size(i.Memory.Copy), size(i.Memory.All))
	for _, part := range i.Memory.Parts {
		if part.OnDisk {
			line("  "+part.What, "(%s on disk)", size(part.Bytes))
		} else {
			line("  "+part.What, "%s", size(part.Bytes))
		}
	}
	if len(i.Memory.Missing) > 0 {
		line("  not included", "%s", strings.Join(i.Memory.Missing, ", "))
	}
	for _, warning := range i.Warnings {
		line("WARNING", "%s", warning)
	}
	return w.Flush()
}

// writeList shows a line for each collection.
func writeList(out io.Writer, status vector.Status, all []inspection) error {
	_, _ = fmt.Fprintf(out, "Qdrant %s, addresses in use: %d\n", status.Version, status.Peers)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "COLLECTION\tSTATUS\tPOINTS\tINDEXED\tSEGMENTS\tSHARDS\tREPLICAS\tMEMORY\tWARNINGS")
	for _, i := range all {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%.0f %%\t%d\t%d\t%d\t%s\t%d\n", i.Collection, i.Status, count(int64(i.Points)), 100*i.Share, i.Segments,
			i.ShardNumber, i.Replication, size(i.Memory.All), len(i.Warnings))
	}
	return w.Flush()
}
