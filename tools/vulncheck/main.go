// Command vulncheck scans packages for known vulnerabilities with govulncheck, and fails on each one that no waiver covers. It asks no
// server: the database is a directory, made by golang.org/x/vulndb/cmd/indexdb.
//
//	vulncheck -db DIRECTORY [-level module|symbol] [-tags TAGS] [-waivers FILE] PACKAGES
//
// At module level every vulnerable version of a module that the packages or their tests import counts, and it takes seconds. At symbol
// level a vulnerability counts only when the packages call what is vulnerable, and it takes minutes.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"golang.org/x/vuln/scan"
)

// The levels of a scan.
const (
	module = "module"
	symbol = "symbol"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "vulncheck:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("vulncheck", flag.ContinueOnError)
	database := flags.String("db", "", "directory of the vulnerability database")
	level := flags.String("level", module, "module or symbol")
	tags := flags.String("tags", "", "build tags, separated by commas")
	waiverFile := flags.String("waivers", "tools/vulncheck/waivers.yaml", "file of waivers")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *level != module && *level != symbol {
		return fmt.Errorf("-level %s: it is module or symbol", *level)
	}
	if *database == "" || flags.NArg() == 0 {
		return errors.New("name the database with -db, and the packages")
	}
	waivers, err := readWaivers(*waiverFile)
	if err != nil {
		return err
	}
	scanned, err := scanPackages(ctx, *database, *level, *tags, flags.Args())
	if err != nil {
		return err
	}
	complaints := judge(scanned, *level, waivers, time.Now())
	for _, complaint := range complaints {
		if _, err := fmt.Fprintln(stdout, complaint); err != nil {
			return err
		}
	}
	if len(complaints) > 0 {
		return fmt.Errorf("%d complaints: upgrade the module, or waive the vulnerability in %s with a reason and a date", len(complaints), *waiverFile)
	}
	_, err = fmt.Fprintf(stdout, "no vulnerability at %s level, %d waived\n", *level, len(waivers))
	return err
}

func scanPackages(ctx context.Context, database, level, tags string, patterns []string) (stream, error) {
	database, err := filepath.Abs(database)
	if err != nil {
		return stream{}, err
	}
	args := []string{"-db", "file://" + filepath.ToSlash(database), "-format", "json", "-tags", tags}
	if level == symbol {
		args = append(args, "-scan", "symbol")
	} else {
		// govulncheck's own module level takes no packages: it looks at those of one directory. Its package level also writes the findings
		// of each module, of all packages, and is as fast.
		args = append(args, "-scan", "package", "-test")
	}
	var out, log bytes.Buffer
	command := scan.Command(ctx, append(args, patterns...)...)
	command.Stdout, command.Stderr = &out, &log
	if err := command.Start(); err != nil {
		return stream{}, fmt.Errorf("starting govulncheck: %w", err)
	}
	// With -format json it ends without an error whatever it finds.
	if err := command.Wait(); err != nil {
		return stream{}, fmt.Errorf("scanning %v: %w\n%s", patterns, err, log.Bytes())
	}
	return parse(&out)
}
