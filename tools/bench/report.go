package main

import (
	"slices"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/stat"
)

// Report is all that a run has found. Times are in the unit that the field's name ends in; processor time of the server is 0 where it could
// not be read.
type Report struct {
	Started     time.Time       `json:"started"`
	Seconds     float64         `json:"seconds"`
	Error       string          `json:"error,omitempty"` // what ended the run before its time
	Machine     Machine         `json:"machine"`
	Versions    Versions        `json:"versions"`
	Settings    Settings        `json:"settings"`
	Data        DataInfo        `json:"data"`
	Create      *Created        `json:"create,omitempty"`
	Comparisons []Comparison    `json:"comparisons,omitempty"`
	Profiles    []ProfileReport `json:"profiles,omitempty"`
	Bars        []Bar           `json:"bars"`
	Notes       []string        `json:"notes,omitempty"`
}

// Machine is where the benchmark ran, and the server too if it was started by it.
type Machine struct {
	System         string  `json:"system"`
	Processor      string  `json:"processor,omitempty"`
	Processors     int     `json:"processors"`
	LoadAtStart    float64 `json:"load_average_at_start"`
	LoadAtEnd      float64 `json:"load_average_at_end"`
	ServerIsLocal  bool    `json:"server_is_local"`
	ServerPeakMiB  float64 `json:"server_peak_memory_mib,omitempty"`
	MostOpenFiles  uint64  `json:"most_open_files,omitempty"`
	ServerCPUKnown bool    `json:"server_cpu_known"`
}

// Versions are of everything that takes part.
type Versions struct {
	Commit   string `json:"commit"` // of this repository; "+" at its end means that files were changed
	Go       string `json:"go"`
	GoClient string `json:"go_client"`
	GRPC     string `json:"grpc"`
	Server   string `json:"server"`
	Python   string `json:"python_client,omitempty"`
	Bfb      string `json:"bfb,omitempty"`
}

// Settings are the options of the run.
type Settings struct {
	Target   string   `json:"target,omitempty"`
	Tier     string   `json:"tier"`
	Profiles []string `json:"profiles"`
	Phases   []string `json:"phases"`
	Against  []string `json:"against"` // without those that are missing
	// Missing are the opponents that --against all would have meant.
	Missing      []Missing `json:"missing,omitempty"`
	Rounds       int       `json:"rounds"`
	Builds       int       `json:"builds"`
	Pairs        int       `json:"pairs"`
	LevelSeconds float64   `json:"level_seconds"`
	Shards       int       `json:"shards"`
	Segments     int       `json:"segments"`
	ThresholdKiB int       `json:"indexing_threshold_kib"`
}

// ProfileReport is what was measured on the graph of one profile.
type ProfileReport struct {
	Profile  Profile   `json:"profile"`
	Ingest   *Ingested `json:"ingest,omitempty"`
	Graph    Graph     `json:"graph"`
	Recall   []Found   `json:"recall,omitempty"` // by ef
	Exact    *Exactly  `json:"exact,omitempty"`
	Sweep    []Level   `json:"sweep,omitempty"`
	OpenLoop *Level    `json:"open_loop,omitempty"`
	Batch    *Batched  `json:"batch,omitempty"`
	Filtered []Level   `json:"filtered,omitempty"` // by number of clients
	During   *During   `json:"during_ingest,omitempty"`
	Idle     *Idle     `json:"idle,omitempty"`
	Guide    []Promise `json:"guide,omitempty"`
}

// Level is a number of clients asking at an ef.
type Level struct {
	EF      int `json:"ef"`
	Clients int `json:"clients"`
	// Rate is what an open loop was asked for, a second; 0 for closed ones.
	Rate    float64      `json:"rate,omitempty"`
	QPS     stat.Spread  `json:"qps"`
	Latency stat.Latency `json:"latency"` // of all rounds together
	// P95 is the 95th percentile round by round, in milliseconds.
	P95    stat.Spread `json:"p95_ms_by_round"`
	Failed int         `json:"failed"`
	// Recall is that of the graph that was searched: it is the same in all rounds.
	Recall float64 `json:"recall_at_10"`
	// ClientCPU and ServerCPU are milliseconds of processor time for a query; 0 where they could not be read or told apart.
	ClientCPU float64 `json:"client_cpu_ms,omitempty"`
	ServerCPU float64 `json:"server_cpu_ms,omitempty"`
}

// Bar is a figure and what it should be.
type Bar struct {
	Name     string       `json:"name"`
	Wanted   string       `json:"wanted"`
	Measured string       `json:"measured"`
	Verdict  stat.Verdict `json:"verdict"`
	// Asked says that the run was to measure it.
	Asked bool `json:"asked"`
	// Note says under which load, or why there is no figure.
	Note string `json:"note,omitempty"`
}

// profile finds the part of a profile, to add to.
func (r *Report) profile(name string) *ProfileReport {
	for i := range r.Profiles {
		if r.Profiles[i].Profile.Name == name {
			return &r.Profiles[i]
		}
	}
	return nil
}

// Unmet are the bars that were asked for and not cleared: missed, or without a reliable figure, or without any. An opponent that "all" left
// out because it is not there was not asked for.
func (r *Report) Unmet() []Bar {
	var unmet []Bar
	for _, b := range r.Bars {
		if b.Asked && b.Verdict != stat.Pass {
			unmet = append(unmet, b)
		}
	}
	return unmet
}

// asked says whether a run was to meet an opponent.
func (r *Report) asked(against string) bool {
	return slices.Contains(r.Settings.Phases, PhaseCompare) && slices.Contains(r.Settings.Against, against)
}

// whyNot says why there is no figure.
func (r *Report) whyNot(against string) string {
	for _, m := range r.Settings.Missing {
		if m.Opponent == against {
			return m.Why
		}
	}
	switch {
	case !r.asked(against):
		return "not asked for"
	case r.Error != "":
		return "the run ended before"
	default:
		return "no figure came of it; see the notes"
	}
}
