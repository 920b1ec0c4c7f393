package testmain

import (
	"fmt"
	"os"
	"testing"
)

// TestMain fails after all tests have passed.
func TestMain(m *testing.M) {
	m.Run()
	fmt.Fprintln(os.Stderr, "FAIL: no test used the right to delete pods")
	os.Exit(1)
}

func TestPasses(*testing.T) {}
