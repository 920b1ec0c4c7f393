package kube

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestClaimOfOneOrdinal(t *testing.T) {
	t.Parallel()
	api := release()
	client := New(api, names)
	bad := "x"
	require.NoError(t, client.AnnotateClaim(t.Context(), 0, map[string]*string{AnnotationPeer: &bad}))

	claim, found, err := client.Claim(t.Context(), 2)
	require.NoError(t, err, "the claim of another ordinal is no matter")
	assert.True(t, found)
	assert.Equal(t, 2, claim.Ordinal)
	_, found, err = client.Claim(t.Context(), 1)
	require.NoError(t, err)
	assert.False(t, found)

	_, _, err = client.Claim(t.Context(), 0)
	assert.True(t, IsUnreadable(err))
	refuse(api, "get", "persistentvolumeclaims")
	_, _, err = client.Claim(t.Context(), 0)
	require.Error(t, err)
	assert.False(t, IsUnreadable(err))
	assert.False(t, IsUnreadable(errors.New("connection refused")))
}

func TestDeletionGrace(t *testing.T) {
	t.Parallel()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "q-0"}}
	assert.Zero(t, readPod(names, pod).DeletionGrace)
	pod.DeletionGracePeriodSeconds = new(int64(120))
	assert.Equal(t, 2*time.Minute, readPod(names, pod).DeletionGrace)
}
