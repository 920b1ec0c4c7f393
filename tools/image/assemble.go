package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// account is who the binary runs as: the number that the chart's pods run as, so that files on shared volumes fit.
const account = "1000:2000"

// epoch is the date of everything in the image; a real one would make each build another image.
var epoch = time.Unix(0, 0).UTC()

// assemble puts the authorities, which seldom change, and the binary each into a layer of its own.
func assemble(binary []byte, version string, platform v1.Platform) (v1.Image, error) {
	authorities, err := layer(
		entry{name: "etc", dir: true}, entry{name: "etc/ssl", dir: true}, entry{name: "etc/ssl/certs", dir: true},
		entry{name: "etc/ssl/certs/ca-certificates.crt", mode: 0o644, content: authorities()},
	)
	if err != nil {
		return nil, err
	}
	program, err := layer(entry{name: "shepherd", mode: 0o755, content: binary})
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.Append(image,
		mutate.Addendum{Layer: authorities, MediaType: types.OCILayer, History: v1.History{Created: v1.Time{Time: epoch}, CreatedBy: "certificate authorities"}},
		mutate.Addendum{Layer: program, MediaType: types.OCILayer, History: v1.History{Created: v1.Time{Time: epoch}, CreatedBy: "shepherd " + version}},
	)
	if err != nil {
		return nil, fmt.Errorf("stacking the image's layers: %w", err)
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the image's configuration: %w", err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Variant = platform.OS, platform.Architecture, platform.Variant
	file.Created = v1.Time{Time: epoch}
	file.Config = v1.Config{
		User:       account,
		Entrypoint: []string{"/shepherd"},
		WorkingDir: "/",
		// So that `kubectl exec … -- shepherd status` finds it.
		Env: []string{"PATH=/"},
		Labels: map[string]string{
			"org.opencontainers.image.title":    "shepherd",
			"org.opencontainers.image.version":  version,
			"org.opencontainers.image.licenses": "Apache-2.0",
		},
	}
	image, err = mutate.ConfigFile(image, file)
	if err != nil {
		return nil, fmt.Errorf("setting the image's configuration: %w", err)
	}
	return image, nil
}

type entry struct {
	name    string
	dir     bool
	mode    int64
	content []byte
}

func layer(entries ...entry) (v1.Layer, error) {
	var archive bytes.Buffer
	writer := tar.NewWriter(&archive)
	for _, e := range entries {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: e.name, Mode: e.mode, Size: int64(len(e.content)), ModTime: epoch, Format: tar.FormatPAX}
		if e.dir {
			header.Typeflag, header.Name, header.Mode = tar.TypeDir, e.name+"/", 0o755
		}
		if err := writer.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("packing %s: %w", e.name, err)
		}
		if _, err := writer.Write(e.content); err != nil {
			return nil, fmt.Errorf("packing %s: %w", e.name, err)
		}
	}
	if err := writer.Close(); err != nil {
		return nil, fmt.Errorf("packing a layer: %w", err)
	}
	made, err := tarball.LayerFromOpener(
		func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer),
	)
	if err != nil {
		return nil, fmt.Errorf("making a layer: %w", err)
	}
	return made, nil
}

// authorities are the roots that Mozilla trusts without conditions; a file of certificates cannot express the conditions of the others.
func authorities() []byte {
	var file bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			file.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}))
		}
	}
	return file.Bytes()
}
