package vector_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/internal/servers"
	"github.com/qdrant-shepherd/shepherd/pkg/qdranttest"
	"github.com/qdrant-shepherd/shepherd/pkg/vector"
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

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	target = os.Getenv(targetVariable)
	if target == "" {
		server := &inMain{}
		defer server.end()
		target = qdranttest.Start(server, 1, qdranttest.Options{APIKey: apiKey}).Target()
	}
	var err error
	if db, err = vector.Connect(ctx, vector.Config{Target: target, APIKey: apiKey}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = db.Close() }()
	return m.Run()
}

// TestExamplesOnARealServer runs the examples of this package again, against a real server.
func TestExamplesOnARealServer(t *testing.T) {
	t.Parallel()
	if os.Getenv(targetVariable) != "" {
		t.Skip("SKIP: this is the run against a real server")
	}
	c := servers.Start(t, 1, servers.Options{APIKey: apiKey})
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	again := exec.CommandContext(ctx, os.Args[0], "-test.run=^Example", "-test.v")
	again.Env = append(os.Environ(), targetVariable+"="+c.Servers[0].GRPC())
	output, err := again.CombinedOutput()
	require.NoErrorf(t, err, "%s", output)
	require.Contains(t, string(output), "--- PASS: ExampleCollection_Search ")
}

// inMain stands for a test in TestMain, which has none.
type inMain struct {
	testing.TB
	cleanups []func()
}

func (t *inMain) Helper()                      {}
func (t *inMain) Cleanup(f func())             { t.cleanups = append(t.cleanups, f) }
func (t *inMain) Errorf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }
func (t *inMain) Fatalf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }

func (t *inMain) end() {
	for i := len(t.cleanups) - 1; i >= 0; i-- {
		t.cleanups[i]()
	}
}

// library is a collection of the books on the shelf.
func library(name string) *vector.Collection[Book] {
	check(db.DropCollection(ctx, name))
	books, err := vector.Open[Book](ctx, db, name)
	check(err)
	check(books.Upsert(ctx, shelf()...))
	return books
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
