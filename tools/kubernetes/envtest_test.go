package main

import (
	"os"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// TestEnvtest: the directory of the programs is one that controller-runtime's envtest can start.
//
//	KUBEBUILDER_ASSETS=$(go run ./tools/localkube) go -C tools/kubernetes test .
func TestEnvtest(t *testing.T) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("SKIP: KUBEBUILDER_ASSETS is not set; run: make test-controlplane")
	}
	// As the other tests on control planes have: no test fails because a machine is slow.
	const patience = 15 * time.Minute
	environment := envtest.Environment{ControlPlaneStartTimeout: patience, ControlPlaneStopTimeout: patience}
	config, err := environment.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Error(err)
		}
	})
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	namespaces, err := client.CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(namespaces.Items) == 0 {
		t.Fatal("the API server has no namespaces")
	}
	version, err := client.Discovery().ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("envtest runs Kubernetes %s", version.GitVersion)
}
