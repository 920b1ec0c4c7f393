package start

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

// What is where on the data volume. The server knows nothing of the directory below.
const (
	directory    = ".shepherd"
	startsFile   = "starts"
	foundingFile = "founding"
	asideDir     = "set-aside"
	raftFile     = "raft_state.json"
)

// Volume is what a data volume holds that matters to a start.
type Volume struct {
	State State
	// Starts is how often a pod has started or stopped on the volume.
	Starts int
	// Founding says that a cluster was about to be founded here.
	Founding bool
	// Leftover says that there is something that a join must not find, though there is no state: collections, or the beginning of
	// another cluster. LeftoverPeer is the id it was drawn for, 0 if there is none. Beginner says that a founder can go on from it.
	Leftover     bool
	LeftoverPeer clusterapi.PeerID
	Beginner     bool
}

// State is the peer that the volume belongs to.
type State struct {
	// Exists is false for a file with term 0 too: a join that was refused or interrupted leaves one behind.
	Exists bool
	Peer   clusterapi.PeerID
	// URI is the address that the peer gave itself last; empty if it has stored none.
	URI string
	// Known are the peers of its cluster as it last knew them, itself among them.
	Known map[clusterapi.PeerID]string
}

// ReadVolume looks at a data volume. What is there and can't be read is an error and never counts as missing.
func ReadVolume(storage string) (Volume, error) {
	var v Volume
	raft, err := readRaft(filepath.Join(storage, raftFile))
	if err != nil {
		return v, err
	}
	if v.Starts, err = readStarts(filepath.Join(storage, directory, startsFile)); err != nil {
		return v, err
	}
	if v.Founding, err = exists(filepath.Join(storage, directory, foundingFile)); err != nil {
		return v, err
	}
	collections, err := os.ReadDir(filepath.Join(storage, "collections"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return v, fmt.Errorf("reading the collections on the volume: %w", err)
	}
	if raft != nil && raft.State.HardState.Term > 0 {
		v.State = State{Exists: true, Peer: raft.Peer, URI: trimmed(raft.Addresses[raft.Peer]), Known: raft.Addresses}
		return v, nil
	}
	v.Leftover = len(collections) > 0
	if raft != nil {
		// The first peer of a cluster, and a server without cluster mode, write themselves in as voters before the first term. Such a
		// peer would elect itself while it joins others.
		v.Beginner = len(raft.State.ConfState.Voters) > 0
		v.Leftover = v.Leftover || v.Beginner
		v.LeftoverPeer = raft.Peer
	}
	return v, nil
}

// raftState is what matters here of the server's raft_state.json, as 1.18 writes it.
type raftState struct {
	State struct {
		HardState struct {
			Term uint64 `json:"term"`
		} `json:"hard_state"`
		ConfState struct {
			Voters []clusterapi.PeerID `json:"voters"`
		} `json:"conf_state"`
	} `json:"state"`
	Peer      clusterapi.PeerID            `json:"this_peer_id"`
	Addresses map[clusterapi.PeerID]string `json:"peer_address_by_id"`
}

// readRaft returns nil where there is no such file.
func readRaft(path string) (*raftState, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the peer's state: %w", err)
	}
	var state raftState
	if err := json.Unmarshal(data, &state); err != nil {
		return nil, fmt.Errorf("reading the peer's state in %s: %w", path, err)
	}
	if state.Peer == 0 {
		return nil, fmt.Errorf("reading the peer's state in %s: it names no peer", path)
	}
	return &state, nil
}

func readStarts(path string) (int, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading how often the volume was started on: %w", err)
	}
	starts, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || starts < 0 {
		return 0, fmt.Errorf("reading how often the volume was started on: %s holds %q", path, data)
	}
	return starts, nil
}

// Count counts a start, or a stop, on a volume: one more than the volume and the claim have. It returns the number, which is on the disk
// when it returns; the claim must get it afterwards, so that it is never ahead of its own volume.
func Count(storage string, claim int) (int, error) {
	volume, err := readStarts(filepath.Join(storage, directory, startsFile))
	if err != nil {
		return 0, err
	}
	counted := max(volume, claim) + 1
	return counted, writeStarts(storage, counted)
}

// writeStarts and writeFounding leave their notes on the volume so that they survive a crash of the node.
func writeStarts(storage string, starts int) error {
	return writeNote(storage, startsFile, strconv.Itoa(starts)+"\n")
}

func writeFounding(storage string) error { return writeNote(storage, foundingFile, "") }

func writeNote(storage, name, text string) error {
	if err := os.MkdirAll(filepath.Join(storage, directory), 0o755); err != nil {
		return fmt.Errorf("noting %s on the volume: %w", name, err)
	}
	if err := writeFile(filepath.Join(storage, directory, name), text); err != nil {
		return fmt.Errorf("noting %s on the volume: %w", name, err)
	}
	return nil
}

func removeFounding(storage string) error {
	err := os.Remove(filepath.Join(storage, directory, foundingFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the note of a founding from the volume: %w", err)
	}
	return nil
}

// writeFile replaces a file in one step, and returns when it is on the disk.
func writeFile(path, text string) error {
	temporary := path + ".new"
	file, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	err = errors.Join(err, file.Sync(), file.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes renames in a directory last.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// trimmed takes off the slash that the server ends its URIs with.
func trimmed(uri string) string { return strings.TrimRight(uri, "/") }

// sameURI compares as the server does: hosts and schemes know no case.
func sameURI(a, b string) bool {
	one, errA := url.Parse(trimmed(a))
	two, errB := url.Parse(trimmed(b))
	if errA != nil || errB != nil || a == "" || b == "" {
		return false
	}
	return strings.EqualFold(one.Scheme, two.Scheme) && strings.EqualFold(one.Host, two.Host)
}
