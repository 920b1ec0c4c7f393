package vector

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

func threads(n uint64) *qdrant.MaxOptimizationThreads { return qdrant.NewMaxOptimizationThreads(n) }

// marked is a collection with a setting and the mark of a deferral, nil for none.
func marked(now *qdrant.MaxOptimizationThreads, mark *qdrant.Value) *qdrant.CollectionInfo {
	config := &qdrant.CollectionConfig{OptimizerConfig: &qdrant.OptimizersConfigDiff{MaxOptimizationThreads: now}}
	if mark != nil {
		config.Metadata = map[string]*qdrant.Value{deferralKey: mark}
	}
	return &qdrant.CollectionInfo{Config: config}
}

func TestTheMarkOfADeferralComesBack(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]*qdrant.MaxOptimizationThreads{"auto": autoThreads(), "3": threads(3), "1": threads(1)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			since := time.Date(2026, 11, 23, 18, 0, 0, 0, time.UTC)
			d := &deferral{collection: "books", before: before, since: since}
			request := d.deferring(since.Add(time.Minute))
			assert.True(t, isZero(request.GetOptimizersConfig().GetMaxOptimizationThreads()))
			mark := request.GetMetadata()[deferralKey]
			assert.Equal(t, since, DeferredSince(marked(threads(0), mark)))
			assert.True(t, deferralAlive(marked(threads(0), mark), since.Add(2*time.Minute)))
			assert.False(t, deferralAlive(marked(threads(0), mark), since.Add(3*time.Minute)))

			found, there := deferralMark(marked(threads(0), mark))
			require.True(t, there)
			assert.True(t, sameThreads(before, found), "%v", found)
			assert.Equal(t, name, threadsText(found))

			back := (&deferral{collection: "books", before: found}).restoring()
			assert.True(t, proto.Equal(before, back.GetOptimizersConfig().GetMaxOptimizationThreads()))
			assert.IsType(t, &qdrant.Value_NullValue{}, back.GetMetadata()[deferralKey].GetKind(), "null is what removes a key")
		})
	}
}

func TestDeferralMark(t *testing.T) {
	t.Parallel()
	with := func(v *qdrant.Value) *qdrant.Value {
		return qdrant.NewValueStruct(&qdrant.Struct{Fields: map[string]*qdrant.Value{deferralThreads: v}})
	}
	tests := []struct {
		name string
		mark *qdrant.Value
		want string // "" for none
	}{
		{name: "none", mark: nil, want: ""},
		{name: "null", mark: qdrant.NewValueNull(), want: ""},
		{name: "a number", mark: with(qdrant.NewValueInt(8)), want: "8"},
		{name: "a word", mark: with(qdrant.NewValueString("auto")), want: "auto"},
		{name: "zero would keep the index away for ever", mark: with(qdrant.NewValueInt(0)), want: "auto"},
		{name: "a negative number", mark: with(qdrant.NewValueInt(-1)), want: "auto"},
		{name: "nothing in it", mark: with(nil), want: "auto"},
		{name: "something else", mark: qdrant.NewValueBool(true), want: "auto"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			before, there := deferralMark(marked(threads(0), test.mark))
			assert.Equal(t, test.want != "", there)
			if there {
				assert.Equal(t, test.want, threadsText(before))
			}
		})
	}
}

func TestLoadDefersTheIndex(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		deferral Deferral
		points   bool // there are some at the start
		before   *qdrant.MaxOptimizationThreads
		want     bool
	}{
		{name: "never", deferral: DeferNever, before: autoThreads(), want: false},
		{name: "auto, empty", deferral: DeferAuto, before: autoThreads(), want: true},
		{name: "auto, not empty", deferral: DeferAuto, points: true, before: autoThreads(), want: false},
		{name: "always, not empty", deferral: DeferAlways, points: true, before: autoThreads(), want: true},
		{name: "a number comes back as it was", deferral: DeferAuto, before: threads(2), want: true},
		{name: "somebody wants no index at all", deferral: DeferAlways, before: threads(0), want: false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fake := newFakeServer()
			fake.config.OptimizerConfig.MaxOptimizationThreads = test.before
			if test.points {
				fake.points["other"] = &qdrant.PointStruct{}
			}
			meanwhile := ""
			fake.onUpsert = func(n int, _ *qdrant.UpsertPoints) error {
				if n == 1 {
					meanwhile = threadsText(fake.config.GetOptimizerConfig().GetMaxOptimizationThreads())
				}
				return nil
			}
			o := small
			o.DeferIndexing = test.deferral
			// An alias may lead elsewhere when the load is over, so the collection's own name is used.
			stats, err := openBooks(t, fake, "shelf").Load(t.Context(), books(100), o)
			require.NoError(t, err)
			assert.Equal(t, test.want, stats.Deferred)
			assert.Equal(t, test.want || isZero(test.before), meanwhile == "0")
			assert.Equal(t, threadsText(test.before), fake.threads())
			assert.Equal(t, []string{"owner"}, fake.metadata(), "the mark is gone and the rest is there")
		})
	}
}

func TestIndexingIsRestored(t *testing.T) {
	t.Parallel()
	errStop := errors.New("enough")
	tests := []struct {
		name    string
		spoil   func(fake *fakeServer, cancel context.CancelCauseFunc)
		want    string
		phase   LoadPhase
		updates int
	}{
		{name: "when the load is canceled", want: errStop.Error(), phase: LoadUploading, updates: 2,
			spoil: func(fake *fakeServer, cancel context.CancelCauseFunc) {
				fake.onUpsert = func(n int, _ *qdrant.UpsertPoints) error {
					if n == 5 {
						cancel(errStop)
					}
					return nil
				}
			}},
		{name: "when a batch is refused", want: "no", phase: LoadUploading, updates: 2,
			spoil: func(fake *fakeServer, _ context.CancelCauseFunc) {
				fake.onUpsert = func(int, *qdrant.UpsertPoints) error { return status.Error(codes.InvalidArgument, "no") }
			}},
		{name: "when the wait at the end fails", want: "no", phase: LoadApplying, updates: 2,
			spoil: func(fake *fakeServer, _ context.CancelCauseFunc) {
				fake.onBarrier = func(int) (qdrant.UpdateStatus, error) { return 0, status.Error(codes.InvalidArgument, "no") }
			}},
		{name: "when nobody knows whether it was deferred", want: "no leader", phase: LoadUploading, updates: 2,
			spoil: func(fake *fakeServer, _ context.CancelCauseFunc) {
				fake.onUpdate = func(n int) error {
					if n == 1 {
						fake.config.OptimizerConfig.MaxOptimizationThreads = threads(0)
						return status.Error(codes.InvalidArgument, "no leader")
					}
					return nil
				}
			}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fake := newFakeServer()
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			test.spoil(fake, cancel)
			o := small
			o.DeferIndexing = DeferAuto
			stats, err := openBooks(t, fake, "books").Load(ctx, books(1000), o)
			require.ErrorContains(t, err, test.want)
			assert.Equal(t, test.phase, stats.Phase)
			assert.Equal(t, test.updates, fake.updates)
			assert.Equal(t, "auto", fake.threads())
			assert.Equal(t, []string{"owner"}, fake.metadata())
		})
	}
}

func TestIndexingIsRestoredAfterAPanic(t *testing.T) {
	t.Parallel()
	fake := newFakeServer()
	c := openBooks(t, fake, "books")
	o := small
	o.DeferIndexing = DeferAuto
	assert.PanicsWithValue(t, "out of range", func() {
		_, _ = c.Load(t.Context(), func(yield func(book, error) bool) {
			yield(bookOf(1), nil)
			panic("out of range")
		}, o)
	})
	assert.Equal(t, 2, fake.updates)
	assert.Equal(t, "auto", fake.threads())
}

func TestADeferralThatIsNotAllowed(t *testing.T) {
	t.Parallel()
	forbidden := func(int) error { return status.Error(codes.PermissionDenied, "read and write only") }
	t.Run("is done without, if it may be", func(t *testing.T) {
		t.Parallel()
		fake := newFakeServer()
		fake.onUpdate = forbidden
		o := small
		o.DeferIndexing = DeferAuto
		stats, err := openBooks(t, fake, "books").Load(t.Context(), books(10), o)
		require.NoError(t, err)
		assert.False(t, stats.Deferred)
	})
	t.Run("is an error if it must be", func(t *testing.T) {
		t.Parallel()
		fake := newFakeServer()
		fake.onUpdate = forbidden
		o := small
		o.DeferIndexing = DeferAlways
		_, err := openBooks(t, fake, "books").Load(t.Context(), books(10), o)
		require.ErrorIs(t, err, ErrUnauthorized)
		assert.Zero(t, fake.upserts)
	})
	t.Run("is left to others by one who only reads", func(t *testing.T) {
		t.Parallel()
		fake := newFakeServer()
		fake.onUpdate = forbidden
		c := openBooks(t, fake, "books")
		mark := (&deferral{before: autoThreads()}).deferring(time.Now().Add(-time.Hour)).GetMetadata()[deferralKey]
		require.NoError(t, restoreIndexing(t.Context(), c.db, c.name, marked(threads(0), mark)))
		assert.Equal(t, 1, fake.updates)
	})
}

func TestDeferralAlive(t *testing.T) {
	t.Parallel()
	now := time.Now()
	at := func(ago time.Duration) *qdrant.Value {
		return qdrant.NewValueString(now.Add(-ago).Format(time.RFC3339))
	}
	for _, test := range []struct {
		name           string
		renewed, since *qdrant.Value
		want           bool
	}{
		{"a moment ago", at(time.Second), at(time.Hour), true},
		{"a minute ago", at(time.Minute), at(time.Hour), true},
		{"three minutes ago", at(3 * time.Minute), at(time.Hour), false},
		{"by a clock that is a bit ahead", at(-time.Minute), at(time.Hour), true},
		{"by a clock that is wrong", at(-time.Hour), at(time.Hour), false},
		{"of before there were renewals", nil, at(time.Minute), true},
		{"of long before there were renewals", nil, at(time.Hour), false},
		{"without any time", nil, nil, false},
		{"of something else", qdrant.NewValueBool(true), nil, false},
	} {
		mark := qdrant.NewValueStruct(&qdrant.Struct{Fields: map[string]*qdrant.Value{deferralRenewed: test.renewed, deferralSince: test.since}})
		assert.Equal(t, test.want, deferralAlive(marked(threads(0), mark), now), test.name)
	}
	assert.False(t, deferralAlive(marked(autoThreads(), nil), now), "there is no mark")
}

// deferredBy leaves behind what a load that was alive a while ago would.
func deferredBy(t *testing.T, fake *fakeServer, ago time.Duration) {
	t.Helper()
	request := (&deferral{collection: "books", before: threads(3), since: time.Now().Add(-time.Hour)}).deferring(time.Now().Add(-ago))
	_, err := fake.updateCollection(t.Context(), request)
	require.NoError(t, err)
}

func TestALoadThatIsAliveKeepsItsDeferral(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := newFakeServer()
		c := openBooks(t, fake, "books")
		began := time.Now()
		slow := func(yield func(book, error) bool) {
			for i := range 100 {
				time.Sleep(6 * time.Second)
				info, err := c.db.Raw().GetCollectionInfo(t.Context(), c.name)
				if i > 0 {
					require.NoError(t, err)
					assert.WithinDuration(t, began, DeferredSince(info), 10*time.Second)
					require.NoError(t, restoreIndexing(t.Context(), c.db, c.name, info), "as Open does")
					assert.Equal(t, "0", fake.threads())
				}
				if !yield(bookOf(i), nil) {
					return
				}
			}
		}
		o := small
		o.DeferIndexing = DeferAlways
		_, err := c.Load(t.Context(), slow, o)
		require.NoError(t, err)
		assert.Equal(t, 1+20+1, fake.updates, "the deferral, a renewal every half minute for ten, and the end of it")
		assert.Equal(t, "auto", fake.threads())
		time.Sleep(time.Hour)
		assert.Equal(t, []string{"owner"}, fake.metadata(), "nobody renews it any more")
	})
}

func TestALoadLeavesTheDeferralOfAnotherAlone(t *testing.T) {
	t.Parallel()
	for _, wanted := range []Deferral{DeferNever, DeferAuto, DeferAlways} {
		for name, lasts := range map[string]time.Duration{"as long as that is alive": time.Minute, "until that is dead": 3 * time.Minute} {
			t.Run(fmt.Sprintf("%s, %d", name, wanted), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					fake := newFakeServer()
					deferredBy(t, fake, 30*time.Second)
					const looks = 12
					fake.barrier = lasts / looks
					fake.onBarrier = func(n int) (qdrant.UpdateStatus, error) {
						assert.True(t, isZero(fake.config.GetOptimizerConfig().GetMaxOptimizationThreads()))
						if n < looks {
							return qdrant.UpdateStatus_WaitTimeout, nil
						}
						return qdrant.UpdateStatus_Completed, nil
					}
					o := small
					o.DeferIndexing, o.Patience = wanted, time.Hour
					stats, err := openBooks(t, fake, "books").Load(t.Context(), books(100), o)
					require.NoError(t, err)
					assert.False(t, stats.Deferred)
					if lasts < markLife {
						assert.Equal(t, "0", fake.threads())
						return
					}
					assert.Equal(t, "3", fake.threads())
					assert.Equal(t, []string{"owner"}, fake.metadata())
				})
			})
		}
	}
}

// A load that was killed has left the zero and the mark behind.
func TestTheNextLoadFindsTheMark(t *testing.T) {
	t.Parallel()
	for name, wanted := range map[string]Deferral{"without a deferral": DeferNever, "with another": DeferAlways} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := newFakeServer()
			deferredBy(t, fake, 3*time.Minute)
			meanwhile := ""
			fake.onUpsert = func(n int, _ *qdrant.UpsertPoints) error {
				if n == 1 {
					meanwhile = threadsText(fake.config.GetOptimizerConfig().GetMaxOptimizationThreads())
				}
				return nil
			}
			o := small
			o.DeferIndexing = wanted
			_, err := openBooks(t, fake, "books").Load(t.Context(), books(100), o)
			require.NoError(t, err)
			assert.Equal(t, map[Deferral]string{DeferNever: "3", DeferAlways: "0"}[wanted], meanwhile)
			assert.Equal(t, "3", fake.threads(), "as it was before the load that was killed")
			assert.Equal(t, []string{"owner"}, fake.metadata())
		})
	}
}

// Points that only show when they are indexed would keep the wait from ever ending.
func TestIndexingIsRestoredFirstWherePointsWaitForIt(t *testing.T) {
	t.Parallel()
	for _, prevent := range []bool{false, true} {
		fake := newFakeServer()
		fake.config.OptimizerConfig.PreventUnoptimized = &prevent
		meanwhile := ""
		fake.onBarrier = func(int) (qdrant.UpdateStatus, error) {
			meanwhile = threadsText(fake.config.GetOptimizerConfig().GetMaxOptimizationThreads())
			return qdrant.UpdateStatus_Completed, nil
		}
		o := small
		o.DeferIndexing = DeferAuto
		stats, err := openBooks(t, fake, "books").Load(t.Context(), books(100), o)
		require.NoError(t, err)
		assert.True(t, stats.Deferred)
		assert.Equal(t, map[bool]string{false: "0", true: "auto"}[prevent], meanwhile)
		assert.Equal(t, "auto", fake.threads())
	}
}
