// Package vector is a typed client for Qdrant: documents are Go structs, whose tags say what is their id, what their vectors and what their
// payload.
//
//	type Article struct {
//		ID     uint64    `vector:",id"`
//		Text   []float32 `vector:",vector,unnamed,size=384"`
//		Title  string
//		Lang   string    `vector:",index"`
//		Year   int       `vector:",index"`
//	}
//
//	db, err := vector.Connect(ctx, vector.Config{Target: "dns:///q-qdrant-clients:6334", APIKey: key})
//	articles, err := vector.Open[Article](ctx, db, "articles", vector.Shards(6), vector.ReplicationFactor(2))
//	err = articles.Upsert(ctx, article)
//	stats, err := articles.Load(ctx, manyArticles, vector.LoadOptions{})
//	hits, err := articles.Search(ctx, vector.Nearest(query), vector.Where("lang").Is("en").And(vector.Range("year", 2020, nil)), vector.Limit(10))
//
// # What it does by itself
//
// Calls go to all peers behind the target in turn, and follow peers as they come and go. A call that is safe to repeat is repeated at
// another peer, with growing random waits and within a budget; a call without a deadline gets one. Searches name their ef, so that the
// answer does not depend on what the graph was built with. Documents are checked before anything is sent: what does not fit is refused with
// the document's position, its id and the field.
//
// # Writes
//
// Upsert and its like wait until searches find what they wrote. Load does not wait for each request, sends several at a time and waits once
// at its end. Repeating a write of documents with ids changes nothing, which is why writes are repeated as well; only if two programs write
// the same document at the same time may a repeat bring back the older of two values. WithOrdering and UpsertIf are for that.
//
// # Struct tags
//
// The tag is `vector:"name,option,…"`. Without a name, a field is stored under its Go name in snake_case; "-" leaves it out.
//
//	id                                    the id: uint64, another integer, string (a number or a UUID), uuid.UUID or ID; NameID makes one of any text
//	vector                                a vector: []float32, [][]float32 (multi-vector) or Sparse; options:
//	  unnamed, size=N, distance=D           the default vector; dimensions; cosine (default), dot, euclid or manhattan
//	  on_disk, datatype=float16|uint8, idf  as in the server's collection parameters; idf is for sparse vectors
//	  hnsw_m=N, hnsw_ef_construct=N         a graph of its own
//	index, index=text, …                  a payload field with an index; options: tenant, principal, on_disk, tokenizer=word|prefix|…, phrase
//	omitempty                             a vector or payload field that is left out when it is empty
//	payload, vectors                      map[string]any fields that hold every payload field, or vector, that has no field of its own
//
// All else is payload: strings, numbers, bools, time.Time, Geo, structs, slices, maps and pointers to them.
package vector
