package stat

// OursFirst says who goes first in pair number i: A B, B A, A B, … Whatever the first of two finds warmer or colder falls on each in turn.
func OursFirst(i int) bool { return i%2 == 0 }

// RoundRobin is the order in which opponents are met in round i: each round begins one further, so that nobody is always last.
func RoundRobin[T any](opponents []T, i int) []T {
	if len(opponents) == 0 {
		return nil
	}
	cut := i % len(opponents)
	return append(append([]T{}, opponents[cut:]...), opponents[:cut]...)
}
