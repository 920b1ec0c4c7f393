package imports

import (
	"testing"

	"github.com/qdrant-shepherd/shepherd/tools/summary/testdata/broken/nobuild"
)

// TestNeverRuns is in a package that imports one that does not build.
func TestNeverRuns(t *testing.T) { t.Log(nobuild.Nothing) }
