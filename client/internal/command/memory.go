package command

import (
	"maps"
	"slices"

	"github.com/qdrant/go-client/qdrant"
)

// Memory of a point, from Qdrant's own capacity planning and the layout of its segments: the numbers of its vectors, in full and quantized;
// twice m links to each point on the graph's lowest level, of four bytes each, and about a tenth for the levels above, which is an upper bound
// since links are stored compressed from 1.13 on; and some 24 to 32 bytes that lead from ids to places.
const (
	bytesOfLink    = 4
	graphOverhead  = 1.1
	bytesOfTracker = 32
)

// part is one term of the estimate, in bytes of one copy of all shards.
type part struct {
	What  string `json:"what"`
	Bytes uint64 `json:"bytes"`
	// OnDisk parts are read through the page cache and need no memory of their own.
	OnDisk bool `json:"on_disk,omitempty"`
}

// estimate is the memory that a collection takes.
type estimate struct {
	Parts []part `json:"parts"`
	// Copy is the memory of one copy of all shards, All that of all replicas.
	Copy uint64 `json:"bytes_of_one_copy"`
	All  uint64 `json:"bytes_of_all_replicas"`
	// Missing is what the estimate leaves out.
	Missing []string `json:"not_included,omitempty"`
}

// estimateMemory is for a collection whose points all have all vectors and are all indexed; copies is how many replicas a shard has, on average.
func estimateMemory(info *qdrant.CollectionInfo, copies float64) estimate {
	points := info.GetPointsCount()
	config := info.GetConfig()
	var e estimate
	add := func(what string, each float64, onDisk bool) {
		p := part{What: what, Bytes: uint64(each * float64(points)), OnDisk: onDisk}
		e.Parts = append(e.Parts, p)
		if !onDisk {
			e.Copy += p.Bytes
		}
	}
	vectors := denseVectors(info)
	for _, name := range slices.Sorted(maps.Keys(vectors)) {
		params, label := vectors[name], "vectors"
		if name != "" {
			label += " " + name
		}
		if params.GetMultivectorConfig() != nil {
			e.Missing = append(e.Missing, label+" (multi-vectors: their number is not known)")
			continue
		}
		dimension := float64(params.GetSize())
		add(label, dimension*widthOf(params.GetDatatype()), params.GetOnDisk())
		quantization := params.GetQuantizationConfig()
		if quantization == nil {
			quantization = config.GetQuantizationConfig()
		}
		if width, alwaysRAM := quantizedWidth(quantization); width > 0 {
			add(label+", quantized", dimension*width, params.GetOnDisk() && !alwaysRAM)
		}
		m, onDisk := graphOf(config, params)
		if m > 0 {
			add(label+", graph", bytesOfLink*2*float64(m)*graphOverhead, onDisk)
		}
	}
	add("ids", bytesOfTracker, false)
	if len(config.GetParams().GetSparseVectorsConfig().GetMap()) > 0 {
		e.Missing = append(e.Missing, "sparse vectors")
	}
	if len(info.GetPayloadSchema()) > 0 {
		e.Missing = append(e.Missing, "payload indexes")
	}
	if !config.GetParams().GetOnDiskPayload() {
		e.Missing = append(e.Missing, "payload, which is in memory")
	}
	e.All = uint64(float64(e.Copy) * copies)
	return e
}

// widthOf is the bytes of a number.
func widthOf(d qdrant.Datatype) float64 {
	switch d {
	case qdrant.Datatype_Float16:
		return 2
	case qdrant.Datatype_Uint8:
		return 1
	}
	return 4
}

// quantizedWidth is the bytes of a quantized number, 0 where there is none.
func quantizedWidth(q *qdrant.QuantizationConfig) (width float64, alwaysRAM bool) {
	switch {
	case q.GetScalar() != nil:
		return 1, q.GetScalar().GetAlwaysRam()
	case q.GetBinary() != nil:
		bits := 1.0
		switch q.GetBinary().GetEncoding() {
		case qdrant.BinaryQuantizationEncoding_TwoBits:
			bits = 2
		case qdrant.BinaryQuantizationEncoding_OneAndHalfBits:
			bits = 1.5
		}
		return bits / 8, q.GetBinary().GetAlwaysRam()
	case q.GetProduct() != nil:
		ratio := map[qdrant.CompressionRatio]float64{
			qdrant.CompressionRatio_x4: 4, qdrant.CompressionRatio_x8: 8, qdrant.CompressionRatio_x16: 16,
			qdrant.CompressionRatio_x32: 32, qdrant.CompressionRatio_x64: 64,
		}[q.GetProduct().GetCompression()]
		return 4 / max(ratio, 1), q.GetProduct().GetAlwaysRam()
	case q.GetTurboquant() != nil:
		bits := map[qdrant.TurboQuantBitSize]float64{
			qdrant.TurboQuantBitSize_Bits1: 1, qdrant.TurboQuantBitSize_Bits1_5: 1.5, qdrant.TurboQuantBitSize_Bits2: 2, qdrant.TurboQuantBitSize_Bits4: 4,
		}[q.GetTurboquant().GetBits()]
		return bits / 8, q.GetTurboquant().GetAlwaysRam()
	}
	return 0, false
}

// graphOf is m of a vector's graph, its own or the collection's, and whether the graph is on disk.
func graphOf(config *qdrant.CollectionConfig, params *qdrant.VectorParams) (m uint64, onDisk bool) {
	own, common := params.GetHnswConfig(), config.GetHnswConfig()
	m, onDisk = common.GetM(), common.GetOnDisk()
	if own != nil && own.M != nil {
		m = own.GetM()
	}
	if own != nil && own.OnDisk != nil {
		onDisk = own.GetOnDisk()
	}
	return m, onDisk
}
