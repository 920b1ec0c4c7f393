package idset_test

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/qdrant-shepherd/shepherd/client/vector/internal/idset"
)

func uuid(n uint64) (u [16]byte) {
	binary.LittleEndian.PutUint64(u[:], n)
	return u
}

func TestItKnowsWhatItHasSeen(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOf(rapid.OneOf(
			rapid.Uint64Range(0, 200), rapid.Uint64(), rapid.SampledFrom([]uint64{0, 63, 64, math.MaxUint64}),
		)).Draw(t, "numbers")
		set := idset.New(1 << 20)
		seen := map[uint64]bool{}
		for _, n := range numbers {
			assert.Equal(t, !seen[n], set.AddNumber(n), "number %d", n)
			assert.Equal(t, !seen[n], set.AddUUID(uuid(n)), "a number and a UUID are different ids")
			seen[n] = true
		}
		assert.Equal(t, 2*len(seen), set.Len())
	})
}

func TestAFullSetKeepsWhatItHas(t *testing.T) {
	t.Parallel()
	set := idset.New(100)
	for n := range uint64(200) {
		assert.True(t, set.AddUUID(uuid(n)))
	}
	assert.Equal(t, 100, set.Len())
	assert.False(t, set.AddUUID(uuid(99)))
	assert.True(t, set.AddUUID(uuid(150)), "it is not known")
	assert.True(t, set.AddNumber(1))
	assert.True(t, set.AddNumber(1), "nor is this")
}

func TestNumbersInARowShareEntries(t *testing.T) {
	t.Parallel()
	set := idset.New(1000)
	for n := range uint64(64_000) {
		set.AddNumber(n)
	}
	assert.Equal(t, 64_000, set.Len())
}

func TestNoLimitAtAllRemembersNothing(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{0, -1} {
		set := idset.New(limit)
		assert.True(t, set.AddNumber(7))
		assert.True(t, set.AddNumber(7))
		assert.Zero(t, set.Len())
	}
}

func BenchmarkAdd(b *testing.B) {
	b.Run("numbers in a row", func(b *testing.B) {
		set, n := idset.New(1<<21), uint64(0)
		for b.Loop() {
			set.AddNumber(n)
			n++
		}
	})
	b.Run("numbers in any order", func(b *testing.B) {
		set, random := idset.New(1<<21), rand.New(rand.NewPCG(1, 2))
		for b.Loop() {
			set.AddNumber(random.Uint64N(10_000_000))
		}
	})
	b.Run("UUIDs", func(b *testing.B) {
		set, n := idset.New(1<<21), uint64(0)
		for b.Loop() {
			set.AddUUID(uuid(n))
			n++
		}
	})
}
