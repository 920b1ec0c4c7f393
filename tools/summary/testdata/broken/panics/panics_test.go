package panics

import "testing"

func TestBefore(*testing.T) {}

func TestPanics(*testing.T) {
	var none map[string]int
	none["a"] = 1
}

func TestNeverRuns(*testing.T) {}
