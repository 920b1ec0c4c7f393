//go:build scratch

package scratch

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/qdrant-shepherd/shepherd/tests/internal/evidence"
	"github.com/qdrant-shepherd/shepherd/tests/internal/images"
	"github.com/qdrant-shepherd/shepherd/tests/internal/kube"
	"github.com/qdrant-shepherd/shepherd/tests/internal/release"
)

func TestChart(t *testing.T) {
	ns := c.Namespace(t)
	ev := evidence.OnFailure(t, c, ns)
	ev.Add("note.txt", func() string { return "ledger says super-secret-key" })
	require.NoError(t, c.LoadImages(t.Context(), images.Qdrant()))
	_, err := c.CoreV1().Secrets(ns).Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "qdrant-keys"}, StringData: map[string]string{"api-key": "super-secret-key"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	cidrs, err := c.NodeCIDRs(t.Context())
	require.NoError(t, err)
	values := release.Values{Files: []string{"values/values-prod.yaml", "values/values-kind.yaml"}, YAML: []string{fmt.Sprintf("networkPolicy: {clients: [{ipBlock: {cidr: %s}}]}", cidrs[0])}}
	bad := values
	bad.YAML = append(bad.YAML, "replicass: 3")
	r := release.New(t, c, ns, "q")
	t.Log("refused:", r.InstallE(t, release.Chart, bad))
	t.Log("no release:", r.UpgradeE(t, release.Chart, values))
	r.Install(t, release.Chart, values)
	r.WaitReady(t, 3)
	t.Log(r.Notes(t))
	targets, err := c.Expose(t.Context(), ns, "outside", map[string]string{"app.kubernetes.io/instance": "q", "app.kubernetes.io/name": "qdrant"}, false, 6333)
	require.NoError(t, err)
	get := func(addr string) (string, error) {
		req, _ := http.NewRequest("GET", "http://"+addr+"/cluster", nil)
		req.Header.Set("api-key", "super-secret-key")
		res, err := (&http.Client{Timeout: 5 * time.Second}).Do(req)
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		return res.Status + string(b), err
	}
	for _, target := range targets[6333] {
		require.NoError(t, kube.Poll(t.Context(), 20*time.Second, target, func(context.Context) error { _, err := get(target); return err }))
		body, err := get(target)
		t.Log(target, body, err)
	}
	addr, end, err := c.Forward(t.Context(), ns, "q-qdrant-1", 6333)
	require.NoError(t, err)
	body, err := get(addr)
	t.Log("forward", body, err)
	end()
	pods := r.Pods(t)
	require.Len(t, pods, 3)
	ip := pods[0].Status.PodIP
	for _, labels := range []map[string]string{nil, {"app.kubernetes.io/instance": "q", "app.kubernetes.io/name": "qdrant", "app": "qdrant"}} {
		open, err := c.Reach(t.Context(), ns, kube.PodOptions{Image: images.Qdrant(), Labels: labels}, ip+":6333", ip+":6335", ip+":6336")
		require.NoError(t, err)
		t.Log(labels, open)
	}
	open, err := c.ReachFrom(t.Context(), ns, "q-qdrant-1", ip+":6333", ip+":6335", ip+":6334", "kubernetes.default.svc:443")
	require.NoError(t, err)
	t.Log(open)
	t.Log(r.TestE(t))
	t.Error("on purpose")
}
