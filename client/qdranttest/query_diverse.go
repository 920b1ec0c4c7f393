package qdranttest

import (
	"github.com/qdrant/go-client/qdrant"
)

// defaultDiversity is the server's where a request names none.
const defaultDiversity = 0.5

// diverse takes the nearest points and chooses of them one after the other: each is the one that is near to the target and unlike all
// that have been chosen (maximal marginal relevance). The scores stay those of nearness.
func (e *examples) diverse(q *qdrant.NearestInputWithMmr, st stage) (ranking, error) {
	target, err := e.required(q.GetNearest())
	if err != nil {
		return ranking{}, err
	}
	diversity, nearest := float32(defaultDiversity), st
	if mmr := q.GetMmr(); mmr != nil {
		if mmr.Diversity != nil {
			diversity = mmr.GetDiversity()
		}
		if mmr.CandidatesLimit != nil {
			nearest.limit = int(mmr.GetCandidatesLimit())
		}
	}
	if diversity < 0 || diversity > 1 {
		return ranking{}, in("query.variant.mmr", invalid("diversity", "value %s invalid, must be from 0.0 to 1.0", decimal(float64(diversity))))
	}
	return ranking{examples: e.ids, of: func(sources [][]hit) ([]hit, error) {
		candidates := best(scored(union(sources), e.field.name, e.near(target)), e.field.smallerIsNearer(), nearest)
		return e.choose(target, candidates, diversity, st.limit), nil
	}}, nil
}

func (e *examples) choose(target vector, candidates []hit, diversity float32, limit int) []hit {
	name := e.field.name
	var chosen []hit
	for len(candidates) > 0 && len(chosen) < limit {
		at, highest := 0, float32(0)
		for i, c := range candidates {
			relevance, _ := e.field.similarity(target, c.vectors[name])
			score := relevance
			if len(chosen) > 0 {
				var alike float32
				for j, other := range chosen {
					similarity, _ := e.field.similarity(c.vectors[name], other.vectors[name])
					if j == 0 || similarity > alike {
						alike = similarity
					}
				}
				score = (1-diversity)*relevance - diversity*alike
			}
			if i == 0 || score > highest {
				at, highest = i, score
			}
		}
		chosen = append(chosen, candidates[at])
		candidates = append(candidates[:at:at], candidates[at+1:]...)
	}
	return chosen
}
