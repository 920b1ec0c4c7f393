package vector

import (
	"slices"

	"github.com/qdrant/go-client/qdrant"

	"github.com/qdrant-shepherd/shepherd/client/vector/internal/codec"
)

// Add is the sum of expressions.
func Add(terms ...Expr) Expr {
	return exprOf("sum", terms, func(p []*qdrant.Expression) *qdrant.Expression {
		return qdrant.NewExpressionSum(&qdrant.SumExpression{Sum: p})
	})
}

// Sub is the difference of two expressions.
func Sub(a, b Expr) Expr { return Add(a, Neg(b)) }

// Mul is the product of expressions.
func Mul(factors ...Expr) Expr {
	return exprOf("product", factors, func(p []*qdrant.Expression) *qdrant.Expression {
		return qdrant.NewExpressionMult(&qdrant.MultExpression{Mult: p})
	})
}

// Div is the quotient of two expressions. A point for which the divisor is 0 makes the search fail; see DivOr.
func Div(dividend, divisor Expr) Expr {
	return exprOf("quotient", []Expr{dividend, divisor}, func(p []*qdrant.Expression) *qdrant.Expression {
		return qdrant.NewExpressionDiv(&qdrant.DivExpression{Left: p[0], Right: p[1]})
	})
}

// DivOr is the quotient of two expressions, or a number where the divisor is 0.
func DivOr(dividend, divisor Expr, byZero float64) Expr {
	instead := float32(byZero)
	if !codec.Finite(instead) {
		return exprInvalid("quotient: %v instead of a division by zero is no float32", byZero)
	}
	return exprOf("quotient", []Expr{dividend, divisor}, func(p []*qdrant.Expression) *qdrant.Expression {
		return qdrant.NewExpressionDiv(&qdrant.DivExpression{Left: p[0], Right: p[1], ByZeroDefault: &instead})
	})
}

// Neg is the expression with the other sign.
func Neg(x Expr) Expr { return exprOfOne("negation", x, qdrant.NewExpressionNeg) }

// Abs is the expression without its sign.
func Abs(x Expr) Expr { return exprOfOne("absolute value", x, qdrant.NewExpressionAbs) }

// Sqrt is the square root.
func Sqrt(x Expr) Expr { return exprOfOne("square root", x, qdrant.NewExpressionSqrt) }

// Exp is e to the power of the expression.
func Exp(x Expr) Expr { return exprOfOne("exponential", x, qdrant.NewExpressionExp) }

// Ln is the natural logarithm.
func Ln(x Expr) Expr { return exprOfOne("logarithm", x, qdrant.NewExpressionLn) }

// Log10 is the logarithm to base 10.
func Log10(x Expr) Expr { return exprOfOne("logarithm", x, qdrant.NewExpressionLog10) }

// Pow is a power.
func Pow(base, exponent Expr) Expr {
	return exprOf("power", []Expr{base, exponent}, func(p []*qdrant.Expression) *qdrant.Expression {
		return qdrant.NewExpressionPow(&qdrant.PowExpression{Base: p[0], Exponent: p[1]})
	})
}

// Decay is the shape of a function that is 1 at the target and falls on both sides of it, in the units of its argument: metres for
// GeoDistance, seconds for times.
type Decay struct {
	// Target is where the function is 1; 0 if it is the zero Expr.
	Target Expr
	// Scale is the distance from the target at which the function has fallen to Midpoint; 0 stands for 1.
	Scale float64
	// Midpoint is within 0 and 1, which it may equal for LinDecay only; nil stands for 0.5.
	Midpoint *float64
}

// GaussDecay falls slowly at first, like a bell.
func GaussDecay(x Expr, d Decay) Expr {
	return d.of("gauss decay", x, qdrant.NewExpressionGaussDecay, false)
}

// ExpDecay falls fast at first.
func ExpDecay(x Expr, d Decay) Expr { return d.of("exp decay", x, qdrant.NewExpressionExpDecay, false) }

// LinDecay falls evenly, down to 0.
func LinDecay(x Expr, d Decay) Expr {
	return d.of("linear decay", x, qdrant.NewExpressionLinDecay, true)
}

func (d Decay) of(what string, x Expr, with func(*qdrant.DecayParamsExpression) *qdrant.Expression, closed bool) Expr {
	params := &qdrant.DecayParamsExpression{}
	if d.Scale != 0 {
		scale := float32(d.Scale)
		if !(scale > 0) || !codec.Finite(scale) {
			return exprInvalid("%s: scale %v is not above 0", what, d.Scale)
		}
		params.Scale = &scale
	}
	if d.Midpoint != nil {
		midpoint := float32(*d.Midpoint)
		if !(midpoint >= 0 && midpoint <= 1) || !closed && (midpoint == 0 || midpoint == 1) {
			return exprInvalid("%s: midpoint %v", what, *d.Midpoint)
		}
		params.Midpoint = &midpoint
	}
	operands := []Expr{x}
	if d.Target.proto != nil || d.Target.err != nil {
		operands = append(operands, d.Target)
	}
	return exprOf(what, operands, func(p []*qdrant.Expression) *qdrant.Expression {
		params.X = p[0]
		if len(p) > 1 {
			params.Target = p[1]
		}
		return with(params)
	})
}

func exprOfOne(what string, x Expr, with func(*qdrant.Expression) *qdrant.Expression) Expr {
	return exprOf(what, []Expr{x}, func(p []*qdrant.Expression) *qdrant.Expression { return with(p[0]) })
}

// exprOf puts operands into one expression, with what Or has said of them.
func exprOf(what string, operands []Expr, with func([]*qdrant.Expression) *qdrant.Expression) Expr {
	if len(operands) == 0 {
		return exprInvalid("%s of nothing", what)
	}
	var whole Expr
	protos := make([]*qdrant.Expression, 0, len(operands))
	for _, operand := range operands {
		p, err := operand.Proto()
		if err != nil {
			return exprInvalid("%s: %w", what, err)
		}
		protos = append(protos, p)
		whole.defaults = slices.Concat(whole.defaults, operand.defaults)
	}
	whole.proto = with(protos)
	return whole
}

// expression collects the payload fields of an expression.
func (n *fieldNames) expression(e *qdrant.Expression) {
	switch v := e.GetVariant().(type) {
	case *qdrant.Expression_Variable:
		n.variable(v.Variable)
	case *qdrant.Expression_DatetimeKey:
		n.add("", v.DatetimeKey)
	case *qdrant.Expression_GeoDistance:
		n.add("", v.GeoDistance.GetTo())
	case *qdrant.Expression_Condition:
		n.condition("", v.Condition)
	case *qdrant.Expression_Mult:
		n.expressions(v.Mult.GetMult()...)
	case *qdrant.Expression_Sum:
		n.expressions(v.Sum.GetSum()...)
	case *qdrant.Expression_Div:
		n.expressions(v.Div.GetLeft(), v.Div.GetRight())
	case *qdrant.Expression_Pow:
		n.expressions(v.Pow.GetBase(), v.Pow.GetExponent())
	case *qdrant.Expression_Neg:
		n.expression(v.Neg)
	case *qdrant.Expression_Abs:
		n.expression(v.Abs)
	case *qdrant.Expression_Sqrt:
		n.expression(v.Sqrt)
	case *qdrant.Expression_Exp:
		n.expression(v.Exp)
	case *qdrant.Expression_Ln:
		n.expression(v.Ln)
	case *qdrant.Expression_Log10:
		n.expression(v.Log10)
	case *qdrant.Expression_GaussDecay:
		n.expressions(v.GaussDecay.GetX(), v.GaussDecay.GetTarget())
	case *qdrant.Expression_ExpDecay:
		n.expressions(v.ExpDecay.GetX(), v.ExpDecay.GetTarget())
	case *qdrant.Expression_LinDecay:
		n.expressions(v.LinDecay.GetX(), v.LinDecay.GetTarget())
	}
}

// variable collects what is a payload field and no score.
func (n *fieldNames) variable(key string) {
	if key != "" && key[0] != '$' {
		n.add("", key)
	}
}

func (n *fieldNames) expressions(list ...*qdrant.Expression) {
	for _, e := range list {
		n.expression(e)
	}
}
