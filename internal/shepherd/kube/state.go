package kube

import (
	"context"
	"fmt"
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
)

// State reads the state ConfigMap.
func (c *Client) State(ctx context.Context) (map[string]string, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	object, err := c.api.CoreV1().ConfigMaps(c.names.Namespace).Get(ctx, c.names.State, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("reading configmap %s: %w", c.names.State, err)
	}
	if object.Data == nil {
		return map[string]string{}, nil
	}
	return object.Data, nil
}

// UpdateState lets change edit the data of the state ConfigMap, again if someone else has written in between. Nothing is written when
// nothing changes.
func (c *Client) UpdateState(ctx context.Context, change func(data map[string]string)) error {
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		ctx, cancel := bounded(ctx)
		defer cancel()
		configMaps := c.api.CoreV1().ConfigMaps(c.names.Namespace)
		object, err := configMaps.Get(ctx, c.names.State, metav1.GetOptions{})
		if err != nil {
			return err
		}
		before := maps.Clone(object.Data)
		if object.Data == nil {
			object.Data = map[string]string{}
		}
		change(object.Data)
		if maps.Equal(before, object.Data) {
			return nil
		}
		_, err = configMaps.Update(ctx, object, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("updating configmap %s: %w", c.names.State, err)
	}
	return nil
}
