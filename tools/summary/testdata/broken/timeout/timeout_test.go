package timeout

import (
	"flag"
	"os"
	"testing"
)

// TestMain has its tests end by themselves soon, whatever -timeout was asked for.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.timeout", "200ms"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func TestBefore(*testing.T) {}

func TestHangs(t *testing.T) {
	t.Run("here", func(t *testing.T) { <-t.Context().Done() })
}
