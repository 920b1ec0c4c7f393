// Package repository finds the clone of the repository that a test or a tool runs in.
package repository

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Root returns the root of the repository: the nearest directory, from the working directory upwards, that has the chart.
func Root() (string, error) {
	directory, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("looking for the repository: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(directory, "charts", "qdrant", "Chart.yaml")); err == nil {
			return directory, nil
		}
		parent := filepath.Dir(directory)
		if parent == directory {
			return "", errors.New("there is no charts/qdrant upwards of the working directory; run this in a clone of the repository")
		}
		directory = parent
	}
}
