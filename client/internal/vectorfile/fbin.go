package vectorfile

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// fbinHeader is the number of rows and of dimensions, an int32 each. All numbers are little-endian (https://big-ann-benchmarks.com/neurips21.html).
const fbinHeader = 8

func openFBin(r io.ReaderAt, size int64, o Options) (source, error) {
	if size < fbinHeader {
		return nil, fmt.Errorf("the file is cut short: its header is %d bytes instead of %d", size, fbinHeader)
	}
	var header [fbinHeader]byte
	if err := readAt(r, header[:], 0); err != nil {
		return nil, err
	}
	return newMatrix(matrix{
		r: r, offset: fbinHeader, width: 4, firstID: o.FirstID, decode: floats,
		rows:      int64(int32(binary.LittleEndian.Uint32(header[0:]))),
		dimension: int(int32(binary.LittleEndian.Uint32(header[4:]))),
	}, size)
}

func floats(encoded []byte, into []float32) error {
	for i := range into {
		into[i] = math.Float32frombits(binary.LittleEndian.Uint32(encoded[4*i:]))
	}
	return nil
}

// readAt fills b: io.ReaderAt may say io.EOF with the last bytes.
func readAt(r io.ReaderAt, b []byte, offset int64) error {
	if n, err := r.ReadAt(b, offset); n < len(b) {
		return fmt.Errorf("reading %d bytes at %d: %w", len(b), offset, err)
	}
	return nil
}
