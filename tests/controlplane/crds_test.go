//go:build controlplane

package controlplane

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/releaseutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
	"github.com/qdrant-shepherd/shepherd/tests/internal/crds"
	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// definitions installs those of all projects, once, and returns what went wrong by API group.
var definitions = sync.OnceValue(func() map[string]error {
	ctx, cancel := context.WithTimeout(context.Background(), timeouts.Patience)
	defer cancel()
	failed := map[string]error{}
	for _, project := range crds.Projects {
		failed[project.Group] = define(ctx, project)
	}
	return failed
})

var definitionResource = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

// define makes the definitions of a project and waits until the API server serves its resources.
func define(ctx context.Context, project crds.Project) error {
	all, err := project.Definitions(ctx)
	if err != nil {
		return err
	}
	for _, definition := range all {
		if _, err := suite.Dynamic.Resource(definitionResource).Create(ctx, definition, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	for _, definition := range all {
		if err := k8s.Poll(ctx, timeouts.Patience, definition.GetName()+" to be established", func(ctx context.Context) error {
			return established(ctx, definition.GetName())
		}); err != nil {
			return err
		}
	}
	return nil
}

func established(ctx context.Context, name string) error {
	definition, err := suite.Dynamic.Resource(definitionResource).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	conditions, _, err := unstructured.NestedSlice(definition.Object, "status", "conditions")
	if err != nil {
		return err
	}
	for _, condition := range conditions {
		if condition, ok := condition.(map[string]any); ok && condition["type"] == "Established" && condition["status"] == "True" {
			return nil
		}
	}
	return fmt.Errorf("its conditions are %v", conditions)
}

// needsDefinition makes sure that an object's kind is known, and skips the test where its definition can't be had.
func needsDefinition(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	err, needed := definitions()[object.GroupVersionKind().Group]
	if !needed {
		return
	}
	if errors.Is(err, crds.ErrUnavailable) {
		t.Skipf("SKIP: a %s is not tested: %v; it needs the network, once", object.GetKind(), err)
	}
	require.NoError(t, err)
}

// besides is what users put beside a release: snapshots of its volumes, and the certificate that it serves.
const besides = `
tls: {enabled: true, existingSecret: qdrant-tls}
extraObjects:
  - apiVersion: snapshot.storage.k8s.io/v1
    kind: VolumeSnapshotClass
    metadata: {name: "{{ .Release.Namespace }}"}
    driver: ebs.csi.aws.com
    deletionPolicy: Retain
  - apiVersion: snapshot.storage.k8s.io/v1
    kind: VolumeSnapshot
    metadata: {name: before-the-upgrade, namespace: "{{ .Release.Namespace }}"}
    spec:
      volumeSnapshotClassName: "{{ .Release.Namespace }}"
      source: {persistentVolumeClaimName: 'qdrant-storage-{{ include "qdrant.fullname" . }}-0'}
  - apiVersion: cert-manager.io/v1
    kind: Issuer
    metadata: {name: qdrant, namespace: "{{ .Release.Namespace }}"}
    spec: {ca: {secretName: authority}}
  - apiVersion: cert-manager.io/v1
    kind: Certificate
    metadata: {name: qdrant, namespace: "{{ .Release.Namespace }}"}
    spec:
      secretName: "{{ .Values.tls.existingSecret }}"
      issuerRef: {name: qdrant, kind: Issuer, group: cert-manager.io}
      usages: [server auth, client auth]
      dnsNames:
        - '{{ include "qdrant.fullname" . }}.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}'
        - '*.{{ include "qdrant.fullname" . }}-headless.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}'
`

// misspelt are fields that the definitions do not know, by the kind that is given one.
var misspelt = map[string][]string{
	"Certificate":         {"spec", "dnsName"},
	"GRPCRoute":           {"spec", "parentRef"},
	"HTTPRoute":           {"spec", "hostname"},
	"Issuer":              {"spec", "ca", "secret"},
	"PrometheusRule":      {"spec", "group"},
	"ServiceMonitor":      {"spec", "selector", "matchLabel"},
	"VolumeSnapshot":      {"spec", "source", "persistentVolumeClaim"},
	"VolumeSnapshotClass": {"deletePolicy"},
}

// Objects of other projects are held to the definitions of these projects: those are obeyed, and a field that they do not know is refused.
func TestObjectsOfOtherProjectsObeyTheirDefinitions(t *testing.T) {
	t.Parallel()
	namespace := namespace(t)
	applier := newApplier(t)
	rendered := map[string]bool{}
	for _, object := range definedElsewhere(t, namespace) {
		rendered[object.GetKind()] = true
		t.Run(id(object), func(t *testing.T) {
			needsDefinition(t, object)
			stored, err := applier.apply(t.Context(), object)
			require.NoError(t, err)
			assert.Empty(t, differences(object.Object, stored.Object))

			field := misspelt[object.GetKind()]
			require.NoError(t, unstructured.SetNestedField(object.Object, "anything", field...))
			_, err = applier.apply(t.Context(), object)
			assert.ErrorContains(t, err, field[len(field)-1])
		})
	}
	assert.Empty(t, applier.warned.all(), "the API server warned")
	assert.Equal(t, slices.Sorted(maps.Keys(misspelt)), slices.Sorted(maps.Keys(rendered)), "kinds that are rendered")
}

// definedElsewhere are those objects of a release, and beside it, whose kinds Kubernetes does not know by itself.
func definedElsewhere(t *testing.T, namespace string) []*unstructured.Unstructured {
	t.Helper()
	files, err := chart.Files(t, besides, chart.Into(namespace), chart.Below(everything(chart.Release, namespace)))
	require.NoError(t, err)
	delete(files, "templates/NOTES.txt")
	var found []*unstructured.Unstructured
	for _, document := range releaseutil.SplitManifests(chart.Join(files)) {
		object := &unstructured.Unstructured{Object: read(t, document)}
		if _, elsewhere := definitions()[object.GroupVersionKind().Group]; elsewhere {
			found = append(found, object)
		}
	}
	return found
}
