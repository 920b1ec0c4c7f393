//go:build controlplane

package controlplane

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// defaulted are the lists that the server adds items to: pods tolerate for a while that their node is away.
var defaulted = []string{".spec.tolerations"}

// amounts are the fields that are quantities, or maps of them. The server writes those its own way: 1000m is stored as 1.
var amounts = []string{"limits", "requests", "sizeLimit"}

// differences are the fields that the server dropped or altered, by their paths. What it added is its own affair.
func differences(sent, stored map[string]any) []string { return differ("", sent, stored, sameValue) }

func differ(path string, sent, stored any, same func(a, b any) bool) []string {
	switch sent := sent.(type) {
	case map[string]any:
		if of, ok := stored.(map[string]any); ok {
			return differingFields(path, sent, of, same)
		}
	case []any:
		of, ok := stored.([]any)
		if ok && (len(of) == len(sent) || len(of) > len(sent) && slices.Contains(defaulted, path)) {
			return differingItems(path, sent, of, same)
		}
	default:
		if same(sent, stored) {
			return nil
		}
	}
	return []string{fmt.Sprintf("%s: %#v was stored as %#v", path, sent, stored)}
}

func differingFields(path string, sent, stored map[string]any, same func(a, b any) bool) []string {
	var found []string
	for _, key := range slices.Sorted(maps.Keys(sent)) {
		value, kept := stored[key]
		switch here := path + "." + key; {
		case !kept:
			found = append(found, fmt.Sprintf("%s: %#v was dropped", here, sent[key]))
		case slices.Contains(amounts, key):
			found = append(found, differ(here, sent[key], value, sameAmount)...)
		default:
			found = append(found, differ(here, sent[key], value, same)...)
		}
	}
	return found
}

func differingItems(path string, sent, stored []any, same func(a, b any) bool) []string {
	var found []string
	for i := range sent {
		found = append(found, differ(fmt.Sprintf("%s[%d]", path, i), sent[i], stored[i], same)...)
	}
	return found
}

// sameValue compares numbers by what they are: 1 and 1.0 are one in JSON.
func sameValue(sent, stored any) bool {
	if a, ok := number(sent); ok {
		b, ok := number(stored)
		return ok && a == b
	}
	return reflect.DeepEqual(sent, stored)
}

func number(value any) (float64, bool) {
	switch value := value.(type) {
	case int64:
		return float64(value), true
	case float64:
		return value, true
	}
	return 0, false
}

// sameAmount compares quantities, which may also be written as numbers; what is none is compared as any other value.
func sameAmount(sent, stored any) bool {
	a, errA := resource.ParseQuantity(fmt.Sprint(sent))
	b, errB := resource.ParseQuantity(fmt.Sprint(stored))
	if errA != nil || errB != nil {
		return sameValue(sent, stored)
	}
	return a.Cmp(b) == 0
}

// The comparison is what all of TestEveryObjectIsStoredAsItWasSent stands on.
func TestAComparisonSeesWhatTheServerDropsAndAlters(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sent, stored string
		want         []string
	}{
		"the same":                              {`{a: {b: [1, {c: "x"}]}}`, `{a: {b: [1, {c: "x"}]}}`, nil},
		"defaults":                              {`{a: {b: 1}}`, `{a: {b: 1, c: 2}, d: 3}`, nil},
		"a dropped field":                       {`{a: {b: 1, c: 2}}`, `{a: {c: 2}}`, []string{".a.b: 1 was dropped"}},
		"a dropped zero":                        {`{a: 0}`, `{}`, []string{".a: 0 was dropped"}},
		"a dropped field of an item":            {`{a: [{b: 1, c: 2}]}`, `{a: [{b: 1}]}`, []string{".a[0].c: 2 was dropped"}},
		"an altered text":                       {`{a: {b: x}}`, `{a: {b: z}}`, []string{`.a.b: "x" was stored as "z"`}},
		"an altered number":                     {`{a: 1}`, `{a: 2}`, []string{`.a: 1 was stored as 2`}},
		"a number as a text":                    {`{a: 80}`, `{a: "80"}`, []string{`.a: 80 was stored as "80"`}},
		"a number with a fraction of nothing":   {`{a: 1.0}`, `{a: 1}`, nil},
		"a field that is no map any more":       {`{a: {b: 1}}`, `{a: b}`, []string{`.a: map[string]interface {}{"b":1} was stored as "b"`}},
		"a list that has grown":                 {`{a: [1]}`, `{a: [1, 2]}`, []string{`.a: []interface {}{1} was stored as []interface {}{1, 2}`}},
		"a list that gets defaults":             {`{spec: {tolerations: [1]}}`, `{spec: {tolerations: [1, 2]}}`, nil},
		"a list in another order":               {`{a: [1, 2]}`, `{a: [2, 1]}`, []string{`.a[0]: 1 was stored as 2`, `.a[1]: 2 was stored as 1`}},
		"an amount that is written differently": {`{requests: {cpu: 1000m, memory: 1024Mi}}`, `{requests: {cpu: "1", memory: 1Gi}}`, nil},
		"an amount as a number":                 {`{limits: {cpu: 2}}`, `{limits: {cpu: "2"}}`, nil},
		"an altered amount":                     {`{limits: {cpu: 200m}}`, `{limits: {cpu: "2"}}`, []string{`.limits.cpu: "200m" was stored as "2"`}},
		"a text that could be an amount":        {`{a: 1000m}`, `{a: "1"}`, []string{`.a: "1000m" was stored as "1"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, c.want, differences(read(t, c.sent), read(t, c.stored)))
		})
	}
}

// read decodes as the client does: whole numbers are such.
func read(t *testing.T, text string) map[string]any {
	t.Helper()
	content, err := yaml.YAMLToJSONStrict([]byte(text))
	require.NoError(t, err)
	object := map[string]any{}
	require.NoError(t, json.Unmarshal(content, &object))
	return object
}
