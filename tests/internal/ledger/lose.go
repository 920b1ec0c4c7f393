package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/qdrant/go-client/qdrant"
)

// Lose stops the ledger and deletes one point from the collection whose last write was acknowledged, behind the ledger's back. A verdict
// after that must be bad: it shows that a test can fail.
func (l *Ledger) Lose(ctx context.Context) error {
	l.Stop()
	id, found := l.settled()
	if !found {
		return errors.New("losing a write: none was acknowledged")
	}
	client, err := l.connect(l.config.Targets[0])
	if err != nil {
		return fmt.Errorf("losing a write: %w", err)
	}
	defer client.Close() //nolint:errcheck // the request below was answered
	_, err = client.Delete(ctx, &qdrant.DeletePoints{
		CollectionName: l.config.Collection, Wait: qdrant.PtrOf(true), Points: qdrant.NewPointsSelector(qdrant.NewIDNum(id)),
	})
	if err != nil {
		return fmt.Errorf("losing the write of id %d: %w", id, err)
	}
	return nil
}

// settled is an id whose last write was acknowledged.
func (l *Ledger) settled() (uint64, bool) {
	for _, w := range l.writers {
		for id, h := range histories(w.writes) {
			if h.acked > 0 && !h.open() {
				return id, true
			}
		}
	}
	return 0, false
}
