package chart

import (
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Everything that an invariant reads is in this render.
const values = `
auth: {generate: true}
shepherd: {enabled: true, image: {repository: example.org/shepherd, tag: t}}
guard: {enabled: true}
rebalance: {readNodeZones: true}
loadBalancer: {enabled: true, sourceRanges: [192.0.2.0/24]}
ingress: {enabled: true, hosts: [{host: example.org}]}
gateway: {httpRoute: {enabled: true, parentRefs: [{name: g}]}}
autoscaling: {enabled: true}
storageClass: {create: true}
metrics: {serviceMonitor: {enabled: true}}
`

// An invariant that can't be broken proves nothing: each is broken here, by a change to what was rendered.
func TestViolationsAreFound(t *testing.T) {
	t.Parallel()
	rendered, err := Files(t, values)
	require.NoError(t, err)
	require.Empty(t, violations(t, rendered))

	for name, c := range map[string]struct{ file, old, new, want string }{
		"an object twice":                    {"service-clients.yaml", `name: "q-qdrant-clients"`, `name: "q-qdrant"`, "Service/q-qdrant: is rendered twice"},
		"another namespace":                  {"pdb.yaml", `namespace: "qdrant-test"`, `namespace: default`, `is in namespace "default"`},
		"no namespace":                       {"pdb.yaml", "  namespace: \"qdrant-test\"\n", "", `is in namespace ""`},
		"a namespace for a kind without":     {"storageclass.yaml", `name: "qdrant-fast"`, "name: qdrant-fast\n  namespace: qdrant-test", "its kind has none"},
		"a name that the API refuses":        {"service.yaml", `name: "q-qdrant"`, `name: "1-qdrant"`, "Service/1-qdrant: name: "},
		"a label that the API refuses":       {"pdb.yaml", `app.kubernetes.io/part-of: qdrant`, `app.kubernetes.io/part-of: "a b"`, "label app.kubernetes.io/part-of"},
		"a selector with a fourth label":     {"service.yaml", `app.kubernetes.io/instance: "q"`, "app.kubernetes.io/instance: \"q\"\n    fourth: label", "not by exactly"},
		"a selector that matches no pod":     {"pdb.yaml", `app.kubernetes.io/instance: "q"`, `app.kubernetes.io/instance: "r"`, "matches the pods of 0 workloads, not of one"},
		"a policy for other pods":            {"networkpolicy.yaml", "podSelector:\n    matchLabels:\n      app: \"qdrant\"", "podSelector:\n    matchLabels:\n      app: \"other\"", "matches the pods of 0 workloads, not of one"},
		"a selector that matches the test":   {"test-pod.yaml", "app: qdrant-test\n    app.kubernetes.io/instance: q\n    app.kubernetes.io/managed-by: Helm\n    app.kubernetes.io/name: qdrant-test", "app: qdrant\n    app.kubernetes.io/instance: q\n    app.kubernetes.io/name: qdrant", "matches the pods of Pod/q-qdrant-test, which come and go"},
		"a spread that counts other pods":    {"statefulset.yaml", "topologySpreadConstraints:\n        - labelSelector:\n            matchLabels:\n              app: qdrant", "topologySpreadConstraints:\n        - labelSelector:\n            matchLabels:\n              app: other", "matches the pods of 0 workloads, not of one"},
		"a selector of another workload":     {"shepherd-tend-deployment.yaml", "      app: qdrant-shepherd\n      app.kubernetes.io/name: qdrant-shepherd\n", "      app: qdrant\n      app.kubernetes.io/name: qdrant\n", "does not match its own pods"},
		"a budget of another workload":       {"pdb.yaml", "    matchLabels:\n      app: \"qdrant\"\n      app.kubernetes.io/name: \"qdrant\"\n", "    matchLabels:\n      app: qdrant-shepherd\n      app.kubernetes.io/name: qdrant-shepherd\n", "is a budget of Deployment/q-shepherd"},
		"a selector that matches the job":    {"keys-job.yaml", "        app: qdrant-keys\n        app.kubernetes.io/instance: q\n        app.kubernetes.io/name: qdrant-keys", "        app: qdrant\n        app.kubernetes.io/instance: q\n        app.kubernetes.io/name: qdrant", "matches the pods of Job/q-qdrant-keys, which come and go"},
		"a monitor of two Services":          {"servicemonitor.yaml", "      app.kubernetes.io/component: cluster-discovery\n  namespaceSelector:\n    matchNames: [\"qdrant-test\"]\n  endpoints:\n    - port: metrics", "  namespaceSelector:\n    matchNames: [qdrant-test]\n  endpoints:\n    - port: http", "scrapes the pods of StatefulSet/q-qdrant by the Services [q-qdrant-clients "},
		"a monitor of a port that is not":    {"servicemonitor.yaml", "port: metrics", "port: other", `scrapes port "other"`},
		"a monitor of other namespaces":      {"shepherd-servicemonitor.yaml", `matchNames: ["qdrant-test"]`, `matchNames: [default]`, "looks into namespaces [default]"},
		"a port that no container has":       {"service.yaml", "targetPort: grpc", "targetPort: other", `names the port "other"`},
		"a policy for a port that is not":    {"networkpolicy.yaml", "port: 6336", "port: 7336", `names the port "7336"`},
		"peers' port for clients":            {"service-loadbalancer.yaml", "port: 6334, targetPort: grpc", "port: 6335, targetPort: p2p", "has the peers' port"},
		"clients of pods that are not ready": {"service-clients.yaml", "clusterIP: None", "clusterIP: None\n  publishNotReadyAddresses: true", "not ready"},
		"an autoscaler of nothing":           {"hpa.yaml", "    name: \"q-qdrant\"", "    name: other", "scales StatefulSet/other"},
		"an Ingress to a port that is not":   {"ingress.yaml", `name: "http"`, `name: "other"`, `leads to port "other"`},
		"a route to nothing":                 {"httproute.yaml", `port: 6333`, `port: 6336`, "no such port"},
		"a service name that is none":        {"statefulset.yaml", `serviceName: "q-qdrant-headless"`, `serviceName: "q-qdrant"`, "no headless Service"},
		"a root container":                   {"statefulset.yaml", "runAsNonRoot: true", "runAsNonRoot: false", "is not restricted: "},
		"privileges that can be gained":      {"statefulset.yaml", "allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true", "is not restricted: "},
		"capabilities":                       {"statefulset.yaml", "- ALL", "- CHOWN", "is not restricted: "},
		"no seccomp profile":                 {"statefulset.yaml", "type: RuntimeDefault", "type: Unconfined", "is not restricted: "},
		"a directory of the host":            {"statefulset.yaml", "emptyDir: {}", "hostPath: {path: /tmp}", "is not restricted: "},
		"a writable root file system":        {"test-pod.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "container test may write"},
		"a token":                            {"statefulset.yaml", "automountServiceAccountToken: false", "automountServiceAccountToken: true", "mounts a service account's token"},
		"a token by the account":             {"serviceaccount.yaml", "automountServiceAccountToken: false", "", "mounts its token"},
		"a token for the server":             {"statefulset.yaml", "- {name: qdrant-init, mountPath: /qdrant/init}", "- {name: qdrant-init, mountPath: /qdrant/init}\n            - {name: shepherd-token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}", "container qdrant has a service account's token, and its image is not shepherd's"},
		"a token elsewhere":                  {"shepherd-tend-deployment.yaml", "mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true", "mountPath: /token, readOnly: true", "container tend mounts the token at /token"},
		"a token that may be written":        {"keys-job.yaml", "mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true", "mountPath: /var/run/secrets/kubernetes.io/serviceaccount", "container keys mounts the token at "},
		"a token in another volume":          {"shepherd-tend-deployment.yaml", "- name: shepherd-token\n", "- name: other\n", "projects a service account's token into volume other"},
		"another image with the token":       {"keys-job.yaml", "image: \"example.org/shepherd:t\"", "image: example.org/other", "container keys has a service account's token, and its image is not shepherd's"},
		"a root container of the job":        {"keys-job.yaml", "runAsNonRoot: true", "runAsNonRoot: false", "Job/q-qdrant-keys: is not restricted: "},
		"a root container of tend":           {"shepherd-tend-deployment.yaml", "runAsNonRoot: true", "runAsNonRoot: false", "Deployment/q-shepherd: is not restricted: "},
		"a port that tend does not have":     {"shepherd-tend-service.yaml", "targetPort: shepherd", "targetPort: http", `names the port "http", which no container of Deployment/q-shepherd has`},
		"a binding to no role":               {"shepherd-pod-rolebinding.yaml", "name: \"q-qdrant-pod\"\nsubjects", "name: other\nsubjects", "binds Role/other, which is not rendered"},
		"a role without a binding":           {"shepherd-pod-rolebinding.yaml", "name: \"q-qdrant-pod\"\nsubjects", "name: other\nsubjects", "Role/q-qdrant-pod: is bound to nobody"},
		"rights for another account":         {"shepherd-tend-rolebinding.yaml", "kind: ServiceAccount\n    name: \"q-shepherd\"", "kind: ServiceAccount\n    name: default", "gives rights to ServiceAccount/default"},
		"rights for another namespace":       {"shepherd-tend-clusterrolebinding.yaml", "    namespace: \"qdrant-test\"", "    namespace: default", `of namespace "default", which no pod`},
		"rights for everybody":               {"keys-rolebinding.yaml", "kind: ServiceAccount", "kind: Group", "gives rights to Group/q-qdrant-keys"},
		"a right to a Lease that is not":     {"shepherd-pod-role.yaml", `resourceNames: ["q-qdrant-stop"]`, `resourceNames: [other]`, "names leases/other, which is none of this release"},
		"a right to a pod that is not":       {"shepherd-tend-role.yaml", "- q-qdrant-3\n", "- q-qdrant-test\n", "names pods/q-qdrant-test, which is none of this release"},
		"a right to a claim that is not":     {"shepherd-tend-role.yaml", "- qdrant-storage-q-qdrant-3\n", "- qdrant-snapshots-other-3\n", "names persistentvolumeclaims/qdrant-snapshots-other-3"},
		"a right to a namespace that is not": {"shepherd-tend-role.yaml", `resourceNames: ["qdrant-test"]`, `resourceNames: [default]`, "names namespaces/default"},
		"a right to all of a kind":           {"shepherd-pod-role.yaml", `    resourceNames: ["q-qdrant-stop"]` + "\n", "", "may get, update any of leases"},
		"a right to all of everything":       {"shepherd-pod-role.yaml", "resources: [leases]", `resources: ["*"]`, "has a wildcard"},
		"a right to read secrets":            {"keys-role.yaml", "verbs: [create]", "verbs: [create, list]", "may create, list secrets"},
		"a right to read another secret":     {"keys-role.yaml", `resourceNames: ["q-qdrant-keys"]`, "resourceNames: [other]", "names secrets/other"},
		"a policy that is not":               {"guard-binding.yaml", "policyName: \"qdrant-test.q-qdrant\"", "policyName: other", "binds the policy other, which is not rendered"},
		"a parameter that is not":            {"guard-binding.yaml", "paramRef:\n    name: \"q-shepherd\"", "paramRef:\n    name: other", "has the parameter ConfigMap/other"},
		"a parameter that nobody asks for":   {"guard-policy.yaml", "  paramKind: {apiVersion: v1, kind: ConfigMap}\n", "", "another parameter than it asks for"},
		"a mount without a volume":           {"statefulset.yaml", "- {name: qdrant-init, mountPath: /qdrant/init}", "- {name: other, mountPath: /qdrant/init}", "no such volume"},
		"a volume without a mount":           {"statefulset.yaml", "- {name: qdrant-init, mountPath: /qdrant/init}", "", "volume qdrant-init is mounted by no container"},
		"a claim without a mount":            {"statefulset.yaml", "- {name: qdrant-snapshots, mountPath: /qdrant/snapshots}", "", "volume qdrant-snapshots is mounted by no container"},
		"two mounts at one place":            {"statefulset.yaml", "mountPath: /qdrant/scratch", "mountPath: /qdrant/storage", "mounts two volumes at /qdrant/storage"},
		"a ConfigMap that is not":            {"configmap.yaml", `name: "q-qdrant"`, `name: "other"`, "ConfigMap q-qdrant, which is not rendered"},
		"a key in the environment":           {"statefulset.yaml", "- name: QDRANT_INIT_FILE_PATH", "- {name: QDRANT__SERVICE__JWT_SECRET, value: abc}\n            - name: QDRANT_INIT_FILE_PATH", "has QDRANT__SERVICE__JWT_SECRET in clear"},
		"a key in a ConfigMap":               {"configmap.yaml", "    service:\n", "    service:\n      api_key: abc\n", "production.yaml holds a secret: service.api_key"},
		"a bucket's key in a ConfigMap":      {"configmap.yaml", "    storage:\n", "    storage:\n      s3_config: {secret_key: abc}\n", "holds a secret: storage.s3_config.secret_key"},
		"a private key in a ConfigMap":       {"configmap.yaml", "#!/bin/bash", "-----BEGIN RSA PRIVATE KEY-----", "start.sh holds a private key"},
		"a configuration that is no YAML":    {"configmap.yaml", "    service:\n", "    service\n", "production.yaml is no YAML"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			changed := change(t, rendered, c.file, c.old, c.new)
			assert.Contains(t, strings.Join(violations(t, changed), "\n"), c.want)
		})
	}
}

func TestDecodingIsStrict(t *testing.T) {
	t.Parallel()
	rendered, err := Files(t, values)
	require.NoError(t, err)
	for name, c := range map[string]struct{ file, old, new, want string }{
		"a field that there is not":    {"pdb.yaml", "maxUnavailable: 1", "maxUnavailble: 1", `unknown field "spec.maxUnavailble"`},
		"a field of another kind":      {"service.yaml", "spec:\n", "spec:\n  replicas: 1\n", `unknown field "spec.replicas"`},
		"a key twice":                  {"pdb.yaml", "maxUnavailable: 1", "maxUnavailable: 1\n  maxUnavailable: 2", "already set in map"},
		"a number where text is asked": {"service.yaml", `app.kubernetes.io/instance: "q"`, "app.kubernetes.io/instance: 1", "cannot unmarshal number"},
		"a kind that there is not":     {"pdb.yaml", "kind: PodDisruptionBudget", "kind: Secret", "the chart makes no policy/v1 Secret"},
		"a version that there is not":  {"hpa.yaml", "apiVersion: autoscaling/v2", "apiVersion: autoscaling/v1", "the chart makes no autoscaling/v1"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			_, err := decode(change(t, rendered, c.file, c.old, c.new))
			require.ErrorContains(t, err, c.want)
			assert.ErrorContains(t, err, c.file)
		})
	}
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	assert.Equal(t, []string{"a: 1", "# words\nb: 2"}, documents("\n---\n# only words\n---\na: 1\n---\n# words\nb: 2\n"))
	assert.Empty(t, documents("\n# only words\n"))
}

func TestValuesMergeAsHelmDoes(t *testing.T) {
	t.Parallel()
	merged := Merge(Values(t, `{a: {b: 1, c: [1, 2]}, d: {e: 1}, f: 1}`), Values(t, `{a: {c: [3], g: 2}, d: null, f: {h: 1}}`))
	assert.Equal(t, Values(t, `{a: {b: 1, c: [3], g: 2}, d: null, f: {h: 1}}`), merged)
}

func TestAt(t *testing.T) {
	t.Parallel()
	tree := Values(t, `{a: {b: null, c: 0}}`)
	for path, want := range map[string]bool{"a": true, "a.b": true, "a.c": true, "a.d": false, "a.c.d": false, "d": false} {
		_, found := At(tree, path)
		assert.Equal(t, want, found, path)
	}
}

// change replaces the first occurrence of old in one template, which has to be there.
func change(t *testing.T, rendered map[string]string, file, old, replacement string) map[string]string {
	t.Helper()
	path := "templates/" + file
	require.Contains(t, rendered[path], old, "what this case changes is not in %s", file)
	changed := maps.Clone(rendered)
	changed[path] = strings.Replace(changed[path], old, replacement, 1)
	return changed
}

func violations(t *testing.T, rendered map[string]string) []string {
	t.Helper()
	objects, err := decode(rendered)
	require.NoError(t, err)
	objects.namespace, objects.shepherd = Namespace, "example.org/shepherd:t"
	return objects.Violations()
}
