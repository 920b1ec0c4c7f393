package parent

import "testing"

// TestParent fails in its own body after its sub-tests have passed.
func TestParent(t *testing.T) {
	t.Run("one", func(*testing.T) {})
	t.Run("two", func(*testing.T) {})
	t.Error("a write was lost")
}
