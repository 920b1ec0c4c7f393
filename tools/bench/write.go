package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Write leaves report.json, report.md and the plots in a directory, and says which files those are.
func (r *Report) Write(directory string) (files []string, err error) {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return nil, fmt.Errorf("writing the report: %w", err)
	}
	w := &writer{directory: directory}
	content, err := json.MarshalIndent(r, "", "  ")
	w.write("report.json", append(content, '\n'), err)
	plots := r.plots()
	w.write("report.md", []byte(r.markdown(plots, "")), nil)
	w.draw(plots)
	return w.files, errors.Join(w.errs...)
}

// publishedPlots are beside benchmark.md.
const publishedPlots = "benchmark"

// Publish leaves benchmark.md in a directory of documents, and its plots in a directory beside it. Plots of an earlier run that this one does
// not have are removed.
func (r *Report) Publish(docs string) (files []string, err error) {
	beside := filepath.Join(docs, publishedPlots)
	if err := os.MkdirAll(beside, 0o755); err != nil {
		return nil, fmt.Errorf("publishing the report: %w", err)
	}
	earlier, err := filepath.Glob(filepath.Join(beside, "*.svg"))
	for _, file := range earlier {
		err = errors.Join(err, os.Remove(file))
	}
	if err != nil {
		return nil, fmt.Errorf("publishing the report: %w", err)
	}
	plots := r.plots()
	page, pictures := &writer{directory: docs}, &writer{directory: beside}
	page.write("benchmark.md", []byte(r.markdown(plots, publishedPlots)), nil)
	pictures.draw(plots)
	return append(page.files, pictures.files...), errors.Join(append(page.errs, pictures.errs...)...)
}

// writer writes files into a directory, whatever happens to the others.
type writer struct {
	directory string
	files     []string
	errs      []error
}

func (w *writer) write(name string, content []byte, err error) {
	path := filepath.Join(w.directory, name)
	if err == nil {
		err = os.WriteFile(path, content, 0o644) //nolint:gosec // a report is for everybody to read
	}
	if err != nil {
		w.errs = append(w.errs, fmt.Errorf("writing %s: %w", name, err))
		return
	}
	w.files = append(w.files, path)
}

func (w *writer) draw(plots []plotted) {
	for _, p := range plots {
		content, err := p.svg()
		w.write(p.file, content, err)
	}
}

// requireWritable makes a directory, and a file in it for a moment. "" is none.
func requireWritable(directory string) error {
	if directory == "" {
		return nil
	}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return fmt.Errorf("making a place for the report: %w", err)
	}
	probe, err := os.CreateTemp(directory, ".probe-*")
	if err != nil {
		return fmt.Errorf("making a place for the report: %w", err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}
