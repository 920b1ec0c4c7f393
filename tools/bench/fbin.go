package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// writeFbin writes vectors, which must all have the same length, as an fbin file: the number of rows and of dimensions, an int32 each, and
// the float32 values row after row, all little-endian.
func writeFbin(to io.Writer, vectors [][]float32) error {
	dimension := 0
	if len(vectors) > 0 {
		dimension = len(vectors[0])
	}
	if len(vectors) > math.MaxInt32 {
		return fmt.Errorf("writing %d vectors: a file has at most %d", len(vectors), math.MaxInt32)
	}
	w := bufio.NewWriterSize(to, 1<<20)
	encoded := binary.LittleEndian.AppendUint32(nil, uint32(len(vectors)))
	encoded = binary.LittleEndian.AppendUint32(encoded, uint32(dimension))
	for i, vector := range vectors {
		if len(vector) != dimension {
			return fmt.Errorf("writing vector %d: it has %d dimensions instead of %d", i, len(vector), dimension)
		}
		for _, x := range vector {
			encoded = binary.LittleEndian.AppendUint32(encoded, math.Float32bits(x))
		}
		if _, err := w.Write(encoded); err != nil {
			return fmt.Errorf("writing vector %d: %w", i, err)
		}
		encoded = encoded[:0]
	}
	if _, err := w.Write(encoded); err != nil { // the header of a file without rows
		return fmt.Errorf("writing the header: %w", err)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing %d vectors: %w", len(vectors), err)
	}
	return nil
}
