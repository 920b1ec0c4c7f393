package vector

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qdrant/go-client/qdrant"

	"github.com/qdrant-shepherd/shepherd/client/vector/internal/codec"
)

// Collection reads and writes the documents of one collection. Its methods may be called from any goroutine.
type Collection[T any] struct {
	db       *DB
	name     string
	codec    *codec.Codec[T]
	schema   codec.Schema
	sizes    map[string]int // of the vectors that the collection has, by name
	most     int            // documents that the server takes in a request
	reads    *qdrant.ReadConsistency
	ordering *qdrant.WriteOrdering
	shards   *qdrant.ShardKeySelector
	misuse   error // of WithConsistency, WithOrdering or WithShardKeys, for every later call to return
}

// Open returns the collection of a name, or the one that an alias leads to, for documents of type T, whose struct tags are the schema:
// id, vectors, payload and payload indexes. See the package's comment for the tags.
//
// A collection that is not there is created with the settings, unless MustExist or ReadOnly is among them. One that is there must fit the schema,
// or the error is a *SchemaError that lists every difference; its settings stay as they are, which Alter changes. Payload indexes that
// are missing are made. A collection whose indexing was put off by a Load that never came to its end is indexed again.
func Open[T any](ctx context.Context, db *DB, name string, settings ...Setting) (*Collection[T], error) {
	act := "opening collection " + name
	wanted, err := gather(settings)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", act, err)
	}
	plan, err := codec.Of[T]()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", act, err)
	}
	plan = plan.Sized(wanted.sizes)
	c := &Collection[T]{db: db, name: name, codec: plan, schema: plan.Schema(), reads: db.consistency, ordering: db.ordering}
	if err := c.establish(ctx, wanted); err != nil {
		return nil, err
	}
	return c, nil
}

// establish makes the collection what the schema asks for.
func (c *Collection[T]) establish(ctx context.Context, wanted settings) error {
	act := "opening collection " + c.name
	info, err := c.db.Raw().GetCollectionInfo(ctx, c.name)
	switch err = wrap(act, err); {
	case err == nil:
	case !errors.Is(err, ErrNotFound) || wanted.mustExist:
		return err
	default:
		if info, err = c.create(ctx, wanted); err != nil {
			return err
		}
	}
	if differences := compare(c.schema, info); len(differences) > 0 {
		return &SchemaError{Collection: c.name, Differences: differences}
	}
	c.sizes, c.most = sizesOf(info), batchLimit(info)
	c.codec = c.codec.Sized(c.sizes) // what the tags leave open is checked by what the collection has
	if wanted.readOnly {
		return nil
	}
	for _, index := range missingIndexes(c.schema, info) {
		if _, err := c.db.Raw().CreateFieldIndex(ctx, indexRequest(c.name, index)); err != nil {
			return wrap(fmt.Sprintf("indexing field %s of collection %s", index.Path, c.name), err)
		}
	}
	return restoreIndexing(ctx, c.db, c.name, info)
}

// create makes the collection. Somebody else may have been faster, which is as good.
func (c *Collection[T]) create(ctx context.Context, wanted settings) (*qdrant.CollectionInfo, error) {
	act := "creating collection " + c.name
	request, err := createRequest(c.name, c.schema, wanted)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", act, err)
	}
	if err := wrap(act, c.db.Raw().CreateCollection(ctx, request)); err != nil && !errors.Is(err, ErrExists) {
		return nil, err
	}
	info, err := c.db.Raw().GetCollectionInfo(ctx, c.name)
	return info, wrap(act, err)
}

// Name is the name, or the alias, that the collection was opened by.
func (c *Collection[T]) Name() string { return c.name }

// WithConsistency is the same collection for reads of another consistency than the connection's. A search may name its own.
func (c *Collection[T]) WithConsistency(consistency ReadConsistency) *Collection[T] {
	other := *c
	other.reads, other.misuse = consistency.proto(), errors.Join(c.misuse, consistency.valid())
	return &other
}

// WithOrdering is the same collection for writes of another ordering than the connection's.
func (c *Collection[T]) WithOrdering(ordering WriteOrdering) *Collection[T] {
	other := *c
	other.ordering, other.misuse = ordering.proto(), errors.Join(c.misuse, ordering.valid())
	return &other
}

// WithShardKeys is the same collection for reads and writes of some shard keys only, strings or numbers that are not negative. It is for
// collections that were created with CustomSharding.
func (c *Collection[T]) WithShardKeys(keys ...any) *Collection[T] {
	other := *c
	other.shards = nil
	if len(keys) > 0 {
		options, err := collectOptions([]Option{ShardKeys(keys...)})
		other.misuse = errors.Join(c.misuse, err)
		if err == nil {
			other.shards = options.shards
		}
	}
	return &other
}

// Info is what the server says of a collection.
type Info struct {
	// Status is Green when all is optimized, Yellow while it is being optimized, Grey when that waits for the next write, Red on failure.
	Status qdrant.CollectionStatus
	// Points is the number of points, Indexed that of vectors in a graph: the server's estimates, each vector name counted.
	Points, Indexed uint64
	// Segments is their number in all shards.
	Segments uint64
	// Raw is the whole answer.
	Raw *qdrant.CollectionInfo
}

// Info asks for the state of the collection.
func (c *Collection[T]) Info(ctx context.Context) (Info, error) {
	info, err := c.db.Raw().GetCollectionInfo(ctx, c.name)
	if err != nil {
		return Info{}, wrap("reading collection "+c.name, err)
	}
	return Info{
		Status: info.GetStatus(), Points: info.GetPointsCount(), Indexed: info.GetIndexedVectorsCount(),
		Segments: info.GetSegmentsCount(), Raw: info,
	}, nil
}

// sameLooks is how often a collection must look the same in a row, and lookEvery the time between two looks: right after a write it is
// green for a moment before the optimizer has seen what there is to do. Qdrant's own load tool wants three looks a second apart.
const (
	sameLooks = 3
	lookEvery = time.Second
)

// AwaitIndexed waits until the optimizers have come to rest, or until ctx is over, so give it a deadline. Green does not mean that there is a
// graph: segments below the indexing threshold are searched by comparing all vectors; Info tells. A failed optimizer is an error, and so are
// optimizations that wait for the next write (grey), as they may after a restart of the server.
func (c *Collection[T]) AwaitIndexed(ctx context.Context) (Info, error) {
	act := "waiting for the index of collection " + c.name
	last, looks := qdrant.CollectionStatus_UnknownCollectionStatus, 0
	for {
		info, err := c.Info(ctx)
		if err != nil {
			return Info{}, fmt.Errorf("%s: %w", act, err)
		}
		if info.Status != last {
			last, looks = info.Status, 0
		}
		looks++
		switch {
		case info.Status == qdrant.CollectionStatus_Red:
			return info, fmt.Errorf("%s: an optimizer failed: %s", act, info.Raw.GetOptimizerStatus().GetError())
		case looks < sameLooks:
		case info.Status == qdrant.CollectionStatus_Green:
			return info, nil
		case info.Status == qdrant.CollectionStatus_Grey:
			return info, fmt.Errorf("%s: optimizations wait for the next write to the collection", act)
		}
		select {
		case <-ctx.Done():
			return info, fmt.Errorf("%s: it is %s with %d of %d vectors indexed: %w", act, info.Status, info.Indexed, info.Points, ctx.Err())
		case <-time.After(lookEvery):
		}
	}
}

// Alter changes settings of the collection. What can only be chosen when a collection is created (Shards, Sizes, CustomSharding) is refused.
// A new replication factor counts for later shards only: existing ones get their copies from whoever looks after the cluster.
func (c *Collection[T]) Alter(ctx context.Context, settings ...Setting) error {
	act := "altering collection " + c.name
	wanted, err := gather(settings)
	if err != nil {
		return fmt.Errorf("%s: %w", act, err)
	}
	request, err := updateRequest(c.name, wanted)
	if err != nil {
		return fmt.Errorf("%s: %w", act, err)
	}
	return wrap(act, c.db.Raw().UpdateCollection(ctx, request))
}

// Drop deletes the collection with all its points, and with it every alias that leads to it, such as the one it may have been opened by. That it
// is not there is no error.
func (c *Collection[T]) Drop(ctx context.Context) error {
	name, err := collectionName(ctx, c.db, c.name) // the server deletes nothing by an alias
	if err != nil {
		return err
	}
	return c.db.DropCollection(ctx, name)
}

// Collections are the names of all collections, without aliases.
func (db *DB) Collections(ctx context.Context) ([]string, error) {
	names, err := db.Raw().ListCollections(ctx)
	return names, wrap("listing collections", err)
}

// HasCollection says whether there is a collection, or an alias, of a name.
func (db *DB) HasCollection(ctx context.Context, name string) (bool, error) {
	there, err := db.Raw().CollectionExists(ctx, name)
	return there, wrap("looking for collection "+name, err)
}

// DropCollection deletes a collection with all its points. That it is not there is no error; an alias is not a collection.
func (db *DB) DropCollection(ctx context.Context, name string) error {
	err := wrap("deleting collection "+name, db.Raw().DeleteCollection(ctx, name))
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// Alias lets an alias lead to a collection. One that leads to another is switched in one step: no request finds it missing.
func (db *DB) Alias(ctx context.Context, alias, collection string) error {
	// Creating an alias that is there replaces it (lib/storage/src/content_manager/alias_mapping.rs).
	return wrap(fmt.Sprintf("leading alias %s to collection %s", alias, collection), db.Raw().CreateAlias(ctx, alias, collection))
}

// Unalias deletes an alias; the collection stays.
func (db *DB) Unalias(ctx context.Context, alias string) error {
	return wrap("deleting alias "+alias, db.Raw().DeleteAlias(ctx, alias))
}

// Aliases are the names of the collections by their aliases.
func (db *DB) Aliases(ctx context.Context) (map[string]string, error) {
	list, err := db.Raw().ListAliases(ctx)
	if err != nil {
		return nil, wrap("listing aliases", err)
	}
	aliases := make(map[string]string, len(list))
	for _, a := range list {
		aliases[a.GetAliasName()] = a.GetCollectionName()
	}
	return aliases, nil
}
