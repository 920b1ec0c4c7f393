package qdranttest

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// expression gives a point a number.
type expression func(rated) (float64, error)

// rated is a point with its scores by the lists that were fetched before.
type rated struct {
	*point
	scores []map[pointID]float32
}

// formulas makes expressions of a formula's parts.
type formulas struct {
	search
	// scores and fields are the numbers and values to take where there are none.
	scores map[int]any
	fields map[string]any
}

// formula scores the points of all lists anew.
func (s search) formula(f *qdrant.Formula) (func([][]hit) ([]hit, error), error) {
	if f.GetExpression() == nil {
		return nil, status.Error(codes.InvalidArgument, "missing field: expression")
	}
	parts := formulas{search: s, scores: map[int]any{}, fields: map[string]any{}}
	for name, value := range f.GetDefaults() {
		decoded, err := valueOf(value)
		if err != nil {
			return nil, err
		}
		list, field, err := variable(name)
		if err != nil {
			return nil, err
		}
		if field == nil {
			parts.scores[list] = decoded
		} else {
			parts.fields[field.String()] = decoded
		}
	}
	evaluate, err := parts.parse(f.GetExpression())
	if err != nil {
		return nil, err
	}
	return func(sources [][]hit) ([]hit, error) {
		scores := make([]map[pointID]float32, len(sources))
		for i, hits := range sources {
			scores[i] = make(map[pointID]float32, len(hits))
			for _, h := range hits {
				scores[i][h.id] = h.score
			}
		}
		var result []hit
		for _, h := range union(sources) {
			value, err := evaluate(rated{h.point, scores})
			if err != nil {
				return nil, err
			}
			if score := float32(value); math.IsInf(float64(score), 0) || math.IsNaN(value) {
				return nil, notFinite("%s as f32 = %s", decimal(value), decimal(float64(score)))
			}
			result = append(result, hit{point: h.point, score: float32(value)})
		}
		return result, nil
	}, nil
}

func notFinite(format string, args ...any) error {
	return wrongInput("The expression "+format+" produced a non-finite number", args...)
}

// decimal writes a number as the server does in its words.
func decimal(x float64) string {
	switch {
	case math.IsInf(x, 1):
		return "inf"
	case math.IsInf(x, -1):
		return "-inf"
	}
	return strconv.FormatFloat(x, 'f', -1, 64)
}

// variable is the number of a list whose scores are meant ($score, $score[1]), or else the path to a field.
func variable(name string) (list int, field keyPath, err error) {
	reserved, isReserved := strings.CutPrefix(name, "$")
	p, parsed := parsePath(reserved)
	switch {
	case !isReserved && parsed != nil:
		return 0, nil, wrongInput("Validation failed: failed to parse variable ID %s: Invalid payload variable: %s", name, name)
	case !isReserved:
		return 0, p, nil
	case parsed == nil && p[0].key == "score" && len(p) == 1:
		return 0, nil, nil
	case parsed == nil && p[0].key == "score" && len(p) == 2 && p[1].kind == element:
		return p[1].index, nil, nil
	case parsed == nil && p[0].key != "score":
		return 0, nil, wrongInput("Validation failed: failed to parse variable ID %s: Invalid reserved word: %s", name, name)
	}
	return 0, nil, wrongInput("Validation failed: failed to parse variable ID %s: Invalid reserved variable: %s", name, name)
}

func (f formulas) parse(e *qdrant.Expression) (expression, error) {
	switch kind := e.GetVariant().(type) {
	case *qdrant.Expression_Constant:
		return func(rated) (float64, error) { return float64(kind.Constant), nil }, nil
	case *qdrant.Expression_Variable:
		return f.variable(kind.Variable)
	case *qdrant.Expression_Condition:
		holds, err := f.col.store.filters().one(kind.Condition)
		return func(r rated) (float64, error) {
			if holds(subject{payload: r.payload, point: r.point}) {
				return 1, nil
			}
			return 0, nil
		}, err
	case *qdrant.Expression_GeoDistance:
		return f.geoDistance(kind.GeoDistance)
	case *qdrant.Expression_Datetime:
		t, ok := parseDatetime(kind.Datetime)
		if !ok {
			return nil, wrongInput("Validation failed: failed to parse date-time %s: premature end of input", kind.Datetime)
		}
		return func(rated) (float64, error) { return float64(t.UnixMicro()) / 1e6, nil }, nil
	case *qdrant.Expression_DatetimeKey:
		return f.datetime(kind.DatetimeKey)
	case *qdrant.Expression_Mult:
		return f.product(kind.Mult.GetMult())
	case *qdrant.Expression_Sum:
		return f.sum(kind.Sum.GetSum())
	case *qdrant.Expression_Div:
		return f.quotient(kind.Div)
	case *qdrant.Expression_Pow:
		return f.power(kind.Pow)
	case *qdrant.Expression_ExpDecay:
		return f.decay(kind.ExpDecay, exponential)
	case *qdrant.Expression_GaussDecay:
		return f.decay(kind.GaussDecay, gaussian)
	case *qdrant.Expression_LinDecay:
		return f.decay(kind.LinDecay, linear)
	default:
		return f.single(e)
	}
}

func (f formulas) all(parts []*qdrant.Expression) ([]expression, error) {
	var all []expression
	for _, part := range parts {
		one, err := f.parse(part)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

func (f formulas) variable(name string) (expression, error) {
	list, field, err := variable(name)
	if err != nil {
		return nil, err
	}
	if field != nil {
		return func(r rated) (float64, error) {
			value, err := f.value(r, field, "number")
			if err != nil {
				return 0, err
			}
			n, isNumber := number(value)
			if !isNumber {
				return 0, wrongType(field, "number", "Value is not a number")
			}
			return n, nil
		}, nil
	}
	return func(r rated) (float64, error) {
		if list < len(r.scores) {
			if score, has := r.scores[list][r.id]; has {
				return float64(score), nil
			}
		}
		n, _ := number(f.scores[list])
		return n, nil
	}, nil
}

func wrongType(field keyPath, kind, why string) error {
	return wrongInput("Expected %s value for %s in the payload and/or in the formula defaults. Error: %s", kind, field, why)
}

// value is a field's, or else the default for it.
func (f formulas) value(r rated, field keyPath, kind string) (any, error) {
	values := field.get(r.payload)
	if len(values) == 1 {
		// Of a list with one element the server takes the element.
		if list, isList := values[0].([]any); isList {
			values = list
		}
	}
	switch fallback, has := f.fields[field.String()]; {
	case len(values) == 1:
		return values[0], nil
	case len(values) > 1:
		return values, nil
	case has:
		return fallback, nil
	default:
		return nil, wrongType(field, kind, "No value found in a payload nor defaults")
	}
}

func (f formulas) geoDistance(d *qdrant.GeoDistance) (expression, error) {
	field, err := parsePath(d.GetTo())
	if err != nil {
		return nil, err
	}
	if d.GetOrigin() == nil {
		return nil, status.Error(codes.InvalidArgument, "missing field: origin")
	}
	return func(r rated) (float64, error) {
		value, err := f.value(r, field, "geo point")
		if err != nil {
			return 0, err
		}
		place, isPlace := locate(value)
		if !isPlace {
			return 0, wrongType(field, "geo point", malformed(value))
		}
		return locationOf(d.GetOrigin()).metres(place), nil
	}, nil
}

// malformed is near to what the server says of a value that is no geo point.
func malformed(value any) string {
	text, _ := json.Marshal(value)
	return "invalid geo point " + string(text)
}

func (f formulas) datetime(key string) (expression, error) {
	field, err := parsePath(key)
	if err != nil {
		return nil, err
	}
	return func(r rated) (float64, error) {
		value, err := f.value(r, field, "datetime")
		if err != nil {
			return 0, err
		}
		t, isTime := parseDatetime(value)
		if _, isText := value.(string); !isText {
			return 0, wrongType(field, "datetime", "Value is not a string")
		} else if !isTime {
			return 0, wrongType(field, "datetime", "input contains invalid characters")
		}
		return float64(t.UnixMicro()) / 1e6, nil
	}, nil
}

func (f formulas) product(parts []*qdrant.Expression) (expression, error) {
	factors, err := f.all(parts)
	return func(r rated) (float64, error) {
		product := 1.0
		for _, factor := range factors {
			value, err := factor(r)
			if err != nil || value == 0 {
				return 0, err // what comes after a zero is not looked at
			}
			product *= value
		}
		return product, nil
	}, err
}

func (f formulas) sum(parts []*qdrant.Expression) (expression, error) {
	terms, err := f.all(parts)
	return func(r rated) (float64, error) {
		sum := 0.0
		for _, term := range terms {
			value, err := term(r)
			if err != nil {
				return 0, err
			}
			sum += value
		}
		return sum, nil
	}, err
}

func (f formulas) quotient(div *qdrant.DivExpression) (expression, error) {
	parts, err := f.all([]*qdrant.Expression{div.GetLeft(), div.GetRight()})
	if err != nil {
		return nil, err
	}
	return func(r rated) (float64, error) {
		left, err := parts[0](r)
		if err != nil || left == 0 {
			return 0, err
		}
		right, err := parts[1](r)
		switch {
		case err != nil:
			return 0, err
		case right == 0 && div.ByZeroDefault != nil:
			return float64(div.GetByZeroDefault()), nil
		}
		return finite(left/right, "%s/%s", left, right)
	}, nil
}

func (f formulas) power(pow *qdrant.PowExpression) (expression, error) {
	parts, err := f.all([]*qdrant.Expression{pow.GetBase(), pow.GetExponent()})
	if err != nil {
		return nil, err
	}
	return func(r rated) (float64, error) {
		base, err := parts[0](r)
		if err != nil {
			return 0, err
		}
		exponent, err := parts[1](r)
		if err != nil {
			return 0, err
		}
		return finite(math.Pow(base, exponent), "%s^%s", base, exponent)
	}, nil
}

// finite refuses a result that is no number, and names what it came from.
func finite(value float64, from string, of ...float64) (float64, error) {
	if !math.IsInf(value, 0) && !math.IsNaN(value) {
		return value, nil
	}
	var texts []any
	for _, x := range of {
		texts = append(texts, decimal(x))
	}
	return 0, notFinite(from+" = %s", append(texts, decimal(value))...)
}

// single are the functions of one expression.
func (f formulas) single(e *qdrant.Expression) (expression, error) {
	var of *qdrant.Expression
	var do func(float64) (float64, error)
	switch kind := e.GetVariant().(type) {
	case *qdrant.Expression_Neg:
		of, do = kind.Neg, func(x float64) (float64, error) { return -x, nil }
	case *qdrant.Expression_Abs:
		of, do = kind.Abs, func(x float64) (float64, error) { return math.Abs(x), nil }
	case *qdrant.Expression_Sqrt:
		of, do = kind.Sqrt, func(x float64) (float64, error) { return finite(math.Sqrt(x), "√%s", x) }
	case *qdrant.Expression_Exp:
		of, do = kind.Exp, func(x float64) (float64, error) { return finite(math.Exp(x), "exp(%s)", x) }
	case *qdrant.Expression_Log10:
		of, do = kind.Log10, func(x float64) (float64, error) { return finite(math.Log10(x), "log10(%s)", x) }
	case *qdrant.Expression_Ln:
		of, do = kind.Ln, func(x float64) (float64, error) { return finite(math.Log(x), "ln(%s)", x) }
	default:
		return nil, status.Error(codes.InvalidArgument, "missing field: variant")
	}
	inner, err := f.parse(of)
	return func(r rated) (float64, error) {
		x, err := inner(r)
		if err != nil {
			return 0, err
		}
		return do(x)
	}, err
}

// curve is how a decay goes down from 1 at the target; at the distance scale it is at the midpoint.
type curve struct {
	at func(distance, midpoint, scale float64) float64
	// closed says that the midpoint may be 0 and 1, too.
	closed bool
}

var (
	exponential = curve{at: func(d, m, s float64) float64 { return math.Exp(math.Log(m) / s * d) }}
	gaussian    = curve{at: func(d, m, s float64) float64 { return math.Exp(math.Log(m) / (s * s) * d * d) }}
	linear      = curve{at: func(d, m, s float64) float64 { return max(0, 1-(1-m)/s*d) }, closed: true}
)

func (f formulas) decay(p *qdrant.DecayParamsExpression, c curve) (expression, error) {
	midpoint, scale := 0.5, 1.0
	if p.Midpoint != nil {
		midpoint = float64(p.GetMidpoint())
	}
	if p.Scale != nil {
		scale = float64(p.GetScale())
	}
	switch {
	case c.closed && (midpoint < 0 || midpoint > 1):
		return nil, wrongInput("Validation failed: Linear decay midpoint should be in the range [0.0, 1.0], got %s.", decimal(midpoint))
	case !c.closed && (midpoint <= 0 || midpoint >= 1):
		return nil, wrongInput("Validation failed: Decay midpoint should be in the range (0.0, 1.0), got %s.", decimal(midpoint))
	case scale <= 0:
		return nil, wrongInput("Validation failed: Decay scale should be non-zero positive, got %s.", decimal(scale))
	}
	x, err := f.parse(p.GetX())
	if err != nil {
		return nil, err
	}
	target := func(rated) (float64, error) { return 0, nil }
	if p.GetTarget() != nil {
		if target, err = f.parse(p.GetTarget()); err != nil {
			return nil, err
		}
	}
	return func(r rated) (float64, error) {
		at, err := x(r)
		if err != nil {
			return 0, err
		}
		center, err := target(r)
		return c.at(math.Abs(at-center), midpoint, scale), err
	}, nil
}
