package interval

import "math"

// relativeTie is how far apart two probabilities may be and still count as
// equal: they are sums of logarithms, exact to about 1e-12.
const relativeTie = 1e-7

// ClopperPearson returns the exact interval of a proportion: it covers at
// least the level, whatever the true rate.
func ClopperPearson(p Proportion, level float64) Interval {
	if p.Trials == 0 {
		return Interval{0, 1}
	}
	tail := (1 - level) / 2
	x, n := float64(p.Hits), float64(p.Trials)
	out := Interval{0, 1}
	if p.Hits > 0 {
		out.Low = bisect(func(rate float64) bool { return Beta(rate, x, n-x+1) < tail })
	}
	if p.Hits < p.Trials {
		out.High = bisect(func(rate float64) bool { return Beta(rate, x+1, n-x) < 1-tail })
	}
	return out
}

// bisect returns the point in [0, 1] up to which below holds.
func bisect(below func(float64) bool) float64 {
	low, high := 0.0, 1.0
	for range 100 {
		mid := (low + high) / 2
		if below(mid) {
			low = mid
		} else {
			high = mid
		}
	}
	return (low + high) / 2
}

// Fisher returns the two-sided p-value of Fisher's exact test that both
// proportions share one rate: the probability, with the margins fixed, of all
// tables that are no more probable than the observed one.
func Fisher(a, b Proportion) float64 {
	hits := a.Hits + b.Hits
	total := a.Trials + b.Trials
	// The support is walked from its ends, so the shorter margin decides the cost.
	low := uint64(0)
	if hits > b.Trials {
		low = hits - b.Trials
	}
	high := min(hits, a.Trials)
	logAll := logChoose(total, hits)
	prob := func(x uint64) float64 {
		return math.Exp(logChoose(a.Trials, x) + logChoose(b.Trials, hits-x) - logAll)
	}
	limit := prob(a.Hits) * (1 + relativeTie)
	sum := 0.0
	for x := low; x <= high; x++ {
		if p := prob(x); p <= limit {
			sum += p
		}
	}
	return math.Min(1, sum)
}

// logChoose returns the natural logarithm of the binomial coefficient.
func logChoose(n, k uint64) float64 {
	return logFactorial(n) - logFactorial(k) - logFactorial(n-k)
}

func logFactorial(n uint64) float64 {
	v, _ := math.Lgamma(float64(n) + 1)
	return v
}

// Beta returns the regularised incomplete beta function I_x(a, b), by the
// continued fraction of DLMF 8.17.22 (https://dlmf.nist.gov/8.17#v), evaluated
// with Lentz's method.
func Beta(x, a, b float64) float64 {
	switch {
	case x <= 0:
		return 0
	case x >= 1:
		return 1
	case x > (a+1)/(a+b+2): // the fraction converges fast below its mean only
		return 1 - Beta(1-x, b, a)
	}
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	front := math.Exp(lab - la - lb + a*math.Log(x) + b*math.Log1p(-x))
	return front / a / betaFraction(x, a, b)
}

// betaFraction evaluates 1 + d1/(1 + d2/(1 + ...)).
func betaFraction(x, a, b float64) float64 {
	const tiny, precision, steps = 1e-300, 1e-15, 100_000
	value, c, d := 1.0, 1.0, 0.0
	for i := 1; i <= steps; i++ {
		m := float64(i / 2)
		var term float64
		if i%2 == 0 {
			term = m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		} else {
			term = -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		}
		d = awayFromZero(1+term*d, tiny)
		c = awayFromZero(1+term/c, tiny)
		d = 1 / d
		step := c * d
		value *= step
		if math.Abs(step-1) < precision {
			break
		}
	}
	return value
}

func awayFromZero(v, tiny float64) float64 {
	if math.Abs(v) < tiny {
		return tiny
	}
	return v
}
