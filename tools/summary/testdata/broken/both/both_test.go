package both

import (
	"fmt"
	"os"
	"testing"
)

// TestMain fails after a test has failed too.
func TestMain(m *testing.M) {
	m.Run()
	fmt.Fprintln(os.Stderr, "FAIL: no test used the right to delete pods")
	os.Exit(1)
}

func TestPasses(*testing.T) {}

func TestFails(t *testing.T) { t.Error("a write was lost") }
