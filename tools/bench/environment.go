package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/qdrant-shepherd/shepherd/internal/stat"
)

// describe fills in what is known before anything is measured.
func (s *session) describe(ctx context.Context) error {
	health, err := s.raw.HealthCheck(ctx)
	if err != nil {
		return fmt.Errorf("asking %s for its version: %w", s.server.target, err)
	}
	r, o := s.report, s.options
	r.Versions = Versions{
		Commit: commit(ctx), Go: runtime.Version(), GoClient: module("github.com/qdrant/go-client"), GRPC: module("google.golang.org/grpc"),
		Server: health.GetVersion(), Python: s.opponents.versions[againstPython], Bfb: s.opponents.versions[againstBfb],
	}
	if c := health.GetCommit(); c != "" {
		r.Versions.Server += " (" + c[:min(len(c), 12)] + ")"
	}
	load, _ := loadAverage()
	r.Machine = Machine{
		System: runtime.GOOS + "/" + runtime.GOARCH, Processor: processorModel(), Processors: runtime.NumCPU(), LoadAtStart: load,
		ServerIsLocal: s.server.pid != 0, ServerCPUKnown: s.server.cpu() > 0, MostOpenFiles: allowFiles(),
	}
	r.Settings = Settings{
		Target: o.Connection.Target, Tier: o.Tier, Profiles: o.Profiles, Phases: o.Phases, Against: o.Against, Missing: s.opponents.missing, Rounds: o.Rounds, Builds: o.Builds,
		Pairs: o.Pairs, LevelSeconds: o.Level.Seconds(), Shards: shards, Segments: segments, ThresholdKiB: thresholdKiB(s.data.base.Len()),
	}
	return nil
}

// conclude fills in what is known at the end.
func (s *session) conclude() {
	s.report.Machine.LoadAtEnd, _ = loadAverage()
	if s.server != nil && s.server.pid != 0 {
		if _, peak, err := processMemory(s.server.pid); err == nil {
			s.report.Machine.ServerPeakMiB = float64(peak) / (1 << 20)
		}
	}
}

// commit is what this binary was built from; where it was not stamped, as by go run, what the working directory is at if that is this
// repository: an installed binary may be run in any other.
func commit(ctx context.Context) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		revision, modified := "", ""
		for _, setting := range info.Settings {
			switch setting.Key {
			case "vcs.revision":
				revision = setting.Value
			case "vcs.modified":
				if setting.Value == "true" {
					modified = "+"
				}
			}
		}
		if revision != "" {
			return revision[:min(len(revision), 12)] + modified
		}
	}
	top, err := output(ctx, "git", "rev-parse", "--show-toplevel")
	if err != nil || !isOurs(top) {
		return ""
	}
	revision, err := output(ctx, "git", "rev-parse", "--short=12", "HEAD")
	if err != nil {
		return ""
	}
	if changes, err := output(ctx, "git", "status", "--porcelain", "--untracked-files=no"); err == nil && changes != "" {
		revision += "+"
	}
	return revision
}

// isOurs reports whether a directory has the module of this command. The import path of the command itself is "main".
func isOurs(directory string) bool {
	content, err := os.ReadFile(filepath.Join(directory, "go.mod"))
	if err != nil {
		return false
	}
	first, _, _ := strings.Cut(string(content), "\n")
	path, is := strings.CutPrefix(strings.TrimSpace(first), "module ")
	return is && strings.HasPrefix(reflect.TypeFor[stat.Spread]().PkgPath(), path+"/")
}

// module is the version of a module that was built in, "" in a binary that does not say.
func module(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range info.Deps {
		if m.Path == path {
			return strings.TrimPrefix(m.Version, "v")
		}
	}
	return ""
}
