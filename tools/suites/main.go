// Command suites reads tests/e2e/suites.yaml, the list of the end-to-end suites. Run it from the root of the repository.
//
//	suites names           one name a line
//	suites pattern NAME    what `go test -run` takes for the tests of that suite
//	suites check           fail when a test is in no suite, or the list names one that is not there
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/qdrant-shepherd/shepherd/tools/suites/suitefile"
)

func main() {
	out, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "suites:", err)
		os.Exit(2)
	}
	fmt.Print(out)
}

func run(args []string) (string, error) {
	file, err := suitefile.Read(".")
	if err != nil {
		return "", err
	}
	switch {
	case len(args) == 1 && args[0] == "names":
		return strings.Join(file.Names(), "\n") + "\n", nil
	case len(args) == 2 && args[0] == "pattern":
		suite, err := file.Suite(args[1])
		if err != nil {
			return "", err
		}
		return suite.Pattern() + "\n", nil
	case len(args) == 1 && args[0] == "check":
		tests, err := suitefile.Tests(".")
		if err != nil {
			return "", err
		}
		return "", file.Check(tests)
	}
	return "", fmt.Errorf("usage: suites names | suites pattern NAME | suites check")
}
