package qdranttest

import (
	"fmt"
	"os"
	"testing"
)

// Main runs n servers for all tests of a package, for its TestMain. It calls setup with the cluster before the tests, and the function that
// setup returns, unless that is nil, after them. The result is for os.Exit:
//
//	func TestMain(m *testing.M) {
//		os.Exit(qdranttest.Main(m, 1, qdranttest.Options{}, func(c *qdranttest.Cluster) (teardown func()) {
//			target = c.Target()
//			return nil
//		}))
//	}
//
// The result is 1 if the tests pass and Close returns an error.
func Main(m *testing.M, n int, options Options, setup func(*Cluster) (teardown func())) (code int) {
	cluster, err := New(n, options)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := cluster.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(1, code)
		}
	}()
	if teardown := setup(cluster); teardown != nil {
		defer teardown()
	}
	return m.Run()
}
