package wink

import (
	"math"
	"math/rand/v2"
)

// perCluster is how many made-up words mean nearly the same.
const perCluster = 25

// MadeUp returns n words that nobody has said, with vectors that lie in clusters as those of real words do: for machines that can't have the
// real ones. They are the same each time.
func MadeUp(n int) Data {
	random := rand.New(rand.NewPCG(100, 25))
	centres := make([][]float32, max(1, n/perCluster))
	for i := range centres {
		centres[i] = around(random, make([]float32, Dim), 1)
	}
	words := func(first, count int) Set {
		var set Set
		for i := first; i < first+count; i++ {
			set.Words = append(set.Words, syllables(i))
			set.Ranks = append(set.Ranks, i)
			set.Vectors = append(set.Vectors, around(random, centres[random.IntN(len(centres))], 0.06))
		}
		return set
	}
	return Data{Base: words(0, n), Queries: words(n, Queries)}
}

// around is a vector of length one near a centre.
func around(random *rand.Rand, centre []float32, spread float64) []float32 {
	vector := make([]float32, len(centre))
	var sum float64
	for i := range vector {
		x := float64(centre[i]) + spread*random.NormFloat64()
		vector[i] = float32(x)
		sum += x * x
	}
	for i := range vector {
		vector[i] = float32(float64(vector[i]) / math.Sqrt(sum))
	}
	return vector
}

// syllables writes a number so that it can be said: no two are alike.
func syllables(n int) string {
	const consonants, vowels = "bdfgklmnprstvz", "aeiou"
	word := ""
	for first := true; first || n > 0; first = false {
		word += string(consonants[n%len(consonants)])
		n /= len(consonants)
		word += string(vowels[n%len(vowels)])
		n /= len(vowels)
	}
	return word
}
