package cluster

import (
	"context"
	"regexp"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

var unfit = regexp.MustCompile(`[^a-z0-9]+`)

// Namespace makes a namespace for one test, named after it, under Pod Security "restricted". It is deleted with all that
// is in it when the test ends. That of a failed test stays where the cluster does: KEEP=1, or an existing one.
func (c *Cluster) Namespace(t testing.TB) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), timeouts.Request)
	defer cancel()
	prefix := strings.Trim(unfit.ReplaceAllString(strings.ToLower(strings.TrimPrefix(t.Name(), "Test")), "-"), "-")
	if len(prefix) > 40 {
		prefix = strings.Trim(prefix[:40], "-")
	}
	name, err := c.CreateNamespace(ctx, prefix)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() && c.Kept {
			t.Logf("the namespace stays: kubectl --kubeconfig %s --namespace %s get pods", c.Kubeconfig, name)
			return
		}
		// Not waited for: names are never used twice, and pods may take their whole grace period to go.
		ctx, cancel := context.WithTimeout(context.Background(), timeouts.Request)
		defer cancel()
		if err := c.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			t.Logf("cleaning up: %v", err)
		}
	})
	return name
}
