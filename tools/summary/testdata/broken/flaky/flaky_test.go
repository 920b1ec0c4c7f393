package flaky

import (
	"os"
	"testing"
)

func TestPasses(*testing.T) {}

// TestFailsOnce fails until the file that FLAKY_MARK names is there.
func TestFailsOnce(t *testing.T) {
	if _, err := os.Stat(os.Getenv("FLAKY_MARK")); err != nil {
		if err := os.WriteFile(os.Getenv("FLAKY_MARK"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Error("the leader was not there yet")
	}
}
