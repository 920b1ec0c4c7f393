package main

import (
	"fmt"
	"os"
	"time"

	"sigs.k8s.io/yaml"
)

// waiver accepts one vulnerability of one module until a day.
type waiver struct {
	ID     string `json:"id"`
	Module string `json:"module"`
	Reason string `json:"reason"`
	// Until is the last day on which it holds, as 2027-01-31.
	Until string `json:"until"`
}

func (w waiver) key() string { return w.ID + " " + w.Module }

func (w waiver) expired(now time.Time) bool { return now.UTC().Format(time.DateOnly) > w.Until }

// readWaivers reads a list of waivers. Each has all four fields, and none is there twice.
func readWaivers(path string) ([]waiver, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading waivers: %w", err)
	}
	var waivers []waiver
	if err := yaml.UnmarshalStrict(content, &waivers); err != nil {
		return nil, fmt.Errorf("reading waivers from %s: %w", path, err)
	}
	seen := map[string]bool{}
	for i, w := range waivers {
		if w.ID == "" || w.Module == "" || w.Reason == "" {
			return nil, fmt.Errorf("reading waivers from %s: number %d lacks its id, module or reason", path, i+1)
		}
		if _, err := time.Parse(time.DateOnly, w.Until); err != nil {
			return nil, fmt.Errorf("reading waivers from %s: %s: until: %w", path, w.ID, err)
		}
		if seen[w.key()] {
			return nil, fmt.Errorf("reading waivers from %s: %s for %s is there twice", path, w.ID, w.Module)
		}
		seen[w.key()] = true
	}
	return waivers, nil
}
