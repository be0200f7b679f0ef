package server

import (
	"encoding/json"
	"errors"
	"net/http"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
)

// badRequest is one of toxiproxy's errors with what is wrong.
func badRequest(kind *toxiproxy.ApiError, what string) error {
	return &toxiproxy.ApiError{Message: kind.Message + ": " + what, StatusCode: kind.StatusCode}
}

// refused is an error of one of our toxics in toxiproxy's form.
func refused(err error) error {
	return &toxiproxy.ApiError{Message: err.Error(), StatusCode: http.StatusBadRequest}
}

// apiError gives any error toxiproxy's form: {"error", "status"}.
func apiError(err error) *toxiproxy.ApiError {
	if known, ok := errors.AsType[*toxiproxy.ApiError](err); ok {
		return &toxiproxy.ApiError{Message: err.Error(), StatusCode: known.StatusCode}
	}
	return &toxiproxy.ApiError{Message: err.Error(), StatusCode: http.StatusInternalServerError}
}

// answer writes what a handler returned. A client that has gone cannot be told.
func answer(w http.ResponseWriter, status int, body any, err error) {
	if err != nil {
		failure := apiError(err)
		status, body = failure.StatusCode, failure
	}
	if body == nil {
		w.WriteHeader(status)
		return
	}
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text) //nolint:gosec // JSON, and said to be
}
