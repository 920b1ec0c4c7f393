package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/qdrant-shepherd/shepherd/client/childprocess"
)

// compile builds the binary. Whatever makes one machine's build differ from another's is shut out: paths, the state of the working
// tree, the linker's build id, and settings of the environment.
func compile(ctx context.Context, module, version string, platform v1.Platform) ([]byte, error) {
	dir, err := os.MkdirTemp("", "shepherd-image-")
	if err != nil {
		return nil, fmt.Errorf("building shepherd: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	output := filepath.Join(dir, "shepherd")
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -buildid= -X main.version="+version, "-o", output, "./cmd/shepherd")
	command.Dir = module
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+platform.OS, "GOARCH="+platform.Architecture,
		"GOFLAGS=", "GOEXPERIMENT=", "GOAMD64=v1", "GOARM64=v8.0", "GOFIPS140=off")
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	if err := childprocess.Run(ctx, command); err != nil {
		return nil, fmt.Errorf("building shepherd for %s: %w\n%s", platform, err, said.String())
	}
	return os.ReadFile(output)
}
