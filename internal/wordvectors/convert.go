package wordvectors

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
)

// layout is the version of the compact file. The file is
//
//	magic, uint32 rows, uint32 dimensions, uint64 length of the words,
//	float32 vectors of length one, row after row, the most frequent word first,
//	the words as a JSON list in the same order,
//
// all numbers little-endian.
const layout = 1

var magic = [8]byte{'w', 'i', 'n', 'k', 'f', '3', '2', layout}

const headerSize = 8 + 4 + 4 + 8

// seed fixes the shuffle of Load. Recall figures are comparable only as long as
// it stays what it is.
const seed = 20261122

// shuffled chooses rows by a fixed Fisher-Yates shuffle: the first n as base,
// the last ones as queries. The shuffle is spelled out because the one in
// math/rand is free to change.
func shuffled(count, n int) (base, queries []int) {
	order := make([]int, count)
	for i := range order {
		order[i] = i
	}
	random := rand.NewPCG(seed, seed)
	for i := count - 1; i > 0; i-- {
		j := int(random.Uint64() % uint64(i+1))
		order[i], order[j] = order[j], order[i]
	}
	return order[:n], order[count-Queries:]
}

func convertTarball(ctx context.Context, path string, to io.WriteSeeker, dim int) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	unpacked, err := gzip.NewReader(whileWanted{ctx, file})
	if err != nil {
		return fmt.Errorf("unpacking: %w", err)
	}
	archive := tar.NewReader(unpacked)
	for {
		entry, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("no package/%s.json in it", name)
		}
		if err != nil {
			return fmt.Errorf("unpacking: %w", err)
		}
		if entry.Name == "package/"+name+".json" {
			return convert(archive, to, dim)
		}
	}
}

// whileWanted reads until ctx is over.
type whileWanted struct {
	ctx  context.Context
	from io.Reader
}

func (r whileWanted) Read(into []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.from.Read(into)
}

// convert reads the package's JSON document and writes the compact file. The
// document is 307 MB, so it is read entry by entry:
//
//	{…, "words": ["the", …], "vectors": {"the": [dim numbers, norm, index], …}, …}
func convert(document io.Reader, to io.WriteSeeker, dim int) error {
	decoder := json.NewDecoder(bufio.NewReaderSize(document, 1<<20))
	if err := expect(decoder, json.Delim('{')); err != nil {
		return err
	}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return fmt.Errorf("reading a key: %w", err)
		}
		if key == "vectors" {
			return convertVectors(decoder, to, dim)
		}
		var skipped json.RawMessage
		if err := decoder.Decode(&skipped); err != nil {
			return fmt.Errorf("reading %v: %w", key, err)
		}
	}
	return errors.New("it has no vectors")
}

func convertVectors(decoder *json.Decoder, to io.WriteSeeker, dim int) error {
	if err := expect(decoder, json.Delim('{')); err != nil {
		return err
	}
	if _, err := to.Seek(headerSize, io.SeekStart); err != nil {
		return err
	}
	out := bufio.NewWriterSize(to, 1<<20)
	var words []string
	var raw json.RawMessage
	vector := make([]float32, dim)
	encoded := make([]byte, 4*dim)
	for decoder.More() {
		word, err := decoder.Token()
		if err != nil {
			return fmt.Errorf("reading word %d: %w", len(words), err)
		}
		if err := decoder.Decode(&raw); err != nil {
			return fmt.Errorf("reading the vector of %q: %w", word, err)
		}
		if err := parseVector(raw, vector, len(words)); err != nil {
			return fmt.Errorf("reading the vector of %q: %w", word, err)
		}
		words = append(words, word.(string))
		for i, x := range vector {
			binary.LittleEndian.PutUint32(encoded[4*i:], math.Float32bits(x))
		}
		if _, err := out.Write(encoded); err != nil {
			return err
		}
	}
	list, err := json.Marshal(words)
	if err != nil {
		return err
	}
	if _, err := out.Write(list); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	// The header goes in last: a file without it is not taken for a whole one.
	if _, err := to.Seek(0, io.SeekStart); err != nil {
		return err
	}
	header := append([]byte{}, magic[:]...)
	header = binary.LittleEndian.AppendUint32(header, uint32(len(words)))
	header = binary.LittleEndian.AppendUint32(header, uint32(dim))
	header = binary.LittleEndian.AppendUint64(header, uint64(len(list)))
	_, err = to.Write(header)
	return err
}

// parseVector reads a row, [dim numbers, norm, index], and scales it to length
// one. It does not use encoding/json for the numbers: there are 34 million.
func parseVector(raw []byte, vector []float32, index int) error {
	fields := bytes.Split(bytes.Trim(raw, "[] \n"), []byte{','})
	if len(fields) != len(vector)+2 {
		return fmt.Errorf("%d numbers instead of %d", len(fields), len(vector)+2)
	}
	if got := string(bytes.TrimSpace(fields[len(fields)-1])); got != strconv.Itoa(index) {
		return fmt.Errorf("its index is %s, but it is number %d", got, index)
	}
	var sum float64
	for i := range vector {
		x, err := strconv.ParseFloat(string(bytes.TrimSpace(fields[i])), 64)
		if err != nil {
			return err
		}
		vector[i] = float32(x)
		sum += x * x
	}
	if sum == 0 {
		return errors.New("it has no direction")
	}
	norm := math.Sqrt(sum)
	for i := range vector {
		vector[i] = float32(float64(vector[i]) / norm)
	}
	return nil
}

func expect(decoder *json.Decoder, want json.Token) error {
	token, err := decoder.Token()
	if err != nil {
		return err
	}
	if token != want {
		return fmt.Errorf("found %v instead of %v", token, want)
	}
	return nil
}

// vocabulary is an open compact file.
type vocabulary struct {
	file  *os.File
	words []string
	dim   int
}

func open(path string) (*vocabulary, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	v := &vocabulary{file: file}
	if err := v.readHeader(); err != nil {
		v.close()
		return nil, fmt.Errorf("reading %s (delete it to have it made again): %w", path, err)
	}
	return v, nil
}

func (v *vocabulary) close() { _ = v.file.Close() }

func (v *vocabulary) readHeader() error {
	header := make([]byte, headerSize)
	if _, err := io.ReadFull(v.file, header); err != nil {
		return err
	}
	if !bytes.Equal(header[:8], magic[:]) {
		return errors.New("it is not a file of vectors")
	}
	rows := int64(binary.LittleEndian.Uint32(header[8:]))
	v.dim = int(binary.LittleEndian.Uint32(header[12:]))
	length := int64(binary.LittleEndian.Uint64(header[16:]))
	info, err := v.file.Stat()
	if err != nil {
		return err
	}
	start := headerSize + rows*int64(v.dim)*4
	if info.Size() != start+length {
		return fmt.Errorf("it has %d bytes instead of %d", info.Size(), start+length)
	}
	list := make([]byte, length)
	if _, err := v.file.ReadAt(list, start); err != nil {
		return err
	}
	if err := json.Unmarshal(list, &v.words); err != nil {
		return fmt.Errorf("reading its words: %w", err)
	}
	if int64(len(v.words)) != rows {
		return fmt.Errorf("it has %d words for %d vectors", len(v.words), rows)
	}
	return nil
}

// load reads a base of n words and its queries.
func (v *vocabulary) load(n int) (Data, error) {
	if largest := len(v.words) - Queries; n < 1 || n > largest {
		return Data{}, fmt.Errorf("loading %d words: there are 1 to %d", n, largest)
	}
	base, queries := shuffled(len(v.words), n)
	var data Data
	var err error
	if data.Base, err = v.read(base); err != nil {
		return Data{}, err
	}
	data.Queries, err = v.read(queries)
	return data, err
}

// read returns the given rows, in the order given.
func (v *vocabulary) read(rows []int) (Set, error) {
	set := Set{
		Words:   make([]string, len(rows)),
		Ranks:   make([]int, len(rows)),
		Vectors: make([][]float32, len(rows)),
	}
	flat := make([]float32, len(rows)*v.dim)
	encoded := make([]byte, v.dim*4)
	for i, row := range rows {
		if _, err := v.file.ReadAt(encoded, headerSize+int64(row)*int64(len(encoded))); err != nil {
			return Set{}, fmt.Errorf("reading vector %d: %w", row, err)
		}
		vector := flat[i*v.dim : (i+1)*v.dim : (i+1)*v.dim]
		for j := range vector {
			vector[j] = math.Float32frombits(binary.LittleEndian.Uint32(encoded[4*j:]))
		}
		set.Words[i], set.Ranks[i], set.Vectors[i] = v.words[row], row, vector
	}
	return set, nil
}
