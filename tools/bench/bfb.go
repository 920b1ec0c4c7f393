package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/qdrant-shepherd/shepherd/client/childprocess"
)

// bfb prepares the contest with Qdrant's own load tool, which is timed as a whole process: it does not say how long its upload took. It writes
// points without payload, and only whole batches, so ours does the same.
func (s *session) bfb(ctx context.Context, n int) (*opponent, error) {
	version := s.report.Versions.Bfb
	fbin, err := s.exportFbin()
	if err != nil {
		return nil, err
	}
	_, done, err := ours(ctx, s, n, bareAt)
	if err != nil {
		return nil, err
	}
	size := pointsInBatch(done)
	whole := n / size * size
	arguments := []string{
		"--uri", "http://" + s.server.target, "--collection-name", prefix + compareName, "--skip-create", "--skip-wait-index",
		"--fbin", fbin, "--num-vectors", strconv.Itoa(whole), "--dim", strconv.Itoa(len(s.data.base.Vectors[0])),
		"--batch-size", strconv.Itoa(size), "--threads", strconv.Itoa(streams), "--parallel", strconv.Itoa(streams),
	}
	return &opponent{
		Comparison: Comparison{
			Name: againstBfb, Ours: fmt.Sprintf("Collection.Load, %d points without payload", whole),
			Theirs: fmt.Sprintf("%s, %d points a call, %d streams, its whole process", version, size, streams),
		},
		ours: func(ctx context.Context) (leg, error) {
			timed, _, err := ours(ctx, s, whole, bareAt)
			return timed, err
		},
		theirs: func(ctx context.Context) (leg, error) {
			if _, err := fresh[bare](ctx, s, compareName, profiles()["default"], false); err != nil {
				return leg{}, err
			}
			var own time.Duration
			timed, err := s.timeUpload(ctx, whole, func(ctx context.Context) error {
				if own, err = s.runBfb(ctx, arguments); err != nil {
					return err
				}
				return s.settle(ctx, whole)
			})
			timed.ClientCPU = perThousand(own, whole)
			return timed, err
		},
	}, nil
}

// runBfb returns the processor time that it used.
func (s *session) runBfb(ctx context.Context, arguments []string) (time.Duration, error) {
	command := exec.CommandContext(ctx, s.options.Bfb, arguments...)
	if key := s.options.Connection.APIKey; key != "" {
		command.Env = append(os.Environ(), "QDRANT_API_KEY="+key)
	}
	var complaints bytes.Buffer
	command.Stderr = &complaints
	if err := childprocess.Run(ctx, command); err != nil {
		return 0, fmt.Errorf("running bfb: %w: %s", err, complaints.String())
	}
	return command.ProcessState.UserTime() + command.ProcessState.SystemTime(), nil
}
