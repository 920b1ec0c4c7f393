package k8s

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Owners are the field managers that own a field of an object, sorted, each with its operation and, where it wrote through one, the
// subresource: "helm Apply", "kube-controller-manager Update scale". The path is one of names: "spec", "replicas".
func Owners(object metav1.Object, path ...string) ([]string, error) {
	var owners []string
	for _, entry := range object.GetManagedFields() {
		var owned map[string]any
		if err := json.Unmarshal(entry.FieldsV1.GetRawBytes(), &owned); err != nil {
			return nil, fmt.Errorf("reading what %s owns of %s: %w", entry.Manager, object.GetName(), err)
		}
		if holds(owned, path) {
			owners = append(owners, strings.TrimSpace(fmt.Sprintf("%s %s %s", entry.Manager, entry.Operation, entry.Subresource)))
		}
	}
	slices.Sort(owners)
	return owners, nil
}

// holds says whether a set of fields has the path in it. A set is a tree in which the field replicas is called f:replicas.
func holds(owned map[string]any, path []string) bool {
	if len(path) == 0 {
		return true
	}
	below, ok := owned["f:"+path[0]].(map[string]any)
	return ok && holds(below, path[1:])
}
