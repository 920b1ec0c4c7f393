package up

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the screens of testdata anew; the test fails all the same")

// TestScreens compares the first lines and the last screen of each world with what a person has reviewed.
func TestScreens(t *testing.T) {
	settings := Settings{Root: "/clone", Directory: "/clone/artifacts/up"}
	pods := []Pod{
		{Name: "q-qdrant-0", Condition: "ready", Node: "node-00", Zone: "zone-a"},
		{Name: "q-shepherd-98447998f-kz4qz", Condition: "ready", Node: "node-02", Zone: "zone-c"},
	}
	for file, w := range map[string]world{
		"kind.txt":    &kind{settings: settings, cluster: "qdrant-up"},
		"local.txt":   &local{settings: settings, state: State{Port: DefaultPort, Server: "/some/qdrant", Version: "1.18.3"}},
		"standin.txt": &local{settings: settings, state: State{Port: DefaultPort, NoEngine: true}},
	} {
		t.Run(file, func(t *testing.T) {
			var out strings.Builder
			screen := &screen{out: &out}
			screen.print(w.introduce())
			last := w.describe()
			last.Settings, last.Pods = settings, pods
			require.NoError(t, screen.close(last))
			path := filepath.Join("testdata", file)
			if *update {
				require.NoError(t, os.WriteFile(path, []byte(out.String()), 0o644))
				t.Fatal("updated, review the diff")
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, string(want), out.String(), "if that is meant, run go test ./internal/local/up -update and review the diff")
		})
	}
}
