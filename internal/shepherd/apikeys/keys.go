// Package apikeys makes the Secret with the API keys once. What is there is never changed: a key that changed by itself would lock out
// every client.
package apikeys

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// callTimeout bounds one call of the API server.
const callTimeout = 30 * time.Second

// Ensure makes the Secret with a random value for each entry, and reports whether it did. It is no error if the Secret is there, also
// if someone else makes it at the same moment, but it is one if it lacks the first entry: no server would start without. The others a
// person may have taken out.
func Ensure(ctx context.Context, api kubernetes.Interface, namespace, name string, entries []string, random func() string) (made bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	secrets := api.CoreV1().Secrets(namespace)
	found, err := secrets.Get(ctx, name, metav1.GetOptions{})
	if err == nil {
		return false, usable(found, entries)
	}
	if !apierrors.IsNotFound(err) {
		return false, fmt.Errorf("reading secret %s: %w", name, err)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name:   name,
			Labels: map[string]string{"app.kubernetes.io/managed-by": "shepherd"},
		},
		Type:       corev1.SecretTypeOpaque,
		StringData: map[string]string{},
	}
	for _, entry := range entries {
		secret.StringData[entry] = random()
	}
	_, err = secrets.Create(ctx, secret, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		if found, err = secrets.Get(ctx, name, metav1.GetOptions{}); err != nil {
			return false, fmt.Errorf("reading secret %s: %w", name, err)
		}
		return false, usable(found, entries)
	}
	if err != nil {
		return false, fmt.Errorf("making secret %s: %w", name, err)
	}
	return true, nil
}

func usable(secret *corev1.Secret, entries []string) error {
	if len(entries) > 0 && len(secret.Data[entries[0]]) == 0 {
		return fmt.Errorf("secret %s is there and has no entry %s: add one, or delete the Secret to create all keys again", secret.Name, entries[0])
	}
	return nil
}
