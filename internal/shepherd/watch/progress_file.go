package watch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ProgressFile is the progress's name in the shared directory.
const ProgressFile = "latch.json"

// readProgress returns the progress that an earlier sidecar of the same pod left; without one it is open.
func readProgress(shared string) (Progress, error) {
	data, err := os.ReadFile(filepath.Join(shared, ProgressFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Progress{}, nil
	}
	if err != nil {
		return Progress{}, fmt.Errorf("reading the progress: %w", err)
	}
	var progress Progress
	if err := json.Unmarshal(data, &progress); err != nil {
		return Progress{}, fmt.Errorf("reading the progress: %w", err)
	}
	return progress, nil
}

func writeProgress(shared string, progress Progress) error {
	data, err := json.Marshal(progress)
	if err != nil {
		return fmt.Errorf("writing the progress: %w", err)
	}
	path := filepath.Join(shared, ProgressFile)
	// In one step, so that no half of it is ever read. It need not outlive the node.
	if err := os.WriteFile(path+".new", data, 0o644); err != nil {
		return fmt.Errorf("writing the progress: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("writing the progress: %w", err)
	}
	return nil
}
