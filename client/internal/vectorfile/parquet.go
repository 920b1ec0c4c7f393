package vectorfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/qdrant-shepherd/shepherd/client/vector"
)

// parquetFile has a column of vectors (a list of float16, float or double), perhaps one of ids, and columns of payload, which are plain
// values or lists of them.
type parquetFile struct {
	r       io.ReaderAt
	size    int64
	file    *parquet.File
	options Options
	vector  *column
	id      *column // nil: rows are numbered
	payload []*column
	leaves  int
}

// column is a column as it is read: of a list, the leaf below it.
type column struct {
	name string
	leaf *parquet.Column
	list bool
	// Definition levels say how much of a value is there: from present on it is there itself, and of a list, from element on there is
	// an element, which may be null, and from empty on a list, which may be empty.
	present, element, empty int
	// most is how many elements a list may have.
	most  int
	value func(parquet.Value) (any, error)
}

func openParquet(r io.ReaderAt, size int64, o Options) (opened source, err error) {
	defer recoverPanic(&err)
	if err := checkFooter(r, size); err != nil {
		return nil, err
	}
	// Indexes and filters help to look for rows, which nobody does here.
	file, err := parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, err
	}
	p := &parquetFile{r: r, size: size, file: file, options: o, leaves: len(file.Schema().Columns())}
	var rows int64
	for _, group := range file.RowGroups() {
		if n := group.NumRows(); n < 0 || n > math.MaxInt64-rows {
			return nil, fmt.Errorf("a row group claims %d rows", n)
		}
		rows += group.NumRows()
	}
	if rows != file.NumRows() {
		return nil, fmt.Errorf("the file claims %d rows, and its row groups have %d", file.NumRows(), rows)
	}
	return p, p.choose()
}

// choose finds the columns that are to be read.
func (p *parquetFile) choose() error {
	var names []string
	for _, top := range p.file.Root().Columns() {
		name := top.Name()
		names = append(names, name)
		isID := name == p.options.IDColumn && !p.options.Number
		isVector := name == p.options.VectorColumn
		if !isID && !isVector && p.options.Payload != nil && !slices.Contains(p.options.Payload, name) {
			continue
		}
		c, err := newColumn(top)
		if err != nil {
			return fmt.Errorf("column %s: %w", name, err)
		}
		switch {
		case isVector:
			if !c.list || !isNumber(c.leaf) {
				return fmt.Errorf("column %s is no list of numbers", name)
			}
			c.most = MaxDimension
			p.vector = c
		case isID:
			if c.list {
				return fmt.Errorf("column %s is a list, and ids are numbers or text", name)
			}
			p.id = c
		default:
			p.payload = append(p.payload, c)
		}
	}
	if p.vector == nil {
		return fmt.Errorf("there is no column %s; the file has %s", p.options.VectorColumn, strings.Join(names, ", "))
	}
	if p.id == nil && !p.options.Number {
		return fmt.Errorf("there is no column %s (rows can be numbered instead); the file has %s", p.options.IDColumn, strings.Join(names, ", "))
	}
	return nil
}

func newColumn(top *parquet.Column) (*column, error) {
	c := &column{name: top.Name(), leaf: top, most: maxList}
	level := 0
	down := func(node *parquet.Column) {
		if node.Optional() || node.Repeated() {
			level++
		}
		if node.Repeated() {
			c.list, c.element, c.empty = true, level, level-1
		}
		c.leaf = node
	}
	down(top)
	if !top.Leaf() {
		// The three levels of a list: the column, what is repeated, and the element, which older writers left out.
		inner := top.Columns()
		if top.Repeated() || len(inner) != 1 || !inner[0].Repeated() {
			return nil, errors.New("it is a struct or a map; plain values and lists of them can be read")
		}
		down(inner[0])
		if !c.leaf.Leaf() {
			inner = c.leaf.Columns()
			if len(inner) != 1 || !inner[0].Leaf() || inner[0].Repeated() {
				return nil, errors.New("it is a list of lists, structs or maps; plain values and lists of them can be read")
			}
			down(inner[0])
		}
	}
	c.present = level
	var err error
	c.value, err = reader(c.leaf)
	return c, err
}

// columns are those that are read.
func (p *parquetFile) columns() []*column {
	list := append([]*column{p.vector}, p.payload...)
	if p.id != nil {
		list = append(list, p.id)
	}
	return list
}

func logical(leaf *parquet.Column) format.LogicalTypeValue {
	if l := leaf.Type().LogicalType(); l != nil {
		return l.Value
	}
	return nil
}

// isNumber is about the elements of vectors.
func isNumber(leaf *parquet.Column) bool {
	kind := leaf.Type().Kind()
	_, isHalf := logical(leaf).(*format.Float16Type)
	return kind == parquet.Float || kind == parquet.Double || isHalf && kind == parquet.FixedLenByteArray
}

// reader is how values of a column become payload.
func reader(leaf *parquet.Column) (func(parquet.Value) (any, error), error) {
	kind := leaf.Type().Kind()
	switch l := logical(leaf).(type) {
	case *format.DateType:
		return func(v parquet.Value) (any, error) {
			return time.Unix(0, 0).UTC().AddDate(0, 0, int(v.Int32())).Format(time.DateOnly), nil
		}, need(kind, parquet.Int32)
	case *format.TimestampType:
		scale := int64(1)
		switch l.Unit.Value.(type) {
		case *format.MilliSeconds:
			scale = 1e6
		case *format.MicroSeconds:
			scale = 1e3
		}
		perSecond := int64(time.Second) / scale
		return func(v parquet.Value) (any, error) {
			at := time.Unix(v.Int64()/perSecond, v.Int64()%perSecond*scale).UTC()
			if year := at.Year(); year < 0 || year > 9999 {
				return nil, fmt.Errorf("a time in the year %d", year)
			}
			return at.Format(time.RFC3339Nano), nil
		}, need(kind, parquet.Int64)
	case *format.UUIDType:
		return func(v parquet.Value) (any, error) {
			u, err := uuid.FromBytes(v.ByteArray())
			return u.String(), err
		}, need(kind, parquet.FixedLenByteArray)
	case *format.Float16Type:
		return func(v parquet.Value) (any, error) {
			if len(v.ByteArray()) != 2 {
				return nil, fmt.Errorf("%d bytes instead of 2", len(v.ByteArray()))
			}
			return finite(float64(half(binary.LittleEndian.Uint16(v.ByteArray()))))
		}, need(kind, parquet.FixedLenByteArray)
	case *format.JsonType:
		return func(v parquet.Value) (any, error) { return parseValue(v.ByteArray()) }, need(kind, parquet.ByteArray)
	case *format.IntType:
		if !l.IsSigned {
			return unsigned(kind)
		}
	case *format.DecimalType, *format.TimeType, *format.BsonType:
		return nil, fmt.Errorf("values of type %s cannot be payload", l)
	}
	switch kind {
	case parquet.Boolean:
		return func(v parquet.Value) (any, error) { return v.Boolean(), nil }, nil
	case parquet.Int32:
		return func(v parquet.Value) (any, error) { return int64(v.Int32()), nil }, nil
	case parquet.Int64:
		return func(v parquet.Value) (any, error) { return v.Int64(), nil }, nil
	case parquet.Float:
		return func(v parquet.Value) (any, error) { return finite(float64(v.Float())) }, nil
	case parquet.Double:
		return func(v parquet.Value) (any, error) { return finite(v.Double()) }, nil
	case parquet.ByteArray: // text; older writers do not say so
		return func(v parquet.Value) (any, error) {
			if !utf8.Valid(v.ByteArray()) {
				return nil, errors.New("it is no valid UTF-8")
			}
			return string(v.ByteArray()), nil
		}, nil
	}
	return nil, fmt.Errorf("values of type %s cannot be payload", leaf.Type())
}

// unsigned reads numbers as uint64: payload refuses those that it cannot hold, ids hold all.
func unsigned(kind parquet.Kind) (func(parquet.Value) (any, error), error) {
	if kind == parquet.Int32 {
		return func(v parquet.Value) (any, error) { return int64(v.Uint32()), nil }, nil
	}
	return func(v parquet.Value) (any, error) { return v.Uint64(), nil }, need(kind, parquet.Int64)
}

func need(kind, want parquet.Kind) error {
	if kind != want {
		return fmt.Errorf("its type is kept as %s instead of %s", kind, want)
	}
	return nil
}

func finite(x float64) (any, error) {
	if x-x != 0 {
		return nil, fmt.Errorf("it is %v", x)
	}
	return x, nil
}

func (p *parquetFile) shape() (int64, int) {
	if p.file.NumRows() == 0 {
		return 0, 0
	}
	return p.file.NumRows(), -1
}

func (p *parquetFile) from(row int64) (cursor, error) {
	c := &parquetCursor{file: p, groups: p.file.RowGroups(), values: make([][]parquet.Value, p.leaves)}
	for c.group < len(c.groups) && c.row+c.groups[c.group].NumRows() <= row {
		c.row += c.groups[c.group].NumRows()
		c.group++
	}
	for c.row < row {
		if err := c.advance(); err != nil {
			c.close()
			if errors.Is(err, errEnd) {
				err = fmt.Errorf("the file has %d rows", c.row)
			}
			return nil, err
		}
		c.row++
	}
	return c, nil
}

// read makes a row of its values, by leaf.
func (p *parquetFile) read(columns [][]parquet.Value, at int64) (row Row, err error) {
	if row, err = p.identify(columns, at); err != nil {
		return row, err
	}
	if row.Vector, err = p.vector.numbers(columns); err != nil {
		return row, fmt.Errorf("%s: %w", p.vector.name, err)
	}
	for _, c := range p.payload {
		value, err := c.read(columns)
		if err == nil {
			if number, ok := value.(uint64); ok {
				value, err = signed(number)
			}
		}
		if err != nil {
			return row, fmt.Errorf("%s: %w", c.name, err)
		}
		if value != nil {
			row.payload()[c.name] = value
		}
	}
	return row, nil
}

func signed(x uint64) (any, error) {
	if x > math.MaxInt64 {
		return nil, fmt.Errorf("%d does not fit into a 64-bit integer, which is all that payload has", x)
	}
	return int64(x), nil
}

func (p *parquetFile) identify(columns [][]parquet.Value, at int64) (row Row, err error) {
	if p.id == nil {
		row.ID, err = numberID(p.options.FirstID, at)
		row.identified = err == nil
		return row, err
	}
	value, err := p.id.read(columns)
	named := false
	switch x := value.(type) {
	case nil:
		if err == nil {
			err = errors.New("it is null")
		}
	case uint64:
		row.ID = vector.Num(x)
	case int64:
		if x < 0 {
			err = fmt.Errorf("%d is negative", x)
		}
		row.ID = vector.Num(uint64(x))
	case string:
		if row.ID, named, err = textID(x, p.options.NameIDs); named {
			row.payload()[p.id.name] = x
		}
	default:
		err = errors.New("it is neither a number nor text")
	}
	if err != nil {
		return row, fmt.Errorf("%s: %w", p.id.name, err)
	}
	row.identified = true
	return row, nil
}

// of are the column's values in a row.
func (c *column) of(columns [][]parquet.Value) ([]parquet.Value, error) {
	values := columns[c.leaf.Index()]
	if len(values) == 0 {
		return nil, errors.New("the row has no value, not even null")
	}
	if !c.list && len(values) > 1 {
		return nil, fmt.Errorf("the row has %d values", len(values))
	}
	return values, nil
}

// read is nil for null.
func (c *column) read(columns [][]parquet.Value) (any, error) {
	values, err := c.of(columns)
	if err != nil {
		return nil, err
	}
	if !c.list {
		return c.one(values[0])
	}
	switch level := values[0].DefinitionLevel(); {
	case level < c.empty:
		return nil, nil
	case level < c.element:
		return []any{}, nil
	}
	list := make([]any, len(values))
	for i, value := range values {
		if list[i], err = c.one(value); err == nil {
			if number, ok := list[i].(uint64); ok {
				list[i], err = signed(number)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return list, nil
}

func (c *column) one(v parquet.Value) (any, error) {
	if v.IsNull() || v.DefinitionLevel() < c.present {
		return nil, nil
	}
	return c.value(v)
}

// numbers reads a vector.
func (c *column) numbers(columns [][]parquet.Value) ([]float32, error) {
	values, err := c.of(columns)
	if err != nil {
		return nil, err
	}
	switch level := values[0].DefinitionLevel(); {
	case level < c.empty:
		return nil, errors.New("it is null")
	case level < c.element:
		return nil, nil
	}
	v := make([]float32, len(values))
	for i, value := range values {
		if value.IsNull() || value.DefinitionLevel() < c.present {
			return nil, fmt.Errorf("number %d of the vector is null", i)
		}
		switch value.Kind() {
		case parquet.Float:
			v[i] = value.Float()
		case parquet.Double:
			if v[i], err = narrow(value.Double()); err != nil {
				return nil, fmt.Errorf("number %d of the vector: %w", i, err)
			}
		default:
			bits := value.ByteArray()
			if len(bits) != 2 {
				return nil, fmt.Errorf("number %d of the vector has %d bytes instead of 2", i, len(bits))
			}
			v[i] = half(binary.LittleEndian.Uint16(bits))
		}
	}
	return v, nil
}
