package killed

import (
	"syscall"
	"testing"
)

func TestBefore(*testing.T) {}

// TestKilled does to its process what the kernel does where memory is short.
func TestKilled(t *testing.T) {
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {}
}
