package pipeline

// prefix finds how many documents from the first on are acknowledged without a gap, while batches are acknowledged in any order. It holds
// no more entries than batches are under way.
type prefix struct {
	next      int         // the first batch that is not acknowledged
	documents int         // documents before it
	later     map[int]int // documents of batches acknowledged after it, by batch
}

// acknowledge notes that a batch with its documents is acknowledged.
func (p *prefix) acknowledge(batch, documents int) {
	if batch != p.next {
		if p.later == nil {
			p.later = make(map[int]int)
		}
		p.later[batch] = documents
		return
	}
	p.next++
	p.documents += documents
	for documents, there := p.later[p.next]; there; documents, there = p.later[p.next] {
		delete(p.later, p.next)
		p.next++
		p.documents += documents
	}
}
