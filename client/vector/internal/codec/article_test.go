package codec

import (
	"encoding/json"
	"net/netip"
	"time"

	"github.com/google/uuid"
)

// article is a document with a field of every kind.
type article struct {
	ID       ID             `vector:",id"`
	Meaning  []float32      `vector:",vector,unnamed,size=3"`
	Image    []float32      `vector:",vector,size=2,distance=dot,datatype=float16,hnsw_m=32,hnsw_ef_construct=256,omitempty"`
	Tokens   [][]float32    `vector:"colbert,vector,size=2,on_disk,omitempty"`
	Terms    Sparse         `vector:",vector,idf,omitempty"`
	Vectors  map[string]any `vector:",vectors"`
	Title    string         `vector:",index=text,tokenizer=prefix,phrase"`
	Lang     lang           `vector:"lang,index,tenant"`
	Year     int            `vector:",index,principal,on_disk"`
	Small    int8
	Pages    uint64
	Score    float64 `vector:",index"`
	Weight   float32
	Open     bool       `vector:",index"`
	Written  time.Time  `vector:",index"`
	Read     *time.Time `vector:",omitempty"`
	Place    *Geo       `vector:",index,omitempty"`
	Owner    uuid.UUID  `vector:",index"`
	Address  netip.Addr
	Raw      json.RawMessage
	Number   json.Number
	Data     []byte
	Tags     []string `vector:",index"`
	Matrix   [][]int
	Pair     [2]bool
	Counts   map[string]int
	Author   person
	Parts    []part
	Pointer  *person
	Anything any
	Related  ID
	Took     time.Duration
	base
	Note   string         `vector:"-"`
	Other  map[string]any `vector:",payload"`
	hidden int
}

type lang string

type base struct {
	CreatedAt time.Time
	Revision  int `vector:"rev,index"`
}

type person struct {
	Name string `vector:",index"`
	Home *Geo   `vector:",index"`
}

type part struct {
	Price  float64 `vector:",index"`
	Labels []string
	Sub    []part `vector:",omitempty"`
	Next   *part  `vector:",omitempty"`
}

// plainDocument is the least that a document needs.
type plainDocument struct {
	ID     uint64    `vector:",id"`
	Vector []float32 `vector:",vector,unnamed"`
}
