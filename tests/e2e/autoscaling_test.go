//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	client "github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/qdrant-shepherd/shepherd/tests/internal/images"
	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/release"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// TestAutoscaling: Given a release of three; When autoscaling is turned on, when load makes it grow, and when a release that has grown
// is upgraded; Then an upgrade never touches the number of pods, at no moment, and the autoscaler does, upwards.
func TestAutoscaling(t *testing.T) {
	c := requireCluster(t)
	requireImages(t, c, images.MetricsServer)
	d := install(t, c)
	installMetricsServer(t, c)

	// The targets are what a few clients reach and an idle server does not.
	const on = `
autoscaling:
  enabled: true
  maxReplicas: 5
  targetCPUUtilizationPercentage: 70
  scaleUp: {pods: 1, periodSeconds: 15, stabilizationWindowSeconds: 0}
resources: {requests: {cpu: 200m, memory: 700Mi}}
`
	fullname := d.Fullname()
	step(t, "turning autoscaling on leaves three", func() {
		require.Equal(t, []int32{3}, d.replicasDuring(t, func() {
			d.Upgrade(t, release.Chart, d.values(t, on))
			d.WaitReady(t, 3)
		}))
	})
	step(t, "the autoscaler sees the server's container", func() {
		err := k8s.Poll(t.Context(), timeouts.ScaledUp, "figures for the autoscaler", func(ctx context.Context) error {
			hpa, err := c.AutoscalingV2().HorizontalPodAutoscalers(d.namespace).Get(ctx, fullname, metav1.GetOptions{})
			if err != nil {
				return err
			}
			if len(hpa.Status.CurrentMetrics) != 2 {
				return fmt.Errorf("it sees %d of 2 metrics: %v", len(hpa.Status.CurrentMetrics), hpa.Status.Conditions)
			}
			return nil
		})
		require.NoError(t, err)
	})

	// Load is searched for in a collection that is read from everywhere: brute force over one shard on each peer.
	var grown int32
	step(t, "load makes it grow", func() {
		stop := d.burn(t)
		defer stop()
		err := k8s.Poll(t.Context(), timeouts.ScaledUp, "a fourth replica", func(ctx context.Context) error {
			set, err := c.AppsV1().StatefulSets(d.namespace).Get(ctx, fullname, metav1.GetOptions{})
			if err != nil {
				return err
			}
			if *set.Spec.Replicas < 4 {
				return errors.New("still three replicas")
			}
			return nil
		})
		require.NoError(t, err)
	})
	step(t, "it does not shrink, and the new peers join", func() {
		// The figures lag behind: as long as they still show the load, one more may be asked for.
		require.NoError(t, k8s.Poll(t.Context(), timeouts.ScaledUp, "calm, and all pods ready", func(ctx context.Context) error {
			hpa, err := c.AutoscalingV2().HorizontalPodAutoscalers(d.namespace).Get(ctx, fullname, metav1.GetOptions{})
			if err != nil {
				return err
			}
			if len(hpa.Status.CurrentMetrics) != 2 {
				return fmt.Errorf("it sees %d of 2 metrics", len(hpa.Status.CurrentMetrics))
			}
			for _, metric := range hpa.Status.CurrentMetrics {
				if used := metric.ContainerResource.Current.AverageUtilization; used == nil || *used > 40 {
					return fmt.Errorf("%s still shows the load", metric.ContainerResource.Name)
				}
			}
			set, err := c.AppsV1().StatefulSets(d.namespace).Get(ctx, fullname, metav1.GetOptions{})
			if err != nil {
				return err
			}
			grown = *set.Spec.Replicas
			if set.Status.ReadyReplicas != grown || hpa.Status.DesiredReplicas != grown {
				return fmt.Errorf("%d of %d pods are ready, the autoscaler wants %d", set.Status.ReadyReplicas, grown, hpa.Status.DesiredReplicas)
			}
			return nil
		}))
		d.awaitOneCluster(t, int(grown))
	})
	step(t, fmt.Sprintf("an upgrade leaves %d", grown), func() {
		require.GreaterOrEqual(t, grown, int32(4))
		require.Equal(t, []int32{grown}, d.replicasDuring(t, func() {
			d.Upgrade(t, release.Chart, d.values(t, on, "logging: {level: WARN}"))
			d.WaitReady(t, grown)
		}))
		d.awaitOneCluster(t, int(grown))
	})
	step(t, fmt.Sprintf("a StatefulSet made anew under its pods has %d", grown), func() {
		d.orphanPods(t)
		d.Upgrade(t, release.Chart, d.values(t, on, "logging: {level: WARN}"))
		set, err := c.AppsV1().StatefulSets(d.namespace).Get(t.Context(), fullname, metav1.GetOptions{})
		require.NoError(t, err)
		require.Equal(t, grown, *set.Spec.Replicas)
		d.WaitReady(t, grown)
	})
}

// replicasDuring records every value that spec.replicas takes while something is done.
func (d *deployment) replicasDuring(t *testing.T, do func()) []int32 {
	t.Helper()
	watch, err := d.cluster.WatchReplicas(t.Context(), d.namespace, d.Fullname())
	require.NoError(t, err)
	do()
	values, err := watch.Stop(t.Context())
	require.NoError(t, err)
	return values
}

// burn keeps all peers busy until the function that it returns is called.
func (d *deployment) burn(t *testing.T) (stop func()) {
	t.Helper()
	db := d.connect(t, d.keys["api-key"])
	const name, dim = "burn", 256
	require.NoError(t, db.CreateCollection(t.Context(), &client.CreateCollection{
		CollectionName:    name,
		VectorsConfig:     client.NewVectorsConfig(&client.VectorParams{Size: dim, Distance: client.Distance_Dot}),
		ShardNumber:       client.PtrOf(uint32(6)),
		ReplicationFactor: client.PtrOf(uint32(1)),
	}))
	for batch := range 40 {
		points := make([]*client.PointStruct, 250)
		for i := range points {
			vector := make([]float32, dim)
			for j := range vector {
				vector[j] = float32((batch*31+i*17+j*7)%101) / 101
			}
			points[i] = &client.PointStruct{Id: client.NewIDNum(uint64(batch*len(points) + i)), Vectors: client.NewVectors(vector...)}
		}
		_, err := db.Upsert(t.Context(), &client.UpsertPoints{CollectionName: name, Points: points, Wait: client.PtrOf(true)})
		require.NoError(t, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	query := make([]float32, dim)
	query[0] = 1
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for ctx.Err() == nil {
				// A failed search is load too; what is proven is what the autoscaler makes of it.
				_, _ = db.Query(ctx, &client.QueryPoints{CollectionName: name, Query: client.NewQueryDense(query), Params: &client.SearchParams{Exact: client.PtrOf(true)}})
			}
		})
	}
	return func() { cancel(); clients.Wait() }
}
