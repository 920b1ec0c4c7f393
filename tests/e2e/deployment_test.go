//go:build e2e

package e2e

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	client "github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/tests/internal/cluster"
	"github.com/qdrant-shepherd/shepherd/tests/internal/evidence"
	"github.com/qdrant-shepherd/shepherd/tests/internal/images"
	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/ledger"
	"github.com/qdrant-shepherd/shepherd/tests/internal/release"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// secretName is the Secret that values-prod names.
const secretName = "qdrant-keys"

// production are the values of a production release at a laptop's size.
var production = []string{"values/values-prod.yaml", "values/values-kind.yaml"}

// deployment is a release of the chart in a namespace of its own, with the keys and addresses to talk to it.
type deployment struct {
	*release.Release
	cluster   *cluster.Cluster
	namespace string
	// keys are the entries of the Secret: api-key and read-only-api-key.
	keys map[string]string
	// shepherd says whether its values turn shepherd and the guard on, as production's do.
	shepherd bool
	// grpc are addresses of this machine's that lead to any ready pod.
	grpc []string
}

// prepare makes the namespace and the Secret that a release of production's values needs, and the way in for this test's traffic.
func prepare(t *testing.T, c *cluster.Cluster) *deployment {
	t.Helper()
	namespace := c.Namespace(t)
	evidence.OnFailure(t, c, namespace)
	d := &deployment{
		Release: release.New(t, c, namespace, "q"), cluster: c, namespace: namespace,
		keys: map[string]string{"api-key": randomKey(t), "read-only-api-key": randomKey(t)},
	}
	d.writeSecret(t)
	targets, err := c.Expose(t.Context(), namespace, "e2e", selector(), false, 6334)
	require.NoError(t, err)
	d.grpc = targets[6334]
	return d
}

// install installs production's values without shepherd, with these over them, and waits for three peers in one cluster.
func install(t *testing.T, c *cluster.Cluster, values ...string) *deployment {
	t.Helper()
	d := prepare(t, c)
	d.installThree(t, values...)
	return d
}

// installShepherd is install with shepherd.
func installShepherd(t *testing.T, c *cluster.Cluster, values ...string) *deployment {
	t.Helper()
	requireImages(t, c, images.Shepherd)
	d := prepare(t, c)
	d.shepherd = true
	d.installThree(t, values...)
	return d
}

func (d *deployment) installThree(t *testing.T, values ...string) {
	t.Helper()
	d.Install(t, release.Chart, d.values(t, values...))
	d.WaitReady(t, 3)
	d.awaitOneCluster(t, 3)
}

// withoutShepherd is what the chart alone must be able to do.
const withoutShepherd = "shepherd: {enabled: false}\nguard: {enabled: false}"

// values are production's, a test's own over them. Autoscaling is off: the load of a test is not the subject of most of them.
func (d *deployment) values(t *testing.T, own ...string) release.Values {
	t.Helper()
	base := []string{"autoscaling: {enabled: false}", d.clients(t)}
	if !d.shepherd {
		base = append(base, withoutShepherd)
	}
	return release.Values{Files: production, YAML: append(base, own...)}
}

// clients are the values that let this machine in, whose connections come from the nodes' addresses.
func (d *deployment) clients(t *testing.T) string {
	t.Helper()
	cidrs, err := d.cluster.NodeCIDRs(t.Context())
	require.NoError(t, err)
	var text strings.Builder
	text.WriteString("networkPolicy:\n  clients:\n    - podSelector: {matchLabels: {qdrant-client: \"true\"}}\n")
	for _, cidr := range cidrs {
		fmt.Fprintf(&text, "    - ipBlock: {cidr: %q}\n", cidr)
	}
	return text.String()
}

func selector() map[string]string {
	return map[string]string{"app": "qdrant", "app.kubernetes.io/name": "qdrant", "app.kubernetes.io/instance": "q"}
}

func randomKey(t *testing.T) string {
	t.Helper()
	key := make([]byte, 16)
	_, err := rand.Read(key)
	require.NoError(t, err)
	return hex.EncodeToString(key)
}

// writeSecret makes the Secret, or gives it the present keys.
func (d *deployment) writeSecret(t *testing.T) {
	t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: secretName, Namespace: d.namespace}, StringData: d.keys}
	secrets := d.cluster.CoreV1().Secrets(d.namespace)
	if _, err := secrets.Update(t.Context(), secret, metav1.UpdateOptions{}); err != nil {
		_, err = secrets.Create(t.Context(), secret, metav1.CreateOptions{})
		require.NoError(t, err)
	}
}

// connect opens a gRPC client with a key; "" sends none.
func (d *deployment) connect(t *testing.T, key string) *client.Client {
	t.Helper()
	host, port, err := net.SplitHostPort(d.grpc[0])
	require.NoError(t, err)
	number, err := strconv.Atoi(port)
	require.NoError(t, err)
	db, err := client.NewClient(&client.Config{Host: host, Port: number, APIKey: key, PoolSize: 1, SkipCompatibilityCheck: true})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// peers opens a way to the REST port of each pod. It ends with its pod, so ask again after one was replaced.
func (d *deployment) peers(t *testing.T) []ledger.Peer {
	t.Helper()
	var peers []ledger.Peer
	for _, pod := range d.Pods(t) {
		peer, stop, err := d.peer(t.Context(), pod.Name)
		require.NoError(t, err)
		t.Cleanup(stop)
		peers = append(peers, peer)
	}
	return peers
}

func (d *deployment) peer(ctx context.Context, pod string) (ledger.Peer, func(), error) {
	address, stop, err := d.cluster.Forward(ctx, d.namespace, pod, 6333)
	if err != nil {
		return ledger.Peer{}, nil, err
	}
	return ledger.Peer{Name: pod, Client: clusterapi.New("http://"+address, d.keys["api-key"])}, stop, nil
}

// Pods lists the pods of the release, in order. None at all is an error: what a test says of each of them would hold.
func (d *deployment) Pods(t *testing.T) []corev1.Pod {
	t.Helper()
	pods := d.Release.Pods(t)
	require.NotEmpty(t, pods, "the release has no pods")
	return pods
}

// eachPeer calls look with a client for each pod, and stops at the first error. No pods are an error.
func (d *deployment) eachPeer(ctx context.Context, look func(pod string, peer *clusterapi.Client) error) error {
	pods, err := d.cluster.Pods(ctx, d.namespace, d.Selector())
	if err != nil {
		return err
	}
	if len(pods) == 0 {
		return errors.New("the release has no pods")
	}
	for _, pod := range pods {
		peer, stop, err := d.peer(ctx, pod.Name)
		if err != nil {
			return err
		}
		err = look(pod.Name, peer.Client)
		stop()
		if err != nil {
			return fmt.Errorf("%s: %w", pod.Name, err)
		}
	}
	return nil
}

// awaitOneCluster waits until every pod knows the same peers, each once and as many as there should be, follows the same leader,
// is a voter, and takes part in the consensus.
func (d *deployment) awaitOneCluster(t *testing.T, size int) (leader clusterapi.PeerID) {
	t.Helper()
	err := k8s.Poll(t.Context(), timeouts.ClusterFormed, fmt.Sprintf("one cluster of %d peers", size), func(ctx context.Context) error {
		var first clusterapi.Cluster
		seen := 0
		err := d.eachPeer(ctx, func(_ string, peer *clusterapi.Client) error {
			view, err := peer.Cluster(ctx)
			if err != nil {
				return err
			}
			seen++
			if seen == 1 {
				first, leader = view, view.Raft.Leader
			}
			switch {
			case len(view.Peers) != size:
				return fmt.Errorf("knows %d peers, not %d", len(view.Peers), size)
			case !slices.Equal(view.Peers, first.Peers):
				return fmt.Errorf("knows the peers %v, another one %v", view.Peers, first.Peers)
			case view.Raft.Leader == 0 || view.Raft.Leader != first.Raft.Leader:
				return fmt.Errorf("follows %s, another one %s", view.Raft.Leader, first.Raft.Leader)
			case !view.Raft.IsVoter:
				return fmt.Errorf("is no voter yet")
			case !view.Consensus.Working():
				return fmt.Errorf("consensus: %+v", view.Consensus)
			}
			return nil
		})
		if err == nil && seen != size {
			return fmt.Errorf("%d pods, not %d", seen, size)
		}
		return err
	})
	require.NoError(t, err)
	return leader
}

// awaitActive waits until every peer sees each shard of a collection Active on that many peers, with nothing being transferred.
func (d *deployment) awaitActive(t *testing.T, collection string, replicas int) {
	t.Helper()
	err := k8s.Poll(t.Context(), timeouts.ShardsActive, fmt.Sprintf("%d active replicas of each shard of %s", replicas, collection), func(ctx context.Context) error {
		return d.eachPeer(ctx, func(_ string, peer *clusterapi.Client) error {
			view, err := peer.CollectionCluster(ctx, collection)
			if err != nil {
				return err
			}
			return view.ActiveOn(replicas)
		})
	})
	require.NoError(t, err)
}

// orphanPods deletes the StatefulSet from above its pods, which go on running: the next upgrade makes it anew.
func (d *deployment) orphanPods(t *testing.T) {
	t.Helper()
	cascade := metav1.DeletePropagationOrphan
	require.NoError(t, d.cluster.AppsV1().StatefulSets(d.namespace).Delete(t.Context(), d.Fullname(), metav1.DeleteOptions{PropagationPolicy: &cascade}))
}

// disruption is a running ledger over a collection of its own.
type disruption struct {
	*ledger.Ledger
	d          *deployment
	collection string
	factor     int
	begin      time.Time
	// tolerated is how many requests may fail after all retries.
	tolerated int
}

// beginLedger creates a collection with so many copies of each shard and starts to write and read it, without pause, until judged.
func (d *deployment) beginLedger(t *testing.T, factor int) *disruption {
	t.Helper()
	return d.beginLedgerOf(t, factor, 1)
}

// beginLedgerOf is beginLedger with so many copies that must have a write before it is acknowledged.
func (d *deployment) beginLedgerOf(t *testing.T, factor, consistency int) *disruption {
	t.Helper()
	name := fmt.Sprintf("ledger-%s-%d", strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name())), factor)
	require.NoError(t, d.connect(t, d.keys["api-key"]).CreateCollection(t.Context(), ledger.Collection(name, 6, uint32(factor), uint32(consistency))))
	d.awaitActive(t, name, factor)
	l, err := ledger.Start(t.Context(), ledger.Config{Targets: d.grpc, APIKey: d.keys["api-key"], Collection: name})
	require.NoError(t, err)
	t.Cleanup(func() { l.Stop() })
	x := &disruption{Ledger: l, d: d, collection: name, factor: factor, begin: time.Now()}
	x.requireWrites(t, "before")
	return x
}

// requireWrites waits for a hundred further acknowledged writes: before a disruption so that there is something to lose, after it
// to see that the service is back.
func (x *disruption) requireWrites(t *testing.T, when string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeouts.ClusterFormed)
	defer cancel()
	require.NoErrorf(t, x.AwaitWrites(ctx, 100), "writing %s the disruption", when)
}

// awaitWhole waits until a release of size peers has rolled out, is one cluster, and has every replica of the ledger's collection back.
func (x *disruption) awaitWhole(t *testing.T, size int) {
	t.Helper()
	x.d.WaitReady(t, int32(size))
	x.d.awaitOneCluster(t, size)
	x.d.awaitActive(t, x.collection, x.factor)
}

// judge holds what every peer has against the record of the ledger, which it stops, and fails the test where a write is lost.
func (x *disruption) judge(t *testing.T) ledger.Verdict {
	t.Helper()
	if os.Getenv(loseVariable) != "" {
		require.NoError(t, x.Lose(t.Context()))
	}
	verdict := x.Judge(t.Context(), x.d.peers(t))
	verdict.RequireNoLostWrites(t)
	return verdict
}

// loseVariable asks for an acknowledged write to be taken away before each verdict. Every suite must then fail.
const loseVariable = "E2E_LOSE_WRITE"

// requireNothingLost ends a disruption of a release of size peers: all replicas are back, no acknowledged write is lost, and no more
// requests failed after their retries than are tolerated, which is none unless a test says so.
func (x *disruption) requireNothingLost(t *testing.T, size int) {
	t.Helper()
	x.requireWrites(t, "after")
	x.awaitWhole(t, size)
	verdict := x.judge(t)
	require.NoError(t, verdict.Report.Within(ledger.Budget{Failed: x.tolerated}), verdict.Report.ErrorSample())
	t.Logf("LEDGER %s: %s", t.Name(), verdict.Report)
	require.NoError(t, x.d.connect(t, x.d.keys["api-key"]).DeleteCollection(t.Context(), x.collection))
}
