package main

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// machines are the processors for which a prebuilt binary can be checked.
var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

// prebuilt are binaries that need no compiling: the file for each platform. It is the flag -binary.
type prebuilt map[string]string

func (p prebuilt) add(text string) error {
	name, path, found := strings.Cut(text, "=")
	if !found || path == "" {
		return errors.New("it must be PLATFORM=FILE")
	}
	platform, err := v1.ParsePlatform(name)
	if err != nil {
		return fmt.Errorf("reading platform %q: %w", name, err)
	}
	if p[platform.String()] != "" {
		return fmt.Errorf("%s has two binaries", platform)
	}
	p[platform.String()] = path
	return nil
}

// read returns the platform's binary. One that could not start in the image, which has neither a loader nor libraries, is refused.
func (p prebuilt) read(platform v1.Platform) ([]byte, error) {
	path := p[platform.String()]
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the binary for %s: %w", platform, err)
	}
	program, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("reading the binary for %s: %s: %w", platform, path, err)
	}
	if want, known := machines[platform.Architecture]; !known || platform.OS != "linux" || program.Machine != want {
		return nil, fmt.Errorf("reading the binary for %s: %s is a program for %s", platform, path, program.Machine)
	}
	for _, part := range program.Progs {
		if part.Type == elf.PT_INTERP {
			return nil, fmt.Errorf("reading the binary for %s: %s is not static: build it with CGO_ENABLED=0", platform, path)
		}
	}
	return content, nil
}
