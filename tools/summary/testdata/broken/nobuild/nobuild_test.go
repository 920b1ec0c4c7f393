package nobuild

import "testing"

func TestNeverRuns(*testing.T) {}
