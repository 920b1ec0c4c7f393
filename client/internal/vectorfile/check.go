package vectorfile

import (
	"errors"
	"fmt"
	"math"

	"github.com/qdrant-shepherd/shepherd/client/vector"
)

// checkVector refuses what a server would refuse, or worse, would take: it stores NaN without a word. dimension 0 takes any.
func checkVector(v []float32, dimension int) error {
	if len(v) == 0 {
		return errors.New("the vector is empty")
	}
	if dimension != 0 && len(v) != dimension {
		return fmt.Errorf("%d dimensions instead of %d", len(v), dimension)
	}
	if len(v) > MaxDimension {
		return fmt.Errorf("%d dimensions: a vector has at most %d", len(v), MaxDimension)
	}
	for i, x := range v {
		// NaN and the infinities are the only numbers whose difference from themselves is not 0.
		if x-x != 0 {
			return fmt.Errorf("number %d of the vector is %v", i, x)
		}
	}
	return nil
}

// narrow turns a number into what servers keep.
func narrow(x float64) (float32, error) {
	f := float32(x)
	if math.IsInf(float64(f), 0) && !math.IsInf(x, 0) {
		return 0, fmt.Errorf("%v is too large for a 32-bit number", x)
	}
	return f, nil
}

// half is a 16-bit number of IEEE 754: a sign bit, five bits of exponent, ten of fraction.
func half(bits uint16) float32 {
	sign := uint32(bits>>15) << 31
	exponent, fraction := uint32(bits>>10)&31, uint32(bits)&1023
	switch exponent {
	case 0: // below 2^-14, in steps of 2^-24
		x := float32(fraction) / (1 << 24)
		return math.Float32frombits(math.Float32bits(x) | sign)
	case 31: // infinite, or not a number
		return math.Float32frombits(sign | 255<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}

// numberID is the id of a row that is numbered.
func numberID(first uint64, row int64) (vector.ID, error) {
	if uint64(row) > math.MaxUint64-first {
		return vector.ID{}, fmt.Errorf("its id would be %d + %d, which is more than 64 bits hold", first, row)
	}
	return vector.Num(first + uint64(row)), nil
}

// textID reads an id that a file has as text. named says that the id was made of the text.
func textID(text string, names bool) (id vector.ID, named bool, err error) {
	id, err = vector.ParseID(text)
	switch {
	case err == nil:
		return id, false, nil
	case text == "":
		return vector.ID{}, false, errors.New("the id is empty")
	case names:
		return vector.NameID(text), true, nil
	case len(text) > 64:
		text = text[:64] + "…"
	}
	return vector.ID{}, false, fmt.Errorf("the id %q is neither a number nor a UUID", text)
}
