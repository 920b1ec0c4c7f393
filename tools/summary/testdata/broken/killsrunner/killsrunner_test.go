package killsrunner

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestBefore(*testing.T) {}

// TestKillsTheRunner kills gotestsum, the parent of go test.
func TestKillsTheRunner(t *testing.T) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", os.Getppid()))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "PPid:")
	var runner int
	if _, err := fmt.Sscan(after, &runner); err != nil {
		t.Fatal(err)
	}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", runner))
	if err != nil || string(name) != "gotestsum\n" {
		t.Fatalf("the parent of go test is %q (%v)", name, err)
	}
	if err := syscall.Kill(runner, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}
