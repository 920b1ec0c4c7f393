package kube

import (
	"context"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// AnnotateClaim sets annotations of an ordinal's data claim; a nil value removes one. Annotations that are not named stay as they are.
func (c *Client) AnnotateClaim(ctx context.Context, ordinal int, annotations map[string]*string) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	name := c.names.Claim(ordinal)
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations}})
	if err != nil {
		return fmt.Errorf("annotating claim %s: %w", name, err)
	}
	claims := c.api.CoreV1().PersistentVolumeClaims(c.names.Namespace)
	if _, err := claims.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("annotating claim %s: %w", name, err)
	}
	return nil
}

// DeletePod deletes the pod that has this name and this UID; another pod that has come in its place stays. A pod that is gone already
// is no error.
func (c *Client) DeletePod(ctx context.Context, name, uid string) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	precondition := types.UID(uid)
	err := c.api.CoreV1().Pods(c.names.Namespace).Delete(ctx, name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &precondition}})
	if err != nil && !IsNotFound(err) {
		return fmt.Errorf("deleting pod %s: %w", name, err)
	}
	return nil
}
