package vectorfile

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
)

// vectors are n rows of a dimension, each number different.
func vectors(n, dimension int) [][]float32 {
	rows := make([][]float32, n)
	for i := range rows {
		rows[i] = make([]float32, dimension)
		for j := range rows[i] {
			rows[i][j] = float32(i) + float32(j)/16
		}
	}
	return rows
}

func fbin(rows, dimension int32, vectors [][]float32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(rows))
	b = binary.LittleEndian.AppendUint32(b, uint32(dimension))
	for _, v := range vectors {
		for _, x := range v {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
		}
	}
	return b
}

func fbinOf(rows [][]float32) []byte { return fbin(int32(len(rows)), int32(len(rows[0])), rows) }

// npyFile is a header as NumPy writes it: padded so that the numbers begin at a multiple of 64.
func npyFile(version byte, header string, body []byte) []byte {
	b := []byte("\x93NUMPY")
	b = append(b, version, 0)
	prefix := len(b) + 2*int(min(version, 2))
	header += strings.Repeat(" ", 63-(prefix+len(header))%64) + "\n"
	if version == 1 {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(header)))
	} else {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(header)))
	}
	return append(append(b, header...), body...)
}

func npyHead(descr string, fortran bool, shape string) string {
	order := "False"
	if fortran {
		order = "True"
	}
	return fmt.Sprintf("{'descr': '%s', 'fortran_order': %s, 'shape': (%s), }", descr, order, shape)
}

func npyOf(rows [][]float32) []byte {
	return npyFile(1, npyHead("<f4", false, fmt.Sprintf("%d, %d", len(rows), len(rows[0]))), fbinOf(rows)[fbinHeader:])
}

func jsonOf(t testing.TB, rows [][]float32) []byte {
	var b bytes.Buffer
	for i, v := range rows {
		line, err := json.Marshal(map[string]any{"id": i, "vector": v, "title": fmt.Sprint("row ", i), "views": 10 * i, "tags": []string{"a", "b"}})
		require.NoError(t, err)
		b.Write(append(line, '\n'))
	}
	return b.Bytes()
}

func packed(t testing.TB, content []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(content)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

type parquetRow struct {
	ID     int64     `parquet:"id"`
	Vector []float32 `parquet:"vector,list"`
	Title  string    `parquet:"title"`
	Views  int32     `parquet:"views"`
	Tags   []string  `parquet:"tags,list"`
}

// parquetBytes has groups of perGroup rows.
func parquetBytes[T any](t testing.TB, rows []T, perGroup int64, options ...parquet.WriterOption) []byte {
	var b bytes.Buffer
	w := parquet.NewGenericWriter[T](&b, append(options, parquet.MaxRowsPerRowGroup(perGroup))...)
	for len(rows) > 0 {
		n := min(int(perGroup), len(rows))
		_, err := w.Write(rows[:n])
		require.NoError(t, err)
		rows = rows[n:]
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

func parquetOf(t testing.TB, rows [][]float32) []byte {
	list := make([]parquetRow, len(rows))
	for i, v := range rows {
		list[i] = parquetRow{ID: int64(i), Vector: v, Title: fmt.Sprint("row ", i), Views: int32(10 * i), Tags: []string{"a", "b"}}
	}
	return parquetBytes(t, list, max(3, int64(len(rows)/2)), parquet.Compression(&parquet.Snappy))
}
