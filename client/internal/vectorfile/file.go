// Package vectorfile reads files of vectors: fbin, npy, JSON lines and parquet. A reader holds a few rows at a time, allocates nothing by
// what a header only claims, and says of everything that is wrong at which row it is.
package vectorfile

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/qdrant-shepherd/shepherd/client/vector"
)

// MaxDimension is the most dimensions that a server takes for a vector (validate_nonzerou64_range_min_1_max_65536 in its source).
const MaxDimension = 65536

// Format is how a file keeps its rows.
type Format string

// The formats. JSONLines may be packed with gzip.
const (
	FBin      Format = "fbin"
	NPY       Format = "npy"
	JSONLines Format = "jsonl"
	Parquet   Format = "parquet"
)

// Formats are all formats, in the order in which help texts name them.
func Formats() []Format { return []Format{FBin, NPY, JSONLines, Parquet} }

// FormatOf tells the format by a file's name: .fbin, .npy, .jsonl, .ndjson (also with .gz) and .parquet.
func FormatOf(path string) (Format, error) {
	name := strings.ToLower(filepath.Base(path))
	switch filepath.Ext(strings.TrimSuffix(name, ".gz")) {
	case ".jsonl", ".ndjson":
		return JSONLines, nil
	case ".fbin":
		return unpacked(FBin, name)
	case ".npy":
		return unpacked(NPY, name)
	case ".parquet":
		return unpacked(Parquet, name)
	}
	return "", fmt.Errorf("the name %s tells no format: .fbin, .npy, .jsonl, .ndjson or .parquet do", filepath.Base(path))
}

func unpacked(f Format, name string) (Format, error) {
	if strings.HasSuffix(name, ".gz") {
		return "", fmt.Errorf("%s: a packed %s file cannot be read, unpack it first", name, f)
	}
	return f, nil
}

// Options say how a file's rows are to be understood. The zero value is what most files need.
type Options struct {
	// Format is used instead of what the file's name tells.
	Format Format
	// IDColumn and VectorColumn name the columns of JSON lines and parquet; "id" and "vector" where they are empty.
	IDColumn, VectorColumn string
	// Payload names the columns that become payload; nil takes all others.
	Payload []string
	// Number gives each row its number in the file, from 0, plus FirstID as its id. Formats without columns are always numbered.
	Number  bool
	FirstID uint64
	// NameIDs turns text that is neither a number nor a UUID into an id (a UUID made of the text), and keeps the text in the payload.
	NameIDs bool
	// Dimension is what each vector must have; 0 takes that of the header or of the first row.
	Dimension int
	// MaxLine is the longest line of JSON in bytes, 0 means 16 MiB.
	MaxLine int
}

// Row is one vector with what belongs to it.
type Row struct {
	ID     vector.ID
	Vector []float32
	// Payload has strings, bools, int64, float64, nil, []any and map[string]any.
	Payload map[string]any

	identified bool // ID has been read
}

// RowError says what is wrong at a row.
type RowError struct {
	// Row is the row's number from 0, as Skip counts.
	Row int64
	// ID is the row's id where it was read, else "".
	ID  string
	Err error
}

func (e *RowError) Error() string {
	if e.ID == "" {
		return fmt.Sprintf("row %d: %v", e.Row, e.Err)
	}
	return fmt.Sprintf("row %d (id %s): %v", e.Row, e.ID, e.Err)
}

func (e *RowError) Unwrap() error { return e.Err }

// source is an open file of one format.
type source interface {
	// shape is the number of rows and of dimensions, each -1 where only reading tells.
	shape() (rows int64, dimension int)
	// from reads from a row on. A file that has fewer rows may say so here or at the first row.
	from(row int64) (cursor, error)
}

// errEnd is the end of the rows. An io.EOF is a file that ends before they do.
var errEnd = errors.New("there are no more rows")

type cursor interface {
	// next is errEnd at the end. The row's vector belongs to the caller. A row that cannot be read may still carry its id.
	next() (Row, error)
	// share of the file that has been read, 0 to 1.
	share() float64
	close()
}

// File is an open file. But for Share it is not for concurrent use.
type File struct {
	name      string
	format    Format
	options   Options
	source    source
	closer    io.Closer
	rows      int64
	dimension int
	start     int64
	share     atomic.Uint64 // bits of a float64
}

// Open opens a file and reads as much as tells its dimension: the header, or the first row.
func Open(path string, o Options) (*File, error) {
	format := o.Format
	if format == "" {
		var err error
		if format, err = FormatOf(path); err != nil {
			return nil, err
		}
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("opening %s: it is no regular file", path), file.Close())
	}
	f, err := New(file, info.Size(), path, format, o)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	f.closer = file
	return f, nil
}

// New reads a file of size bytes that is open already; name is for errors, and tells by its ending whether JSON lines are packed.
func New(r io.ReaderAt, size int64, name string, format Format, o Options) (*File, error) {
	o = o.withDefaults()
	if !slices.Contains(Formats(), format) {
		return nil, fmt.Errorf("opening %s: there is no format %q", name, format)
	}
	f := &File{name: name, format: format, options: o}
	var err error
	switch format {
	case FBin:
		f.source, err = openFBin(r, size, o)
	case NPY:
		f.source, err = openNPY(r, size, o)
	case JSONLines:
		f.source, err = openJSONLines(r, size, strings.HasSuffix(strings.ToLower(name), ".gz"), o)
	case Parquet:
		f.source, err = openParquet(r, size, o)
	}
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", name, err)
	}
	f.rows, f.dimension = f.source.shape()
	switch {
	case f.rows == 0:
		f.dimension = 0 // whatever the header says: there is no vector that has it
	case f.dimension < 0:
		f.dimension, err = f.firstDimension()
	default:
		err = f.checkDimension()
	}
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", name, err)
	}
	return f, nil
}

func (o Options) withDefaults() Options {
	if o.IDColumn == "" {
		o.IDColumn = "id"
	}
	if o.VectorColumn == "" {
		o.VectorColumn = "vector"
	}
	if o.MaxLine == 0 {
		o.MaxLine = 16 << 20
	}
	return o
}

// checkDimension is about what a header says.
func (f *File) checkDimension() error {
	if f.dimension < 1 || f.dimension > MaxDimension {
		return fmt.Errorf("%d dimensions: a vector has 1 to %d", f.dimension, MaxDimension)
	}
	if want := f.options.Dimension; want != 0 && f.dimension != want {
		return fmt.Errorf("%d dimensions instead of %d", f.dimension, want)
	}
	return nil
}

// firstDimension reads the first row, where no header tells.
func (f *File) firstDimension() (int, error) {
	cursor, err := f.source.from(0)
	if err != nil {
		return 0, err
	}
	defer cursor.close()
	row, err := cursor.next()
	if errors.Is(err, errEnd) {
		return 0, nil
	}
	if err == nil {
		err = checkVector(row.Vector, f.options.Dimension)
	}
	if err != nil {
		return 0, &RowError{Row: 0, Err: err}
	}
	return len(row.Vector), nil
}

// Format is how the file keeps its rows.
func (f *File) Format() Format { return f.format }

// Dimension is that of every vector in the file, 0 where it has no row.
func (f *File) Dimension() int { return f.dimension }

// Len is the number of rows, -1 where only reading to the end tells (JSON lines).
func (f *File) Len() int64 { return f.rows }

// Share is how much of the file Rows has read, 0 to 1. It may be asked for from other goroutines.
func (f *File) Share() float64 { return math.Float64frombits(f.share.Load()) }

// NumberedFrom is the id of the first row, if rows are numbered.
func (f *File) NumberedFrom() (first uint64, numbered bool) {
	return f.options.FirstID, f.options.Number || f.format == FBin || f.format == NPY
}

// Skip lets Rows begin at a row, counted from 0. It costs nothing for fbin and npy; for parquet the row groups before it are passed over, and
// the rows before it in its own group are read; for JSON lines all lines before it are read, but not parsed.
func (f *File) Skip(row int64) error {
	if row < 0 || f.rows >= 0 && row > f.rows {
		return fmt.Errorf("skipping %d rows of %s: it has %d", row, f.name, f.rows)
	}
	f.start = row
	return nil
}

// Rows reads the rows from where Skip says. It stops at the first error, which is a *RowError that names the file's row. Whether an id comes
// twice is not looked at. It may be called again and then starts anew; two at a time are not possible.
func (f *File) Rows() iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		fail := func(at int64, id string, err error) {
			yield(Row{}, fmt.Errorf("reading %s: %w", f.name, &RowError{Row: at, ID: id, Err: err}))
		}
		cursor, err := f.source.from(f.start)
		if err != nil {
			fail(f.start, "", err)
			return
		}
		defer cursor.close()
		for at := f.start; ; at++ {
			row, err := cursor.next()
			f.share.Store(math.Float64bits(cursor.share()))
			if errors.Is(err, errEnd) {
				return
			}
			if err == nil {
				err = checkVector(row.Vector, f.dimension)
			}
			if err != nil {
				id := ""
				if row.identified {
					id = row.ID.String()
				}
				fail(at, id, err)
				return
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

// Close closes the file.
func (f *File) Close() error {
	if f.closer == nil {
		return nil
	}
	return f.closer.Close()
}
