// Package some keeps a loop over a list that happens to be empty from passing for a proof.
package some

import "testing"

// Of returns a list that is to be looped over. It ends the test if the list is empty: what the loop asserts of each element would
// have been asserted of none.
func Of[S ~[]E, E any](t testing.TB, list S) S {
	t.Helper()
	if len(list) == 0 {
		t.Fatalf("an empty %T: nothing would be asserted of it", list)
	}
	return list
}
