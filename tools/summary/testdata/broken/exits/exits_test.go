package exits

import (
	"os"
	"testing"
)

func TestBefore(*testing.T) {}

// TestExits ends the process while it runs.
func TestExits(*testing.T) { os.Exit(3) }
