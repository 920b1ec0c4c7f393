// Package quickstart reads the quick start of README.md, for the tests that run it.
package quickstart

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/qdrant-shepherd/shepherd/internal/repository"
)

// QuickStart is what README.md tells a newcomer to run, and what it shows.
type QuickStart struct {
	// Up starts a cluster, Access sets variables for it, Forward leads to its gRPC port where there is Docker, and Vectors loads and queries
	// a file.
	Up, Access, Forward, Vectors string
	// Workload is what Up shows of its workload, Hits what Vectors prints at the end.
	Workload, Hits []string
}

// Read reads README.md.
func Read() (QuickStart, error) {
	root, err := repository.Root()
	if err != nil {
		return QuickStart{}, err
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		return QuickStart{}, err
	}
	_, section, _ := strings.Cut(string(readme), "\n## Quick start\n")
	section, _, _ = strings.Cut(section, "\n## ")
	commands, shown := blocks(section, "bash"), blocks(section, "text")
	forward := regexp.MustCompile("`(kubectl [^`]*port-forward[^`]*&)`").FindStringSubmatch(section)
	if len(commands) != 3 || len(shown) != 2 || forward == nil {
		return QuickStart{}, fmt.Errorf("the quick start of README.md has %d blocks of commands, %d of output, and port-forward %q", len(commands), len(shown), forward)
	}
	return QuickStart{
		Up: commands[0], Access: commands[1], Forward: forward[1] + "\n", Vectors: commands[2],
		Workload: strings.Split(shown[0], "\n"), Hits: strings.Split(strings.TrimSpace(shown[1]), "\n"),
	}, nil
}

func blocks(section, language string) []string {
	var texts []string
	for _, block := range regexp.MustCompile("(?s)\n```"+language+"\n(.*?)```").FindAllStringSubmatch(section, -1) {
		texts = append(texts, block[1])
	}
	return texts
}

// Missing returns the lines that the quick start shows and that an output lacks. Figures differ from run to run, so of the workload only the
// first word of each line counts. A server that builds no graph shows no line "indexed".
func (q QuickStart) Missing(output string, graph bool) []string {
	var missing []string
	for _, line := range q.Workload {
		text, indented := strings.CutPrefix(line, "  ")
		first, _, _ := strings.Cut(strings.TrimSpace(text), " ")
		if !indented || first == "" || first == "indexed" && !graph {
			continue
		}
		if !strings.Contains(output, "\n  "+first+" ") {
			missing = append(missing, line)
		}
	}
	for _, line := range q.Hits {
		if !strings.Contains(output, line+"\n") {
			missing = append(missing, line)
		}
	}
	return missing
}
