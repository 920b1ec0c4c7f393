package wordvectors

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"
)

// truthLayout is the version of a file of neighbours: magic, uint32 queries, uint32 k, and for each query k times uint32 row and float32
// similarity, the nearest first. All numbers are little-endian.
const truthLayout = 1

var truthMagic = [8]byte{'w', 'i', 'n', 'k', 'k', 'n', 'n', truthLayout}

// Truth is what a search that misses nothing finds: the k nearest rows of the base for each query.
type Truth struct {
	Neighbours [][]Neighbour
	// Key is the SHA-256 of what it was computed from: k, the base and the queries.
	Key string
	// Took is how long the computation took; 0 when it was done before and kept.
	Took time.Duration
}

// LoadTruth computes the k nearest neighbours of each query as Nearest does, and keeps them in the user's cache directory under the key of
// what they were computed from, so that other vectors never meet them. k is at most the size of the base.
func LoadTruth(ctx context.Context, data Data, k int) (Truth, error) {
	directory, err := os.UserCacheDir()
	if err != nil {
		return Truth{}, fmt.Errorf("finding the cache directory: %w", err)
	}
	return loadTruth(ctx, filepath.Join(directory, "qdrant-shepherd"), data, k)
}

func loadTruth(ctx context.Context, directory string, data Data, k int) (Truth, error) {
	if k < 1 || k > data.Base.Len() {
		return Truth{}, fmt.Errorf("finding the %d nearest of %d vectors: k must be 1 to %d", k, data.Base.Len(), data.Base.Len())
	}
	truth := Truth{Key: truthKey(data, k)}
	path := filepath.Join(directory, fmt.Sprintf("truth-%s-v%d.knn", truth.Key[:16], truthLayout))
	if kept, err := os.ReadFile(path); err == nil {
		if truth.Neighbours, err = decodeTruth(kept, data.Queries.Len(), k, data.Base.Len()); err == nil {
			return truth, nil
		}
	}
	begin := time.Now()
	// Step by step, so that an interrupt is felt: the whole may take a minute.
	for q := 0; q < data.Queries.Len(); q += truthStep {
		if err := ctx.Err(); err != nil {
			return Truth{}, fmt.Errorf("finding the nearest neighbours: %w", err)
		}
		step := data.Queries.Vectors[q:min(q+truthStep, data.Queries.Len())]
		truth.Neighbours = append(truth.Neighbours, Nearest(data.Base.Vectors, step, k, nil)...)
	}
	truth.Took = time.Since(begin)
	if err := writeWhole(path, encodeTruth(truth.Neighbours, k)); err != nil {
		return Truth{}, fmt.Errorf("keeping the nearest neighbours: %w", err)
	}
	return truth, nil
}

// truthStep is how many queries are computed between two looks at the context.
const truthStep = 100

func truthKey(data Data, k int) string {
	hash := sha256.New()
	_, _ = fmt.Fprintf(hash, "%d %d %d ", k, data.Base.Len(), data.Queries.Len())
	for _, set := range []Set{data.Base, data.Queries} {
		for _, vector := range set.Vectors {
			_, _ = hash.Write(encodeVector(nil, vector))
		}
	}
	return hex.EncodeToString(hash.Sum(nil))
}

func encodeTruth(neighbours [][]Neighbour, k int) []byte {
	out := append([]byte{}, truthMagic[:]...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(neighbours)))
	out = binary.LittleEndian.AppendUint32(out, uint32(k))
	for _, list := range neighbours {
		for _, n := range list {
			out = binary.LittleEndian.AppendUint32(out, uint32(n.Row))
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(n.Similarity))
		}
	}
	return out
}

func decodeTruth(content []byte, queries, k, rows int) ([][]Neighbour, error) {
	const header = 8 + 4 + 4
	if len(content) != header+queries*k*8 || !bytes.Equal(content[:8], truthMagic[:]) ||
		int(binary.LittleEndian.Uint32(content[8:])) != queries || int(binary.LittleEndian.Uint32(content[12:])) != k {
		return nil, fmt.Errorf("it does not hold the %d neighbours of %d queries", k, queries)
	}
	content = content[header:]
	neighbours := make([][]Neighbour, queries)
	for q := range neighbours {
		neighbours[q] = make([]Neighbour, k)
		for i := range neighbours[q] {
			row := int(binary.LittleEndian.Uint32(content))
			if row >= rows {
				return nil, fmt.Errorf("it names row %d of %d", row, rows)
			}
			neighbours[q][i] = Neighbour{Row: row, Similarity: math.Float32frombits(binary.LittleEndian.Uint32(content[4:]))}
			content = content[8:]
		}
	}
	return neighbours, nil
}

// writeWhole leaves either the whole content under the name or nothing, also when several processes do so at once.
func writeWhole(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), "writing-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	_, err = temporary.Write(content)
	if closing := temporary.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}

func encodeVector(to []byte, vector []float32) []byte {
	for _, x := range vector {
		to = binary.LittleEndian.AppendUint32(to, math.Float32bits(x))
	}
	return to
}
