package verdict_test

import (
	"testing"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// BenchmarkDecide judges an ordinary trace: one attempt, and the SERVER spans of
// two services with the CLIENT span between.
func BenchmarkDecide(b *testing.B) {
	tr := trace(attempts(attempt(1)), spans(
		server("gateway", 10, 1), client("gateway", 11, 10), server("stock", 12, 11)))
	judge := verdict.NewJudge(verdict.Options{})
	b.ReportAllocs()
	for b.Loop() {
		judge.Decide(tr)
	}
}
