package controlplane

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

const loopback = "127.0.0.1"

// access is the keys of a control plane, as files of its directory.
type access struct {
	directory                                             string
	kubeconfig, certificate, key, accounts, tokens, sched string
}

// newAccess makes a certificate for the API server, a key that signs the tokens of service accounts, and an administrator's token,
// which the controllers use too.
func newAccess(directory string, port int) (*access, error) {
	file := func(name string) string { return filepath.Join(directory, name) }
	a := &access{
		directory: directory, kubeconfig: file("kubeconfig"), certificate: file("api.crt"), key: file("api.key"),
		accounts: file("accounts.key"), tokens: file("tokens.csv"), sched: file("scheduler.yaml"),
	}
	certificate, key, err := cert.GenerateSelfSignedCertKey(loopback, []net.IP{net.ParseIP(loopback)}, []string{"localhost"})
	if err != nil {
		return nil, fmt.Errorf("making the API server's certificate: %w", err)
	}
	signer, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("making a key for service accounts: %w", err)
	}
	accounts, err := keyutil.MarshalPrivateKeyToPEM(signer)
	if err != nil {
		return nil, fmt.Errorf("making a key for service accounts: %w", err)
	}
	token := rand.Text()
	kubeconfig, err := clientcmd.Write(api.Config{
		Clusters: map[string]*api.Cluster{"local": {
			Server: "https://" + net.JoinHostPort(loopback, strconv.Itoa(port)), CertificateAuthorityData: certificate,
		}},
		AuthInfos:      map[string]*api.AuthInfo{"admin": {Token: token}},
		Contexts:       map[string]*api.Context{"local": {Cluster: "local", AuthInfo: "admin"}},
		CurrentContext: "local",
	})
	if err != nil {
		return nil, fmt.Errorf("writing the kubeconfig: %w", err)
	}
	scheduler := "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nleaderElection: {leaderElect: false}\n" +
		fmt.Sprintf("clientConnection: {kubeconfig: %q, qps: 1000, burst: 2000}\n", a.kubeconfig)
	for path, content := range map[string][]byte{
		a.kubeconfig: kubeconfig, a.certificate: certificate, a.key: key, a.accounts: accounts,
		a.tokens: []byte(token + ",admin,admin,system:masters\n"), a.sched: []byte(scheduler),
	} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return nil, fmt.Errorf("writing the keys: %w", err)
		}
	}
	return a, nil
}

func (a *access) etcdFlags(client, peer int) []string {
	clientURL, peerURL := fmt.Sprintf("http://%s:%d", loopback, client), fmt.Sprintf("http://%s:%d", loopback, peer)
	return []string{
		"--name=local", "--data-dir=" + filepath.Join(a.directory, "etcd"), "--log-level=warn",
		"--listen-client-urls=" + clientURL, "--advertise-client-urls=" + clientURL,
		"--listen-peer-urls=" + peerURL, "--initial-advertise-peer-urls=" + peerURL, "--initial-cluster=local=" + peerURL,
		"--unsafe-no-fsync", // what it holds is not needed after a crash
	}
}

func (a *access) apiServerFlags(etcd, port int) []string {
	return []string{
		fmt.Sprintf("--etcd-servers=http://%s:%d", loopback, etcd),
		"--bind-address=" + loopback, "--advertise-address=" + loopback, fmt.Sprintf("--secure-port=%d", port),
		"--endpoint-reconciler-type=none", // it refuses loopback addresses
		"--tls-cert-file=" + a.certificate, "--tls-private-key-file=" + a.key, "--token-auth-file=" + a.tokens,
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=" + a.accounts,
		"--service-account-signing-key-file=" + a.accounts, "--service-cluster-ip-range=10.96.0.0/12",
		"--authorization-mode=Node,RBAC", "--enable-priority-and-fairness=false", "--allow-privileged=true",
	}
}

func (a *access) controllerFlags() []string {
	return []string{
		"--kubeconfig=" + a.kubeconfig, "--leader-elect=false", "--secure-port=0", "--kube-api-qps=1000", "--kube-api-burst=2000",
		"--service-account-private-key-file=" + a.accounts, "--root-ca-file=" + a.certificate, "--concurrent-statefulset-syncs=20",
	}
}

func (a *access) schedulerFlags() []string { return []string{"--config=" + a.sched, "--secure-port=0"} }

func (a *access) kwokFlags() []string {
	// No port: kwok would offer logs and exec of pods that have neither, on every interface.
	return []string{"--kubeconfig=" + a.kubeconfig, "--manage-all-nodes=true", "--node-lease-duration-seconds=40", "--node-port=0", "--cidr=10.244.0.0/16"}
}
