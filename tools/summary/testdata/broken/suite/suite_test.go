package suite

import (
	"os"
	"testing"
)

// TestSuite says for which suite it runs.
func TestSuite(t *testing.T) { t.Error("E2E_SUITE is " + os.Getenv("E2E_SUITE")) }
