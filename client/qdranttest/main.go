package qdranttest

import (
	"fmt"
	"os"
	"testing"
)

// Main runs n servers for all tests of a package, for its TestMain. setup is given the cluster before the tests, and what it returns, unless
// it is nil, is called after them. The result is for os.Exit:
//
//	func TestMain(m *testing.M) {
//		os.Exit(qdranttest.Main(m, 1, qdranttest.Options{}, func(c *qdranttest.Cluster) (teardown func()) {
//			target = c.Target()
//			return nil
//		}))
//	}
//
// Misuse of the cluster, which fails a test where there is one, makes the result 1.
func Main(m *testing.M, n int, options Options, setup func(*Cluster) (teardown func())) (code int) {
	all := &whole{}
	defer func() {
		all.end()
		if all.failed {
			code = max(1, code)
		}
	}()
	if teardown := setup(Start(all, n, options)); teardown != nil {
		defer teardown()
	}
	return m.Run()
}

// whole stands for the test that a cluster belongs to where it belongs to all of them.
type whole struct {
	testing.TB // of which a cluster uses only what is below
	cleanups   []func()
	failed     bool
}

func (w *whole) Helper()          {}
func (w *whole) Cleanup(f func()) { w.cleanups = append(w.cleanups, f) }

func (w *whole) Errorf(format string, args ...any) {
	w.failed = true
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

func (w *whole) Fatalf(format string, args ...any) {
	w.Errorf(format, args...)
	panic(fmt.Sprintf(format, args...))
}

func (w *whole) end() {
	for i := len(w.cleanups) - 1; i >= 0; i-- {
		w.cleanups[i]()
	}
}
