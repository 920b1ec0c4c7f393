package slow

import (
	"testing"
	"time"
)

func TestQuick(*testing.T) {}

func TestSlow(*testing.T) { time.Sleep(40 * time.Millisecond) }

func TestParent(t *testing.T) {
	t.Run("slowest", func(*testing.T) { time.Sleep(110 * time.Millisecond) })
}
