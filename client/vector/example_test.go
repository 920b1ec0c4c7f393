package vector_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"iter"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/qdrant/go-client/qdrant"
	"go.opentelemetry.io/otel"

	"github.com/qdrant-shepherd/shepherd/client/vector"
)

// Book is the document of the examples: a number, a dense and a sparse vector, and payload with indexes.
type Book struct {
	ID     uint64        `vector:",id"`
	Text   []float32     `vector:",vector,size=4"`
	Words  vector.Sparse `vector:",vector,omitempty"`
	Title  string
	Lang   string  `vector:",index"`
	Year   int     `vector:",index"`
	Rating float64 `vector:",index"`
	Author Author
}

// Author is an object in a book's payload.
type Author struct {
	Name string `vector:",index"`
}

func shelf() []Book {
	return []Book{
		{1, []float32{0.9, 0.1, 0.1, 0.1}, vector.Sparse{Indices: []uint32{1, 7}, Values: []float32{1, 2}}, "The Sea", "en", 2005, 3.5, Author{"Banville"}},
		{2, []float32{0.8, 0.3, 0.1, 0.1}, vector.Sparse{Indices: []uint32{2, 7}, Values: []float32{1, 1}}, "Moby-Dick", "en", 1851, 4.5, Author{"Melville"}},
		{3, []float32{0.1, 0.9, 0.2, 0.1}, vector.Sparse{Indices: []uint32{3}, Values: []float32{2}}, "Der Zauberberg", "de", 1924, 4.1, Author{"Mann"}},
		{4, []float32{0.1, 0.8, 0.4, 0.2}, vector.Sparse{Indices: []uint32{3, 4}, Values: []float32{1, 1}}, "Buddenbrooks", "de", 1901, 4.2, Author{"Mann"}},
		{5, []float32{0.2, 0.1, 0.1, 0.9}, vector.Sparse{Indices: []uint32{5}, Values: []float32{3}}, "L'Étranger", "fr", 1942, 4.0, Author{"Camus"}},
	}
}

func ExampleConnect() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	db, err := vector.Connect(ctx, vector.Config{
		Target:     target, // such as dns:///q-qdrant-clients:6334
		APIKey:     apiKey,
		Profile:    vector.Production,            // ef 512
		Registerer: prometheus.DefaultRegisterer, // metrics
		Retry:      vector.Retry{Attempts: 5},    // the default
		Ordering:   vector.WriteWeak,             // the default
	})
	check(err)
	defer db.Close()

	check(db.Ready(ctx))
	status, err := db.Status(ctx) // version; of each collection: color, points, shards, their replicas' states, transfers
	check(err)
	fmt.Println(status.Peers)
	// Output:
	// 1
}

func ExampleConfig() {
	// TLS with an own authority, and a certificate by which the server knows the client (mTLS); traces by OpenTelemetry.
	authorities := x509.NewCertPool()
	pem, err := os.ReadFile("/etc/qdrant/ca.crt")
	check(err)
	authorities.AppendCertsFromPEM(pem)
	own, err := tls.LoadX509KeyPair("/etc/qdrant/tls.crt", "/etc/qdrant/tls.key")
	check(err)
	db, err := vector.Connect(ctx, vector.Config{
		Target:         "dns:///q-qdrant-clients:6334",
		TLS:            &tls.Config{RootCAs: authorities, Certificates: []tls.Certificate{own}, ServerName: "qdrant.example.org"},
		TracerProvider: otel.GetTracerProvider(),
		Consistency:    vector.ReadMajority,
	})
	check(err)
	defer db.Close()
}

func ExampleOpen() {
	books, err := vector.Open[Book](ctx, db, "library", vector.Shards(2), vector.Quantized(vector.Int8(0.99, true)), vector.Graph(32, 256))
	check(err)
	check(books.Upsert(ctx, shelf()...))

	n, err := books.Count(ctx, vector.Where("lang").Is("de"))
	check(err)
	fmt.Println(n, "German books")
	check(books.Drop(ctx))
	// Output:
	// 2 German books
}

func ExampleCollection_Search() {
	books := library("search")

	query := []float32{0.9, 0.2, 0.1, 0.1}
	hits, err := books.Search(ctx, vector.Nearest(query), vector.Where("lang").Is("en").And(vector.Range("year", 1850, nil)), vector.Limit(2))
	check(err)
	for _, hit := range hits {
		fmt.Printf("%.3f %s\n", hit.Score, hit.Document.Title)
	}
	// Output:
	// 0.994 The Sea
	// 0.990 Moby-Dick
}

func ExampleWhere() {
	books := library("where")

	filter := vector.Or(
		vector.Where("author.name").In("Mann", "Camus").And(vector.Where("year").Lt(1930)),
		vector.Where("rating").Between(4.4, nil),
	).And(vector.Not(vector.IDs(vector.Num(4))))
	for book, err := range books.Scroll(ctx, filter) {
		check(err)
		fmt.Println(book.Title)
	}
	// Output:
	// Moby-Dick
	// Der Zauberberg
}

func ExampleCollection_SearchBatch() {
	books := library("batch")

	found, err := books.SearchBatch(ctx,
		vector.Ask(vector.Nearest([]float32{1, 0, 0, 0}), vector.Limit(1)),
		vector.Ask(vector.NearestID(vector.Num(3)), vector.Limit(1)),
		vector.Ask(vector.NearestSparse(vector.Sparse{Indices: []uint32{5}, Values: []float32{1}}), vector.Limit(1)),
	)
	check(err)
	for _, hits := range found {
		fmt.Println(hits[0].Document.Title)
	}
	// Output:
	// The Sea
	// Buddenbrooks
	// L'Étranger
}

func ExampleNearestMulti() {
	type Page struct {
		ID     uint64      `vector:",id"`
		Tokens [][]float32 `vector:",vector,size=2"` // one vector for each word, compared by the best match of each
		Title  []float32   `vector:",vector,size=2,distance=dot"`
		Body   []float32   `vector:",vector,size=2,distance=euclid"`
	}
	check(db.DropCollection(ctx, "pages"))
	pages, err := vector.Open[Page](ctx, db, "pages")
	check(err)
	check(pages.Upsert(ctx,
		Page{1, [][]float32{{1, 0}, {0, 1}}, []float32{1, 0}, []float32{1, 1}},
		Page{2, [][]float32{{1, 0}}, []float32{0, 1}, []float32{5, 5}},
	))

	hits, err := pages.Search(ctx, vector.NearestMulti([][]float32{{1, 0}, {0, 1}}), vector.Limit(1))
	check(err)
	fmt.Println("tokens:", hits[0].ID, hits[0].Score)
	// Of several vectors of a kind one has to be named.
	hits, err = pages.Search(ctx, vector.Nearest([]float32{4, 5}), vector.Using("body"), vector.Limit(1), vector.WithVectors("body"))
	check(err)
	fmt.Println("body:", hits[0].ID, hits[0].Score, hits[0].Document.Body)
	// Output:
	// tokens: 1 2
	// body: 2 1 [5 5]
}

func ExampleOversampling() {
	books := library("quantized", vector.Quantized(vector.Int8(0.99, true)))

	// Twice as many candidates by the small vectors, the best of them by the whole ones; and no graph at all.
	query := vector.Nearest([]float32{0.9, 0.2, 0.1, 0.1})
	fast, err := books.Search(ctx, query, vector.Oversampling(2), vector.Rescoring(true), vector.EF(64), vector.Limit(1))
	check(err)
	exact, err := books.Search(ctx, query, vector.Exact(), vector.Limit(1))
	check(err)
	fmt.Println(fast[0].Document.Title, exact[0].Document.Title)
	// Output:
	// The Sea The Sea
}

func ExampleOrderBy() {
	books := library("order")

	hits, err := books.Search(ctx, vector.OrderBy("year", vector.Descending, nil), vector.Limit(2), vector.WithPayload("title", "year"))
	check(err)
	for _, hit := range hits {
		fmt.Println(hit.Document.Year, hit.Document.Title)
	}
	// Output:
	// 2005 The Sea
	// 1942 L'Étranger
}

func ExampleDiverse() {
	books := library("diverse")

	// Near to the query, and far from each other.
	hits, err := books.Search(ctx, vector.Diverse(vector.Nearest([]float32{0.2, 0.9, 0.3, 0.1}), 0.9, 5), vector.Limit(2))
	check(err)
	fmt.Println(hits[0].Document.Title, "and not its neighbor:", hits[1].Document.Title != "Buddenbrooks")
	// Output:
	// Der Zauberberg and not its neighbor: true
}

func ExampleRecommend() {
	books := library("recommend")

	hits, err := books.Search(ctx, vector.Recommend{
		Positive: vector.ByIDs(vector.Num(3)), Negative: vector.ByIDs(vector.Num(1)),
	}, vector.Limit(1))
	check(err)
	fmt.Println(hits[0].Document.Title)
	// Output:
	// Buddenbrooks
}

func ExampleFuse() {
	books := library("hybrid")

	// Both kinds of vectors are searched, and the places in both lists make the score.
	hits, err := books.Search(ctx, vector.Fuse(vector.RRF,
		vector.Fetch(vector.Nearest([]float32{0.8, 0.4, 0.1, 0.1}), vector.Limit(20)),
		vector.Fetch(vector.NearestSparse(vector.Sparse{Indices: []uint32{2, 7}, Values: []float32{2, 1}}), vector.Limit(20)),
	), vector.Limit(1))
	check(err)
	fmt.Println(hits[0].Document.Title)
	// Output:
	// Moby-Dick
}

func ExampleFormula() {
	books := library("formula")

	// The similarity counts, and so does the rating; books in German get a bit more.
	score := vector.Add(vector.Score(), vector.Mul(vector.Const(0.1), vector.Field("rating")), vector.Mul(vector.Const(0.5), vector.If(vector.Where("lang").Is("de"))))
	hits, err := books.Search(ctx, vector.Formula(score, vector.Fetch(vector.Nearest([]float32{0.5, 0.5, 0.1, 0.1}), vector.Limit(20))), vector.Limit(2))
	check(err)
	for _, hit := range hits {
		fmt.Println(hit.Document.Title)
	}
	// Output:
	// Der Zauberberg
	// Buddenbrooks
}

func ExampleCollection_SearchGroups() {
	books := library("groups")

	groups, err := books.SearchGroups(ctx, vector.Nearest([]float32{0.1, 0.9, 0.3, 0.1}), "lang", 1, vector.Limit(2))
	check(err)
	for _, group := range groups {
		fmt.Println(group.Value, group.Hits[0].Document.Title)
	}
	// Output:
	// de Der Zauberberg
	// en Moby-Dick
}

func ExampleCollection_Facets() {
	books := library("facets")

	facets, err := books.Facets(ctx, "lang", vector.Where("year").Gt(1900), 10)
	check(err)
	for _, facet := range facets {
		fmt.Println(facet.Value, facet.Count)
	}
	// Output:
	// de 2
	// en 1
	// fr 1
}

func ExampleCollection_Get() {
	books := library("get")

	book, err := books.One(ctx, vector.Num(5))
	check(err)
	fmt.Println(book.Title, book.Author.Name, len(book.Text))
	_, err = books.One(ctx, vector.Num(99))
	fmt.Println(errors.Is(err, vector.ErrNotFound))
	// Output:
	// L'Étranger Camus 4
	// true
}

func ExampleCollection_SetPayload() {
	books := library("payload")

	check(books.SetPayload(ctx, vector.Where("author.name").Is("Mann"), map[string]any{"rating": 5.0}))
	check(books.DeletePayload(ctx, vector.Points(vector.Num(1)), "year"))
	check(books.Delete(ctx, vector.Num(2)))
	_, err := books.Count(ctx, vector.Where("autor.name").Is("Mann"))
	fmt.Println(err)
	for book, err := range books.Scroll(ctx, vector.Filter{}) {
		check(err)
		fmt.Println(book.Title, book.Year, book.Rating)
	}
	// Output:
	// counting documents of collection payload: Book has no payload field "autor.name"; the nearest is "author.name"
	// The Sea 0 3.5
	// Der Zauberberg 1924 5
	// Buddenbrooks 1901 5
	// L'Étranger 1942 4
}

func ExampleCollection_UpdateVectors() {
	books := library("vectors")

	check(books.UpdateVectors(ctx, Book{ID: 5, Text: []float32{0, 0, 1, 0}}))
	check(books.DeleteVectors(ctx, vector.Points(vector.Num(5)), "words"))
	book, err := books.One(ctx, vector.Num(5))
	check(err)
	fmt.Println(book.Title, book.Text, len(book.Words.Indices))
	// Output:
	// L'Étranger [0 0 1 0] 0
}

func ExampleCollection_Load() {
	books, err := vector.Open[Book](ctx, db, "load")
	check(err)

	stats, err := books.Load(ctx, func(yield func(Book, error) bool) {
		for i := range 5000 {
			book := Book{ID: uint64(i), Text: []float32{1, float32(i), 2, 3}, Title: fmt.Sprint("Book ", i), Lang: "en"}
			if !yield(book, nil) {
				return
			}
		}
	}, vector.LoadOptions{})
	check(err) // a *vector.LoadError says how far it got; LoadOptions.Skip goes on from there
	n, err := books.Count(ctx, vector.Filter{})
	check(err)
	fmt.Println(stats.Acknowledged, n)
	// Output:
	// 5000 5000
}

func ExampleLoadOptions() {
	check(db.DropCollection(ctx, "resumed"))
	books, err := vector.Open[Book](ctx, db, "resumed")
	check(err)
	source := func(failAt int) iter.Seq2[Book, error] {
		return func(yield func(Book, error) bool) {
			for i := range 3000 {
				if i == failAt {
					yield(Book{}, errors.New("the file ends here"))
					return
				}
				if !yield(Book{ID: uint64(i), Text: []float32{1, float32(i), 2, 3}}, nil) {
					return
				}
			}
		}
	}
	// The index is built once, at the end. What was acknowledged before the error need not be sent again.
	options := vector.LoadOptions{DeferIndexing: vector.DeferAuto}
	_, err = books.Load(ctx, source(2000), options)
	var failed *vector.LoadError
	if errors.As(err, &failed) {
		fmt.Println(err)
		options.Skip = failed.Stats.Acknowledged
	}
	stats, err := books.Load(ctx, source(-1), options)
	check(err)
	_, err = books.AwaitIndexed(ctx)
	check(err)
	fmt.Println(stats.Documents, "more,", stats.Points, "in all")
	// Output:
	// loading into collection resumed: reading document 2000: the file ends here; 2000 documents are acknowledged, continue with Skip: 2000
	// 1000 more, 3000 in all
}

func ExampleCollection_DeleteWhere() {
	books := library("delete")

	check(books.DeleteWhere(ctx, vector.Where("lang").In("de", "fr")))
	check(books.Delete(ctx, vector.Num(1)))
	fmt.Println(books.DeleteWhere(ctx, vector.Filter{}))
	n, err := books.Count(ctx, vector.Filter{})
	check(err)
	fmt.Println(n)
	// Output:
	// deleting documents of collection delete: the filter has no condition and would select every point; if that is meant, use Everything()
	// 1
}

func ExampleCollection_Upsert() {
	books := library("upsert")

	// Nothing is sent when a document can't be stored.
	err := books.Upsert(ctx, Book{ID: 6, Text: []float32{1, 2, 3, 4}}, Book{ID: 7, Text: []float32{1, 2, 3}})
	var refused *vector.DocumentError
	if errors.As(err, &refused) {
		fmt.Println(refused.Position, refused.ID, refused.Field, refused.Reason)
	}
	// A newer document stays.
	check(books.UpsertIf(ctx, vector.Where("year").Lt(1900), Book{ID: 1, Text: []float32{1, 2, 3, 4}, Title: "another"}))
	book, err := books.One(ctx, vector.Num(1))
	check(err)
	fmt.Println(book.Title)
	// Output:
	// 1 7 text 3 dimensions instead of 4
	// The Sea
}

func ExampleDB_Alias() {
	library("books-2026-11-23")

	check(db.Alias(ctx, "books", "books-2026-11-23")) // switches in one step if there is one
	current, err := vector.Open[Book](ctx, db, "books", vector.MustExist())
	check(err)
	n, err := current.Count(ctx, vector.Filter{})
	check(err)
	fmt.Println(n)
	check(db.Unalias(ctx, "books"))
	// Output:
	// 5
}

func ExampleCollection_Alter() {
	books := library("alter")

	check(books.Alter(ctx, vector.Graph(16, 100), vector.WriteConsistencyFactor(1)))
	err := books.Alter(ctx, vector.Shards(12))
	fmt.Println(err)
	// Output:
	// altering collection alter: the number of shards can only be chosen when the collection is created
}

func ExampleDB_Raw() {
	books := library("raw")

	// Everything that go-client has, over the same connections, with the same key, retries, metrics and traces.
	_, err := db.Raw().UpdateBatch(ctx, &qdrant.UpdateBatchPoints{
		CollectionName: "raw", Wait: new(true), Operations: []*qdrant.PointsUpdateOperation{
			qdrant.NewPointsUpdateDeletePoints(&qdrant.PointsUpdateOperation_DeletePoints{Points: qdrant.NewPointsSelector(qdrant.NewIDNum(1))}),
			qdrant.NewPointsUpdateClearPayload(&qdrant.PointsUpdateOperation_ClearPayload{Points: qdrant.NewPointsSelector(qdrant.NewIDNum(2))}),
		},
	})
	check(err)
	n, err := books.Count(ctx, vector.Where("title").Exists())
	check(err)
	fmt.Println(n)
	// Output:
	// 3
}

func ExampleWithRequestID() {
	books := library("request-id")

	// It goes with every call made with this context, and with their repeats, to the server's audit log.
	ctx := vector.WithRequestID(ctx, "order-4711")
	_, err := books.Count(ctx, vector.Where("year").Gt(1900))
	check(err)
	fmt.Println(vector.RequestID(ctx))
	// Output:
	// order-4711
}
