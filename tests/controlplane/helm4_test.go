//go:build controlplane

package controlplane

import (
	"encoding/json"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/qdrant-shepherd/shepherd/internal/shepherd/tend"
	"github.com/qdrant-shepherd/shepherd/tests/internal/cluster"
	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/release"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// commanded is a release of production in the hands of Helm's commands, as people run them.
type commanded struct {
	*deployment
	three, four *release.Release
}

func newCommanded(t *testing.T) commanded {
	t.Helper()
	if err := release.Require(release.Helm3, release.Helm4); err != nil {
		t.Skipf("SKIP: %v", err)
	}
	space := namespace(t)
	three := release.New(t, &cluster.Cluster{Client: suite.Client, Kubeconfig: suite.plane.Kubeconfig}, space, "q").Using(t, release.Helm3)
	return commanded{deployment: newDeployment(t, space, "q"), three: three, four: three.Using(t, release.Helm4)}
}

// productionValues are those of the setup production, and more.
func productionValues(args []string, more ...string) release.Values {
	return release.Values{Files: []string{"values/values-prod.yaml"}, YAML: append([]string{localValues}, more...), Args: args}
}

// method is how Helm 4 has applied a revision: ssa or csa; Helm 3 leaves it empty, which Helm 4 reads as csa.
func (c commanded) method(t *testing.T, revision int) string {
	t.Helper()
	text, err := c.four.Helm(t, "get", "metadata", "--output", "json", "--revision", strconv.Itoa(revision), c.name)
	require.NoError(t, err)
	var metadata struct {
		ApplyMethod string `json:"applyMethod"`
	}
	require.NoError(t, json.Unmarshal([]byte(text), &metadata), text)
	return metadata.ApplyMethod
}

// requireOwners wants just these managers for a field of the StatefulSet.
func (c commanded) requireOwners(t *testing.T, want []string, path ...string) {
	t.Helper()
	set, err := suite.AppsV1().StatefulSets(c.namespace).Get(t.Context(), c.fullname(), metav1.GetOptions{})
	require.NoError(t, err)
	owners, err := k8s.Owners(set, path...)
	require.NoError(t, err)
	require.Equal(t, want, owners, "owners of %v", path)
}

// TestHelm4: Given a release that Helm 4 installed, by server-side apply, and the autoscaler grew; When it is upgraded, rolled back and
// uninstalled; Then an upgrade shares the count with the autoscaler, a rollback to another count is refused unless it is forced, what
// shepherd wrote stays, and the claims do.
func TestHelm4(t *testing.T) {
	t.Parallel()
	c := newCommanded(t)
	c.four.Install(t, release.Chart, productionValues(nil))
	c.awaitReady(t, 3)
	c.requireOwners(t, []string{"helm Apply"}, "spec", "replicas")
	assert.Equal(t, "ssa", c.method(t, 1))

	c.scale(t, 5)
	c.awaitReady(t, 5)
	c.requireOwners(t, []string{autoscalerManager + " Update scale"}, "spec", "replicas")
	c.tell(t, tend.Guard{MinReplicas: 2, Whole: true})
	require.Equal(t, []int32{5}, c.replicasDuring(t, func() {
		c.four.Upgrade(t, release.Chart, productionValues(nil, revised(1)))
	}))
	c.awaitReady(t, 5)
	c.requireOwners(t, []string{"helm Apply", autoscalerManager + " Update scale"}, "spec", "replicas")
	state, err := suite.CoreV1().ConfigMaps(c.namespace).Get(t.Context(), c.name+"-shepherd", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, "2", state.Data[tend.KeyMinReplicas], "what tend has written")

	// The autoscaler goes on: a value that changes has one owner, who changed it.
	c.scale(t, 6)
	c.requireOwners(t, []string{autoscalerManager + " Update scale"}, "spec", "replicas")
	c.scale(t, 5)
	c.awaitReady(t, 5)

	require.Equal(t, []int32{5}, c.replicasDuring(t, func() {
		err := c.four.RollbackE(t, 1)
		require.ErrorContains(t, err, `conflict with "`+autoscalerManager+`" with subresource "scale"`)
		require.ErrorContains(t, err, ".spec.replicas")
	}), "a rollback puts the count of then back, and the autoscaler has another")
	assert.Equal(t, []string{"1", "1", "1", "1", "1"}, c.revisions(t), "no pod was touched")
	require.Equal(t, []int32{5}, c.replicasDuring(t, func() {
		c.four.Upgrade(t, release.Chart, productionValues(nil, revised(2)))
	}), "the next upgrade is as any other")
	c.awaitReady(t, 5)
	require.Equal(t, []int32{5, 3}, c.replicasDuring(t, func() {
		c.four.Rollback(t, 1, "--force-conflicts")
	}), "forced, it is what Helm 3 does")
	c.awaitReady(t, 3)
	c.requireOwners(t, []string{"helm Apply"}, "spec", "replicas")

	claims := c.lasting(t)
	require.NotEmpty(t, claims)
	c.four.Uninstall(t)
	require.NoError(t, suite.WaitPodsGone(t.Context(), c.namespace, k8s.Selector(c.name), timeouts.PodGone))
	assert.Equal(t, claims, c.lasting(t))
}

// TestHelm4TakesOverFromHelm3: Given a release of Helm 3; When Helm 4 upgrades it; Then it goes on applying on the client's side until it is
// told otherwise, the count stays the autoscaler's, and a rollback applies as the revision did that it goes back to.
func TestHelm4TakesOverFromHelm3(t *testing.T) {
	t.Parallel()
	c := newCommanded(t)
	c.three.Install(t, release.Chart, productionValues(nil))
	c.awaitReady(t, 3)
	c.requireOwners(t, []string{"helm Update"}, "spec", "template")
	assert.Empty(t, c.method(t, 1))

	c.scale(t, 5)
	c.awaitReady(t, 5)
	require.Equal(t, []int32{5}, c.replicasDuring(t, func() {
		c.four.Upgrade(t, release.Chart, productionValues(nil, revised(1)))
	}))
	c.awaitReady(t, 5)
	c.requireOwners(t, []string{"helm Update"}, "spec", "template")
	assert.Equal(t, "csa", c.method(t, 2))

	require.Equal(t, []int32{5}, c.replicasDuring(t, func() {
		c.four.Upgrade(t, release.Chart, productionValues([]string{"--server-side=true"}, revised(2)))
	}))
	c.awaitReady(t, 5)
	c.requireOwners(t, []string{"helm Apply"}, "spec", "template")
	c.requireOwners(t, []string{"helm Apply", autoscalerManager + " Update scale"}, "spec", "replicas")
	assert.Equal(t, "ssa", c.method(t, 3))

	require.Equal(t, []int32{5}, c.replicasDuring(t, func() {
		c.four.Upgrade(t, release.Chart, productionValues(nil, revised(3)))
	}))
	c.awaitReady(t, 5)
	assert.Equal(t, "ssa", c.method(t, 4), "it stays so by itself")

	c.four.Rollback(t, 2)
	c.awaitReady(t, 5)
	assert.Equal(t, []string{"1", "1", "1", "1", "1"}, c.revisions(t))
	assert.Equal(t, "csa", c.method(t, 5), "the method of the revision that it went back to")

	// Helm 3 can take it back.
	require.Equal(t, []int32{5}, c.replicasDuring(t, func() {
		c.three.Upgrade(t, release.Chart, productionValues(nil, revised(4)))
	}))
	c.awaitReady(t, 5)
	assert.Equal(t, []string{"4", "4", "4", "4", "4"}, c.revisions(t))
}
