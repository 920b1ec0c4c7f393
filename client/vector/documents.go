package vector

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/qdrant/go-client/qdrant"

	"github.com/qdrant-shepherd/shepherd/client/vector/internal/codec"
)

// upsertBytes is about how large one request of an Upsert gets, in bytes of its points: where the gain of larger ones ends, and far below
// what a server takes (32 MiB).
const upsertBytes = 512 << 10

// Upsert writes documents and waits until searches find them. One whose id is there is replaced whole. Many documents go in several
// requests; for very many, Load is faster.
//
// All documents are checked first: one that can't be stored is a *DocumentError with its position, and nothing is sent. If only some of
// the requests succeed the error is a *PartialError that names the ids that may not have been written; repeating the call is safe.
func (c *Collection[T]) Upsert(ctx context.Context, documents ...T) error {
	return c.upsert(ctx, documents, nil, qdrant.UpdateMode_Upsert)
}

// Insert writes the documents whose ids are not there yet and leaves the others as they are. Otherwise it is like Upsert.
func (c *Collection[T]) Insert(ctx context.Context, documents ...T) error {
	return c.upsert(ctx, documents, nil, qdrant.UpdateMode_InsertOnly)
}

// Replace writes the documents whose ids are there already and leaves out the others. Otherwise it is like Upsert.
func (c *Collection[T]) Replace(ctx context.Context, documents ...T) error {
	return c.upsert(ctx, documents, nil, qdrant.UpdateMode_UpdateOnly)
}

// UpsertIf is Upsert that replaces what is there only where it matches the filter, such as Where("revision").Lt(7). Documents whose ids
// are not there are written.
func (c *Collection[T]) UpsertIf(ctx context.Context, filter Filter, documents ...T) error {
	condition, err := c.filter(filter)
	if err != nil {
		return fmt.Errorf("writing to collection %s: %w", c.name, err)
	}
	return c.upsert(ctx, documents, condition, qdrant.UpdateMode_Upsert)
}

func (c *Collection[T]) upsert(ctx context.Context, documents []T, condition *qdrant.Filter, mode qdrant.UpdateMode) error {
	batches, err := c.encode(documents, c.codec.Append)
	if err != nil {
		return err
	}
	return c.sendAll(batches, "writing %d documents to collection %s", func(batch *codec.Batch) error {
		request := batch.Upsert(c.name)
		request.Wait, request.Ordering, request.ShardKeySelector, request.UpdateFilter = qdrant.PtrOf(true), c.ordering, c.shards, condition
		if mode != qdrant.UpdateMode_Upsert {
			request.UpdateMode = &mode
		}
		_, err := c.db.Raw().Upsert(ctx, request)
		return err
	})
}

// encode checks the documents and turns them into batches of about upsertBytes, and no more documents than the server takes.
func (c *Collection[T]) encode(documents []T, encode func(*codec.Batch, *T) error) ([]*codec.Batch, error) {
	if c.misuse != nil {
		return nil, c.misuse
	}
	var batches []*codec.Batch
	current := &codec.Batch{}
	first := make(map[ID]int, len(documents))
	for i := range documents {
		if err := encode(current, &documents[i]); err != nil {
			return nil, documentAt(i, err)
		}
		id := current.IDs()[current.Len()-1]
		if earlier, twice := first[id]; twice {
			return nil, &DocumentError{Position: i, ID: id, Field: "id", Reason: fmt.Sprintf("document %d has the same", earlier)}
		}
		first[id] = i
		if current.Bytes() >= upsertBytes || current.Len() >= c.most {
			batches, current = append(batches, current), &codec.Batch{}
		}
	}
	if current.Len() > 0 {
		batches = append(batches, current)
	}
	return batches, nil
}

// sendAll sends one batch after the other, and goes on after one that is refused, but not after what the next ones would meet as well.
func (c *Collection[T]) sendAll(batches []*codec.Batch, act string, send func(*codec.Batch) error) error {
	var done outcome
	for i, batch := range batches {
		err := wrap(fmt.Sprintf(act, batch.Len(), c.name), send(batch))
		if err == nil {
			done.acknowledged += batch.Len()
			continue
		}
		done.failed(batch.IDs(), err)
		if hopeless(err) {
			for _, rest := range batches[i+1:] {
				done.failed(rest.IDs(), err)
			}
			break
		}
	}
	return done.err()
}

// hopeless is an error that has little to do with the request: each further one would take its whole time to fail as well.
func hopeless(err error) bool {
	return slices.ContainsFunc([]error{
		ErrUnauthorized, ErrUnavailable, ErrRateLimited, ErrClosed, ErrNotFound, context.Canceled, context.DeadlineExceeded,
	}, func(target error) bool { return errors.Is(err, target) })
}

// documentAt is the error of encoding the document at a position, or of decoding one, which has none: -1.
func documentAt(position int, err error) error {
	var field *codec.FieldError
	if !errors.As(err, &field) {
		return fmt.Errorf("document %d: %w", position, err)
	}
	return &DocumentError{Position: position, ID: field.ID, NoID: field.NoID, Field: field.Field, Reason: field.Reason}
}

// outcome is what several requests have come to.
type outcome struct {
	acknowledged int
	failures     []PointError
}

func (o *outcome) failed(ids []ID, err error) {
	for _, id := range ids {
		o.failures = append(o.failures, PointError{ID: id, Err: err})
	}
}

// err is the one error when nothing was written, and a *PartialError when some of it was.
func (o *outcome) err() error {
	switch {
	case len(o.failures) == 0:
		return nil
	case o.acknowledged == 0:
		return o.failures[0].Err
	}
	return &PartialError{Acknowledged: o.acknowledged, Failed: o.failures}
}

// Get reads the documents of some ids, with their vectors, in the order of the ids. Ids that are not there are left out.
func (c *Collection[T]) Get(ctx context.Context, ids ...ID) ([]T, error) {
	act := fmt.Sprintf("reading %d documents of collection %s", len(ids), c.name)
	if len(ids) == 0 || c.misuse != nil {
		return nil, c.misuse
	}
	points, err := c.db.Raw().Get(ctx, &qdrant.GetPoints{
		CollectionName: c.name, Ids: protoIDs(ids), WithPayload: qdrant.NewWithPayload(true), WithVectors: qdrant.NewWithVectors(true),
		ReadConsistency: c.reads, ShardKeySelector: c.shards,
	})
	if err != nil {
		return nil, wrap(act, err)
	}
	found := make(map[ID]T, len(points))
	for _, p := range points {
		var document T
		if err := c.codec.Decode(p.GetId(), p.GetPayload(), p.GetVectors(), &document); err != nil {
			return nil, fmt.Errorf("%s: %w", act, documentAt(-1, err))
		}
		id, err := codec.IDFromProto(p.GetId())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", act, err)
		}
		found[id] = document
	}
	documents := make([]T, 0, len(found))
	for _, id := range ids {
		if document, there := found[id]; there {
			documents = append(documents, document)
		}
	}
	return documents, nil
}

// One reads the document of an id, with its vectors. That it is not there is ErrNotFound.
func (c *Collection[T]) One(ctx context.Context, id ID) (T, error) {
	documents, err := c.Get(ctx, id)
	if err == nil && len(documents) == 0 {
		err = fmt.Errorf("reading document %s of collection %s: %w", id, c.name, ErrNotFound)
	}
	if err != nil {
		var none T
		return none, err
	}
	return documents[0], nil
}

// Delete deletes the documents of some ids. Ids that are not there are no error.
func (c *Collection[T]) Delete(ctx context.Context, ids ...ID) error {
	if len(ids) == 0 {
		return nil
	}
	return c.DeleteWhere(ctx, Points(ids...))
}

// DeleteWhere deletes the documents of a selection.
func (c *Collection[T]) DeleteWhere(ctx context.Context, which Selection) error {
	act := "deleting documents of collection " + c.name
	selector, err := c.selector(which)
	if err != nil {
		return fmt.Errorf("%s: %w", act, err)
	}
	_, err = c.db.Raw().Delete(ctx, &qdrant.DeletePoints{
		CollectionName: c.name, Wait: qdrant.PtrOf(true), Points: selector, Ordering: c.ordering, ShardKeySelector: c.shards,
	})
	return wrap(act, err)
}

// Count is the exact number of documents that match a filter; of all for the zero Filter.
func (c *Collection[T]) Count(ctx context.Context, filter Filter) (uint64, error) {
	act := "counting documents of collection " + c.name
	condition, err := c.filter(filter)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", act, err)
	}
	n, err := c.db.Raw().Count(ctx, &qdrant.CountPoints{
		CollectionName: c.name, Filter: condition, Exact: qdrant.PtrOf(true), ReadConsistency: c.reads, ShardKeySelector: c.shards,
	})
	return n, wrap(act, err)
}

// scrollPage is how many documents are asked for at a time.
const scrollPage = 256

// Scroll goes through all documents that match a filter, in order of their ids, numbers before UUIDs, each with its vectors. It reads a
// page at a time, so that documents written or deleted meanwhile may or may not be seen. After an error it ends.
func (c *Collection[T]) Scroll(ctx context.Context, filter Filter) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		act := "reading through collection " + c.name
		fail := func(err error) {
			var none T
			yield(none, fmt.Errorf("%s: %w", act, err))
		}
		condition, err := c.filter(filter)
		if err != nil {
			fail(err)
			return
		}
		var from *qdrant.PointId
		for {
			points, next, err := c.db.Raw().ScrollAndOffset(ctx, &qdrant.ScrollPoints{
				CollectionName: c.name, Filter: condition, Offset: from, Limit: qdrant.PtrOf(uint32(scrollPage)),
				WithPayload: qdrant.NewWithPayload(true), WithVectors: qdrant.NewWithVectors(true),
				ReadConsistency: c.reads, ShardKeySelector: c.shards,
			})
			if err != nil {
				var none T
				yield(none, wrap(act, err))
				return
			}
			for _, p := range points {
				var document T
				if err := c.codec.Decode(p.GetId(), p.GetPayload(), p.GetVectors(), &document); err != nil {
					fail(documentAt(-1, err))
					return
				}
				if !yield(document, nil) {
					return
				}
			}
			if next == nil {
				return
			}
			from = next
		}
	}
}

// SetPayload sets some payload fields of the selected documents and leaves the others as they are. Fields are named as in the payload. A
// nested one is set with the whole object that it is in; for a single one there is SetPayloadPoints.Key of the raw API.
func (c *Collection[T]) SetPayload(ctx context.Context, which Selection, fields map[string]any) error {
	return c.payload(ctx, "setting", which, fields, c.db.Raw().SetPayload)
}

// OverwritePayload replaces the whole payload of the selected documents.
func (c *Collection[T]) OverwritePayload(ctx context.Context, which Selection, fields map[string]any) error {
	return c.payload(ctx, "overwriting", which, fields, c.db.Raw().OverwritePayload)
}

func (c *Collection[T]) payload(
	ctx context.Context, verb string, which Selection, fields map[string]any,
	send func(context.Context, *qdrant.SetPayloadPoints) (*qdrant.UpdateResult, error),
) error {
	act := verb + " payload in collection " + c.name
	selector, err := c.selector(which)
	if err != nil {
		return fmt.Errorf("%s: %w", act, err)
	}
	request := &qdrant.SetPayloadPoints{
		CollectionName: c.name, Wait: qdrant.PtrOf(true), PointsSelector: selector, Ordering: c.ordering, ShardKeySelector: c.shards,
	}
	if request.Payload, err = c.codec.Partial(fields); err != nil {
		return fmt.Errorf("%s: %w", act, invalidf("%w", err))
	}
	_, err = send(ctx, request)
	return wrap(act, err)
}

// DeletePayload removes payload fields of the selected documents.
func (c *Collection[T]) DeletePayload(ctx context.Context, which Selection, fields ...string) error {
	act := "deleting payload in collection " + c.name
	selector, err := c.selector(which)
	if err == nil {
		err = c.known(fields)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", act, err)
	}
	_, err = c.db.Raw().DeletePayload(ctx, &qdrant.DeletePayloadPoints{
		CollectionName: c.name, Wait: qdrant.PtrOf(true), PointsSelector: selector, Keys: fields, Ordering: c.ordering, ShardKeySelector: c.shards,
	})
	return wrap(act, err)
}

// ClearPayload removes the whole payload of the selected documents; the vectors stay.
func (c *Collection[T]) ClearPayload(ctx context.Context, which Selection) error {
	act := "clearing payload in collection " + c.name
	selector, err := c.selector(which)
	if err != nil {
		return fmt.Errorf("%s: %w", act, err)
	}
	_, err = c.db.Raw().ClearPayload(ctx, &qdrant.ClearPayloadPoints{
		CollectionName: c.name, Wait: qdrant.PtrOf(true), Points: selector, Ordering: c.ordering, ShardKeySelector: c.shards,
	})
	return wrap(act, err)
}

// UpdateVectors replaces the vectors of documents that are there; of each document only its id and those vectors count that are not
// empty, and the payload stays as it is.
func (c *Collection[T]) UpdateVectors(ctx context.Context, documents ...T) error {
	batches, err := c.encode(documents, c.codec.AppendVectors)
	if err != nil {
		return err
	}
	return c.sendAll(batches, "updating the vectors of %d documents of collection %s", func(batch *codec.Batch) error {
		_, err := c.db.Raw().UpdateVectors(ctx, &qdrant.UpdatePointVectors{
			CollectionName: c.name, Wait: qdrant.PtrOf(true), Points: batch.Vectors(), Ordering: c.ordering, ShardKeySelector: c.shards,
		})
		return err
	})
}

// DeleteVectors removes named vectors of the selected documents; the documents stay.
func (c *Collection[T]) DeleteVectors(ctx context.Context, which Selection, names ...string) error {
	act := "deleting vectors in collection " + c.name
	selector, err := c.selector(which)
	if err != nil {
		return fmt.Errorf("%s: %w", act, err)
	}
	for _, name := range names {
		if !c.hasVector(name) {
			return fmt.Errorf("%s: %w", act, invalidf("there is no vector %q in the schema", name))
		}
	}
	_, err = c.db.Raw().DeleteVectors(ctx, &qdrant.DeletePointVectors{
		CollectionName: c.name, Wait: qdrant.PtrOf(true), PointsSelector: selector, Vectors: &qdrant.VectorsSelector{Names: names},
		Ordering: c.ordering, ShardKeySelector: c.shards,
	})
	return wrap(act, err)
}

// Selection is what a change applies to: Points, or a Filter.
type Selection interface {
	selector() (*qdrant.PointsSelector, error)
}

type pointsSelection []ID

// Points selects documents by their ids.
func Points(ids ...ID) Selection { return pointsSelection(ids) }

func (s pointsSelection) selector() (*qdrant.PointsSelector, error) {
	if len(s) == 0 {
		return nil, invalidf("no points are selected")
	}
	return qdrant.NewPointsSelectorIDs(protoIDs(s)), nil
}

// selector makes a filter a Selection. The zero Filter would select every point there is; that is so often a mistake that it has to be
// said: Everything().
func (f Filter) selector() (*qdrant.PointsSelector, error) {
	condition, err := f.Proto()
	switch {
	case err != nil:
		return nil, err
	case condition == nil:
		return nil, invalidf("the filter has no condition and would select every point; if that is meant, use Everything()")
	}
	return qdrant.NewPointsSelectorFilter(condition), nil
}

func (c *Collection[T]) selector(which Selection) (*qdrant.PointsSelector, error) {
	if c.misuse != nil {
		return nil, c.misuse
	}
	if which == nil {
		return nil, invalidf("no points are selected")
	}
	if filter, is := which.(Filter); is {
		if err := c.known(filter.Fields()); err != nil {
			return nil, err
		}
	}
	return which.selector()
}

// filter is a filter over fields that the schema knows.
func (c *Collection[T]) filter(f Filter) (*qdrant.Filter, error) {
	if err := errors.Join(c.misuse, c.known(f.Fields())); err != nil {
		return nil, err
	}
	return f.Proto()
}

func (c *Collection[T]) known(fields []string) error {
	for _, field := range fields {
		if err := c.codec.Field(field); err != nil {
			return invalidf("%w", err)
		}
	}
	return nil
}

func (c *Collection[T]) hasVector(name string) bool {
	_, there := c.schema.Vector(name)
	return there || c.schema.AnyVectors
}

func protoIDs(ids []ID) []*qdrant.PointId {
	list := make([]*qdrant.PointId, len(ids))
	for i, id := range ids {
		list[i] = id.Proto()
	}
	return list
}
