// Command image builds shepherd's image from nothing but this module: the static binary and the public certificate authorities on an
// empty base. The same sources and the same Go give the same bytes, so a digest can be checked by building again.
//
//	image [-version V] [-platform linux/amd64,linux/arm64] [-binary PLATFORM=FILE]... [-tag NAME:TAG -tarball FILE] [-push REPOSITORY:TAG]
//
// It prints the digest. With -binary it takes a binary that is built already, and compiles nothing for that platform.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	module := flags.String("module", ".", "directory of the module")
	version := flags.String("version", "dev", "what `shepherd version` says")
	platforms := flags.String("platform", "linux/"+runtime.GOARCH, "platforms, separated by commas; a tarball has one")
	binaries := prebuilt{}
	flags.Func("binary", "`PLATFORM=FILE`: take this binary for the platform and do not compile one; once for each platform", binaries.add)
	tarball := flags.String("tarball", "", "file to write, as `docker load` reads it")
	tag := flags.String("tag", "qdrant-shepherd:dev", "name of the image in the tarball")
	push := flags.String("push", "", "repository and tag to push to, with the credentials of `docker login`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *tarball != "" && strings.Contains(*platforms, ",") {
		return errors.New("a tarball has one platform: name it with -platform")
	}
	var images []v1.Image
	used := 0
	for text := range strings.SplitSeq(*platforms, ",") {
		platform, err := v1.ParsePlatform(text)
		if err != nil {
			return fmt.Errorf("reading platform %q: %w", text, err)
		}
		var binary []byte
		if _, found := binaries[platform.String()]; found {
			used++
			binary, err = binaries.read(*platform)
		} else {
			binary, err = compileAloud(ctx, *module, *version, *platform, stderr)
		}
		if err != nil {
			return err
		}
		image, err := assemble(binary, *version, *platform)
		if err != nil {
			return err
		}
		images = append(images, image)
	}
	if used != len(binaries) {
		return errors.New("a -binary is for a platform that -platform does not name")
	}
	digest, err := deliver(ctx, images, *tarball, *tag, *push)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, digest)
	return err
}

// compileAloud says what takes so long: the first time, all of Kubernetes' client is compiled too.
func compileAloud(ctx context.Context, module, version string, platform v1.Platform, stderr io.Writer) ([]byte, error) {
	_, _ = fmt.Fprintf(stderr, "compiling shepherd for %s\n", platform)
	began := time.Now()
	binary, err := compile(ctx, module, version, platform)
	if err == nil {
		_, _ = fmt.Fprintf(stderr, "compiled it in %.0f s\n", time.Since(began).Seconds())
	}
	return binary, err
}
