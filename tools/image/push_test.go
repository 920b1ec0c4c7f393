package main

import (
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPush(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	repository := strings.TrimPrefix(server.URL, "http://") + "/charts/shepherd"
	var images []v1.Image
	for _, arch := range []string{"amd64", "arm64"} {
		image, err := assemble([]byte("binary of "+arch), "1.2.3", v1.Platform{OS: "linux", Architecture: arch})
		require.NoError(t, err)
		images = append(images, image)
	}

	for tag, some := range map[string][]v1.Image{"one": images[:1], "both": images} {
		digest, err := deliver(t.Context(), some, "", "", repository+":"+tag)
		require.NoError(t, err)
		ref, err := name.ParseReference(repository + ":" + tag)
		require.NoError(t, err)
		found, err := remote.Head(ref)
		require.NoError(t, err)
		assert.Equal(t, digest, found.Digest, "what is printed is what a chart can pin")
	}

	_, err := deliver(t.Context(), images, "", "", "not a name")
	require.ErrorContains(t, err, "reading where to push")
	server.Close()
	_, err = deliver(t.Context(), images[:1], "", "", repository+":late")
	require.ErrorContains(t, err, "pushing "+repository)
}
