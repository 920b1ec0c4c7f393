package child

import "testing"

// TestParent fails because of one of its sub-tests, and only because of it.
func TestParent(t *testing.T) {
	t.Run("one", func(*testing.T) {})
	t.Run("two", func(t *testing.T) { t.Error("a write was lost") })
}
