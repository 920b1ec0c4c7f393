package bench

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
	var errs []error
	write := func(name string, content []byte, err error) {
		path := filepath.Join(directory, name)
		if err == nil {
			err = os.WriteFile(path, content, 0o644) //nolint:gosec // a report is for everybody to read
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("writing %s: %w", name, err))
			return
		}
		files = append(files, path)
	}
	content, err := json.MarshalIndent(r, "", "  ")
	write("report.json", append(content, '\n'), err)
	plots := r.plots()
	write("report.md", []byte(r.markdown(plots)), nil)
	for _, p := range plots {
		content, err := p.svg()
		write(p.file, content, err)
	}
	return files, errors.Join(errs...)
}
