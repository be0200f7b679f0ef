package interval

import "math"

// exactVariance is the binomial variance up to which ranks come from the exact
// distribution; above it the normal approximation is off by less than a rank
// or two in thousands.
const exactVariance = 1000

// Ranks returns the 1-based ranks of the two order statistics that enclose the
// q-quantile of n independent observations with at least the level. Ok is
// false when n is too small for that: no observation is extreme enough.
func Ranks(n uint64, q, level float64) (low, high uint64, ok bool) {
	if n == 0 || q <= 0 || q >= 1 {
		return 0, 0, false
	}
	if variance := float64(n) * q * (1 - q); variance > exactVariance {
		half := Critical(level) * math.Sqrt(variance)
		low = uint64(math.Floor(float64(n)*q - half))
		high = uint64(math.Ceil(float64(n)*q+half)) + 1
		return max(low, 1), high, low >= 1 && high <= n
	}
	return exactRanks(n, q, (1-level)/2)
}

// exactRanks finds the largest low with P(X < low) <= tail and the smallest
// high with P(X >= high) <= tail, where X, the number of observations below the
// quantile, is binomial(n, q).
func exactRanks(n uint64, q, tail float64) (low, high uint64, ok bool) {
	low = search(n, func(r uint64) bool { return binomialBelow(r, n, q) <= tail })
	high = search(n, func(r uint64) bool { return 1-binomialBelow(r, n, q) > tail }) + 1
	return low, high, low >= 1 && high <= n
}

// search returns the largest r in [0, n] for which holds is true; holds is
// true up to some r and false beyond it.
func search(n uint64, holds func(uint64) bool) uint64 {
	low, high := uint64(0), n
	for low < high {
		mid := low + (high-low+1)/2
		if holds(mid) {
			low = mid
		} else {
			high = mid - 1
		}
	}
	return low
}

// binomialBelow returns P(X < r) for X binomial(n, q).
func binomialBelow(r, n uint64, q float64) float64 {
	switch {
	case r == 0:
		return 0
	case r > n:
		return 1
	}
	return Beta(1-q, float64(n-r+1), float64(r))
}
