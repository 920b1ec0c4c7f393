package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/pprof"
	"slices"
	"strconv"
	"time"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
)

// Run measures. It returns the report also when it fails or is interrupted half-way, with what was measured until then; it is nil only if
// nothing could begin. Collections and, where it started one, the server are gone when it returns.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.Validate(); err != nil {
		return nil, commandline.UsageError{Err: err}
	}
	o.Profiles = unique(o.Profiles)
	for _, directory := range []string{o.Out, o.Docs} { // now, and not when there is something to lose
		if err := requireWritable(directory); err != nil {
			return nil, err
		}
	}
	s := &session{options: o, began: time.Now(), report: &Report{Started: time.Now().UTC().Truncate(time.Second)}}
	var err error
	if s.opponents, err = findOpponents(ctx, o); err != nil {
		return nil, err
	}
	s.options.Against = s.opponents.names
	for _, m := range s.opponents.missing {
		s.note("not measured: against %s: %s", m.Opponent, m.Why)
	}
	if s.data, err = provideData(ctx, o); err != nil {
		return nil, err
	}
	s.report.Data = s.data.info
	s.say("%s: %d points, %d queries; true neighbours took %.1f s", s.data.info.Set, s.data.info.Points, s.data.info.Queries, s.data.info.TruthSeconds)

	if s.files, err = os.MkdirTemp("", "vector-bench-files-"); err != nil {
		return nil, fmt.Errorf("making a directory for files: %w", err)
	}
	defer func() { _ = os.RemoveAll(s.files) }()
	if s.server, err = provideServer(ctx, o); err != nil {
		return nil, err
	}
	defer s.server.stop()
	defer s.close()
	if err := s.connect(ctx); err != nil {
		return nil, err
	}
	if err := s.describe(ctx); err != nil {
		return nil, err
	}
	err = s.profiled(ctx)
	if gone := s.server.gone(); gone != nil {
		err = errors.Join(err, gone)
	} else {
		err = errors.Join(err, s.dropAll(ctx))
	}
	if err != nil {
		s.report.Error = err.Error()
	}
	s.conclude()
	s.report.judge()
	s.report.Seconds = time.Since(s.began).Seconds()
	return s.report, err
}

func provideServer(ctx context.Context, o Options) (*server, error) {
	if o.Connection.Target == "" {
		return startServer(ctx, o.ServerBinary)
	}
	host, port, err := splitTarget(o.Connection.Target)
	return &server{target: net.JoinHostPort(host, strconv.Itoa(port)), pid: o.ServerPID}, err
}

func provideData(ctx context.Context, o Options) (data, error) {
	if o.rehearsal != nil {
		return *o.rehearsal, nil
	}
	return loadData(ctx, o.points(), o.Queries)
}

// unique leaves the first of each.
func unique(list []string) []string {
	var kept []string
	for _, s := range list {
		if !slices.Contains(kept, s) {
			kept = append(kept, s)
		}
	}
	return kept
}

// profiled measures, with a profile of its own processor time if one is wanted.
func (s *session) profiled(ctx context.Context) (err error) {
	if s.options.CPUProfile == "" {
		return s.measure(ctx)
	}
	file, err := os.Create(s.options.CPUProfile)
	if err != nil {
		return fmt.Errorf("writing the profile: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := pprof.StartCPUProfile(file); err != nil {
		return fmt.Errorf("writing the profile: %w", err)
	}
	defer pprof.StopCPUProfile()
	return s.measure(ctx)
}

// measure runs the phases.
func (s *session) measure(ctx context.Context) error {
	if err := s.dropAll(ctx); err != nil { // of a run that was killed
		return err
	}
	if s.options.runs(PhaseCreate) {
		if err := s.create(ctx); err != nil {
			return fmt.Errorf("phase %s: %w", PhaseCreate, err)
		}
	}
	if s.options.runs(PhaseCompare) {
		if err := s.compareIngest(ctx); err != nil {
			return fmt.Errorf("phase %s: %w", PhaseCompare, err)
		}
	}
	for i, name := range s.options.Profiles {
		if err := s.measureProfile(ctx, profiles()[name], i == 0); err != nil {
			return fmt.Errorf("profile %s: %w", name, err)
		}
	}
	return nil
}

// measureProfile builds the graph of a profile and measures on it. Searches are compared on the first profile's.
func (s *session) measureProfile(ctx context.Context, profile Profile, first bool) error {
	comparing := first && s.options.runs(PhaseCompare) && s.options.wants(againstRawSearch, againstExact)
	needed := comparing
	for _, phase := range Phases()[2:] {
		needed = needed || s.options.runs(phase)
	}
	if !needed {
		return nil
	}
	s.report.Profiles = append(s.report.Profiles, ProfileReport{Profile: profile})
	if err := s.ingest(ctx, profile); err != nil {
		return fmt.Errorf("phase %s: %w", PhaseIngest, err)
	}
	c, err := s.open(ctx)
	if err != nil {
		return err
	}
	if err := s.recall(ctx, c, profile, s.efs(profile)); err != nil {
		return fmt.Errorf("measuring the recall: %w", err)
	}
	if comparing {
		if err := s.compareSearch(ctx, c, profile); err != nil {
			return fmt.Errorf("phase %s: %w", PhaseCompare, err)
		}
	}
	for _, phase := range []struct {
		name string
		run  func(context.Context, *words, Profile) error
	}{
		{PhaseExact, s.exact},
		{PhaseSweep, s.sweep},
		{PhaseOpenLoop, s.atHalf},
		{PhaseBatch, s.batch},
		{PhaseFiltered, s.filtered},
		{PhaseIdle, s.idle},
		{PhaseGuide, s.guide},
		{PhaseDuring, s.duringIngest},
	} {
		if !s.options.runs(phase.name) {
			continue
		}
		s.calm(ctx)
		if err := phase.run(ctx, c, profile); err != nil {
			return fmt.Errorf("phase %s: %w", phase.name, err)
		}
	}
	s.drop(ctx, mainCollection)
	return nil
}
