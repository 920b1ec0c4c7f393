package render

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
	"github.com/qdrant-shepherd/shepherd/tests/internal/some"
)

// What the official chart gets wrong, as of its version 1.19.0, and this one must not. Each case is called after the bug.
func TestOfficialChartsBugsAreNotHere(t *testing.T) {
	t.Parallel()
	behaves(t, map[string]behaviour{
		"01 a key by lookup is empty without a cluster": {values: `auth: {existingSecret: mine}`, want: func(t *testing.T, o chart.Objects) {
			// Rendered without a cluster, as Argo CD does: the pod reads the user's Secret itself.
			assert.Equal(t, &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "mine"}, Key: "api-key"},
				env(o.Server(t), "QDRANT__SERVICE__API_KEY").ValueFrom.SecretKeyRef)
			for _, mount := range some.Of(t, o.Server(t).VolumeMounts) {
				assert.NotContains(t, mount.MountPath, "local.yaml")
			}
		}},
		"02 a generated key differs with every render": {values: `auth: {existingSecret: mine, revision: "1"}`, want: func(t *testing.T, o chart.Objects) {
			again := chart.Render(t, `auth: {existingSecret: mine, revision: "1"}`)
			assert.Equal(t, o.StatefulSet(t, chart.Fullname).Spec.Template, again.StatefulSet(t, chart.Fullname).Spec.Template)
		}},
		"03a a budget has both of its fields": {values: `pdb: {maxUnavailable: 1}`, want: func(t *testing.T, o chart.Objects) {
			spec := o.PodDisruptionBudget(t, chart.Fullname).Spec
			assert.Nil(t, spec.MinAvailable)
			assert.NotNil(t, spec.MaxUnavailable)
		}},
		"03b a budget of 0 is dropped": {values: `pdb: {maxUnavailable: 0}`, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, ptr.To(intstr.FromInt32(0)), o.PodDisruptionBudget(t, chart.Fullname).Spec.MaxUnavailable)
		}},
		"04 the load balancer publishes the peers' port": {values: everything, want: func(t *testing.T, o chart.Objects) {
			var looked []string
			for _, object := range o.All {
				service, ok := object.Typed.(*corev1.Service)
				if !ok || service.Name == "q-qdrant-headless" {
					continue
				}
				looked = append(looked, service.Name)
				for _, port := range some.Of(t, service.Spec.Ports) {
					assert.NotEqual(t, int32(6335), port.Port, service.Name)
				}
			}
			assert.Contains(t, looked, "q-qdrant-lb")
		}},
		"05 metrics are scraped over http from a server with TLS": {values: `{tls: {enabled: true, existingSecret: s}, metrics: {serviceMonitor: {enabled: true}}}`, want: func(t *testing.T, o chart.Objects) {
			assert.EqualValues(t, "https", ptr.Deref(endpoint(t, o).Scheme, ""))
		}},
		"06 helm test sends the text of a value as key": {values: `auth: {existingSecret: mine, keys: {apiKey: main}}`, want: func(t *testing.T, o chart.Objects) {
			variable := env(o.Pod(t, "q-qdrant-test").Spec.Containers[0], "API_KEY")
			require.NotNil(t, variable)
			assert.Equal(t, &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "mine"}, Key: "main"}, variable.ValueFrom.SecretKeyRef)
		}},
		"07 an Ingress ignores the name of the Service": {values: `ingress: {enabled: true, hosts: [{host: h, paths: [{path: /, serviceName: another}]}]}`, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, "another", o.Ingress(t, chart.Fullname).Spec.Rules[0].HTTP.Paths[0].Backend.Service.Name)
		}},
		"08 initContainers are null": {want: func(t *testing.T, o chart.Objects) {
			for _, object := range o.All {
				assert.NotContains(t, object.Text, "initContainers:", object.ID())
				assert.NotRegexp(t, `(?m)^\s+[A-Za-z]+:\s*null\s*$`, object.Text, object.ID())
			}
		}},
		"12 the service account has a fixed name": {values: `serviceAccount: {create: false, name: theirs}`, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, "theirs", podSpec(t, o).ServiceAccountName)
		}},
		"13 an init container runs as root": {want: func(t *testing.T, o chart.Objects) {
			// That the pod is restricted is an invariant of every render.
			assert.Empty(t, podSpec(t, o).InitContainers)
			assert.Equal(t, ptr.To[int64](3000), podSpec(t, o).SecurityContext.FSGroup, "so the kubelet gives the volumes to the group instead")
		}},
		"14 a stop is a SIGKILL because PID 1 is a shell": {want: func(t *testing.T, o chart.Objects) {
			script := strings.TrimSpace(o.ConfigMap(t, chart.Fullname).Data["start.sh"])
			lines := strings.Split(script, "\n")
			assert.True(t, strings.HasPrefix(lines[len(lines)-1], "exec ./qdrant "), "the last line is %q", lines[len(lines)-1])
			assert.NotContains(t, script, "entrypoint.sh")
			assert.Equal(t, []string{"/bin/bash", "/qdrant/config/start.sh"}, o.Server(t).Command)
			assert.Nil(t, podSpec(t, o).ShareProcessNamespace, "PID 1 would be the pause container")
		}},
		"15 pod 0 starts without a way to join": {want: func(t *testing.T, o chart.Objects) {
			assert.Contains(t, o.ConfigMap(t, chart.Fullname).Data["start.sh"], "--bootstrap")
		}},
		"16 liveness kills a server that still loads": {want: func(t *testing.T, o chart.Objects) {
			require.NotNil(t, o.Server(t).LivenessProbe)
			require.NotNil(t, o.Server(t).StartupProbe, "until it has succeeded, nobody asks for liveness")
		}},
	})
	refuses(t, map[string]refusal{
		"03c minAvailable beside maxUnavailable":          {values: `pdb: {minAvailable: 2}`, want: []string{"minAvailable"}},
		"09 a typo is accepted":                           {values: `replicacount: 3`, want: []string{"replicacount"}},
		"10 a key in values breaks the YAML it is put in": {values: `auth: {apiKey: "ab: #c"}`, want: []string{"'/auth'", "apiKey"}},
		"11 restoring with several replicas is ignored":   {values: `{replicas: 3, snapshotRestoration: {enabled: true}}`, want: []string{"snapshotRestoration"}},
		"04b a Service of type LoadBalancer":              {values: `service: {type: LoadBalancer}`, want: []string{"'/service/type'"}},
	})
}

// Bugs that the official chart had and fixed. The numbers are those of its issues.
func TestOfficialChartsFixedBugsAreNotHere(t *testing.T) {
	t.Parallel()
	behaves(t, map[string]behaviour{
		"74 the server notes its first start in a read-only folder": {want: func(t *testing.T, o chart.Objects) {
			variable := env(o.Server(t), "QDRANT_INIT_FILE_PATH")
			require.NotNil(t, variable)
			assert.True(t, strings.HasPrefix(variable.Value, "/qdrant/init/"))
			assert.NotNil(t, volume(t, o, "qdrant-init").EmptyDir)
		}},
		"79 probes of a server with TLS ask over http": {values: `tls: {enabled: true, existingSecret: s}`, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, corev1.URISchemeHTTPS, o.Server(t).ReadinessProbe.HTTPGet.Scheme)
		}},
		"114 readiness asks a path that is not about readiness": {want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, "/readyz", o.Server(t).ReadinessProbe.HTTPGet.Path)
		}},
		"115 peers cannot be found before they are ready": {want: func(t *testing.T, o chart.Objects) {
			assert.True(t, o.Service(t, "q-qdrant-headless").Spec.PublishNotReadyAddresses)
		}},
		"121 a pod stops before endpoints forget it": {want: func(t *testing.T, o chart.Objects) {
			assert.NotNil(t, o.Server(t).Lifecycle.PreStop.Exec)
		}},
		"127 metrics need the key": {values: `{auth: {existingSecret: s}, metrics: {serviceMonitor: {enabled: true}}}`, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, "metrics", endpoint(t, o).Port, "the port that asks for none")
		}},
		"214 each pod is scraped twice": {values: `metrics: {serviceMonitor: {enabled: true}}`, want: func(t *testing.T, o chart.Objects) {
			// That it selects one Service is an invariant of every render.
			endpoint(t, o)
		}},
		"314 peers do not speak TLS": {values: `tls: {enabled: true, existingSecret: s}`, want: func(t *testing.T, o chart.Objects) {
			tls, _ := chart.At(o.Config(t), "cluster.p2p.enable_tls")
			assert.Equal(t, true, tls)
			assert.Contains(t, o.ConfigMap(t, chart.Fullname).Data["start.sh"], "scheme=https\n")
		}},
		"340 the read-only key goes without the other one": {values: `auth: {existingSecret: s}`, want: func(t *testing.T, o chart.Objects) {
			assert.Nil(t, env(o.Server(t), "QDRANT__SERVICE__API_KEY").ValueFrom.SecretKeyRef.Optional, "a Secret without it stops the pod, and says so")
		}},
		"354 large ids become floats": {values: `podSecurityContext: {runAsUser: 1000740000, runAsGroup: 1000740000, fsGroup: 1000740000}`, want: func(t *testing.T, o chart.Objects) {
			context := podSpec(t, o).SecurityContext
			assert.Equal(t, ptr.To[int64](1000740000), context.RunAsUser)
			assert.Equal(t, ptr.To[int64](1000740000), context.FSGroup)
		}},
		"355 1024 open files": {want: func(t *testing.T, o chart.Objects) {
			assert.Contains(t, o.ConfigMap(t, chart.Fullname).Data["start.sh"], `ulimit -Sn "$(ulimit -Hn)"`)
		}},
		"321 volumes are given away by a chown as root": {want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, ptr.To(corev1.FSGroupChangeOnRootMismatch), podSpec(t, o).SecurityContext.FSGroupChangePolicy)
		}},
		"352 a security context of one's own replaces more than it says": {values: `podSecurityContext: {runAsUser: 4711}`, want: func(t *testing.T, o chart.Objects) {
			context := podSpec(t, o).SecurityContext
			assert.Equal(t, ptr.To[int64](4711), context.RunAsUser)
			assert.Equal(t, ptr.To(true), context.RunAsNonRoot)
			assert.Equal(t, ptr.To(true), o.Server(t).SecurityContext.ReadOnlyRootFilesystem)
		}},
		"456 claim templates differ from what the API server returns": {want: func(t *testing.T, o chart.Objects) {
			for _, claim := range some.Of(t, o.StatefulSet(t, chart.Fullname).Spec.VolumeClaimTemplates) {
				assert.Equal(t, "PersistentVolumeClaim", claim.Kind)
				assert.Equal(t, "v1", claim.APIVersion)
			}
		}},
	})
}

// Peers know each other by full names from the first day: a URI that changes has to be carried through the consensus.
func TestPeersHaveFullNames(t *testing.T) {
	t.Parallel()
	each(t, map[string]struct{ values, domain string }{
		"the usual domain": {``, "q-qdrant-headless.qdrant-test.svc.cluster.local"},
		"another domain":   {`clusterDomain: k8s.example.org`, "q-qdrant-headless.qdrant-test.svc.k8s.example.org"},
	}, func(t *testing.T, c struct{ values, domain string }) {
		script := chart.Render(t, c.values).ConfigMap(t, chart.Fullname).Data["start.sh"]
		assert.Contains(t, script, fmt.Sprintf("\ndomain=%s\n", c.domain))
	})
}
