package apikeys_test

import (
	"errors"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/qdrant-shepherd/shepherd/internal/shepherd/apikeys"
)

// counter gives key-1, key-2 and so on.
func counter() func() string {
	n := 0
	return func() string { n++; return "key-" + strconv.Itoa(n) }
}

func secret(data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "search", Name: "q-keys"}, Data: data}
}

func TestEnsure(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		before *corev1.Secret
		made   bool
		err    string
	}{
		{name: "nothing is there", made: true},
		{name: "all is there", before: secret(map[string][]byte{"api-key": []byte("old"), "read-only": []byte("old")})},
		{name: "a further entry was taken out", before: secret(map[string][]byte{"api-key": []byte("old")})},
		{name: "the first entry is missing", before: secret(map[string][]byte{"read-only": []byte("old")}), err: "secret q-keys is there and has no entry api-key"},
		{name: "the first entry is empty", before: secret(map[string][]byte{"api-key": nil, "read-only": []byte("old")}), err: "no entry api-key"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var objects []runtime.Object
			if test.before != nil {
				objects = append(objects, test.before)
			}
			api := fake.NewClientset(objects...)

			made, err := apikeys.Ensure(t.Context(), api, "search", "q-keys", []string{"api-key", "read-only"}, counter())

			assert.Equal(t, test.made, made)
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
			} else {
				require.NoError(t, err)
			}
			require.NotEmpty(t, api.Actions())
			for _, action := range api.Actions() {
				assert.Contains(t, []string{"get", "create"}, action.GetVerb(), "the job may do no more")
			}
			after, err := api.CoreV1().Secrets("search").Get(t.Context(), "q-keys", metav1.GetOptions{})
			require.NoError(t, err)
			if test.before != nil {
				assert.Equal(t, test.before, after, "what is there stays")
			} else {
				assert.Equal(t, map[string]string{"api-key": "key-1", "read-only": "key-2"}, after.StringData)
			}
		})
	}
}

func TestSomeoneElseIsQuicker(t *testing.T) {
	t.Parallel()
	api := fake.NewClientset()
	api.PrependReactor("create", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
		err := api.Tracker().Add(secret(map[string][]byte{"api-key": []byte("theirs")}))
		return true, nil, errors.Join(err, apierrors.NewAlreadyExists(schema.GroupResource{Resource: "secrets"}, "q-keys"))
	})

	made, err := apikeys.Ensure(t.Context(), api, "search", "q-keys", []string{"api-key"}, counter())

	require.NoError(t, err)
	assert.False(t, made)
}

func TestNoPermission(t *testing.T) {
	t.Parallel()
	for verb, want := range map[string]string{"get": "reading secret q-keys", "create": "making secret q-keys"} {
		api := fake.NewClientset()
		api.PrependReactor(verb, "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "q-keys", errors.New("no rule"))
		})
		_, err := apikeys.Ensure(t.Context(), api, "search", "q-keys", []string{"api-key"}, counter())
		require.ErrorContains(t, err, want)
	}
}
