package otlp_test

import (
	"reflect"
	"strings"
	"testing"
)

// noError ends the test on an error.
func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

// errorWith ends the test unless err mentions all the words.
func errorWith(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("an error is expected that mentions %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Fatalf("the error must mention %q: %v", w, err)
		}
	}
}

// equal ends the test unless both values are deeply equal.
func equal[T any](t testing.TB, want, got T) {
	t.Helper()
	if !reflect.DeepEqual(want, got) {
		t.Fatalf("want %+v\n got %+v", want, got)
	}
}

// isTrue ends the test unless the condition holds.
func isTrue(t testing.TB, ok bool, message string) {
	t.Helper()
	if !ok {
		t.Fatal(message)
	}
}
