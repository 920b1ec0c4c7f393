// Package helm installs a chart as the helm command does, by Helm's library: what needs no helm binary can count its calls to the API
// server, too.
package helm

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/release"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/rest"
)

// hookTime ends the hooks of an install, which run Jobs, where they hang.
const hookTime = 15 * time.Minute

// Client installs into one namespace, which must be there. It leaves out what the helm command calls OpenAPI validation: a third of an
// install's work, to learn that the API server could check fields by itself, which it then is not asked to.
type Client struct {
	namespace string
	config    *action.Configuration
}

// New reaches the cluster of a kubeconfig. Configure may change how: a transport that counts, what becomes of warnings. Nil leaves it.
func New(kubeconfig, namespace string, configure func(*rest.Config)) (*Client, error) {
	access := genericclioptions.NewConfigFlags(true)
	access.KubeConfig, access.Namespace = &kubeconfig, &namespace
	// Discovery is read once a client and kept beside the kubeconfig, never in the person's home.
	cache := filepath.Join(filepath.Dir(kubeconfig), "discovery")
	access.CacheDir = &cache
	access.WrapConfigFn = func(config *rest.Config) *rest.Config {
		config.QPS = -1
		if configure != nil {
			configure(config)
		}
		return config
	}
	c := &Client{namespace: namespace, config: new(action.Configuration)}
	if err := c.config.Init(access, namespace, "secret", func(string, ...any) {}); err != nil {
		return nil, fmt.Errorf("preparing helm for namespace %s: %w", namespace, err)
	}
	return c, nil
}

// Load reads a chart from a directory or an archive.
func Load(path string) (*chart.Chart, error) {
	loaded, err := loader.Load(path)
	if err != nil {
		return nil, fmt.Errorf("loading chart %s: %w", path, err)
	}
	return loaded, nil
}

// Values reads files of values, each over those before it.
func Values(files ...string) (map[string]any, error) {
	merged := map[string]any{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading values: %w", err)
		}
		values, err := chartutil.ReadValues(content)
		if err != nil {
			return nil, fmt.Errorf("reading values of %s: %w", file, err)
		}
		merged = chartutil.MergeTables(values, merged)
	}
	return merged, nil
}

// Install installs a release and does not wait for its pods.
func (c *Client) Install(ctx context.Context, name string, chart *chart.Chart, values map[string]any) (*release.Release, error) {
	install := action.NewInstall(c.config)
	install.ReleaseName, install.Namespace, install.Timeout = name, c.namespace, hookTime
	install.DisableOpenAPIValidation = true // see Client
	installed, err := install.RunWithContext(ctx, chart, values)
	if err != nil {
		return installed, fmt.Errorf("installing release %s: %w", name, err)
	}
	return installed, nil
}

// Upgrade upgrades a release that is there, with these values and no others.
func (c *Client) Upgrade(ctx context.Context, name string, chart *chart.Chart, values map[string]any) (*release.Release, error) {
	upgrade := action.NewUpgrade(c.config)
	upgrade.Namespace, upgrade.Timeout = c.namespace, hookTime
	upgrade.DisableOpenAPIValidation = true // see Client
	upgraded, err := upgrade.RunWithContext(ctx, name, chart, values)
	if err != nil {
		return upgraded, fmt.Errorf("upgrading release %s: %w", name, err)
	}
	return upgraded, nil
}

// Rollback goes back to a revision; 0 is the one before the last.
func (c *Client) Rollback(name string, revision int) error {
	rollback := action.NewRollback(c.config)
	rollback.Version, rollback.Timeout = revision, hookTime
	if err := rollback.Run(name); err != nil {
		return fmt.Errorf("rolling back release %s: %w", name, err)
	}
	return nil
}

// Uninstall removes a release.
func (c *Client) Uninstall(name string) error {
	uninstall := action.NewUninstall(c.config)
	uninstall.Timeout = hookTime
	if _, err := uninstall.Run(name); err != nil {
		return fmt.Errorf("uninstalling release %s: %w", name, err)
	}
	return nil
}
