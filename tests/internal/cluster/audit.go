package cluster

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
)

// auditPolicy has the API server write down what service accounts ask for, those of Kubernetes itself excepted.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: None, userGroups: ["system:serviceaccounts:kube-system", "system:serviceaccounts:local-path-storage"]}
  - {level: Metadata, userGroups: ["system:serviceaccounts"]}
  - {level: None}
`

const (
	auditFolder = "/etc/kubernetes/audit"
	auditLog    = "/var/log/kubernetes/audit.log"
)

// audited is a control plane that keeps an audit log. The policy lies in a folder of the suite's own.
func audited(dir string) (v1alpha4.Node, error) {
	policies := filepath.Join(dir, "audit")
	if err := os.MkdirAll(policies, 0o755); err != nil {
		return v1alpha4.Node{}, fmt.Errorf("folder for the audit policy: %w", err)
	}
	if err := os.WriteFile(filepath.Join(policies, "policy.yaml"), []byte(auditPolicy), 0o644); err != nil {
		return v1alpha4.Node{}, fmt.Errorf("writing the audit policy: %w", err)
	}
	patch := fmt.Sprintf(`kind: ClusterConfiguration
apiServer:
  extraArgs:
    - {name: audit-policy-file, value: %[1]s/policy.yaml}
    - {name: audit-log-path, value: %[2]s}
  extraVolumes:
    - {name: audit-policy, hostPath: %[1]s, mountPath: %[1]s, readOnly: true, pathType: DirectoryOrCreate}
    - {name: audit-log, hostPath: %[3]s, mountPath: %[3]s, readOnly: false, pathType: DirectoryOrCreate}
`, auditFolder, auditLog, filepath.Dir(auditLog))
	return v1alpha4.Node{
		Role:                 v1alpha4.ControlPlaneRole,
		KubeadmConfigPatches: []string{patch},
		ExtraMounts:          []v1alpha4.Mount{{HostPath: policies, ContainerPath: auditFolder, Readonly: true}},
	}, nil
}

// Request is one request to the API server by a service account, as its audit log has it.
type Request struct {
	Account   string // of the service account; Namespace is the account's
	Namespace string
	Verb      string
	Group     string
	Resource  string // with its subresource after a slash
	Name      string
	Allowed   bool
}

// errNoAudit says that the cluster is not one that the suite made.
var errNoAudit = errors.New("the audit log can be read only of a kind cluster that the suite has made")

// Requests reads the audit log.
func (c *Cluster) Requests(ctx context.Context) ([]Request, error) {
	if c.provider == nil {
		return nil, errNoAudit
	}
	text, err := c.docker(ctx, "exec", c.Name+"-control-plane", "cat", auditLog)
	if err != nil {
		return nil, errors.Join(errNoAudit, err)
	}
	var requests []Request
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct {
			Verb string `json:"verb"`
			User struct {
				Username string `json:"username"`
			} `json:"user"`
			ObjectRef struct {
				Resource, Subresource, Name, APIGroup string
			} `json:"objectRef"`
			Annotations map[string]string `json:"annotations"`
		}
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return nil, fmt.Errorf("reading the audit log: %w", err)
		}
		parts := strings.Split(event.User.Username, ":") // system:serviceaccount:NAMESPACE:NAME
		if len(parts) != 4 || event.ObjectRef.Resource == "" {
			continue
		}
		resource := event.ObjectRef.Resource
		if event.ObjectRef.Subresource != "" {
			resource += "/" + event.ObjectRef.Subresource
		}
		requests = append(requests, Request{
			Namespace: parts[2], Account: parts[3], Verb: event.Verb, Group: event.ObjectRef.APIGroup, Resource: resource, Name: event.ObjectRef.Name,
			Allowed: event.Annotations["authorization.k8s.io/decision"] == "allow",
		})
	}
	return requests, lines.Err()
}

// JudgeRequests holds requests against permissions, each "account: verb group/resource". It returns the permissions that were used, and what is
// wrong: a request that was refused outside the namespaces in which that is expected, one that was allowed without being listed as granted, and an
// expected permission that was not used. Requests of accounts without a granted permission are not the chart's.
func JudgeRequests(requests []Request, granted, expected []string, denied map[string]bool) (used, wrong []string) {
	accounts := map[string]bool{}
	for _, permission := range granted {
		account, _, _ := strings.Cut(permission, ":")
		accounts[account] = true
	}
	asked, findings := map[string]bool{}, map[string]bool{}
	for _, request := range requests {
		if !accounts[request.Account] {
			continue
		}
		what := fmt.Sprintf("%s: %s %s", request.Account, request.Verb, strings.TrimPrefix(request.Group+"/"+request.Resource, "/"))
		switch {
		case request.Allowed && slices.Contains(granted, what):
			asked[what] = true
		case request.Allowed:
			findings["allowed and not listed: "+what] = true
		case !denied[request.Namespace]:
			findings["refused: "+what+" "+request.Name] = true
		}
	}
	wrong = slices.Sorted(maps.Keys(findings))
	for _, what := range expected {
		if !asked[what] {
			wrong = append(wrong, "expected of this run and never used: "+what)
		}
	}
	return slices.Sorted(maps.Keys(asked)), wrong
}
