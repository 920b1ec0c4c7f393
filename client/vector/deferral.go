package vector

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/qdrant/go-client/qdrant"
)

// Deferral says whether a Load defers building the index until all documents are there.
//
// A server that indexes while it is loaded builds segments, merges them and builds larger ones, over and over; one that only indexes at the
// end does it once. In the meantime searches compare all vectors, so this is for collections that nobody searches yet.
type Deferral int

const (
	// DeferNever leaves the optimizers alone.
	DeferNever Deferral = iota
	// DeferAuto defers the index if the collection has no points at the start. A key that may not change collections is no error then:
	// it loads without.
	DeferAuto
	// DeferAlways defers the index in any case.
	DeferAlways
)

// How indexing is deferred: max_optimization_threads becomes 0, "optimizations will be disabled" (collections.proto of Qdrant 1.18), which
// is what Qdrant's own benchmark does. It reads back as the number 0. A collection that never had a number reads back as the setting Auto,
// and sending Auto undoes a number, so a previous value is restored exactly as it was. (A field that is missing in an update means no
// change, hence not "unset" but Auto: lib/api/src/grpc/conversions.rs of the server, Option<usize> to and from MaxOptimizationThreads.)
//
// The same update writes the previous value into the collection's metadata: one consensus operation, so there is never the one without the
// other. While the load goes on it renews that mark. A process that is killed leaves it behind, and whoever opens or loads the collection
// once the mark is old restores the value. Metadata is merged key by key, where the new value replaces the old one as a whole, and a key
// whose new value is null is removed, the others stay (lib/segment/src/common/utils.rs merge_map). It is saved with the collection's
// settings (Collection::update_metadata), so it survives restarts of the server. An update of metadata alone leaves the optimizers running
// (lib/storage/src/content_manager/toc/collection_meta_ops.rs).
//
// The update returns when the peer that took it has applied it. The others follow a moment later (seen on three peers: right after the
// answer another one still had the old value), which is why it is read back. Each replica restarts its workers with the new setting and
// keeps its queue of updates, and asks the optimizers to look around when they may work again (LocalShard::on_optimizer_config_update), so
// restoring needs no write to set indexing going.
const (
	// deferralKey is the mark's key in the metadata. Its value is a struct of the three below.
	deferralKey = "indexing_deferred"
	// deferralThreads is max_optimization_threads as it was: "auto" or a number.
	deferralThreads = "max_optimization_threads"
	// deferralSince is the time when it was deferred, in RFC 3339, for people who look.
	deferralSince = "since"
	// deferralRenewed is the time when the load was last alive, in RFC 3339.
	deferralRenewed = "renewed"
)

const (
	// renewEvery is how often a load renews its mark, and markLife how old a mark is when its load is taken for dead. Two renewals in a row
	// may fail, or the clocks of two machines differ by a minute, and a load that is alive is still known to be. To take it for dead costs no
	// more than the work of the optimizers from then on.
	renewEvery = 30 * time.Second
	markLife   = 2 * time.Minute
)

const (
	// restoreTimeout bounds putting things back after a load was cancelled. A consensus operation takes up to 10 s by the server's own rule
	// when a peer is away, and may need a second try.
	restoreTimeout = 30 * time.Second
	// renewTimeout bounds a renewal, which is awaited before things are put back.
	renewTimeout = 10 * time.Second
	// confirmTimeout and confirmEvery bound how long a peer that did not take the update itself may lag behind the consensus.
	confirmTimeout = 10 * time.Second
	confirmEvery   = 50 * time.Millisecond
)

// deferral is an index that is deferred, and how it was before.
type deferral struct {
	collection string // its own name, not an alias
	before     *qdrant.MaxOptimizationThreads
	since      time.Time
	stop       func() // ends the renewals
}

// DeferredSince is the time since when a Load has put off indexing a collection; zero if none has. The Load may still be at work, or dead:
// a process that was killed puts nothing back. Then whoever opens the collection (not ReadOnly), or loads into it, two minutes after the
// last sign of life does so.
func DeferredSince(info *qdrant.CollectionInfo) time.Time { return markTime(info, deferralSince) }

// markTime is a time of a mark; zero if there is none.
func markTime(info *qdrant.CollectionInfo, key string) time.Time {
	mark := info.GetConfig().GetMetadata()[deferralKey].GetStructValue().GetFields()
	t, err := time.Parse(time.RFC3339, mark[key].GetStringValue())
	if err != nil {
		return time.Time{}
	}
	return t
}

// deferralAlive says whether a load that is taken to be alive has deferred the index of a collection. A mark from the future is not: the
// clock of whoever made it, or this one, is wrong, and nobody knows when it would end.
func deferralAlive(info *qdrant.CollectionInfo, now time.Time) bool {
	renewed := markTime(info, deferralRenewed)
	if renewed.IsZero() {
		renewed = markTime(info, deferralSince)
	}
	return now.Sub(renewed).Abs() < markLife
}

// restoreIndexing restores the indexing of a collection whose mark says that a load deferred it and never came to its end. It leaves alone
// what belongs to a load that is alive. A key that may only read leaves it to others.
func restoreIndexing(ctx context.Context, db *DB, name string, info *qdrant.CollectionInfo) error {
	before, marked := deferralMark(info)
	if !marked || deferralAlive(info, time.Now()) {
		return nil
	}
	collection, err := collectionName(ctx, db, name)
	if err == nil {
		err = (&deferral{collection: collection, before: before}).restore(ctx, db)
	}
	if errors.Is(err, ErrUnauthorized) {
		return nil
	}
	return err
}

// deferIndexing defers the index. It returns nil where nothing was changed, and with an error what may have been changed all the same.
func deferIndexing(ctx context.Context, db *DB, name string, info *qdrant.CollectionInfo) (*deferral, error) {
	act := "deferring the index of collection " + name
	threads := info.GetConfig().GetOptimizerConfig().GetMaxOptimizationThreads()
	before, marked := deferralMark(info)
	switch {
	case marked: // an earlier load was killed: its zero is no value to go back to
	case isZero(threads): // somebody wants no optimizers at all
		return nil, nil //nolint:nilnil // there is nothing to put back, and nothing went wrong
	default:
		before = threads
	}
	collection, err := collectionName(ctx, db, name)
	if err != nil {
		return nil, err
	}
	d := &deferral{collection: collection, before: before, since: DeferredSince(info), stop: func() {}}
	if d.since.IsZero() {
		d.since = time.Now()
	}
	switch err := wrap(act, db.Raw().UpdateCollection(ctx, d.deferring(time.Now()))); {
	case errors.Is(err, ErrUnauthorized):
		return nil, err
	case err != nil: // it may yet be applied
		return d, err
	}
	if err := d.confirm(ctx, db, qdrant.NewMaxOptimizationThreads(0)); err != nil {
		return d, fmt.Errorf("%s: %w", act, err)
	}
	return d, nil
}

// stayAlive renews the mark from now on, until stop.
func (d *deferral) stayAlive(ctx context.Context, db *DB) {
	quit, done := make(chan struct{}), make(chan struct{})
	d.stop = sync.OnceFunc(func() {
		close(quit)
		<-done
	})
	ctx = context.WithoutCancel(ctx) // one that was given up could still come into effect, after things were put back
	go func() {
		defer close(done)
		ticker := time.NewTicker(renewEvery)
		defer ticker.Stop()
		for {
			select {
			case <-quit:
				return
			case <-ticker.C:
			}
			if err := d.renew(ctx, db); err != nil {
				db.config.Logger.Warn("a load could not say that it is alive", "collection", d.collection, "error", err)
			}
		}
	}()
}

func (d *deferral) renew(ctx context.Context, db *DB) error {
	ctx, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	return db.Raw().UpdateCollection(ctx, &qdrant.UpdateCollection{CollectionName: d.collection, Metadata: d.mark(time.Now())})
}

// restore puts back what was before, and takes the mark away. It is as good twice.
func (d *deferral) restore(ctx context.Context, db *DB) error {
	act := "indexing collection " + d.collection + " again"
	if err := wrap(act, db.Raw().UpdateCollection(ctx, d.restoring())); err != nil {
		return err
	}
	if err := d.confirm(ctx, db, d.before); err != nil {
		return fmt.Errorf("%s: %w", act, err)
	}
	return nil
}

// confirm waits until the collection says that it has the setting.
func (d *deferral) confirm(ctx context.Context, db *DB, want *qdrant.MaxOptimizationThreads) error {
	ctx, cancel := context.WithTimeout(ctx, confirmTimeout)
	defer cancel()
	for {
		info, err := db.Raw().GetCollectionInfo(ctx, d.collection)
		if err != nil {
			return wrap("reading its settings back", err)
		}
		got := info.GetConfig().GetOptimizerConfig().GetMaxOptimizationThreads()
		if sameThreads(got, want) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("reading its settings back: max_optimization_threads is %s instead of %s", threadsText(got), threadsText(want))
		case <-time.After(confirmEvery):
		}
	}
}

// mark is the metadata of a deferral.
func (d *deferral) mark(now time.Time) map[string]*qdrant.Value {
	mark := map[string]*qdrant.Value{
		deferralSince:   qdrant.NewValueString(d.since.UTC().Format(time.RFC3339)),
		deferralRenewed: qdrant.NewValueString(now.UTC().Format(time.RFC3339)),
	}
	if n, number := threadsNumber(d.before); number {
		mark[deferralThreads] = qdrant.NewValueInt(int64(n)) //nolint:gosec // a number of threads
	} else {
		mark[deferralThreads] = qdrant.NewValueString("auto")
	}
	return map[string]*qdrant.Value{deferralKey: qdrant.NewValueStruct(&qdrant.Struct{Fields: mark})}
}

func (d *deferral) deferring(now time.Time) *qdrant.UpdateCollection {
	return &qdrant.UpdateCollection{
		CollectionName:   d.collection,
		OptimizersConfig: &qdrant.OptimizersConfigDiff{MaxOptimizationThreads: qdrant.NewMaxOptimizationThreads(0)},
		Metadata:         d.mark(now),
	}
}

func (d *deferral) restoring() *qdrant.UpdateCollection {
	return &qdrant.UpdateCollection{
		CollectionName:   d.collection,
		OptimizersConfig: &qdrant.OptimizersConfigDiff{MaxOptimizationThreads: d.before},
		Metadata:         map[string]*qdrant.Value{deferralKey: qdrant.NewValueNull()},
	}
}

// deferralMark is the setting from before indexing was deferred, and whether the collection's metadata says that it was. A mark that
// cannot be read means Auto, which is the server's own default and indexes at any rate.
func deferralMark(info *qdrant.CollectionInfo) (before *qdrant.MaxOptimizationThreads, marked bool) {
	mark, marked := info.GetConfig().GetMetadata()[deferralKey]
	if _, null := mark.GetKind().(*qdrant.Value_NullValue); !marked || null {
		return nil, false
	}
	threads := mark.GetStructValue().GetFields()[deferralThreads]
	if n, integer := threads.GetKind().(*qdrant.Value_IntegerValue); integer && n.IntegerValue > 0 {
		return qdrant.NewMaxOptimizationThreads(uint64(n.IntegerValue)), true
	}
	return autoThreads(), true
}

func autoThreads() *qdrant.MaxOptimizationThreads {
	return qdrant.NewMaxOptimizationThreadsSetting(qdrant.MaxOptimizationThreads_Auto)
}

// threadsNumber is the setting's number; there is none in Auto and in a missing one, which mean the same.
func threadsNumber(t *qdrant.MaxOptimizationThreads) (n uint64, number bool) {
	v, number := t.GetVariant().(*qdrant.MaxOptimizationThreads_Value)
	if !number {
		return 0, false
	}
	return v.Value, true
}

func isZero(t *qdrant.MaxOptimizationThreads) bool {
	n, number := threadsNumber(t)
	return number && n == 0
}

func sameThreads(a, b *qdrant.MaxOptimizationThreads) bool {
	n, numberA := threadsNumber(a)
	m, numberB := threadsNumber(b)
	return n == m && numberA == numberB
}

func threadsText(t *qdrant.MaxOptimizationThreads) string {
	if n, number := threadsNumber(t); number {
		return fmt.Sprint(n)
	}
	return "auto"
}

// collectionName is the name of the collection that a name or an alias leads to.
func collectionName(ctx context.Context, db *DB, name string) (string, error) {
	aliases, err := db.Aliases(ctx)
	if err != nil {
		return "", err
	}
	if collection, alias := aliases[name]; alias {
		return collection, nil
	}
	return name, nil
}
