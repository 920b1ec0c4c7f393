package tend

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// Guard is what the admission policy asks for before a shrink.
type Guard struct {
	// MinReplicas is the least number of peers that can hold as many copies as each collection asks for.
	MinReplicas int
	Whole       bool
	// Reason is a sentence for whoever is refused.
	Reason string
}

// reasonLimit keeps the sentence readable in the answer to a kubectl command.
const reasonLimit = 3

// Guarding reads from a picture what a shrink must respect.
func Guarding(p topology.Picture) Guard {
	g := Guard{MinReplicas: 1}
	greediest := ""
	for _, c := range p.Collections {
		if c.ReplicationFactor > g.MinReplicas {
			g.MinReplicas, greediest = c.ReplicationFactor, c.Name
		}
	}
	if ok, why := p.Quorum(); !ok {
		g.Reason = "the cluster cannot decide: " + why
		return g
	}
	whole, reasons := p.Whole()
	g.Whole = whole
	switch {
	case !whole:
		g.Reason = "shards are not whole: " + strings.Join(reasons[:min(len(reasons), reasonLimit)], "; ")
		if more := len(reasons) - reasonLimit; more > 0 {
			g.Reason += fmt.Sprintf("; and %d more", more)
		}
	case greediest != "":
		g.Reason = fmt.Sprintf("collection %s has a replication factor of %d, which needs as many peers", greediest, g.MinReplicas)
	default:
		g.Reason = "one peer is enough for what the collections ask for"
	}
	return g
}

func (g Guard) values() map[string]string {
	return map[string]string{
		KeyMinReplicas: strconv.Itoa(g.MinReplicas),
		KeyWhole:       strconv.FormatBool(g.Whole),
		KeyReason:      g.Reason,
	}
}
