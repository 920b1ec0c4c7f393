package vectorfile

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/vector"
)

// A page must not become larger than its header says, whatever packed it.
func TestParquetPagesLargerThanTheyClaim(t *testing.T) {
	rows := make([]parquetRow, 300)
	for i, v := range vectors(len(rows), 40) {
		rows[i] = parquetRow{ID: int64(i), Vector: v}
	}
	for name, codec := range map[string]compress.Codec{
		"snappy": &parquet.Snappy, "gzip": &parquet.Gzip, "zstd": &parquet.Zstd, "lz4": &parquet.Lz4Raw, "brotli": &parquet.Brotli,
	} {
		for version := 1; version <= 2; version++ {
			t.Run(fmt.Sprint(name, version), func(t *testing.T) {
				content := parquetBytes(t, rows, 300, parquet.Compression(codec), parquet.DataPageVersion(version))
				understate(t, content, 10_000)
				_, err := read(sample{"rows.parquet", Parquet, content, true}, Options{})
				require.ErrorContains(t, err, "the page at byte")
				assert.Regexp(t, "its header claims \\d+ bytes unpacked|unpacking it: ", err)
			})
		}
	}
}

// understate lets the first page of vectors claim fewer bytes than it has.
func understate(t *testing.T, content []byte, claim int32) {
	opened, err := openParquet(bytes.NewReader(content), int64(len(content)), Options{}.withDefaults())
	require.NoError(t, err)
	p, is := opened.(*parquetFile)
	require.True(t, is)
	meta := p.file.Metadata().RowGroups[0].Columns[p.vector.leaf.Index()].MetaData
	header, length, err := p.pageHeader(meta.DataPageOffset, meta.TotalCompressedSize)
	require.NoError(t, err)
	require.Greater(t, header.UncompressedPageSize, 2*claim)
	header.UncompressedPageSize = claim
	if header.DataPageHeaderV2.Valid {
		header.UncompressedPageSize += header.DataPageHeaderV2.V.RepetitionLevelsByteLength + header.DataPageHeaderV2.V.DefinitionLevelsByteLength
	}
	changed, err := thrift.Marshal(new(thrift.CompactProtocol), header)
	require.NoError(t, err)
	require.Len(t, changed, int(length), "the claim takes as many bytes as the truth")
	copy(content[meta.DataPageOffset:], changed)
}

// A row is refused before it is in memory as a whole.
func TestParquetLongLists(t *testing.T) {
	type row struct {
		ID     int64     `parquet:"id"`
		Vector []float32 `parquet:"vector,list"`
		Years  []int32   `parquet:"years,list"`
	}
	one := []float32{1}
	_, err := read(parquetSample(t, row{1, one, nil}, row{2, make([]float32, MaxDimension+1), nil}), Options{})
	require.ErrorContains(t, err, "row 1: column vector: a list of more than 65536 elements")
	_, err = read(parquetSample(t, row{1, one, make([]int32, maxList+1)}), Options{})
	require.ErrorContains(t, err, "row 0: column years: a list of more than 1048576 elements")
	rows, err := read(parquetSample(t, row{1, one, make([]int32, maxList)}), Options{})
	require.NoError(t, err)
	assert.Len(t, rows[0].Payload["years"], maxList)
}

// Text stays what it is while its column goes on to other pages.
func TestParquetListsOfText(t *testing.T) {
	rows := make([]parquetRow, 200)
	for i := range rows {
		rows[i] = parquetRow{ID: int64(i), Vector: []float32{float32(i)}, Title: fmt.Sprint("row ", i)}
		for j := range i % 7 * 50 {
			rows[i].Tags = append(rows[i].Tags, fmt.Sprint("tag ", i, " ", j))
		}
	}
	for version := 1; version <= 2; version++ {
		content := parquetBytes(t, rows, 90, parquet.DataPageVersion(version), parquet.PageBufferSize(300), parquet.Compression(&parquet.Zstd))
		got, err := read(sample{"rows.parquet", Parquet, content, true}, Options{})
		require.NoError(t, err)
		require.Len(t, got, len(rows))
		for i, row := range got {
			tags := make([]any, len(rows[i].Tags))
			for j := range tags {
				tags[j] = rows[i].Tags[j]
			}
			require.Equal(t, map[string]any{"title": rows[i].Title, "views": int64(0), "tags": tags}, row.Payload)
			require.Equal(t, vector.Num(uint64(i)), row.ID)
		}
	}
}

func TestParquetColumnsThatAreNotWanted(t *testing.T) {
	content := parquetOf(t, vectors(10, 3))
	opened, err := openParquet(bytes.NewReader(content), int64(len(content)), Options{}.withDefaults())
	require.NoError(t, err)
	p, is := opened.(*parquetFile)
	require.True(t, is)
	for _, c := range p.payload {
		clear(content[p.file.Metadata().RowGroups[0].Columns[c.leaf.Index()].MetaData.DataPageOffset:][:20])
	}
	s := sample{"rows.parquet", Parquet, content, true}
	_, err = read(s, Options{})
	require.Error(t, err)
	rows, err := read(s, Options{Payload: []string{}})
	require.NoError(t, err)
	assert.Len(t, rows, 10)
}
