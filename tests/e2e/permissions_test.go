//go:build e2e

package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/qdrant-shepherd/shepherd/internal/repository"
	"github.com/qdrant-shepherd/shepherd/tests/internal/cluster"
	"github.com/qdrant-shepherd/shepherd/tools/suites/suitefile"
)

// suiteVariable names the suite of suites.yaml that runs; all of them without it.
const suiteVariable = "E2E_SUITE"

// denied are the namespaces in which a test takes permissions away, so that requests are refused there.
var denied struct {
	sync.Mutex
	namespaces map[string]bool
}

// expectDenials says that requests may be refused in a namespace: its roles are taken away, or it is.
func expectDenials(namespace string) {
	denied.Lock()
	defer denied.Unlock()
	if denied.namespaces == nil {
		denied.namespaces = map[string]bool{}
	}
	denied.namespaces[namespace] = true
}

// checkPermissions holds what the chart's accounts asked the API server for in this run against the list of suites: nothing was refused, nothing
// was allowed that the list does not have, and a run of a whole suite used all that the list expects of it. The render test
// TestPermissionsOfSuites holds the list against the roles of the chart. It is called when all tests are over. The earlier requests are not this
// run's.
func checkPermissions(ctx context.Context, c *cluster.Cluster, earlier int) error {
	root, err := repository.Root()
	if err != nil {
		return err
	}
	list, err := suitefile.Read(root)
	if err != nil {
		return err
	}
	expected, err := list.Expected(os.Getenv(suiteVariable), flag.Lookup("test.run").Value.String(), flag.Lookup("test.skip").Value.String())
	if err != nil {
		return err
	}
	requests, err := c.Requests(ctx)
	if err != nil {
		return fmt.Errorf("permissions: %w", err)
	}
	denied.Lock()
	defer denied.Unlock()
	used, wrong := cluster.JudgeRequests(requests[min(earlier, len(requests)):], list.Uses(), expected, denied.namespaces)
	fmt.Printf("permissions: %d in use, %d expected of this run:\n  %s\n", len(used), len(expected), strings.Join(used, "\n  "))
	if len(wrong) > 0 {
		return fmt.Errorf("permissions:\n  %s", strings.Join(wrong, "\n  "))
	}
	return nil
}
