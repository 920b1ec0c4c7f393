package vectorfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// matrix is a table of numbers of one width, row after row, after a header.
type matrix struct {
	r         io.ReaderAt
	offset    int64 // where the first row begins
	rows      int64
	dimension int
	width     int // bytes of a number
	// decode turns the bytes of a row into numbers.
	decode  func(encoded []byte, into []float32) error
	firstID uint64
}

// newMatrix checks that the file is as long as its header says before anything is allocated for it.
func newMatrix(m matrix, size int64) (*matrix, error) {
	if m.rows < 0 {
		return nil, fmt.Errorf("the header claims %d rows", m.rows)
	}
	if m.dimension < 0 || m.dimension > MaxDimension || m.dimension == 0 && m.rows > 0 {
		return nil, fmt.Errorf("the header claims %d dimensions: a vector has 1 to %d", m.dimension, MaxDimension)
	}
	row := int64(m.dimension) * int64(m.width)
	body := size - m.offset
	switch {
	case m.rows == 0 && body == 0:
	case m.rows == 0:
		return nil, fmt.Errorf("%d bytes follow a header that claims no row", body)
	case body/row < m.rows:
		return nil, fmt.Errorf("the file is cut short: the header claims %d rows of %d dimensions, and the file ends after %d bytes of row %d",
			m.rows, m.dimension, body%row, body/row)
	case body != m.rows*row:
		return nil, fmt.Errorf("%d bytes follow the %d rows that the header claims", body-m.rows*row, m.rows)
	}
	return &m, nil
}

func (m *matrix) shape() (int64, int) { return m.rows, m.dimension }

func (m *matrix) from(row int64) (cursor, error) {
	if row > m.rows {
		return nil, fmt.Errorf("the file has %d rows", m.rows)
	}
	stride := int64(m.dimension) * int64(m.width)
	section := io.NewSectionReader(m.r, m.offset+row*stride, (m.rows-row)*stride)
	return &matrixCursor{matrix: m, row: row, from: bufio.NewReaderSize(section, 1<<20), encoded: make([]byte, stride)}, nil
}

// slab is how many numbers are allocated at once; a vector of a slab keeps the slab alive.
const slab = 32 << 10

type matrixCursor struct {
	matrix  *matrix
	row     int64
	from    *bufio.Reader
	encoded []byte
	free    []float32
}

func (c *matrixCursor) next() (Row, error) {
	m := c.matrix
	if c.row == m.rows {
		return Row{}, errEnd
	}
	id, err := numberID(m.firstID, c.row)
	if err != nil {
		return Row{}, err
	}
	if n, err := io.ReadFull(c.from, c.encoded); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return Row{ID: id, identified: true}, fmt.Errorf("the file became shorter while it was read: %d bytes of %d are there", n, len(c.encoded))
		}
		return Row{ID: id, identified: true}, err
	}
	if len(c.free) < m.dimension {
		rows := min(max(1, int64(slab/m.dimension)), m.rows-c.row)
		c.free = make([]float32, rows*int64(m.dimension))
	}
	v := c.free[:m.dimension:m.dimension]
	c.free = c.free[m.dimension:]
	if err := m.decode(c.encoded, v); err != nil {
		return Row{ID: id, identified: true}, err
	}
	c.row++
	return Row{ID: id, Vector: v, identified: true}, nil
}

func (c *matrixCursor) share() float64 {
	if c.matrix.rows == 0 {
		return 1
	}
	return float64(c.row) / float64(c.matrix.rows)
}

func (c *matrixCursor) close() {}
