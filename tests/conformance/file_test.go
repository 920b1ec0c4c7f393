package conformance

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// clusterFile is what the real servers answered.
const clusterFile = "testdata/cluster.txt"

var update = flag.Bool("update", false, "write what real servers answer to the file; the test fails all the same")

// write takes what real servers answered as the truth from now on.
func write(t *testing.T, file, got string) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	require.Fail(t, "updated, review the diff", file)
}

// compare fails at the first line that differs from the file.
func compare(t *testing.T, file, got string) {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	want, have := strings.Split(string(content), "\n"), strings.Split(got, "\n")
	for i := range max(len(want), len(have)) {
		if i >= len(want) || i >= len(have) || want[i] != have[i] {
			require.Failf(t, "differs from "+file, "line %d, after\n%s\nthe file has\n%s\nand now it is\n%s", i+1,
				strings.Join(have[max(0, i-3):min(i, len(have))], "\n"), at(want, i), at(have, i))
		}
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(nothing)"
}
