//go:build controlplane

package controlplane

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
)

// breaches are changes that make a restricted pod one that is not, and what Pod Security says of them.
var breaches = map[string]struct {
	commit func(*corev1.PodSpec)
	says   string
}{
	"a privileged container": {
		func(pod *corev1.PodSpec) {
			context := pod.Containers[0].SecurityContext
			context.Privileged, context.AllowPrivilegeEscalation = ptr.To(true), nil
		},
		"privileged",
	},
	"a container of root": {
		func(pod *corev1.PodSpec) { pod.Containers[0].SecurityContext.RunAsUser = ptr.To[int64](0) },
		"runAsUser=0",
	},
	"a pod of root": {
		func(pod *corev1.PodSpec) { pod.SecurityContext.RunAsUser = ptr.To[int64](0) },
		"runAsUser=0",
	},
	"a folder of the node": {
		func(pod *corev1.PodSpec) {
			pod.Volumes = append(pod.Volumes, corev1.Volume{Name: "node", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}})
		},
		"hostPath",
	},
}

// The pods of everything that the chart renders are admitted where Pod Security enforces "restricted", without a warning; and each is refused
// once it asks for more, so it was looked at.
func TestPodsAreRestricted(t *testing.T) {
	t.Parallel()
	var tried names
	t.Run("variants", func(t *testing.T) {
		for name, v := range variants(t) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				namespace := namespace(t)
				objects := v.render(t, namespace)
				makeAccounts(t, namespace, objects)
				for _, object := range objects.All {
					if spec := podOf(object); spec != nil {
						tried.add(object.Kind)
						t.Run(object.ID(), func(t *testing.T) { isRestricted(t, namespace, spec) })
					}
				}
			})
		}
	})
	if !t.Failed() {
		assert.Equal(t, []string{"Deployment", "Job", "Pod", "StatefulSet"}, tried.sorted(), "workloads that a variant has")
	}
}

func isRestricted(t *testing.T, namespace string, pod *corev1.PodSpec) {
	t.Helper()
	warned := new(warnings)
	require.NoError(t, admit(t, namespace, pod, warned))
	assert.Empty(t, warned.all(), "the API server warned")
	for name, breach := range breaches {
		t.Run(name, func(t *testing.T) {
			worse := pod.DeepCopy()
			breach.commit(worse)
			err := admit(t, namespace, worse, new(warnings))
			assert.True(t, apierrors.IsForbidden(err), "%v", err)
			assert.ErrorContains(t, err, `violates PodSecurity "restricted:latest"`)
			assert.ErrorContains(t, err, breach.says)
		})
	}
}

// admit asks the API server for a pod and has it do all but store it.
func admit(t *testing.T, namespace string, pod *corev1.PodSpec, warned *warnings) error {
	t.Helper()
	config := rest.CopyConfig(suite.Config)
	config.WarningHandler = warned
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	_, err = client.CoreV1().Pods(namespace).Create(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "tried"}, Spec: *pod},
		metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}

// makeAccounts makes the release's service accounts, without which no pod is admitted.
func makeAccounts(t *testing.T, namespace string, objects chart.Objects) {
	t.Helper()
	for _, object := range objects.All {
		if account, ok := object.Typed.(*corev1.ServiceAccount); ok {
			_, err := suite.CoreV1().ServiceAccounts(namespace).Create(t.Context(), account, metav1.CreateOptions{})
			require.NoError(t, err)
		}
	}
}

// podOf is the pod that a controller makes of an object, nil where there is none.
func podOf(object chart.Object) *corev1.PodSpec {
	var pod corev1.PodSpec
	switch typed := object.Typed.(type) {
	case *appsv1.StatefulSet:
		pod = typed.Spec.Template.Spec
		for _, claim := range typed.Spec.VolumeClaimTemplates {
			pod.Volumes = append(pod.Volumes, corev1.Volume{Name: claim.Name, VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name + "-0"},
			}})
		}
	case *appsv1.Deployment:
		pod = typed.Spec.Template.Spec
	case *batchv1.Job:
		pod = typed.Spec.Template.Spec
	case *corev1.Pod:
		pod = typed.Spec
	default:
		return nil
	}
	// Classes that this cluster has not. They are no concern of Pod Security.
	pod.PriorityClassName, pod.RuntimeClassName = "", nil
	return &pod
}
