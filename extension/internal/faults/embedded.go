package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/rs/zerolog"

	"github.com/xk6-continuity/xk6-continuity/toxics/server"
)

// EmbeddedConfig configures the embedded toxiproxy.
type EmbeddedConfig struct {
	Warn func(string) // told of what toxiproxy reports as an error; may be nil
}

// NewEmbedded starts a toxiproxy in this process, without an API listener.
func NewEmbedded(config EmbeddedConfig) (Controller, error) {
	warn := once(config.Warn)
	s, err := server.New(server.Config{
		Logger: zerolog.New(warnWriter(warn)).Level(zerolog.ErrorLevel),
	})
	if err != nil {
		return nil, fmt.Errorf("starting the embedded toxiproxy: %w", err)
	}
	return &control{
		api: api{base: "http://embedded", http: &http.Client{
			Transport: inMemory{s.Handler()},
		}},
		where: "the embedded toxiproxy", httpToxic: true, shutdown: s.Close,
		proxies: make(map[string]uint64),
	}, nil
}

// inMemory serves requests by a handler of this process.
type inMemory struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper.
func (t inMemory) RoundTrip(req *http.Request) (*http.Response, error) {
	served := req.Clone(req.Context())
	if served.Body == nil {
		served.Body = http.NoBody
	}
	w := &answer{header: make(http.Header), status: http.StatusOK}
	t.handler.ServeHTTP(w, served)
	_ = served.Body.Close() // of a request that was made from memory
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Header: w.header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()),
	}, nil
}

// answer collects what a handler writes.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) { a.status = status }

func (a *answer) Write(text []byte) (int, error) { return a.body.Write(text) }

// warnWriter turns toxiproxy's log lines into warnings.
type warnWriter func(string)

// Write implements io.Writer.
func (w warnWriter) Write(line []byte) (int, error) {
	var entry struct{ Name, Upstream, Message, Error string }
	if json.Unmarshal(line, &entry) == nil {
		w(strings.TrimSpace(fmt.Sprintf("toxiproxy: proxy %q: %s %s",
			entry.Name, entry.Message, entry.Error)))
	}
	return len(line), nil
}
