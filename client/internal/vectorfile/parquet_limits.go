package vectorfile

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"
)

// The library believes what a file says of itself: it allocates lists, pages and dictionaries of any size that is claimed, and panics
// where claims contradict each other. So the claims are compared with the file first, and what remains is caught.

const (
	maxFooter     = 64 << 20
	maxPageHeader = 1 << 20
	// maxPage bounds a page. Writers aim at about 1 MB; some put a whole row group into one.
	maxPage = 256 << 20
	// maxPageValues bounds the values of a page, of which each costs some bytes though it may take none in the file.
	maxPageValues = 1 << 26
	// maxList bounds the elements of a list of payload: a request with more of them would be larger than a server takes.
	maxList = 1 << 20
	// maxDepth is far more than lists and structs of the format nest.
	maxDepth = 32
)

// recoverPanic turns a panic of the library into an error.
func recoverPanic(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("the file contradicts itself: %v", p)
	}
}

// checkFooter sees that the footer is there, and has as many items as it claims.
func checkFooter(r io.ReaderAt, size int64) error {
	const frame = 12 // PAR1 at the start; length of the footer and PAR1 at the end
	if size < frame {
		return fmt.Errorf("the file is cut short: it has %d bytes", size)
	}
	var end [8]byte
	if err := readAt(r, end[:4], 0); err != nil {
		return err
	}
	if string(end[:4]) != "PAR1" {
		return errors.New("it is no parquet file: it does not begin with PAR1")
	}
	if err := readAt(r, end[:], size-8); err != nil {
		return err
	}
	if string(end[4:]) != "PAR1" {
		return errors.New("the file is cut short, or bytes follow it: it does not end with PAR1")
	}
	length := int64(binary.LittleEndian.Uint32(end[:]))
	if length > size-frame {
		return fmt.Errorf("the footer claims %d bytes of a file of %d", length, size)
	}
	if length > maxFooter {
		return fmt.Errorf("a footer of %d bytes: %d can be read", length, maxFooter)
	}
	footer := make([]byte, length)
	if err := readAt(r, footer, size-8-length); err != nil {
		return err
	}
	if err := walk(new(thrift.CompactProtocol).NewReaderFromBytes(footer), thrift.STRUCT, 0); err != nil {
		return fmt.Errorf("reading the footer: %w", err)
	}
	return nil
}

// walk reads a value of any type without keeping it. It ends in an error where the bytes end before all items that a list claims.
func walk(r thrift.Reader, t thrift.Type, depth int) (err error) {
	if depth > maxDepth {
		return errors.New("it nests too deeply")
	}
	switch t {
	case thrift.TRUE, thrift.FALSE: // the type is the value
	case thrift.I8:
		_, err = r.ReadInt8()
	case thrift.I16:
		_, err = r.ReadInt16()
	case thrift.I32:
		_, err = r.ReadInt32()
	case thrift.I64:
		_, err = r.ReadInt64()
	case thrift.DOUBLE:
		_, err = r.ReadFloat64()
	case thrift.BINARY:
		_, err = r.ReadBytes()
	case thrift.LIST, thrift.SET:
		var list thrift.List
		if list, err = r.ReadList(); err != nil {
			return err
		}
		for range list.Size {
			if list.Type == thrift.TRUE || list.Type == thrift.FALSE {
				_, err = r.ReadBool()
			} else {
				err = walk(r, list.Type, depth+1)
			}
			if err != nil {
				return err
			}
		}
	case thrift.STRUCT:
		for {
			field, err := r.ReadField()
			if err != nil {
				return err
			}
			if field.Type == thrift.STOP {
				return nil
			}
			if err := walk(r, field.Type, depth+1); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("type %d has no place there", t)
	}
	return err
}

// checkPages goes from page to page of a column of a row group, without reading what is in them.
func (p *parquetFile) checkPages(meta format.ColumnMetaData) error {
	at := meta.DataPageOffset
	if dictionary := meta.DictionaryPageOffset; dictionary != 0 {
		at = min(at, dictionary)
	}
	left := meta.TotalCompressedSize
	if at < 4 || left < 0 || at > p.size || left > p.size-at {
		return fmt.Errorf("its pages claim the bytes %d to %d of a file of %d", at, at+left, p.size)
	}
	for left > 0 {
		header, length, err := p.pageHeader(at, left)
		if err != nil {
			return fmt.Errorf("the page at byte %d: %w", at, err)
		}
		packed := int64(header.CompressedPageSize)
		if packed < 0 || packed > left-length {
			return fmt.Errorf("the page at byte %d claims %d bytes, and %d are left", at, packed, left-length)
		}
		if packed > maxPage || header.UncompressedPageSize > maxPage {
			return fmt.Errorf("the page at byte %d has %d bytes unpacked: %d can be read", at, header.UncompressedPageSize, maxPage)
		}
		values := max(header.DataPageHeader.V.NumValues, header.DataPageHeaderV2.V.NumValues)
		if values > maxPageValues {
			return fmt.Errorf("the page at byte %d claims %d values: %d can be read", at, values, maxPageValues)
		}
		// Each value of a dictionary takes a byte at least: dictionaries of bools do not exist.
		if n := header.DictionaryPageHeader.V.NumValues; n > header.UncompressedPageSize {
			return fmt.Errorf("the dictionary at byte %d claims %d values in %d bytes", at, n, header.UncompressedPageSize)
		}
		if err := p.checkPacked(meta.Codec, header, at+length); err != nil {
			return fmt.Errorf("the page at byte %d: %w", at, err)
		}
		at += length + packed
		left -= length + packed
	}
	return nil
}

// pageHeader reads the header at a place, and how many bytes it takes.
func (p *parquetFile) pageHeader(at, left int64) (*format.PageHeader, int64, error) {
	// A header has some dozen bytes, more with statistics.
	for window := int64(256); ; window *= 8 {
		bytes := make([]byte, min(window, left))
		if err := readAt(p.r, bytes, at); err != nil {
			return nil, 0, err
		}
		r := new(thrift.CompactProtocol).NewReaderFromBytes(bytes)
		if err := walk(r, thrift.STRUCT, 0); err != nil {
			if window < min(left, maxPageHeader) {
				continue
			}
			return nil, 0, fmt.Errorf("reading its header: %w", err)
		}
		header := new(format.PageHeader)
		if err := thrift.NewDecoder(new(thrift.CompactProtocol).NewReaderFromBytes(bytes)).Decode(header); err != nil {
			return nil, 0, fmt.Errorf("reading its header: %w", err)
		}
		return header, int64(r.BytesRead()), nil
	}
}

// checkPacked sees that a packed page is not longer once it is unpacked than its header says: the library makes room for whatever comes out.
// Snappy has the length in front. With the other codecs only unpacking tells, so their pages are unpacked twice.
func (p *parquetFile) checkPacked(codec format.CompressionCodec, header *format.PageHeader, at int64) error {
	length := int64(header.CompressedPageSize)
	if v2 := header.DataPageHeaderV2; v2.Valid {
		if v2.V.IsCompressed.Valid && !v2.V.IsCompressed.V {
			return nil
		}
		repetition, definition := int64(v2.V.RepetitionLevelsByteLength), int64(v2.V.DefinitionLevelsByteLength) // which are not packed
		if repetition < 0 || definition < 0 || repetition+definition > length {
			return errors.New("its levels are longer than it is")
		}
		at, length = at+repetition+definition, length-repetition-definition
	}
	if length == 0 {
		return nil
	}
	packed := io.NewSectionReader(p.r, at, length)
	claimed := int64(max(0, header.UncompressedPageSize))
	unpacked, err := unpackedSize(codec, packed, claimed)
	if err != nil {
		return fmt.Errorf("unpacking it: %w", err)
	}
	if unpacked > claimed {
		return fmt.Errorf("its header claims %d bytes unpacked, and there are more", claimed)
	}
	return nil
}

// unpackedSize is how long something packed is, as far as that is at most claimed: then it is any larger number. 0 where nobody unpacks it.
func unpackedSize(codec format.CompressionCodec, packed *io.SectionReader, claimed int64) (int64, error) {
	var unpacking io.Reader
	switch codec {
	case format.Snappy:
		size, err := binary.ReadUvarint(bufio.NewReaderSize(packed, binary.MaxVarintLen64))
		if err != nil {
			return 0, err
		}
		return int64(min(size, math.MaxInt64)), nil
	case format.Lz4Raw:
		content, into := make([]byte, packed.Size()), make([]byte, claimed)
		if err := readAt(packed, content, 0); err != nil {
			return 0, err
		}
		n, err := lz4.UncompressBlock(content, into) // too little room is an error, too
		return int64(n), err
	case format.Gzip:
		r, err := gzip.NewReader(packed)
		if err != nil {
			return 0, err
		}
		unpacking = r
	case format.Zstd:
		r, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxPage))
		if err != nil {
			return 0, err
		}
		defer r.Close()
		unpacking = r
	case format.Brotli:
		unpacking = brotli.NewReader(packed)
	default:
		return 0, nil
	}
	return io.Copy(io.Discard, io.LimitReader(unpacking, claimed+1))
}
