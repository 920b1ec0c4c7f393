//go:build scratch

package scratch

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/qdrant-shepherd/shepherd/tests/internal/cluster"
	"github.com/qdrant-shepherd/shepherd/tests/internal/kube"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

const image = "lab/debian:bookworm"

var c *cluster.Cluster

func TestMain(m *testing.M) { os.Exit(run(m)) }
func run(m *testing.M) int {
	var err error
	c, err = cluster.Start(context.Background(), cluster.Options{ProbeImage: image, Images: []string{image}})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer func() { fmt.Println("close:", c.Close()) }()
	return m.Run()
}

func TestWorkers(t *testing.T) {
	w, err := c.Workers(t.Context())
	require.NoError(t, err)
	t.Logf("%+v", w)
	cidrs, err := c.NodeCIDRs(t.Context())
	require.NoError(t, err)
	t.Log(cidrs)
}

func TestPolicy(t *testing.T) {
	begin := time.Now()
	yes, err := c.EnforcesNetworkPolicy(t.Context())
	require.NoError(t, err)
	t.Log(yes, time.Since(begin))
}

func TestPods(t *testing.T) {
	ns := c.Namespace(t)
	r, err := c.RunPod(t.Context(), ns, kube.PodOptions{Image: image, Script: `echo hello $1; exit 7`, Args: []string{"you"}})
	require.NoError(t, err)
	require.Equal(t, kube.PodResult{ExitCode: 7, Output: "hello you\n"}, r)
	name, stop, err := c.HoldPod(t.Context(), ns, kube.PodOptions{Image: image, Labels: map[string]string{"a": "b"}, Script: "mkdir /tmp/x; cd /tmp/x"})
	require.NoError(t, err)
	defer stop()
	out, errOut, err := c.Exec(t.Context(), ns, name, "bash", "-c", "echo out; echo err >&2; exit 3")
	code, ok := kube.ExitCode(err)
	t.Log(out, errOut, err, code, ok)
	require.Equal(t, 3, code)
	addr, end, err := c.Forward(t.Context(), ns, name, 6333)
	require.NoError(t, err)
	get := func(addr string) (string, error) {
		res, err := (&http.Client{Timeout: 5 * time.Second}).Get("http://" + addr + "/")
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		return string(b), err
	}
	body, err := get(addr)
	t.Log(addr, body, err)
	require.NoError(t, err)
	end()
	targets, err := c.Expose(t.Context(), ns, "all", map[string]string{"a": "b"}, false, 6333)
	require.NoError(t, err)
	for _, target := range targets[6333] {
		require.NoError(t, kube.Poll(t.Context(), 20*time.Second, target, func(context.Context) error { _, err := get(target); return err }))
		t.Log(target, "ok")
	}
	targets, err = c.Expose(t.Context(), ns, "local", map[string]string{"a": "b"}, true, 6333)
	require.NoError(t, err)
	time.Sleep(3 * time.Second)
	for _, target := range targets[6333] {
		_, err := get(target)
		t.Log("local", target, err)
	}
	pod, err := c.CoreV1().Pods(ns).Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	begin := time.Now()
	open, err := c.Reach(t.Context(), ns, kube.PodOptions{Image: image}, net.JoinHostPort(pod.Status.PodIP, "6333"), net.JoinHostPort(pod.Status.PodIP, "6335"))
	require.NoError(t, err)
	t.Log(open, time.Since(begin))
	open, err = c.ReachFrom(t.Context(), ns, name, "kubernetes.default.svc:443", "192.0.2.1:80")
	require.NoError(t, err)
	t.Log(open)
}

func statefulSet(ns string, replicas int32) *appsv1.StatefulSet {
	labels := map[string]string{"app": "x"}
	return &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "x", Namespace: ns}, Spec: appsv1.StatefulSetSpec{
		Replicas: &replicas, ServiceName: "x", PodManagementPolicy: appsv1.ParallelPodManagement, Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: new(int64(1)),
			SecurityContext:               &corev1.PodSecurityContext{RunAsNonRoot: new(true), RunAsUser: new(int64(1000)), SeccompProfile: &corev1.SeccompProfile{Type: "RuntimeDefault"}},
			Affinity:                      &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{TopologyKey: "kubernetes.io/hostname", LabelSelector: &metav1.LabelSelector{MatchLabels: labels}}}}},
			Containers:                    []corev1.Container{{Name: "qdrant", Image: image, Command: []string{"sleep", "infinity"}, SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: new(bool), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}}}},
		}},
	}}
}

func TestStatefulSet(t *testing.T) {
	ns := c.Namespace(t)
	_, err := c.AppsV1().StatefulSets(ns).Create(t.Context(), statefulSet(ns, 3), metav1.CreateOptions{})
	require.NoError(t, err)
	require.NoError(t, c.WaitRollout(t.Context(), ns, "x", 3, timeouts.Rollout))
	watch, err := c.WatchReplicas(t.Context(), ns, "x")
	require.NoError(t, err)
	for _, p := range []string{`{"spec":{"replicas":2}}`, `{"spec":{"replicas":3}}`, `{"spec":{"template":{"metadata":{"annotations":{"a":"1"}}}}}`} {
		_, err = c.AppsV1().StatefulSets(ns).Patch(t.Context(), "x", types.MergePatchType, []byte(p), metav1.PatchOptions{})
		require.NoError(t, err)
	}
	begin := time.Now()
	require.NoError(t, c.WaitRollout(t.Context(), ns, "x", 3, timeouts.Rollout))
	t.Log("rollout", time.Since(begin))
	values, err := watch.Stop(t.Context())
	require.NoError(t, err)
	require.Equal(t, []int32{3, 2, 3}, values)
	t.Log(c.WaitRollout(t.Context(), ns, "x", 4, time.Second))

	// kill
	old, err := c.CoreV1().Pods(ns).Get(t.Context(), "x-1", metav1.GetOptions{})
	require.NoError(t, err)
	require.NoError(t, c.Kill(t.Context(), ns, "x-1", "qdrant"))
	pod, err := c.WaitPod(t.Context(), ns, "x-1", "restarted", time.Minute, func(p *corev1.Pod) bool { return p.Status.ContainerStatuses[0].RestartCount == 1 && kube.Ready(p) })
	require.NoError(t, err)
	t.Log(kube.PodState(pod), old.UID == pod.UID)
	// drain
	refusals, err := c.Drain(t.Context(), pod.Spec.NodeName, ns, "app=x", time.Minute)
	require.NoError(t, err)
	require.Zero(t, refusals)
	require.NoError(t, c.Cordon(t.Context(), pod.Spec.NodeName, false))
	_, err = c.WaitPodReplaced(t.Context(), ns, "x-1", pod.UID, time.Minute)
	require.NoError(t, err)
}

func TestNode(t *testing.T) {
	ns := c.Namespace(t)
	_, err := c.AppsV1().StatefulSets(ns).Create(t.Context(), statefulSet(ns, 3), metav1.CreateOptions{})
	require.NoError(t, err)
	require.NoError(t, c.WaitRollout(t.Context(), ns, "x", 3, timeouts.Rollout))
	w, err := c.Workers(t.Context())
	require.NoError(t, err)
	begin := time.Now()
	require.NoError(t, c.StopNode(t.Context(), w[1].Name))
	require.NoError(t, c.WaitNode(t.Context(), w[1].Name, false, timeouts.NodeReady))
	t.Log("gone", time.Since(begin))
	begin = time.Now()
	require.NoError(t, c.StartNode(t.Context(), w[1].Name))
	t.Log("back", time.Since(begin))
	require.NoError(t, c.WaitRollout(t.Context(), ns, "x", 3, timeouts.Rollout))
	t.Log("rolled", time.Since(begin))
	w2, err := c.Workers(t.Context())
	require.NoError(t, err)
	require.Equal(t, w, w2)
	name, stop, err := c.HoldPod(t.Context(), ns, kube.PodOptions{Image: image, Node: w[1].Name})
	require.NoError(t, err)
	defer stop()
	open, err := c.ReachFrom(t.Context(), ns, name, "kubernetes.default.svc:443")
	require.NoError(t, err)
	t.Log(open, strings.Join([]string{name}, ""))
}
