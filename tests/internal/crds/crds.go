// Package crds reads the CustomResourceDefinitions of other projects out of their own Go modules, so that objects are held to the schemas
// that real clusters have. The checksum database vouches for each module, and one that is in the module cache needs no network.
package crds

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// ErrUnavailable is in the error of a module that can be had neither from the module cache nor from a proxy.
var ErrUnavailable = errors.New("the module can't be had")

// Project is one whose Go module has its definitions as plain YAML, each in a file called <group>_<resource>.yaml.
type Project struct {
	Group string
	// Module is at Version, or where that is empty at the version of go.mod.
	Module, Version string
	// Directory is where in the module the definitions are.
	Directory string
	// Resources are those that are read; the others are many, and large.
	Resources []string
}

// Projects are those whose objects the chart makes, or its users beside it.
var Projects = []Project{
	{
		Group: "monitoring.coreos.com",
		// Not the module of go.mod, which has the types alone. The operator is an older one: with the types of go.mod above and these schemas
		// below, what the chart makes does for both.
		Module: "github.com/prometheus-operator/prometheus-operator", Version: "v0.85.0",
		Directory: "example/prometheus-operator-crd",
		Resources: []string{"prometheusrules", "servicemonitors"},
	},
	{
		Group:     "gateway.networking.k8s.io",
		Module:    "sigs.k8s.io/gateway-api",
		Directory: "config/crd/standard",
		Resources: []string{"grpcroutes", "httproutes"},
	},
	{
		Group:  "snapshot.storage.k8s.io",
		Module: "github.com/kubernetes-csi/external-snapshotter/client/v8", Version: "v8.7.0",
		Directory: "config/crd",
		Resources: []string{"volumesnapshotclasses", "volumesnapshots"},
	},
	{
		Group:  "cert-manager.io",
		Module: "github.com/cert-manager/cert-manager", Version: "v1.21.2",
		Directory: "deploy/crds",
		Resources: []string{"certificates", "issuers"},
	},
}

// Definitions reads those of the project's Resources, in their order.
func (p Project) Definitions(ctx context.Context) ([]*unstructured.Unstructured, error) {
	module, err := p.directory(ctx)
	if err != nil {
		return nil, err
	}
	var definitions []*unstructured.Unstructured
	for _, resource := range p.Resources {
		definition, err := read(filepath.Join(module, filepath.FromSlash(p.Directory), p.Group+"_"+resource+".yaml"))
		if err != nil {
			return nil, fmt.Errorf("definition of %s.%s: %w", resource, p.Group, err)
		}
		definitions = append(definitions, definition)
	}
	return definitions, nil
}

func read(path string) (*unstructured.Unstructured, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	content, err := yaml.YAMLToJSON(text)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	var definition unstructured.Unstructured
	if err := definition.UnmarshalJSON(content); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if kind := definition.GetKind(); kind != "CustomResourceDefinition" {
		return nil, fmt.Errorf("%s has a %s", path, kind)
	}
	return &definition, nil
}

// directory is where the module cache has the module, which is downloaded if it is not there yet.
func (p Project) directory(ctx context.Context) (string, error) {
	version, err := p.version(ctx)
	if err != nil {
		return "", err
	}
	// Outside of our own module: in it, the command would add the sums to go.sum.
	output, err := run(ctx, os.TempDir(), "mod", "download", "-json", p.Module+"@"+version)
	// The answer tells more than standard error, also of a failure.
	var answer struct{ Dir, Error string }
	if unread := json.Unmarshal(output, &answer); unread != nil {
		return "", errors.Join(fmt.Errorf("go mod download %s@%s: %w", p.Module, version, unread), err)
	}
	if answer.Error != "" {
		return "", fmt.Errorf("%w: %s", ErrUnavailable, answer.Error)
	}
	return answer.Dir, err
}

func (p Project) version(ctx context.Context) (string, error) {
	if p.Version != "" {
		return p.Version, nil
	}
	// Not `go list -m`, which asks the network for modules that nothing here needs.
	output, err := run(ctx, "", "mod", "edit", "-json")
	if err != nil {
		return "", err
	}
	var file struct {
		Require []struct{ Path, Version string }
	}
	if err := json.Unmarshal(output, &file); err != nil {
		return "", fmt.Errorf("reading go.mod: %w", err)
	}
	for _, required := range file.Require {
		if required.Path == p.Module {
			return required.Version, nil
		}
	}
	return "", fmt.Errorf("go.mod does not require %s", p.Module)
}

// run returns the standard output of a go command, of one that failed too.
func run(ctx context.Context, directory string, arguments ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, "go", arguments...)
	command.Dir = directory
	command.Env = append(os.Environ(), "GOWORK=off")
	var complaint bytes.Buffer
	command.Stderr = &complaint
	output, err := command.Output()
	if err != nil {
		err = fmt.Errorf("go %s: %w: %s", strings.Join(arguments, " "), err, strings.TrimSpace(complaint.String()))
	}
	return output, err
}
