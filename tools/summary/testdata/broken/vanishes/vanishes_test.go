package vanishes

import (
	"syscall"
	"testing"
)

func TestBefore(*testing.T) {}

// TestVanishes ends the process while it runs, and says that all is well: os.Exit would not have let it.
func TestVanishes(*testing.T) { syscall.Exit(0) }
