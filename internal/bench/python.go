package bench

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/wink"
)

// uploadScript uploads the base with the Python client and times that alone.
//
//go:embed upload.py
var uploadScript []byte

// pythonTask is what the script reads.
type pythonTask struct {
	Host       string `json:"host"`
	Port       int    `json:"port"`
	APIKey     string `json:"api_key,omitempty"`
	Collection string `json:"collection"`
	Fbin       string `json:"fbin"`
	Words      string `json:"words"`
	Batch      int    `json:"batch"`
	Parallel   int    `json:"parallel"`
}

// pythonResult is what the script prints.
type pythonResult struct {
	Points  int     `json:"points"`
	Seconds float64 `json:"seconds"`
	// Start is how long starting the workers takes, which is part of Seconds.
	Start float64 `json:"start_seconds"`
}

// python prepares the contestant, and fails where there is no Python with qdrant-client.
func (s *session) python(ctx context.Context) (func(context.Context) (leg, error), error) {
	if s.options.TLS {
		return nil, errors.New("it is only compared without TLS")
	}
	version, err := output(ctx, s.options.Python, "-c", "import importlib.metadata as m; import qdrant_client; print(m.version('qdrant-client'))")
	if err != nil {
		return nil, fmt.Errorf("importing qdrant_client by %s: %w", s.options.Python, err)
	}
	s.report.Versions.Python = "qdrant-client " + version
	script := filepath.Join(s.files, "upload.py")
	if err := os.WriteFile(script, uploadScript, 0o600); err != nil {
		return nil, err
	}
	fbin, err := s.exportFbin()
	if err != nil {
		return nil, err
	}
	words := filepath.Join(s.files, "words.json")
	content, err := json.Marshal(s.data.base.Words)
	if err == nil {
		err = os.WriteFile(words, content, 0o600)
	}
	if err != nil {
		return nil, err
	}
	host, port, err := splitTarget(s.server.target)
	if err != nil {
		return nil, err
	}
	task, err := json.Marshal(pythonTask{
		Host: host, Port: port, APIKey: s.options.APIKey, Collection: prefix + compareName, Fbin: fbin, Words: words,
		Batch: pythonBatch, Parallel: pythonParallel,
	})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (leg, error) {
		if _, err := fresh[word](ctx, s, compareName, profiles()["default"], false); err != nil {
			return leg{}, err
		}
		s.calm(ctx)
		before := s.server.cpu()
		var result pythonResult
		answer, err := run(ctx, bytes.NewReader(task), s.options.Python, script)
		if err == nil {
			err = json.Unmarshal([]byte(answer), &result)
		}
		if err != nil {
			return leg{}, fmt.Errorf("running upload.py: %w", err)
		}
		// The script waits and counts by itself within its time, so that the start of Python is not in it.
		if result.Points != s.data.base.Len() {
			return leg{}, fmt.Errorf("upload.py: the collection has %d points instead of %d", result.Points, s.data.base.Len())
		}
		// The workers are no children of the script, so nothing adds up their processor time. The server's includes the two points more.
		done := legOf(result.Points, seconds(result.Seconds), cpu{server: s.server.cpu() - before})
		done.Start = result.Start
		return done, nil
	}, nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// exportFbin writes the base for other tools, once.
func (s *session) exportFbin() (string, error) {
	path := filepath.Join(s.files, "base.fbin")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	file, err := os.Create(path)
	if err != nil {
		return "", err
	}
	err = wink.WriteFbin(file, s.data.base.Vectors)
	return path, errors.Join(err, file.Close())
}

// output runs a program and returns what it prints, without surrounding space.
func output(ctx context.Context, program string, arguments ...string) (string, error) {
	return run(ctx, nil, program, arguments...)
}

func run(ctx context.Context, in *bytes.Reader, program string, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, program, arguments...)
	if in != nil {
		command.Stdin = in
	}
	var out, complaints bytes.Buffer
	command.Stdout, command.Stderr = &out, &complaints
	if err := command.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(complaints.String()), "\n")
		return "", fmt.Errorf("%s: %w: %s", program, err, lines[len(lines)-1])
	}
	return strings.TrimSpace(out.String()), nil
}
