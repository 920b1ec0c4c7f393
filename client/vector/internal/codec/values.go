package codec

import (
	"cmp"
	"fmt"
	"slices"
)

// Sparse is a vector of which only the entries that are not zero are kept: Values[i] is the entry at Indices[i].
// Both have the same length, the indices ascend and none comes twice (Sorted brings them into that order).
type Sparse struct {
	Indices []uint32  `json:"indices"`
	Values  []float32 `json:"values"`
}

// SparseOf is the sparse vector with those entries by their indices.
func SparseOf(entries map[uint32]float32) Sparse {
	s := Sparse{Indices: make([]uint32, 0, len(entries)), Values: make([]float32, 0, len(entries))}
	for index := range entries {
		s.Indices = append(s.Indices, index)
	}
	slices.Sort(s.Indices)
	for _, index := range s.Indices {
		s.Values = append(s.Values, entries[index])
	}
	return s
}

// Sorted is the vector with ascending indices, a copy unless they ascend already. An index that comes twice stays twice.
func (s Sparse) Sorted() Sparse {
	if slices.IsSorted(s.Indices) || len(s.Indices) != len(s.Values) {
		return s
	}
	order := make([]int, len(s.Indices))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(s.Indices[a], s.Indices[b]) })
	sorted := Sparse{Indices: make([]uint32, len(order)), Values: make([]float32, len(order))}
	for i, from := range order {
		sorted.Indices[i], sorted.Values[i] = s.Indices[from], s.Values[from]
	}
	return sorted
}

// Validate says what keeps the vector from being stored: no entries, lengths that differ, indices out of order or twice, or a
// value that is not finite. It is nil for a vector that is fine.
func (s Sparse) Validate() error {
	switch {
	case len(s.Indices) != len(s.Values):
		return fmt.Errorf("%d indices with %d values", len(s.Indices), len(s.Values))
	case len(s.Indices) == 0:
		return fmt.Errorf("empty vector")
	}
	for i := 1; i < len(s.Indices); i++ {
		switch a, b := s.Indices[i-1], s.Indices[i]; {
		case a == b:
			return fmt.Errorf("index %d comes twice", b)
		case a > b:
			return fmt.Errorf("indices do not ascend: %d comes after %d (Sorted puts them in order)", b, a)
		}
	}
	for i, x := range s.Values {
		if !Finite(x) {
			return fmt.Errorf("value %v at index %d", x, s.Indices[i])
		}
	}
	return nil
}

// Geo is a place on earth in degrees: Lat from -90 to 90, Lon from -180 to 180.
type Geo struct {
	Lat float64 `json:"lat"`
	Lon float64 `json:"lon"`
}

// Validate says whether the place is on earth.
func (g Geo) Validate() error {
	// Written so that NaN fails as well.
	if !(g.Lat >= -90 && g.Lat <= 90) {
		return fmt.Errorf("latitude %v is not from -90 to 90", g.Lat)
	}
	if !(g.Lon >= -180 && g.Lon <= 180) {
		return fmt.Errorf("longitude %v is not from -180 to 180", g.Lon)
	}
	return nil
}

// Finite says whether x is a number, and not infinite. It is one subtraction: the difference of a NaN or an infinity to itself is NaN.
func Finite(x float32) bool { return x-x == 0 }
