package skips

import "testing"

func TestPasses(*testing.T) {}

func TestSkips(t *testing.T) { t.Skip("SKIP: no Docker engine answers; start it") }

func TestParent(t *testing.T) {
	t.Run("runs", func(*testing.T) {})
	t.Run("skips", func(t *testing.T) { t.Skip("SKIP: the image has no web UI") })
}

// TestItself gives up in its own body.
func TestItself(t *testing.T) {
	t.Run("runs", func(*testing.T) {})
	t.Skip("SKIP: the rest needs a node")
}
