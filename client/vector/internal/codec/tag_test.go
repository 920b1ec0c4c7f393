package codec

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSnake(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"ID": "id", "CreatedAt": "created_at", "HTTPCode": "http_code", "UserID": "user_id", "Title": "title",
		"X2Y": "x2_y", "Already_Snake": "already_snake", "URLs": "ur_ls", "Ärger": "ärger",
	} {
		assert.Equal(t, want, snake(name), name)
	}
}

// refused is the error of a type that cannot be a document.
func refused[T any](t *testing.T, want string) {
	t.Helper()
	_, err := Of[T]()
	require.ErrorContains(t, err, want)
}

type id struct {
	ID uint64 `vector:",id"`
}

type loop struct {
	Inner  map[string]loop
	Leaf   chan int
	Around *loop
}

func TestTypesThatAreRefused(t *testing.T) {
	t.Parallel()
	t.Run("kinds", func(t *testing.T) {
		type Article struct {
			id
			Foo chan int
		}
		_, err := Of[Article]()
		require.EqualError(t, err, "type Article: field Foo (chan int): cannot be stored")
		_, err = Of[Article]()
		require.Error(t, err, "an error is not forgotten")
		refused[struct {
			id
			Foo []func()
		}](t, "field Foo ([]func()): func(): cannot be stored")
		refused[struct {
			id
			Foo map[int]string
		}](t, "a map whose keys are no strings cannot be stored")
		refused[struct {
			id
			Foo **int
		}](t, "a pointer to a pointer")
		refused[struct {
			id
			Foo error
		}](t, "field Foo (error): cannot be stored")
		refused[struct {
			id
			Foo complex64
		}](t, "cannot be stored")
		refused[struct {
			id
			Foo Sparse
		}](t, "a Sparse is a vector")
		refused[struct {
			id
			Foo loop
		}](t, "field Leaf (chan int): cannot be stored")
		refused[int](t, "type int: a document is a struct")
		refused[*article](t, "a document is a struct")
	})
	t.Run("ids", func(t *testing.T) {
		refused[struct{ Title string }](t, `no field is its id: tag one vector:",id"`)
		refused[struct {
			id
			Other uint64 `vector:",id"`
		}](t, "field Other (uint64): is a second id beside ID")
		refused[struct {
			ID float64 `vector:",id"`
		}](t, "an id is an ID, an integer")
		refused[struct {
			ID uint64 `vector:"key,id"`
		}](t, "an id has no name")
		refused[struct {
			ID uint64 `vector:",id,index"`
		}](t, `option "index" has no place on a id`)
	})
	t.Run("vectors", func(t *testing.T) {
		refused[struct {
			id
			V []float64 `vector:",vector"`
		}](t, "a vector is a []float32, a [][]float32 or a Sparse")
		refused[struct {
			id
			V []float32 `vector:"vector"`
		}](t, `is named "vector", not tagged as one`)
		refused[struct {
			id
			V []float32 `vector:"v,vector,unnamed"`
		}](t, `is unnamed and yet named "v"`)
		refused[struct {
			id
			V []float32 `vector:",vector"`
			W []float32 `vector:"v,vector"`
		}](t, `field W ([]float32): is the vector "v", as is V`)
		refused[struct {
			id
			V []float32 `vector:",vector,size=0"`
		}](t, "size=0: not a number from 1 to 65536")
		refused[struct {
			id
			V []float32 `vector:",vector,size"`
		}](t, `option "size" takes a value`)
		refused[struct {
			id
			V []float32 `vector:",vector,distance=l2"`
		}](t, "distance=l2: not one of cosine, dot, euclid, manhattan")
		refused[struct {
			id
			V []float32 `vector:",vector,datatype=float8"`
		}](t, "datatype=float8: not one of float16, uint8")
		refused[struct {
			id
			V []float32 `vector:",vector,hnsw_m=x"`
		}](t, "hnsw_m=x: not a number")
		refused[struct {
			id
			V []float32 `vector:",vector,hnsw_ef_construct=-1"`
		}](t, "hnsw_ef_construct=-1: not a number")
		refused[struct {
			id
			V []float32 `vector:",vector,idf"`
		}](t, `option "idf" has a place on sparse vectors alone`)
		refused[struct {
			id
			V Sparse `vector:",vector,size=3"`
		}](t, `option "size" has no place on a sparse vector`)
		refused[struct {
			id
			V []float32 `vector:",vector,index"`
		}](t, `option "index" has no place on a vector`)
		refused[struct {
			id
			V map[string]string `vector:",vectors"`
		}](t, "tag vectors is for one map[string]any")
	})
	t.Run("payload", func(t *testing.T) {
		refused[struct {
			id
			A string `vector:"x"`
			B string `vector:"x"`
		}](t, `field B (string): is stored as "x", as is A`)
		refused[struct {
			id
			A string `vector:"a.b"`
		}](t, `the name "a.b" has '.' in it, which is for paths alone`)
		refused[struct {
			id
			A string `vector:"a\\b"`
		}](t, "which is for paths alone")
		refused[struct {
			id
			A map[string]any `vector:",payload"`
			B map[string]any `vector:",payload"`
		}](t, "field B (map[string]interface {}): tag payload is for one map")
		refused[struct {
			id
			A string `vector:",idnex"`
		}](t, `unknown option "idnex"`)
		refused[struct {
			id
			A string `vector:",size=3"`
		}](t, `option "size" has no place on a payload field`)
		refused[struct {
			id
			A string `vector:",index,index"`
		}](t, `option "index" comes twice`)
		refused[struct {
			id
			A string `vector:",omitempty=yes"`
		}](t, `option "omitempty" takes no value`)
		refused[struct {
			id
			A string `vector:",vector=x"`
		}](t, `option "vector" takes no value`)
		refused[struct {
			id
			A []float32 `vector:",vector,payload"`
		}](t, "is tagged both vector and payload")
		refused[struct {
			id
			a string `vector:"a"`
		}](t, "field a: is tagged and not exported")
		refused[struct {
			id
			*base
		}](t, "an embedded pointer needs a name")
		refused[struct {
			id
			base `vector:",omitempty"`
		}](t, "options have no place on it")
		refused[struct {
			id
			A struct {
				B uint64 `vector:",id"`
			}
		}](t, "only the fields of a document can be tagged id")
	})
	t.Run("indexes", func(t *testing.T) {
		refused[struct {
			id
			A string `vector:",index=keywords"`
		}](t, "index=keywords: not one of")
		refused[struct {
			id
			A string `vector:",index=geo"`
		}](t, "cannot have an index of kind geo")
		refused[struct {
			id
			A any `vector:",index"`
		}](t, "the type does not tell the kind of the index")
		refused[struct {
			id
			A ID `vector:",index"`
		}](t, "field A (codec.ID): an ID may be a number or a UUID: say index=integer, or index=uuid or index=keyword")
		refused[struct {
			id
			A []*ID `vector:",index"`
		}](t, "an ID may be a number or a UUID")
		refused[struct {
			id
			A map[string]int `vector:",index"`
		}](t, "cannot be indexed")
		refused[struct {
			id
			A [][]string `vector:",index"`
		}](t, "cannot be indexed")
		refused[struct {
			id
			A person `vector:",index"`
		}](t, "cannot be indexed")
		refused[struct {
			id
			A string `vector:",tenant"`
		}](t, `option "tenant" needs an index`)
		refused[struct {
			id
			A int `vector:",index,tenant"`
		}](t, `option "tenant" has no place on an index of kind integer`)
		refused[struct {
			id
			A string `vector:",index,principal"`
		}](t, `option "principal" has no place on an index of kind keyword`)
		refused[struct {
			id
			A string `vector:",index,tokenizer=word"`
		}](t, `option "tokenizer" has no place on an index of kind keyword`)
		refused[struct {
			id
			A string `vector:",index=text,tokenizer=words"`
		}](t, "tokenizer=words: not one of")
		refused[struct {
			id
			A map[string]person
		}](t, "Name inside a map cannot be indexed")
	})
}

func TestTypesThatAreTaken(t *testing.T) {
	t.Parallel()
	type Flat struct {
		id
		time.Time          // a value of its own, not the fields of a struct
		Skipped   chan int `vector:"-"`
		dropped   func()
		Any       any      `vector:",index=keyword"`
		Anys      []any    `vector:",index=integer"`
		Day       string   `vector:",index=datetime"`
		Maybe     *string  `vector:",index"`
		List      []string `vector:",index=text"`
		Pointers  *[]*int  `vector:",index"`
		Parent    ID       `vector:",index=integer"`
		Children  []ID     `vector:",index=uuid"`
	}
	c, err := Of[Flat]()
	require.NoError(t, err)
	var paths []string
	for _, f := range c.Schema().Indexes {
		paths = append(paths, f.Path+" "+kindName(f.Kind))
	}
	assert.Equal(t, []string{
		"any keyword", "anys integer", "day datetime", "maybe keyword", "list text", "pointers integer",
		"parent integer", "children uuid",
	}, paths)
	assert.NoError(t, c.Field("time"))
	again, err := Of[Flat]()
	require.NoError(t, err)
	assert.Same(t, c.plan, again.plan, "compiled once")
	_ = Flat{dropped: nil}
}
