package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// recordEvery is how often it is written at most how far a load came.
const recordEvery = time.Second

// record is a file that says how far a load came, and of what. A nil one keeps nothing.
type record struct {
	path, file string
	is         progress

	mu    sync.Mutex
	saved time.Time
}

// progress is the record's content. All but the number must be the same for a load to continue.
type progress struct {
	File       string    `json:"file"`
	Size       int64     `json:"size"`
	Modified   time.Time `json:"modified"`
	Target     string    `json:"target"`
	Collection string    `json:"collection"`
	// Reading is how rows become points.
	Reading      map[string]string `json:"reading"`
	Acknowledged int               `json:"acknowledged"`
}

func newRecord(path, file, target, collection string, reading map[string]string) (*record, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	return &record{path: path, file: file, is: progress{
		File: filepath.Base(file), Size: info.Size(), Modified: info.ModTime().UTC(), Reading: reading, Target: target, Collection: collection,
	}}, nil
}

// resume is how many rows an earlier load of the same has loaded. What belongs to another load is an error, unless that is given up by
// restart, or has loaded nothing. With changed the file may have another size and time than it had.
func (r *record) resume(restart, changed bool) (int, error) {
	if restart {
		return 0, nil
	}
	content, err := os.ReadFile(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading how far an earlier load came: %w", err)
	}
	was := progress{Acknowledged: -1}
	if err := json.Unmarshal(content, &was); err != nil || was.Acknowledged < 0 {
		return 0, fmt.Errorf("%s does not say how far an earlier load came; --restart starts over", r.path)
	}
	if was.Acknowledged == 0 {
		return 0, nil
	}
	differences := was.differences(r.is)
	was.Size, was.Modified = r.is.Size, r.is.Modified
	onlyChanged := len(was.differences(r.is)) == 0
	if len(differences) == 0 || onlyChanged && changed {
		return was.Acknowledged, nil
	}
	how := "--restart starts over"
	if onlyChanged {
		how = "--continue continues with the changed file, " + how
	}
	return 0, fmt.Errorf("%s is of another load (%s); %s", r.path, strings.Join(differences, ", "), how)
}

func (p progress) differences(now progress) (list []string) {
	compare := func(what string, was, is any) {
		if was != is {
			list = append(list, fmt.Sprintf("%s was %q and is %q", what, fmt.Sprint(was), fmt.Sprint(is)))
		}
	}
	compare("file", p.File, now.File)
	compare("size", p.Size, now.Size)
	compare("modified", p.Modified.Format(time.RFC3339Nano), now.Modified.Format(time.RFC3339Nano))
	compare("target", p.Target, now.Target)
	compare("collection", p.Collection, now.Collection)
	for _, name := range slices.Sorted(maps.Keys(now.Reading)) {
		compare(name, p.Reading[name], now.Reading[name])
	}
	return list
}

// note saves now and then. An error is of no interest until the end.
func (r *record) note(acknowledged int) {
	if r == nil {
		return
	}
	r.mu.Lock()
	due := time.Since(r.saved) >= recordEvery
	r.mu.Unlock()
	if due {
		_ = r.save(acknowledged)
	}
}

// save replaces the file whole.
func (r *record) save(acknowledged int) (err error) {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() {
		if err != nil {
			err = fmt.Errorf("keeping how far the load came: %w", err)
		}
	}()
	r.is.Acknowledged, r.saved = acknowledged, time.Now()
	content, err := json.Marshal(r.is)
	if err != nil {
		return err
	}
	temporary := r.path + ".new"
	if err = os.WriteFile(temporary, append(content, '\n'), 0o600); err == nil {
		err = os.Rename(temporary, r.path)
	}
	if err != nil {
		_ = os.Remove(temporary)
	}
	return err
}

// remove is for a load that is done, and for one that must start over. A file that is gone already is as good.
func (r *record) remove() error {
	if r == nil {
		return nil
	}
	if err := os.Remove(r.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing how far the load came: %w", err)
	}
	return nil
}
