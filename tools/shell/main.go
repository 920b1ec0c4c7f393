// Command shell checks Bash: scripts, and those within YAML files (a text that begins with #!, and what follows `bash -c`). Each must parse;
// where shellcheck is on PATH, it must have nothing to say either.
//
//	shell FILE...    - is YAML from standard input
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
	"mvdan.cc/sh/v3/syntax"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	flag.Parse()
	shellcheck, err := exec.LookPath("shellcheck")
	if err != nil {
		fmt.Fprintln(os.Stderr, "shell: there is no shellcheck: the scripts are only parsed")
	}
	err = run(ctx, shellcheck, flag.Args(), os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "shell:", err)
		os.Exit(1)
	}
}

// run checks the files and prints what is wrong with each script.
func run(ctx context.Context, shellcheck string, files []string, stdout io.Writer) error {
	if len(files) == 0 {
		return errors.New("name the files")
	}
	checked, wrong := map[string]bool{}, 0
	for _, file := range files {
		scripts, err := read(file)
		if err != nil {
			return err
		}
		for _, script := range scripts {
			// The same script is in many manifests.
			if checked[script] {
				continue
			}
			checked[script] = true
			if complaint := check(ctx, shellcheck, file, script); complaint != "" {
				wrong++
				if _, err := fmt.Fprintf(stdout, "%s:\n%s\n", file, complaint); err != nil {
					return err
				}
			}
		}
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d scripts are wrong", wrong, len(checked))
	}
	if len(checked) == 0 {
		return errors.New("there is no script in these files")
	}
	_, err := fmt.Fprintf(stdout, "%d scripts\n", len(checked))
	return err
}

// read returns a file's scripts: those of a YAML file, or the file itself.
func read(file string) ([]string, error) {
	source := file
	if file == "-" {
		source = "/dev/stdin"
	}
	content, err := os.ReadFile(source)
	if err != nil {
		return nil, err
	}
	if file != "-" && filepath.Ext(file) != ".yaml" {
		return []string{string(content)}, nil
	}
	var scripts []string
	for text := range bytes.SplitSeq(content, []byte("\n---\n")) {
		// A golden file has the chart's notes too, which are plain text.
		if bytes.HasPrefix(bytes.TrimPrefix(text, []byte("---\n")), []byte("# templates/NOTES.txt\n")) {
			continue
		}
		var document yaml.Node
		if err := yaml.Unmarshal(text, &document); err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		scripts = append(scripts, embedded(&document)...)
	}
	return scripts, nil
}

func embedded(node *yaml.Node) []string {
	var scripts []string
	for i, child := range node.Content {
		if child.Kind != yaml.ScalarNode {
			scripts = append(scripts, embedded(child)...)
			continue
		}
		command := node.Kind == yaml.SequenceNode && i >= 2 && node.Content[i-1].Value == "-c" && path.Base(node.Content[i-2].Value) == "bash"
		if command || strings.HasPrefix(child.Value, "#!/bin/bash\n") {
			// Compose reads $$ as $.
			scripts = append(scripts, strings.ReplaceAll(child.Value, "$$", "$"))
		}
	}
	return scripts
}

// check returns what is wrong with a script.
func check(ctx context.Context, shellcheck, file, script string) string {
	if _, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(script), file); err != nil {
		return err.Error()
	}
	if shellcheck == "" {
		return ""
	}
	severity := "style"
	if file == "-" || filepath.Ext(file) == ".yaml" {
		// It does not see the variables that a manifest sets, and takes them for misspelt.
		severity = "warning"
	}
	command := exec.CommandContext(ctx, shellcheck, "--shell=bash", "--format=gcc", "--severity="+severity, "-")
	command.Stdin = strings.NewReader(script)
	out, err := command.CombinedOutput()
	if err != nil {
		return strings.TrimSpace(fmt.Sprintf("%s%v", out, err))
	}
	return ""
}
