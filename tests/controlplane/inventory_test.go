//go:build controlplane

package controlplane

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// objects are all objects that have to do with the release, of every kind that the API server knows: those of its namespace, and those
// without one that mention it. By kind and name, with what they say: no status, and nothing that the server itself counts.
//
// Events and Helm's own records are left out, and so are volumes, which are the claims' affair.
func (d *deployment) objects(ctx context.Context) (map[string]string, error) {
	lists, err := suite.Discovery().ServerPreferredResources()
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) { // an aggregated API that another test has taken down
		return nil, err
	}
	found := map[string]string{}
	for _, list := range discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "create"}}, lists) {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, err
		}
		for _, resource := range list.APIResources {
			if slices.Contains([]string{"Event", "Namespace", "PersistentVolume"}, resource.Kind) {
				continue
			}
			namespace := ""
			if resource.Namespaced {
				namespace = d.namespace
			}
			all, err := suite.Dynamic.Resource(version.WithResource(resource.Name)).Namespace(namespace).List(ctx, metav1.ListOptions{})
			switch {
			case apierrors.IsNotFound(err): // a CRD that another test has taken away
				continue
			case err != nil:
				return nil, err
			}
			for _, object := range all.Items {
				if says, of := d.says(object); of {
					found[object.GetKind()+"/"+object.GetName()] = says
				}
			}
		}
	}
	return found, nil
}

// says is what an object is, and whether it has to do with the release. What follows the pods' addresses says nothing.
func (d *deployment) says(object unstructured.Unstructured) (string, bool) {
	switch kind := object.GetKind(); {
	case kind == "Secret" && strings.HasPrefix(object.GetName(), "sh.helm.release."):
		return "", false
	case kind == "Endpoints" || kind == "EndpointSlice":
		return "", true
	}
	object = *object.DeepCopy()
	object.SetManagedFields(nil)
	object.SetResourceVersion("")
	object.SetGeneration(0)
	delete(object.Object, "status")
	text, _ := json.Marshal(object.Object) // it came as JSON
	return string(text), object.GetNamespace() != "" || strings.Contains(string(text), d.namespace)
}

// made are those that Helm, a test or a StatefulSet's claims have made, and not the controllers for another object.
func made(objects map[string]string) map[string]string {
	found := maps.Clone(objects)
	maps.DeleteFunc(found, func(name, says string) bool {
		kind, _, _ := strings.Cut(name, "/")
		return strings.Contains(says, `"ownerReferences":`) || slices.Contains([]string{"Endpoints", "EndpointSlice", "IPAddress"}, kind)
	})
	return found
}

// names are the objects' kinds and names, NS standing for the namespace, so that those of two releases can be compared.
func (d *deployment) names(objects map[string]string) []string {
	var found []string
	for name := range objects {
		found = append(found, strings.Replace(name, d.namespace, "NS", 1))
	}
	slices.Sort(found)
	return found
}

// changes are the objects that are not as they were.
func changes(before, after map[string]string) []string {
	var found []string
	for name, was := range before {
		if is, there := after[name]; !there {
			found = append(found, name+" is gone")
		} else if is != was {
			found = append(found, fmt.Sprintf("%s was\n%s\nand is\n%s", name, was, is))
		}
	}
	for name := range after {
		if _, there := before[name]; !there {
			found = append(found, name+" is new")
		}
	}
	return found
}

// listObjects is objects for a test.
func (d *deployment) listObjects(t *testing.T) map[string]string {
	t.Helper()
	found, err := d.objects(t.Context())
	require.NoError(t, err)
	require.Contains(t, found, "StatefulSet/"+d.fullname(), "what is compared must have the release in it")
	return found
}
