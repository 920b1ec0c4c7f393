package command_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
	"github.com/qdrant-shepherd/shepherd/client/qdranttest"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
)

// nobody is a network without anyone in it.
func nobody(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("connection refused")
}

func claimOf(t *testing.T, w *fixture, pod string) map[string]string {
	t.Helper()
	claim, err := w.api.CoreV1().PersistentVolumeClaims("search").Get(t.Context(), "qdrant-storage-"+pod, metav1.GetOptions{})
	require.NoError(t, err)
	return claim.Annotations
}

func TestStartOfTheFirstPod(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1, qdranttest.Options{})
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "search", Name: "qdrant-storage-q-0"}}
	_, err := w.api.CoreV1().PersistentVolumeClaims("search").Update(t.Context(), claim, metav1.UpdateOptions{})
	require.NoError(t, err)
	w.env["SHEPHERD_POD"], w.env["SHEPHERD_STORAGE"], w.env["SHEPHERD_SHARED"] = "q-0", t.TempDir(), t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()

	code, out, said := w.runWith(ctx, nobody, "start")

	require.Equal(t, 0, code, out+said)
	arguments, err := os.ReadFile(filepath.Join(w.env["SHEPHERD_SHARED"], "arguments"))
	require.NoError(t, err)
	assert.Equal(t, "--uri\nhttp://q-0."+domain+":6335\n", strings.TrimRight(string(arguments), "\n")+"\n")
	assert.Equal(t, "founding", claimOf(t, w, "q-0")[kube.AnnotationPeer])
	assert.Contains(t, out, `"role":"start"`, "the log is on standard output")
}

func TestStartThatIsToldToEndIsAFailure(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 2, qdranttest.Options{})
	w.env["SHEPHERD_POD"], w.env["SHEPHERD_STORAGE"], w.env["SHEPHERD_SHARED"] = "q-0", t.TempDir(), t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	code, _, said := w.runWith(ctx, nobody, "start")

	assert.Equal(t, commandline.ExitInterrupted, code, "the server would run otherwise")
	assert.Contains(t, said, "context canceled")
	assert.NoFileExists(t, filepath.Join(w.env["SHEPHERD_SHARED"], "arguments"))
}

// freePort is a port that nobody listens at, for the moment.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	return listener.Addr().String()
}

func TestWatch(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 3, qdranttest.Options{})
	w.cluster.CreateCollection("words", 2, 2)
	w.env["SHEPHERD_POD"], w.env["SHEPHERD_SHARED"] = "q-1", t.TempDir()
	w.env["SHEPHERD_LISTEN"], w.env["SHEPHERD_METRICS_LISTEN"] = freePort(t), freePort(t)
	own, err := url.Parse(w.cluster.Server(1).URL())
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	ended := make(chan string, 1)
	go func() {
		code, out, said := w.runWith(ctx, func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == "localhost:6333" {
				return (&net.Dialer{}).DialContext(ctx, network, own.Host)
			}
			return w.dial(ctx, network, address)
		}, "watch")
		ended <- fmt.Sprintln(code, out, said)
	}()

	require.EventuallyWithT(t, func(c *assert.CollectT) {
		response, err := http.Get("http://" + w.env["SHEPHERD_LISTEN"] + "/ready")
		if assert.NoError(c, err) {
			why, _ := io.ReadAll(response.Body)
			_ = response.Body.Close()
			assert.Equal(c, http.StatusOK, response.StatusCode, string(why))
		}
	}, within, poll)
	cancel()
	assert.True(t, strings.HasPrefix(<-ended, "0 "), "a signal is how it ends")
}
