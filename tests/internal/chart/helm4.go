package chart

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart4 "helm.sh/helm/v4/pkg/chart/v2"
	loader4 "helm.sh/helm/v4/pkg/chart/v2/loader"
	util4 "helm.sh/helm/v4/pkg/chart/v2/util"
	engine4 "helm.sh/helm/v4/pkg/engine"
)

var load4 = sync.OnceValues(func() (*chart4.Chart, error) { return loader4.LoadDir(Dir()) })

// Files4 is Files with Helm 4.
func Files4(t testing.TB, values string, options ...Option) (map[string]string, error) {
	t.Helper()
	r := newRender(options)
	loaded, err := load4()
	require.NoError(t, err, "loading the chart with Helm 4")

	version, err := common.ParseKubeVersion(r.kubeVersion)
	require.NoError(t, err, "reading the Kubernetes version")
	if !util4.IsCompatibleRange(loaded.Metadata.KubeVersion, version.String()) {
		return nil, incompatible(loaded.Metadata.KubeVersion, version)
	}
	capabilities := common.DefaultCapabilities.Copy()
	capabilities.KubeVersion = *version

	release := common.ReleaseOptions{Name: r.release, Namespace: r.namespace, Revision: 1, IsInstall: !r.upgrade, IsUpgrade: r.upgrade}
	if r.upgrade {
		release.Revision = 2
	}
	given, err := util.ToRenderValues(loaded, r.values(t, values), release, capabilities)
	if err != nil {
		return nil, err
	}
	renderer := engine4.Engine{}
	if r.cluster != nil {
		renderer = engine4.New(r.cluster)
	}
	files, err := renderer.RenderWithContext(t.Context(), loaded, given)
	if err != nil {
		return nil, err
	}
	return short(loaded.Name(), files), nil
}

// refusedAlike holds Helm 4's verdict on values that Helm 3 refuses to Helm 3's message. A schema's violations come in any order.
func refusedAlike(t testing.TB, refused error, values string, options []Option) {
	t.Helper()
	_, err := Files4(t, values, options...)
	if assert.Error(t, err, "Helm 4 accepts what Helm 3 refuses, values:\n%s", values) {
		assert.ElementsMatch(t, strings.Split(refused.Error(), "\n"), strings.Split(err.Error(), "\n"), "Helm 4's message with values:\n%s", values)
	}
}
