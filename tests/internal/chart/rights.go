package chart

import (
	"regexp"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

// unnamed are the verbs that RBAC can't tie to a name, for there is none yet, or because they are about many.
var unnamed = []string{"create", "list", "watch"}

// namedByKind are the resources of which roles may name objects that the chart renders itself.
var namedByKind = map[string]string{"configmaps": "ConfigMap", "leases": "Lease", "statefulsets": "StatefulSet"}

// rights: a role says which objects, those are there, somebody has the role, and that is an account that pods run as.
func (f *findings) rights(o Objects) {
	bound := map[string]bool{}
	for _, object := range o.All {
		switch typed := object.Typed.(type) {
		case *rbacv1.RoleBinding:
			f.binding(o, object, typed.RoleRef, typed.Subjects, bound)
		case *rbacv1.ClusterRoleBinding:
			f.binding(o, object, typed.RoleRef, typed.Subjects, bound)
		case *rbacv1.Role:
			f.rules(o, object, typed.Rules)
		case *rbacv1.ClusterRole:
			f.rules(o, object, typed.Rules)
		}
	}
	for _, object := range o.All {
		if (object.Kind == "Role" || object.Kind == "ClusterRole") && !bound[object.ID()] {
			f.addf(object, "is bound to nobody")
		}
	}
}

func (f *findings) binding(o Objects, object Object, role rbacv1.RoleRef, subjects []rbacv1.Subject, bound map[string]bool) {
	bound[role.Kind+"/"+role.Name] = true
	if !o.Has(role.Kind, role.Name) {
		f.addf(object, "binds %s/%s, which is not rendered", role.Kind, role.Name)
	}
	if len(subjects) == 0 {
		f.addf(object, "binds nobody")
	}
	for _, subject := range subjects {
		runs := slices.ContainsFunc(o.workloads(), func(w workload) bool { return w.pod.ServiceAccountName == subject.Name })
		if subject.Kind != rbacv1.ServiceAccountKind || subject.Namespace != o.namespace || !runs {
			f.addf(object, "gives rights to %s/%s of namespace %q, which no pod of the release runs as", subject.Kind, subject.Name, subject.Namespace)
		}
	}
}

func (f *findings) rules(o Objects, object Object, rules []rbacv1.PolicyRule) {
	for _, rule := range rules {
		resources, verbs := strings.Join(rule.Resources, ", "), strings.Join(rule.Verbs, ", ")
		if slices.Contains(slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs), "*") {
			f.addf(object, "has a wildcard in its rule for %s", resources)
		}
		// Events are made by their author under a name that nobody knows before; a node is any that a pod is on.
		free := slices.Equal(rule.Resources, []string{"events"}) || slices.Equal(rule.Resources, []string{"nodes"})
		named := slices.ContainsFunc(rule.Verbs, func(verb string) bool { return !slices.Contains(unnamed, verb) })
		if named && !free && len(rule.ResourceNames) == 0 {
			f.addf(object, "may %s any of %s", verbs, resources)
		}
		if slices.Contains(rule.Resources, "secrets") && verbs != "create" && verbs != "get" {
			f.addf(object, "may %s secrets", verbs)
		}
		for _, resource := range rule.Resources {
			for _, name := range rule.ResourceNames {
				if !o.names(resource, name) {
					f.addf(object, "names %s/%s, which is none of this release", resource, name)
				}
			}
		}
	}
}

// names says whether an object of the release is called so: one that is rendered, its namespace, or a pod or data claim of its StatefulSet.
func (o Objects) names(resource, name string) bool {
	if kind, ok := namedByKind[resource]; ok {
		return o.Has(kind, name)
	}
	if resource == "secrets" {
		return slices.Contains(o.secretsOfKeys(), name)
	}
	ordinal := func(prefix string) bool {
		return regexp.MustCompile("^" + regexp.QuoteMeta(prefix) + "-[0-9]+$").MatchString(name)
	}
	return slices.ContainsFunc(list[*appsv1.StatefulSet](o), func(sts *appsv1.StatefulSet) bool {
		switch resource {
		case "namespaces":
			return name == o.namespace
		case "pods":
			return ordinal(sts.Name)
		case "persistentvolumeclaims":
			for _, claim := range sts.Spec.VolumeClaimTemplates {
				if ordinal(claim.Name + "-" + sts.Name) {
					return true
				}
			}
		}
		return false
	})
}

// secretsOfKeys returns the names of the Secrets that containers take their environment from.
func (o Objects) secretsOfKeys() []string {
	var names []string
	for _, w := range o.workloads() {
		for _, container := range slices.Concat(w.pod.InitContainers, w.pod.Containers) {
			for _, variable := range container.Env {
				if variable.ValueFrom != nil && variable.ValueFrom.SecretKeyRef != nil {
					names = append(names, variable.ValueFrom.SecretKeyRef.Name)
				}
			}
		}
	}
	return names
}
