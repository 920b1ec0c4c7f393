package main

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// deliver writes and pushes what is asked for, and returns the digest that a chart pins: the image's, or the index's over several.
func deliver(ctx context.Context, images []v1.Image, file, tag, repository string) (v1.Hash, error) {
	if file != "" {
		ref, err := name.NewTag(tag)
		if err != nil {
			return v1.Hash{}, fmt.Errorf("reading the tag: %w", err)
		}
		if err := tarball.WriteToFile(file, ref, images[0]); err != nil {
			return v1.Hash{}, fmt.Errorf("writing %s: %w", file, err)
		}
	}
	if repository != "" {
		if err := pushTo(ctx, images, repository); err != nil {
			return v1.Hash{}, err
		}
	}
	if len(images) == 1 {
		return images[0].Digest()
	}
	index, err := together(images)
	if err != nil {
		return v1.Hash{}, err
	}
	return index.Digest()
}

// together makes an index of images for several platforms.
func together(images []v1.Image) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, image := range images {
		file, err := image.ConfigFile()
		if err != nil {
			return nil, fmt.Errorf("reading the image's configuration: %w", err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: file.Platform()}})
	}
	return index, nil
}
