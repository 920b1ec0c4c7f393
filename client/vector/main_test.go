package vector_test

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/qdrantprocess"
	"github.com/qdrant-shepherd/shepherd/client/qdranttest"
	"github.com/qdrant-shepherd/shepherd/client/vector"
)

// targetVariable has the examples talk to a server that runs already, in place of qdranttest.
const (
	targetVariable = "VECTOR_EXAMPLES_TARGET"
	apiKey         = "sesame"
)

// What the examples use.
var (
	ctx    = context.Background()
	target string
	db     *vector.DB
)

func TestMain(m *testing.M) {
	if servers := os.Getenv(childTarget); servers != "" {
		loadUntilKilled(servers)
	}
	if target = os.Getenv(targetVariable); target != "" {
		done := open()
		code := m.Run()
		done()
		os.Exit(code)
	}
	os.Exit(qdranttest.Main(m, 1, qdranttest.Options{APIKey: apiKey}, func(c *qdranttest.Cluster) func() {
		target = c.Target()
		return open()
	}))
}

// open connects the examples and returns what ends that.
func open() (done func()) {
	var err error
	db, err = vector.Connect(ctx, vector.Config{Target: target, APIKey: apiKey})
	check(err)
	return func() { check(db.Close()) }
}

// TestExamplesOnARealServer runs the examples of this package again, against a real server.
func TestExamplesOnARealServer(t *testing.T) {
	t.Parallel()
	if os.Getenv(targetVariable) != "" {
		t.Skip("SKIP: this is the run against a real server")
	}
	c := qdrantprocess.Start(t, 1, qdrantprocess.Options{APIKey: apiKey})
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	again := exec.CommandContext(ctx, os.Args[0], "-test.run=^Example", "-test.v")
	again.Env = append(os.Environ(), targetVariable+"="+c.Servers[0].GRPC())
	output, err := again.CombinedOutput()
	require.NoErrorf(t, err, "%s", output)
	require.Contains(t, string(output), "--- PASS: ExampleCollection_Search ")
}

// library is a collection of the books on the shelf.
func library(name string, settings ...vector.Setting) *vector.Collection[Book] {
	check(db.DropCollection(ctx, name))
	books, err := vector.Open[Book](ctx, db, name, settings...)
	check(err)
	check(books.Upsert(ctx, shelf()...))
	return books
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
