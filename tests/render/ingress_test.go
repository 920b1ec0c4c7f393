package render

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
)

func TestIngress(t *testing.T) {
	t.Parallel()
	behaves(t, map[string]behaviour{
		"off by default": {want: func(t *testing.T, o chart.Objects) {
			assert.False(t, o.Has("Ingress", chart.Fullname))
		}},
		"a host leads to REST": {values: `ingress: {enabled: true, hosts: [{host: qdrant.example.org}]}`, want: func(t *testing.T, o chart.Objects) {
			ingress := o.Ingress(t, chart.Fullname)
			assert.Nil(t, ingress.Spec.IngressClassName)
			assert.Empty(t, ingress.Spec.TLS)
			require.Len(t, ingress.Spec.Rules, 1)
			assert.Equal(t, "qdrant.example.org", ingress.Spec.Rules[0].Host)
			require.Len(t, ingress.Spec.Rules[0].HTTP.Paths, 1)
			path := ingress.Spec.Rules[0].HTTP.Paths[0]
			assert.Equal(t, "/", path.Path)
			assert.Equal(t, ptr.To(networkingv1.PathTypePrefix), path.PathType)
			assert.Equal(t, &networkingv1.IngressServiceBackend{Name: chart.Fullname, Port: networkingv1.ServiceBackendPort{Name: "http"}}, path.Backend.Service)
		}},
		"values": {
			values: `ingress: {enabled: true, className: nginx, annotations: {a: b}, tls: [{secretName: s, hosts: [one.example.org]}], hosts: [{host: one.example.org, paths: [{path: /a, pathType: Exact}, {path: /b, port: grpc}]}, {host: "*.example.org"}]}`,
			want: func(t *testing.T, o chart.Objects) {
				ingress := o.Ingress(t, chart.Fullname)
				assert.Equal(t, ptr.To("nginx"), ingress.Spec.IngressClassName)
				assert.Equal(t, "b", ingress.Annotations["a"])
				assert.Equal(t, []networkingv1.IngressTLS{{SecretName: "s", Hosts: []string{"one.example.org"}}}, ingress.Spec.TLS)
				require.Len(t, ingress.Spec.Rules, 2)
				paths := ingress.Spec.Rules[0].HTTP.Paths
				assert.Equal(t, ptr.To(networkingv1.PathTypeExact), paths[0].PathType)
				assert.Equal(t, "grpc", paths[1].Backend.Service.Port.Name)
				assert.Equal(t, "*.example.org", ingress.Spec.Rules[1].Host)
			}},
	})
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	const values = `
gateway:
  httpRoute: {enabled: true, parentRefs: [{name: public, namespace: edge, sectionName: https}], hostnames: [rest.example.org], annotations: {a: rest}}
  grpcRoute: {enabled: true, parentRefs: [{name: public}], hostnames: [grpc.example.org], annotations: {a: grpc}}`
	behaves(t, map[string]behaviour{
		"off by default": {want: func(t *testing.T, o chart.Objects) {
			assert.False(t, o.Has("HTTPRoute", chart.Fullname))
			assert.False(t, o.Has("GRPCRoute", chart.Fullname))
		}},
		"REST": {values: values, want: func(t *testing.T, o chart.Objects) {
			route := o.HTTPRoute(t, chart.Fullname)
			assert.Equal(t, []gatewayv1.ParentReference{{Name: "public", Namespace: ptr.To(gatewayv1.Namespace("edge")), SectionName: ptr.To(gatewayv1.SectionName("https"))}}, route.Spec.ParentRefs)
			assert.Equal(t, []gatewayv1.Hostname{"rest.example.org"}, route.Spec.Hostnames)
			backend := route.Spec.Rules[0].BackendRefs[0]
			assert.EqualValues(t, chart.Fullname, backend.Name)
			assert.EqualValues(t, 6333, *backend.Port)
			assert.Equal(t, "rest", route.Annotations["a"])
		}},
		"gRPC": {values: values, want: func(t *testing.T, o chart.Objects) {
			route := o.GRPCRoute(t, chart.Fullname)
			assert.Equal(t, []gatewayv1.Hostname{"grpc.example.org"}, route.Spec.Hostnames)
			assert.EqualValues(t, 6334, *route.Spec.Rules[0].BackendRefs[0].Port)
			assert.Equal(t, "grpc", route.Annotations["a"])
		}},
		"one without the other": {values: `gateway: {grpcRoute: {enabled: true, parentRefs: [{name: g}]}}`, want: func(t *testing.T, o chart.Objects) {
			assert.False(t, o.Has("HTTPRoute", chart.Fullname))
			assert.Empty(t, o.GRPCRoute(t, chart.Fullname).Spec.Hostnames)
		}},
	})
}
