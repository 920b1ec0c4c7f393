package vectorfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strings"

	"github.com/sbinet/npyio/npy"
)

// maxNPYHeader is far more than the header of a plain array takes (128 bytes as NumPy writes it).
const maxNPYHeader = 64 << 10

// plainHeader is the header of an array whose elements are plain numbers, as NumPy writes it. The library slices headers of another form
// without looking.
var plainHeader = regexp.MustCompile(`^\{'descr': '[^']*', 'fortran_order': (?:True|False), 'shape': \([0-9, ]*\), \} *\n$`)

func openNPY(r io.ReaderAt, size int64, o Options) (source, error) {
	header, err := npyHeader(r, size)
	if err != nil {
		return nil, err
	}
	parsed, err := npy.NewReader(bytes.NewReader(header))
	if err != nil {
		return nil, fmt.Errorf("reading the header: %w", err)
	}
	descr := parsed.Header.Descr
	if len(descr.Shape) != 2 {
		return nil, fmt.Errorf("an array of %d dimensions is no table: it must have two, rows and numbers of a row", len(descr.Shape))
	}
	if descr.Fortran {
		return nil, errors.New("the array is in Fortran order, column after column; save numpy.ascontiguousarray of it")
	}
	width, decode, err := npyNumbers(descr.Type)
	if err != nil {
		return nil, err
	}
	return newMatrix(matrix{
		r: r, offset: int64(len(header)), width: width, decode: decode, firstID: o.FirstID,
		rows: int64(descr.Shape[0]), dimension: descr.Shape[1],
	}, size)
}

// npyHeader is all before the first number: magic, version, length, and the header of that length
// (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
func npyHeader(r io.ReaderAt, size int64) ([]byte, error) {
	var start [12]byte
	have := start[:min(size, int64(len(start)))]
	if err := readAt(r, have, 0); err != nil {
		return nil, err
	}
	if magic := npy.Magic[:]; !bytes.HasPrefix(have, magic[:min(len(magic), len(have))]) {
		return nil, errors.New("it is no npy file: it begins with other bytes")
	}
	if len(have) < len(start) {
		return nil, fmt.Errorf("the file is cut short: it ends after %d bytes of its header", size)
	}
	var length int64
	switch major := start[6]; major {
	case 1:
		length = 10 + int64(binary.LittleEndian.Uint16(start[8:]))
	case 2:
		length = 12 + int64(binary.LittleEndian.Uint32(start[8:]))
	default:
		return nil, fmt.Errorf("version %d of npy is for arrays of records; an array of plain numbers has version 1 or 2", major)
	}
	if length > size {
		return nil, fmt.Errorf("the file is cut short: it ends after %d bytes of its header of %d", size, length)
	}
	if length > maxNPYHeader {
		return nil, fmt.Errorf("a header of %d bytes: that of a plain array has at most %d", length, maxNPYHeader)
	}
	header := make([]byte, length)
	if err := readAt(r, header, 0); err != nil {
		return nil, err
	}
	text := header[10:]
	if start[6] == 2 {
		text = header[12:]
	}
	if !plainHeader.Match(text) {
		return nil, errors.New("its header is none of an array of plain numbers")
	}
	return header, nil
}

// npyNumbers is how numbers of a type are read: a sign for the order of bytes, f, and the width in bytes.
func npyNumbers(descr string) (width int, decode func([]byte, []float32) error, err error) {
	var order binary.ByteOrder = binary.LittleEndian
	if strings.HasPrefix(descr, ">") {
		order = binary.BigEndian
	}
	switch descr {
	case "<f4":
		return 4, floats, nil
	case ">f4":
		return 4, func(encoded []byte, into []float32) error {
			for i := range into {
				into[i] = math.Float32frombits(order.Uint32(encoded[4*i:]))
			}
			return nil
		}, nil
	case "<f2", ">f2":
		return 2, func(encoded []byte, into []float32) error {
			for i := range into {
				into[i] = half(order.Uint16(encoded[2*i:]))
			}
			return nil
		}, nil
	case "<f8", ">f8":
		return 8, func(encoded []byte, into []float32) (err error) {
			for i := range into {
				if into[i], err = narrow(math.Float64frombits(order.Uint64(encoded[8*i:]))); err != nil {
					return fmt.Errorf("number %d of the vector: %w", i, err)
				}
			}
			return nil
		}, nil
	}
	return 0, nil, fmt.Errorf("numbers of type %q: float16, float32 and float64 can be read", descr)
}
