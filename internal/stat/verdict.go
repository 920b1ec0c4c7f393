package stat

import "math"

// Verdict says how a figure stands to its bar.
type Verdict string

const (
	// Pass means that the bar was cleared.
	Pass Verdict = "pass"
	// Fail means that it was not.
	Fail Verdict = "FAIL"
	// Unreliable means that the run's own control was off, so that neither can be said.
	Unreliable Verdict = "unreliable"
	// NotMeasured means that the run had no such figure.
	NotMeasured Verdict = "not measured"
)

// AtLeast holds a figure against a floor. The median must reach it; where the floor is above 1, so where something is claimed to be faster,
// not one pair may say the opposite.
func AtLeast(s Spread, bar float64) Verdict {
	switch {
	case s.N == 0:
		return NotMeasured
	case s.Median >= bar && (bar <= 1 || s.Min > 1):
		return Pass
	default:
		return Fail
	}
}

// AtMost holds the median against a ceiling.
func AtMost(s Spread, bar float64) Verdict {
	switch {
	case s.N == 0:
		return NotMeasured
	case s.Median <= bar:
		return Pass
	default:
		return Fail
	}
}

// ControlTolerance is how far from 1.00 the control may be, where the same thing is compared with itself.
const ControlTolerance = 0.05

// Reliable judges a control. Without one nothing is known, and that is not reliable.
func Reliable(control Spread) bool {
	return control.N > 0 && math.Abs(control.Median-1) <= ControlTolerance
}

// Judged is a verdict as far as the control lets it stand.
func Judged(v Verdict, control Spread) Verdict {
	if v == NotMeasured || Reliable(control) {
		return v
	}
	return Unreliable
}
