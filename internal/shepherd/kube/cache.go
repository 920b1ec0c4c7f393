package kube

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
)

// Cache is a Client that has pods and claims at hand. The StatefulSet is still asked for each time: its replica count says who must
// leave, and a watch that has silently stopped would keep telling the old one.
type Cache struct {
	*Client
	pods   corelisters.PodLister
	claims corelisters.PersistentVolumeClaimLister
}

// Watch follows pods and claims until the context ends, and returns once it knows them all.
func (c *Client) Watch(ctx context.Context) (*Cache, error) {
	inNamespace := informers.WithNamespace(c.names.Namespace)
	pods := informers.NewSharedInformerFactoryWithOptions(c.api, 0, inNamespace,
		informers.WithTweakListOptions(func(options *metav1.ListOptions) { options.LabelSelector = podsOfStatefulSets }))
	claims := informers.NewSharedInformerFactoryWithOptions(c.api, 0, inNamespace)
	cache := &Cache{
		Client: c,
		pods:   pods.Core().V1().Pods().Lister(),
		claims: claims.Core().V1().PersistentVolumeClaims().Lister(),
	}
	for _, factory := range []informers.SharedInformerFactory{pods, claims} {
		factory.StartWithContext(ctx)
	}
	for _, factory := range []informers.SharedInformerFactory{pods, claims} {
		for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
			if !synced {
				return nil, fmt.Errorf("listing %s: %w", kind, context.Cause(ctx))
			}
		}
	}
	return cache, nil
}

// Pods is Client.Pods from memory.
func (c *Cache) Pods(ctx context.Context) ([]Pod, error) {
	objects, err := c.pods.Pods(c.names.Namespace).List(labels.Everything())
	if err != nil {
		return nil, fmt.Errorf("listing pods: %w", err)
	}
	return c.ownPods(ctx, objects)
}

// Claims is Client.Claims from memory.
func (c *Cache) Claims(_ context.Context, upTo int) ([]Claim, error) {
	objects, err := c.claims.PersistentVolumeClaims(c.names.Namespace).List(labels.Everything())
	if err != nil {
		return nil, fmt.Errorf("listing claims: %w", err)
	}
	return c.ownClaims(objects, upTo)
}
