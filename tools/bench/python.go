package main

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

	"github.com/qdrant-shepherd/shepherd/client/childprocess"
)

// uploadSource uploads the base with the Python client and times that alone.
//
//go:embed upload.py
var uploadSource []byte

// pythonTask is what the script reads.
type pythonTask struct {
	Host       string `json:"host"`
	Port       int    `json:"port"`
	APIKey     string `json:"api_key,omitempty"`
	Collection string `json:"collection"`
	Fbin       string `json:"fbin"`
	Words      string `json:"words,omitempty"` // without them points have no payload
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

// python prepares the contestants, without and with payload. The bar is for points without payload: Python's own cost is that of the
// vectors, and the server's for payload would hide it.
func (s *session) python(n int) ([]*opponent, error) {
	upload, err := s.uploadScript()
	if err != nil {
		return nil, err
	}
	theirs := fmt.Sprintf("Python %s, upload_points(batch_size=%d, parallel=%d), gRPC, its upload alone", s.report.Versions.Python,
		pythonBatch, pythonParallel)
	return []*opponent{{
		Comparison: Comparison{Name: againstPython, Ours: fmt.Sprintf("Collection.Load, %d points without payload", n), Theirs: theirs},
		ours: func(ctx context.Context) (leg, error) {
			timed, _, err := ours(ctx, s, n, bareAt)
			return timed, err
		},
		theirs: func(ctx context.Context) (leg, error) { return upload(ctx, false) },
	}, {
		Comparison: Comparison{Name: againstPython + "-payload", Ours: fmt.Sprintf("Collection.Load, %d points with payload", n), Theirs: theirs},
		ours: func(ctx context.Context) (leg, error) {
			timed, _, err := ours(ctx, s, n, wordAt)
			return timed, err
		},
		theirs: func(ctx context.Context) (leg, error) { return upload(ctx, true) },
	}}, nil
}

// uploadScript prepares the script, which the returned function runs.
func (s *session) uploadScript() (func(ctx context.Context, payload bool) (leg, error), error) {
	script := filepath.Join(s.files, "upload.py")
	if err := os.WriteFile(script, uploadSource, 0o600); err != nil {
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
	task := pythonTask{
		Host: host, Port: port, APIKey: s.options.Connection.APIKey, Collection: prefix + compareName, Fbin: fbin,
		Batch: pythonBatch, Parallel: pythonParallel,
	}
	return func(ctx context.Context, payload bool) (leg, error) {
		task := task
		if payload {
			task.Words = words
		}
		input, err := json.Marshal(task)
		if err != nil {
			return leg{}, err
		}
		if payload {
			_, err = fresh[word](ctx, s, compareName, profiles()["default"], false)
		} else {
			_, err = fresh[bare](ctx, s, compareName, profiles()["default"], false)
		}
		if err != nil {
			return leg{}, err
		}
		s.calm(ctx)
		before := s.server.cpu()
		var result pythonResult
		answer, err := run(ctx, bytes.NewReader(input), s.options.Python, script)
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

// exportFbin writes the base for other tools, once and whole.
func (s *session) exportFbin() (string, error) {
	path := filepath.Join(s.files, "base.fbin")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	file, err := os.Create(path + ".part")
	if err != nil {
		return "", err
	}
	err = writeFbin(file, s.data.base.Vectors)
	if err := errors.Join(err, file.Close()); err != nil {
		return "", fmt.Errorf("writing the base for other tools: %w", err)
	}
	return path, os.Rename(file.Name(), path)
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
	if err := childprocess.Run(ctx, command); err != nil {
		lines := strings.Split(strings.TrimSpace(complaints.String()), "\n")
		if last := lines[len(lines)-1]; last != "" {
			return "", fmt.Errorf("%s: %w: %s", program, err, last)
		}
		return "", fmt.Errorf("%s: %w", program, err)
	}
	return strings.TrimSpace(out.String()), nil
}
