package backend_test

import (
	"reflect"
	"strings"
	"testing"
)

// noError ends the test on an error.
func noError(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatalf("unexpected error: %v", err)
	}
}

// errorWith ends the test unless err mentions all the words.
func errorWith(tb testing.TB, err error, words ...string) {
	tb.Helper()
	if err == nil {
		tb.Fatalf("an error is expected that mentions %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			tb.Fatalf("the error must mention %q: %v", w, err)
		}
	}
}

// equal ends the test unless both values are deeply equal.
func equal[T any](tb testing.TB, want, got T) {
	tb.Helper()
	if !reflect.DeepEqual(want, got) {
		tb.Fatalf("want %+v\n got %+v", want, got)
	}
}
