package up

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/qdrant-shepherd/shepherd/internal/local/controlplane"
)

// stateFile says what is in a directory. It is written before anything is started.
const stateFile = "state.json"

// State is what runs, or was to run.
type State struct {
	World string `json:"world"`
	// Cluster is kind's name for it.
	Cluster string `json:"cluster,omitempty"`
	// NoEngine says that the local world was the only one to choose; Server is a Qdrant program and Version its version, empty for the
	// stand-in; Assets are the control plane's programs.
	NoEngine bool   `json:"noEngine,omitempty"`
	Port     int    `json:"port,omitempty"`
	Server   string `json:"server,omitempty"`
	Version  string `json:"version,omitempty"`
	Assets   string `json:"assets,omitempty"`
}

func (s State) String() string {
	if s.World == inKind {
		return "kind cluster " + s.Cluster
	}
	return "Kubernetes " + controlplane.Version + " on this machine"
}

// state reads what is in the directory. Without any the error is os.ErrNotExist.
func (s Settings) state() (State, error) {
	var state State
	content, err := os.ReadFile(s.path(stateFile))
	if err != nil {
		return state, fmt.Errorf("reading what is up: %w", err)
	}
	if err := json.Unmarshal(content, &state); err != nil {
		return state, fmt.Errorf("reading what is up from %s: %w; if nothing of it runs any more, delete %s", s.path(stateFile), err, s.Directory)
	}
	return state, nil
}

func (s Settings) keep(state State) error {
	content, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the state: %w", err)
	}
	if err := writeWhole(s.path(stateFile), content); err != nil {
		return fmt.Errorf("writing the state: %w", err)
	}
	return nil
}

// writeWhole writes a file in one step: nobody ever reads half of it.
func writeWhole(path string, content []byte) error {
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
