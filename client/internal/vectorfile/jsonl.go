package vectorfile

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"
)

// jsonLines has an object on each line. Lines of nothing but spaces are no rows.
type jsonLines struct {
	r       io.ReaderAt
	size    int64
	packed  bool
	options Options
}

func openJSONLines(r io.ReaderAt, size int64, packed bool, o Options) (source, error) {
	return &jsonLines{r: r, size: size, packed: packed, options: o}, nil
}

func (j *jsonLines) shape() (int64, int) { return -1, -1 }

func (j *jsonLines) from(row int64) (cursor, error) {
	raw := &counter{from: io.NewSectionReader(j.r, 0, j.size)}
	c := &lineCursor{file: j, raw: raw, lines: bufio.NewReaderSize(raw, 256<<10)}
	if j.packed {
		unpacked, err := gzip.NewReader(c.lines)
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, fmt.Errorf("unpacking: %w", err)
		}
		c.lines = bufio.NewReaderSize(unpacked, 256<<10)
	}
	for ; row > 0; row-- {
		if _, err := c.nextLine(); errors.Is(err, errEnd) {
			return nil, fmt.Errorf("the file has %d rows", c.row)
		} else if err != nil {
			return nil, err
		}
		c.row++
	}
	return c, nil
}

// counter counts what is read.
type counter struct {
	from io.Reader
	n    int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n += int64(n)
	return n, err
}

type lineCursor struct {
	file  *jsonLines
	raw   *counter
	lines *bufio.Reader
	row   int64
	line  int64 // of the file, from 1
	text  []byte
}

func (c *lineCursor) share() float64 {
	if c.file.size == 0 {
		return 1
	}
	return float64(c.raw.n) / float64(c.file.size)
}

func (c *lineCursor) close() {}

func (c *lineCursor) next() (Row, error) {
	line, err := c.nextLine()
	if err != nil {
		return Row{}, err
	}
	row, err := c.file.parse(line, c.row)
	if err != nil {
		return row, fmt.Errorf("line %d: %w", c.line, err)
	}
	c.row++
	return row, nil
}

// nextLine returns the next line that is not empty, until the following call.
func (c *lineCursor) nextLine() ([]byte, error) {
	for {
		c.text = c.text[:0]
		c.line++
		for {
			piece, err := c.lines.ReadSlice('\n')
			if len(c.text)+len(piece) > c.file.options.MaxLine {
				return nil, fmt.Errorf("line %d: it is longer than %d bytes", c.line, c.file.options.MaxLine)
			}
			c.text = append(c.text, piece...)
			if errors.Is(err, bufio.ErrBufferFull) {
				continue
			}
			if errors.Is(err, io.EOF) && len(c.text) == 0 {
				return nil, errEnd
			}
			if err != nil && !errors.Is(err, io.EOF) {
				return nil, fmt.Errorf("line %d: %w", c.line, err)
			}
			break
		}
		line := c.text
		if c.line == 1 {
			line = bytes.TrimPrefix(line, []byte("\uFEFF")) // some editors put a mark there
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return line, nil
		}
	}
}

func (j *jsonLines) parse(line []byte, at int64) (Row, error) {
	if !utf8.Valid(line) {
		return Row{}, errors.New("it is no valid UTF-8")
	}
	var columns map[string]json.RawMessage
	if err := json.Unmarshal(line, &columns); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return Row{}, fmt.Errorf("it is no JSON: %w, at byte %d", err, syntax.Offset)
		}
		return Row{}, errors.New("it is no JSON object")
	}
	if columns == nil {
		return Row{}, errors.New("it is null and no JSON object")
	}
	row, err := j.identify(columns, at)
	if err != nil {
		return row, err
	}
	raw, ok := columns[j.options.VectorColumn]
	if !ok {
		return row, fmt.Errorf("there is no %q", j.options.VectorColumn)
	}
	if row.Vector, err = parseVector(raw); err != nil {
		return row, fmt.Errorf("%s: %w", j.options.VectorColumn, err)
	}
	for name, raw := range columns {
		if name == j.options.VectorColumn || name == j.options.IDColumn && !j.options.Number {
			continue
		}
		if j.options.Payload != nil && !slices.Contains(j.options.Payload, name) {
			continue
		}
		value, err := parseValue(raw)
		if err != nil {
			return row, fmt.Errorf("%s: %w", name, err)
		}
		row.payload()[name] = value
	}
	return row, nil
}

// identify finds the row's id. Of a text that is not one itself, the payload keeps the text.
func (j *jsonLines) identify(columns map[string]json.RawMessage, at int64) (row Row, err error) {
	if j.options.Number {
		row.ID, err = numberID(j.options.FirstID, at)
		row.identified = err == nil
		return row, err
	}
	raw, ok := columns[j.options.IDColumn]
	if !ok {
		return row, fmt.Errorf("there is no %q (rows can be numbered instead)", j.options.IDColumn)
	}
	text := string(raw)
	named := false
	switch raw[0] {
	case '"':
		if err := json.Unmarshal(raw, &text); err != nil {
			return row, err
		}
		row.ID, named, err = textID(text, j.options.NameIDs)
	case '{', '[', 'n', 't', 'f':
		err = errors.New("it is neither a number nor text")
	default:
		row.ID, named, err = textID(text, false)
	}
	if err != nil {
		return row, fmt.Errorf("%s: %w", j.options.IDColumn, err)
	}
	row.identified = true
	if named {
		row.payload()[j.options.IDColumn] = text
	}
	return row, nil
}

func (r *Row) payload() map[string]any {
	if r.Payload == nil {
		r.Payload = map[string]any{}
	}
	return r.Payload
}

// parseVector reads a list of numbers from valid JSON. encoding/json would take several times as long, and null for 0.
func parseVector(raw []byte) ([]float32, error) {
	if raw[0] != '[' {
		return nil, errors.New("it is no list of numbers")
	}
	list := bytes.TrimSpace(raw[1 : len(raw)-1])
	if len(list) == 0 {
		return nil, nil
	}
	v := make([]float32, 0, min(1+bytes.Count(list, []byte{','}), MaxDimension+1))
	for more := true; more; {
		var item []byte
		item, list, more = bytes.Cut(list, []byte{','})
		item = bytes.TrimSpace(item)
		// Valid JSON begins a number like this; what ParseFloat takes besides (0x, inf, underscores) is not valid JSON.
		if c := item[0]; c != '-' && (c < '0' || c > '9') {
			return nil, fmt.Errorf("number %d of the vector is %s", len(v), clip(item))
		}
		x, err := strconv.ParseFloat(string(item), 32)
		if err != nil {
			return nil, fmt.Errorf("number %d of the vector: %s is too large for a 32-bit number", len(v), clip(item))
		}
		if len(v) == MaxDimension {
			return nil, fmt.Errorf("a vector has at most %d dimensions", MaxDimension)
		}
		v = append(v, float32(x))
	}
	return v, nil
}

func clip(b []byte) string {
	const most = 40
	if len(b) > most {
		return string(bytes.ToValidUTF8(b[:most], nil)) + "…"
	}
	return string(b)
}

// parseValue reads a payload value; numbers without fraction stay whole.
func parseValue(raw []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	return numbers(value)
}

func numbers(value any) (any, error) {
	var err error
	switch x := value.(type) {
	case json.Number:
		return number(string(x))
	case []any:
		for i := range x {
			if x[i], err = numbers(x[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for key := range x {
			if x[key], err = numbers(x[key]); err != nil {
				return nil, err
			}
		}
	}
	return value, nil
}

func number(text string) (any, error) {
	if !bytes.ContainsAny([]byte(text), ".eE") {
		whole, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s does not fit into a 64-bit integer, which is all that payload has", clip([]byte(text)))
		}
		return whole, nil
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, fmt.Errorf("%s is too large for a 64-bit number", clip([]byte(text)))
	}
	return x, nil
}
