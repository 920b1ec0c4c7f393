package evidence

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/qdrant-shepherd/shepherd/tests/internal/cluster"
)

// helmReleases is the type of the Secrets that Helm keeps its releases in. Their values are no secrets but documents.
const helmReleases = "helm.sh/release.v1"

// writer writes files without the values of the Secrets that it has learnt.
type writer struct {
	dir      string
	files    int
	errs     []error
	replacer *strings.Replacer
}

// learnSecrets reads the values that must not be written, plain and in base64.
func (w *writer) learnSecrets(ctx context.Context, c *cluster.Cluster, namespaces []string) error {
	var values []string
	for _, namespace := range namespaces {
		list, err := c.CoreV1().Secrets(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return fmt.Errorf("reading the Secrets of namespace %s, to redact their values: %w", namespace, err)
		}
		for _, secret := range list.Items {
			if secret.Type == helmReleases {
				continue
			}
			for _, value := range secret.Data {
				if text := strings.TrimSpace(string(value)); text != "" {
					values = append(values, text, base64.StdEncoding.EncodeToString(value))
				}
			}
		}
	}
	w.replacer = replacer(values)
	return nil
}

// replacer redacts the longest values first, so that one which begins like another leaves no rest. Values of fewer than
// six characters ("a", "true") are not told from ordinary text and stay.
func replacer(values []string) *strings.Replacer {
	sort.Slice(values, func(i, j int) bool { return len(values[i]) > len(values[j]) })
	var pairs []string
	for _, value := range values {
		if len(value) >= 6 {
			pairs = append(pairs, value, "[redacted]")
		}
	}
	return strings.NewReplacer(pairs...)
}

func (w *writer) redact(text string) string {
	if w.replacer == nil {
		return text
	}
	return w.replacer.Replace(text)
}

// attempt keeps the error of one part for the end, so that the other parts are collected all the same.
func (w *writer) attempt(what string, part func() error) {
	defer func() {
		if cause := recover(); cause != nil {
			w.errs = append(w.errs, fmt.Errorf("%s: panic: %v", what, cause))
		}
	}()
	if err := part(); err != nil {
		w.errs = append(w.errs, fmt.Errorf("%s: %w", what, err))
	}
}

func (w *writer) write(name, text string) error {
	path := filepath.Join(w.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(w.redact(text)), 0o644); err != nil {
		return err
	}
	w.files++
	return nil
}
