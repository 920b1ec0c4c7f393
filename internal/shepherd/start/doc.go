// Package start decides how a peer may start: as it is, as a new member of a cluster that is there, as the founder of a new one, or not
// yet. A wrong answer founds a second cluster next to the first, or brings back stale data as if it were whole; so the decision is a
// table over everything that can be known before the server runs, and whatever is in doubt waits.
package start
