package start

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

// asideTime is the date in the name of a state that was set aside.
const asideTime = "20060102T150405Z"

// setAside moves everything that the server has on the volume into a directory of its own, which it returns. The peer's state goes
// last: if this is cut short, the volume still has a state, and the next start sets the rest aside.
func setAside(storage string, now time.Time, peer clusterapi.PeerID) (string, error) {
	parent := filepath.Join(storage, directory, asideDir)
	to := filepath.Join(parent, fmt.Sprintf("%s-peer-%s", now.UTC().Format(asideTime), peer))
	if err := os.MkdirAll(to, 0o755); err != nil {
		return "", fmt.Errorf("setting aside the state of peer %s: %w", peer, err)
	}
	entries, err := os.ReadDir(storage)
	if err != nil {
		return "", fmt.Errorf("setting aside the state of peer %s: %w", peer, err)
	}
	move := func(name string) error {
		err := os.Rename(filepath.Join(storage, name), filepath.Join(to, name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	for _, entry := range entries {
		switch entry.Name() {
		// The file system's own directory is not the server's.
		case directory, "lost+found", raftFile:
			continue
		}
		if err := move(entry.Name()); err != nil {
			return "", fmt.Errorf("setting aside the state of peer %s: %w", peer, err)
		}
	}
	if err := errors.Join(syncDir(to), syncDir(storage)); err != nil {
		return "", fmt.Errorf("setting aside the state of peer %s: %w", peer, err)
	}
	if err := move(raftFile); err != nil {
		return "", fmt.Errorf("setting aside the state of peer %s: %w", peer, err)
	}
	if err := errors.Join(syncDir(to), syncDir(storage), removeFounding(storage)); err != nil {
		return "", fmt.Errorf("setting aside the state of peer %s: %w", peer, err)
	}
	return to, nil
}

// makeRoom deletes a state that was just set aside if the volume has less room left than the state takes, for the peer will be given as
// much again. Only what a drain has left behind is deleted, because all of that is on other peers; anything else is a person's.
func makeRoom(log *slog.Logger, storage, aside string, drained bool) error {
	size, err := sizeOf(aside)
	if err != nil {
		return fmt.Errorf("measuring what was set aside: %w", err)
	}
	free, err := freeOn(storage)
	if err != nil {
		return fmt.Errorf("measuring the room on the volume: %w", err)
	}
	if keeps(size, free, drained) {
		if free < size {
			log.Warn("the volume has less room left than the state that was set aside takes; delete it when it is not needed",
				"directory", aside, "bytes", size, "free", free)
		}
		return nil
	}
	if err := os.RemoveAll(aside); err != nil {
		return fmt.Errorf("deleting what was set aside: %w", err)
	}
	log.Info("deleted the state that was set aside: the peer was drained, and the room is needed", "directory", aside, "bytes", size, "free", free)
	return nil
}

func keeps(size, free uint64, drained bool) bool { return free >= size || !drained }

// expire deletes what was set aside longer ago than keep.
func expire(log *slog.Logger, storage string, now time.Time, keep time.Duration) error {
	parent := filepath.Join(storage, directory, asideDir)
	entries, err := os.ReadDir(parent)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for old states that were set aside: %w", err)
	}
	for _, entry := range entries {
		date, _, _ := strings.Cut(entry.Name(), "-")
		at, err := time.Parse(asideTime, date)
		if err != nil || now.Sub(at) < keep {
			continue // a name of another kind is a person's
		}
		if err := os.RemoveAll(filepath.Join(parent, entry.Name())); err != nil {
			return fmt.Errorf("deleting an old state that was set aside: %w", err)
		}
		log.Info("deleted an old state that was set aside", "directory", entry.Name(), "keep", keep.String())
	}
	return nil
}

func sizeOf(path string) (uint64, error) {
	var size uint64
	err := filepath.WalkDir(path, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		// Blocks, not lengths: the server's files are sparse.
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			size += uint64(stat.Blocks) * 512
		}
		return nil
	})
	return size, err
}

func freeOn(path string) (uint64, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(path, &stat); err != nil {
		return 0, err
	}
	return stat.Bavail * uint64(stat.Bsize), nil
}
