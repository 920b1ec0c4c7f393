package passes

import "testing"

func TestAlone(*testing.T) {}

func TestParent(t *testing.T) {
	t.Run("one", func(*testing.T) {})
	t.Run("two", func(*testing.T) {})
}
