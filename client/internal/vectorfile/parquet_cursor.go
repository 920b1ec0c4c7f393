package vectorfile

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// parquetCursor reads the columns that are wanted side by side, a row of each at a time. The library's own rows have all columns, and may be
// of any length.
type parquetCursor struct {
	file    *parquetFile
	groups  []parquet.RowGroup
	group   int             // the first one that has not been begun
	columns []*columnReader // of the one before it, nil at its end
	left    int64           // rows of that one which have not been read
	values  [][]parquet.Value
	row     int64
}

func (c *parquetCursor) share() float64 {
	return float64(c.row) / float64(max(1, c.file.file.NumRows()))
}

func (c *parquetCursor) close() {
	for _, column := range c.columns {
		_ = column.pages.Close()
	}
	c.columns = nil
}

func (c *parquetCursor) next() (row Row, err error) {
	defer recoverPanic(&err)
	if err := c.advance(); err != nil {
		return Row{}, err
	}
	if row, err = c.file.read(c.values, c.row); err != nil {
		return row, err
	}
	c.row++
	return row, nil
}

// advance reads the values of the next row.
func (c *parquetCursor) advance() (err error) {
	defer recoverPanic(&err)
	for c.left == 0 {
		if err := c.end(); err != nil {
			return err
		}
		if c.group == len(c.groups) {
			return errEnd
		}
		if err := c.begin(); err != nil {
			return err
		}
	}
	for _, column := range c.columns {
		values, err := column.next()
		if errors.Is(err, errEnd) {
			err = fmt.Errorf("a row group is cut short: it claims %d more rows", c.left)
		}
		if err != nil {
			return fmt.Errorf("column %s: %w", column.name, err)
		}
		c.values[column.leaf.Index()] = values
	}
	c.left--
	return nil
}

// begin opens the next row group.
func (c *parquetCursor) begin() error {
	group, meta := c.groups[c.group], c.file.file.Metadata().RowGroups[c.group]
	chunks := group.ColumnChunks()
	for _, column := range c.file.columns() {
		at := column.leaf.Index()
		if err := c.file.checkPages(meta.Columns[at].MetaData); err != nil {
			return fmt.Errorf("column %s: %w", strings.Join(meta.Columns[at].MetaData.PathInSchema, "."), err)
		}
		c.columns = append(c.columns, &columnReader{column: column, pages: chunks[at].Pages(), buffer: make([]parquet.Value, 1024)})
	}
	c.left = group.NumRows()
	c.group++
	return nil
}

// end closes the row group that was read.
func (c *parquetCursor) end() error {
	for _, column := range c.columns {
		if _, err := column.next(); err == nil {
			return fmt.Errorf("column %s: a row group has more rows than it claims", column.name)
		} else if !errors.Is(err, errEnd) {
			return fmt.Errorf("column %s: %w", column.name, err)
		}
	}
	c.close()
	return nil
}

// columnReader reads a column of a row group.
type columnReader struct {
	*column

	pages  parquet.Pages
	page   parquet.ValueReader // nil at the page's end
	buffer []parquet.Value
	ready  []parquet.Value // the part of buffer that has not been returned
	row    []parquet.Value
}

// next returns the values of the next row, until the following call. It is errEnd after the last one.
func (r *columnReader) next() ([]parquet.Value, error) {
	r.row = r.row[:0]
	for {
		if len(r.ready) == 0 {
			if err := r.fill(); errors.Is(err, errEnd) && len(r.row) > 0 {
				return r.row, nil
			} else if err != nil {
				return nil, err
			}
		}
		n := 0
		if len(r.row) == 0 {
			if n = 1; r.ready[0].RepetitionLevel() != 0 {
				return nil, errors.New("a row group begins in the middle of a list")
			}
		}
		for n < len(r.ready) && r.ready[n].RepetitionLevel() != 0 {
			n++
		}
		if len(r.row)+n > r.most {
			return nil, fmt.Errorf("a list of more than %d elements", r.most)
		}
		part, ends := r.ready[:n], n < len(r.ready)
		r.ready = r.ready[n:]
		if ends && len(r.row) == 0 {
			return part, nil // without a copy, since the buffer stays as it is until the following call
		}
		if r.row = append(r.row, part...); ends {
			return r.row, nil
		}
	}
}

// fill reads some values. Pages are left to the garbage collector: text of a row may be in one that has ended already.
func (r *columnReader) fill() error {
	for {
		if r.page == nil {
			page, err := r.pages.ReadPage()
			if errors.Is(err, io.EOF) {
				return errEnd
			}
			if err != nil {
				return err
			}
			r.page = page.Values()
		}
		n, err := r.page.ReadValues(r.buffer)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if err != nil {
			r.page = nil
		}
		if n > 0 {
			r.ready = r.buffer[:n]
			return nil
		}
		if err == nil {
			return io.ErrNoProgress
		}
	}
}
