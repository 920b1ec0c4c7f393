package command

import (
	"context"
	"fmt"
	"iter"

	"github.com/qdrant/go-client/qdrant"

	"github.com/qdrant-shepherd/shepherd/client/internal/vectorfile"
	"github.com/qdrant-shepherd/shepherd/client/vector"
)

// lostRows says in what way a collection cannot have the rows that an earlier load acknowledged, as it cannot if somebody dropped it since
// and filled it with something else; "" if it may. The first and the last of them stand for all.
func lostRows(ctx context.Context, db *vector.DB, c *vector.Collection[document], file *vectorfile.File, skip int) (string, error) {
	first, err := idAt(file, 0)
	if err != nil {
		return "", err
	}
	last, err := idAt(file, int64(skip-1))
	if err != nil {
		return "", err
	}
	lost := func() (string, error) {
		for _, id := range []vector.ID{first, last} {
			if points, err := c.Get(ctx, id); err != nil || len(points) == 0 {
				return fmt.Sprintf("does not have point %s, which was loaded", id), err
			}
		}
		return "", nil
	}
	if what, err := lost(); what == "" || err != nil {
		return "", err
	}
	// What is acknowledged may still wait in the server's queues. An update behind it, of no point, waits for it.
	result, err := db.Raw().DeletePayload(ctx, &qdrant.DeletePayloadPoints{
		CollectionName: c.Name(), Wait: qdrant.PtrOf(true), Keys: []string{"none"},
		PointsSelector: qdrant.NewPointsSelectorFilter(&qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewHasID()}}),
	})
	if err != nil {
		return "", fmt.Errorf("waiting until collection %s has the rows that were loaded: %w", c.Name(), err)
	}
	if result.GetStatus() != qdrant.UpdateStatus_Completed {
		return "", fmt.Errorf("collection %s is still applying the rows that were loaded: try again later", c.Name())
	}
	return lost()
}

// idAt is the id of a row.
func idAt(file *vectorfile.File, at int64) (vector.ID, error) {
	if first, numbered := file.NumberedFrom(); numbered {
		return vector.Num(first + uint64(at)), nil
	}
	if err := file.Skip(at); err != nil {
		return vector.ID{}, err
	}
	defer func() { _ = file.Skip(0) }()
	next, stop := iter.Pull2(file.Rows())
	defer stop()
	row, err, there := next()
	if !there {
		err = fmt.Errorf("the file has only %d rows", at)
	}
	return row.ID, err
}
