package stat

// tie is how far apart two similarities may be and still count as equal: a server sums 100 products of float32 in another order.
const tie = 1e-6

// Recall is the share of the k nearest that were found. Relevant are the ids of the true neighbours, the nearest first, with their
// similarities, more than k of them if need be: those that are as near as the one at place k are as good. Where fewer than k exist, all of
// those are wanted.
func Recall[ID comparable](found, relevant []ID, similarities []float32, k int) float64 {
	k = min(k, len(relevant))
	if k == 0 {
		return 1
	}
	good := make(map[ID]bool, k+1)
	for i, id := range relevant {
		if i >= k && float64(similarities[k-1]-similarities[i]) > tie {
			break
		}
		good[id] = true
	}
	hits := 0
	for _, id := range found {
		if good[id] {
			hits++
			delete(good, id) // found twice counts once
		}
	}
	return float64(min(hits, k)) / float64(k)
}

// Mean is 0 for no values.
func Mean(values []float64) float64 {
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum / float64(max(len(values), 1))
}
