package main

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// pushTo sends one image as it is, and several as an index over them, with the credentials of `docker login`. A registry at localhost
// is spoken to without TLS.
func pushTo(ctx context.Context, images []v1.Image, repository string) error {
	ref, err := name.ParseReference(repository)
	if err != nil {
		return fmt.Errorf("reading where to push: %w", err)
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	if len(images) == 1 {
		err = remote.Write(ref, images[0], options...)
	} else {
		var index v1.ImageIndex
		if index, err = together(images); err == nil {
			err = remote.WriteIndex(ref, index, options...)
		}
	}
	if err != nil {
		return fmt.Errorf("pushing %s: %w", repository, err)
	}
	return nil
}
