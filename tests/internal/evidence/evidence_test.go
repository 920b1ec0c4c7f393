package evidence

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/qdrant-shepherd/shepherd/tests/internal/cluster"
	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
)

func TestSecretsAreRedacted(t *testing.T) {
	t.Parallel()
	key := "0123456789abcdef"
	client := fake.NewClientset(
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "keys", Namespace: "n"}, Data: map[string][]byte{"a": []byte(key + "\n"), "b": []byte(key + "-longer"), "c": []byte("yes")}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "release", Namespace: "n"}, Type: helmReleases, Data: map[string][]byte{"release": []byte("a document")}},
	)
	out := &writer{dir: t.TempDir()}
	require.NoError(t, out.learnSecrets(t.Context(), &cluster.Cluster{Client: &k8s.Client{Interface: client}}, []string{"n"}))

	in64 := base64.StdEncoding.EncodeToString([]byte(key + "\n"))
	require.NoError(t, out.write("a/log.txt", strings.Join([]string{"key=" + key, "and " + key + "-longer", in64, "yes, a document"}, "\n")))
	text, err := os.ReadFile(filepath.Join(out.dir, "a", "log.txt"))
	require.NoError(t, err)
	assert.Equal(t, "key=[redacted]\nand [redacted]\n[redacted]\nyes, a document", string(text))
}

func TestSecretObjectsKeepTheirKeysOnly(t *testing.T) {
	t.Parallel()
	out := &writer{dir: t.TempDir()}
	list := &unstructured.UnstructuredList{Items: []unstructured.Unstructured{{Object: map[string]any{
		"kind": "Secret", "metadata": map[string]any{"name": "keys", "annotations": map[string]any{corev1.LastAppliedConfigAnnotation: `{"data":{"a":"c2VjcmV0"}}`}},
		"data": map[string]any{"a": "c2VjcmV0"},
	}}}}
	require.NoError(t, writeObjects(out, "secrets.yaml", list, nil))
	text, err := os.ReadFile(filepath.Join(out.dir, "secrets.yaml"))
	require.NoError(t, err)
	assert.NotContains(t, string(text), "c2VjcmV0")
	assert.Contains(t, string(text), "a: '[8 characters of base64]'")
}

func TestPartsDoNotStopEachOther(t *testing.T) {
	t.Parallel()
	out := &writer{dir: t.TempDir()}
	out.attempt("first", func() error { return errors.New("gone") })
	out.attempt("second", func() error { panic("nil map") })
	require.Len(t, out.errs, 2)
	assert.EqualError(t, out.errs[0], "first: gone")
	assert.EqualError(t, out.errs[1], "second: panic: nil map")
}

func TestShorten(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "  a\n  … 2 more in digest.txt", shorten([]string{"a", "b", "c"}, 2))
	assert.Equal(t, "  a\n  b", shorten([]string{"a", "b"}, 2))
}

func TestView(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "peer 1 sees 2 peers, leader 2, term 3, commit 4, Follower, consensus stopped_with_err, cannot send to 1 peers", view(
		`{"result":{"peer_id":1,"peers":{"1":{},"2":{}},"raft_info":{"term":3,"commit":4,"leader":2,"role":"Follower"},"consensus_thread_status":{"consensus_thread_status":"stopped_with_err"},"message_send_failures":{"http://x":{}}}}`))
	assert.Equal(t, `no answer to /cluster ("Must provide an API key")`, view("Must provide an API key"))
}
