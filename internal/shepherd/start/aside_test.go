package start

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func put(t *testing.T, storage, name, text string) {
	t.Helper()
	path := filepath.Join(storage, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

func TestSetAsideCutShort(t *testing.T) {
	t.Parallel()
	storage := t.TempDir()
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	put(t, storage, raftFile, `{"this_peer_id":7,"state":{"hard_state":{"term":2}}}`)
	put(t, storage, "collections/c/config.json", "{}")
	put(t, storage, "aliases/data.json", "{}")
	require.NoError(t, writeStarts(storage, 3))

	// A name in the way ends the first attempt in the middle.
	put(t, storage, ".shepherd/set-aside/20261123T100000Z-peer-7/collections/in-the-way", "")
	_, err := setAside(storage, now, 7)
	require.Error(t, err)
	v, err := ReadVolume(storage)
	require.NoError(t, err)
	assert.True(t, v.State.Exists, "the state goes last, so that what remains is not met without it")

	to, err := setAside(storage, now.Add(time.Second), 7)
	require.NoError(t, err)
	assert.FileExists(t, filepath.Join(to, raftFile))
	assert.FileExists(t, filepath.Join(to, "collections/c/config.json"))
	v, err = ReadVolume(storage)
	require.NoError(t, err)
	assert.Equal(t, Volume{Starts: 3}, v, "the number of starts stays")
}

func TestExpire(t *testing.T) {
	t.Parallel()
	storage := t.TempDir()
	require.NoError(t, expire(slog.New(slog.DiscardHandler), storage, time.Now(), time.Hour), "nothing was ever set aside")
	for _, name := range []string{"20261123T080000Z-peer-7", "20261123T093000Z-peer-8", "kept-by-hand"} {
		put(t, storage, ".shepherd/set-aside/"+name+"/file", "")
	}
	require.NoError(t, expire(slog.New(slog.DiscardHandler), storage, time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC), time.Hour))
	left, err := filepath.Glob(filepath.Join(storage, ".shepherd/set-aside/*"))
	require.NoError(t, err)
	require.Len(t, left, 2)
	assert.Equal(t, []string{"20261123T093000Z-peer-8", "kept-by-hand"}, []string{filepath.Base(left[0]), filepath.Base(left[1])})
}

func TestTooLittleRoom(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		size, free    uint64
		drained, kept bool
	}{
		{name: "room for as much again", size: 10, free: 10, drained: true, kept: true},
		{name: "too little, drained", size: 10, free: 9, drained: true, kept: false},
		{name: "too little, but nobody says that all of it is elsewhere", size: 10, free: 9, drained: false, kept: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, c.kept, keeps(c.size, c.free, c.drained))
		})
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	storage := t.TempDir()
	put(t, storage, "a/b", string(make([]byte, 100_000)))
	size, err := sizeOf(storage)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, size, uint64(100_000))
	sparse, err := os.Create(filepath.Join(storage, "sparse"))
	require.NoError(t, err)
	require.NoError(t, sparse.Truncate(1<<30))
	require.NoError(t, sparse.Close())
	after, err := sizeOf(storage)
	require.NoError(t, err)
	assert.Less(t, after, size+1<<20, "a hole takes no room")
	free, err := freeOn(storage)
	require.NoError(t, err)
	assert.NotZero(t, free)
}

func TestSameURI(t *testing.T) {
	t.Parallel()
	assert.True(t, sameURI("http://q-0.h:6335/", "HTTP://Q-0.h:6335"))
	assert.False(t, sameURI("http://q-0.h:6335", "https://q-0.h:6335"))
	assert.False(t, sameURI("http://q-0.h:6335", "http://q-0.h:6336"))
	assert.False(t, sameURI("", ""))
}
