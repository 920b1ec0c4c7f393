package watch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// LatchFile is the latch's name in the shared directory.
const LatchFile = "latch.json"

// readLatch returns the latch that an earlier sidecar of the same pod left; without one it is open.
func readLatch(shared string) (Latch, error) {
	data, err := os.ReadFile(filepath.Join(shared, LatchFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Latch{}, nil
	}
	if err != nil {
		return Latch{}, fmt.Errorf("reading the latch: %w", err)
	}
	var latch Latch
	if err := json.Unmarshal(data, &latch); err != nil {
		return Latch{}, fmt.Errorf("reading the latch: %w", err)
	}
	return latch, nil
}

func writeLatch(shared string, latch Latch) error {
	data, err := json.Marshal(latch)
	if err != nil {
		return fmt.Errorf("writing the latch: %w", err)
	}
	path := filepath.Join(shared, LatchFile)
	// In one step, so that no half of it is ever read. It need not outlive the node.
	if err := os.WriteFile(path+".new", data, 0o644); err != nil {
		return fmt.Errorf("writing the latch: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("writing the latch: %w", err)
	}
	return nil
}
