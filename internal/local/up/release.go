package up

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"path/filepath"

	"helm.sh/helm/v3/pkg/chartutil"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/qdrant-shepherd/shepherd/internal/local/helm"
)

func (s Settings) chart() string { return filepath.Join(s.Root, "charts", "qdrant") }

// prepareNamespace makes the namespace, which enforces Pod Security "restricted", and the API key in it, where they are not there yet.
func prepareNamespace(ctx context.Context, api kubernetes.Interface) (key string, err error) {
	_, err = api.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: namespace, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return "", fmt.Errorf("creating namespace %s: %w", namespace, err)
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random) // it never fails
	_, err = api.CoreV1().Secrets(namespace).Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: secret}, StringData: map[string]string{secretKey: hex.EncodeToString(random)},
	}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return "", fmt.Errorf("creating the API key: %w", err)
	}
	keys, err := api.CoreV1().Secrets(namespace).Get(ctx, secret, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("reading the API key: %w", err)
	}
	return string(keys.Data[secretKey]), nil
}

// install installs the release, or upgrades the one that is there.
func install(ctx context.Context, settings Settings, api kubernetes.Interface, over map[string]any, screen *screen) error {
	chart, err := helm.Load(settings.chart())
	if err != nil {
		return err
	}
	values, err := helm.Values(filepath.Join(settings.Root, "values", "values-prod.yaml"), filepath.Join(settings.Root, "values", "values-kind.yaml"))
	if err != nil {
		return err
	}
	// The autoscaler needs metrics-server, which neither world brings.
	values = chartutil.MergeTables(map[string]any{"autoscaling": map[string]any{"enabled": false}}, values)
	values = chartutil.MergeTables(over, values)
	client, err := helm.New(settings.kubeconfig(), namespace, func(config *rest.Config) { config.WarningHandler = rest.NoWarnings{} })
	if err != nil {
		return err
	}
	there, err := forgetPending(ctx, api)
	if err != nil {
		return err
	}
	act := client.Install
	if there {
		act = client.Upgrade
	}
	made, err := act(ctx, release, chart, values)
	if err != nil {
		return err
	}
	screen.line("release %s of chart %s %s, revision %d, in namespace %s", release, chart.Metadata.Name, chart.Metadata.Version, made.Version, namespace)
	return nil
}

// forgetPending reports whether there is a release to upgrade. A revision of a run that was killed half-way through it is deleted first,
// or Helm would wait for that run for ever; its objects belong to the release, and the next revision takes them.
func forgetPending(ctx context.Context, api kubernetes.Interface) (there bool, err error) {
	revisions, err := api.CoreV1().Secrets(namespace).List(ctx, metav1.ListOptions{LabelSelector: "owner=helm,name=" + release})
	if err != nil {
		return false, fmt.Errorf("reading the release: %w", err)
	}
	for _, one := range revisions.Items {
		switch one.Labels["status"] {
		case "pending-install", "pending-upgrade", "pending-rollback":
			if err := api.CoreV1().Secrets(namespace).Delete(ctx, one.Name, metav1.DeleteOptions{}); err != nil {
				return false, fmt.Errorf("deleting what a killed run left of the release: %w", err)
			}
		default:
			there = true
		}
	}
	return there, nil
}
