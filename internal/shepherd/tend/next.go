package tend

import (
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// Outlook is what tend makes of a situation: what it wants, how it would get there, and what it has to tell.
type Outlook struct {
	Goal  plan.Goal
	Plan  plan.Plan
	Tasks []Task
	Notes []Note
	// Held is a sentence that says why nothing would be changed now; empty when nothing is in the way.
	Held string
	// Paused says that nothing but the annotation holds it: claims are still marked.
	Paused bool
	// Leaderless says that it is held because the picture shows no leader that a majority follows, which may pass in a moment.
	Leaderless bool
}

// Next is what tend would do about a situation. It is pure: Run carries out the same that status shows.
func Next(f Facts, p topology.Picture, s Settings) Outlook {
	var o Outlook
	o.Goal, o.Tasks, o.Notes = Goals(f, p, s)
	if o.Held, o.Leaderless = unclear(f, p); o.Held != "" {
		return o
	}
	if f.StatefulSet.Paused {
		o.Held, o.Paused = "paused by the annotation on the StatefulSet", true
	}
	o.Plan = plan.Make(p, o.Goal)
	o.Notes = append(o.Notes, blocks(o.Goal, o.Plan.Blocked)...)
	return o
}

// unclear says why the picture is no condition to change anything.
func unclear(f Facts, p topology.Picture) (why string, leaderless bool) {
	if why := stopping(f.StatefulSet); why != "" {
		return why, false
	}
	if why := p.Unsupported(); why != "" {
		return why, false
	}
	ok, why := p.Quorum()
	return why, !ok
}
