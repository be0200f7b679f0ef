package module

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/sobek"
)

// settings are the options of configure(): what the whole run shares.
type settings struct {
	source      string
	listenGRPC  string
	listenHTTP  string
	allowRemote bool
	tlsCert     string
	tlsKey      string
	token       string
	settle      time.Duration
	linger      time.Duration
	maxTraces   int
	sample      float64
	expect      []string
	results     string
	labels      map[string]string
	html        bool
	traceURL    string
	toxiproxy   string
}

func defaultSettings() settings {
	return settings{
		source: "otlp", listenGRPC: "127.0.0.1:4317", listenHTTP: "127.0.0.1:4318",
		settle: 10 * time.Second, linger: 500 * time.Millisecond, maxTraces: 200_000,
		sample: 1, results: "results", html: true,
	}
}

// readSettings applies the options object of configure() to s.
func readSettings(rt *sobek.Runtime, value sobek.Value, s *settings) error {
	o := readOptions(rt, "configure", value)
	o.str("source", &s.source)
	listen := o.nested(rt, "listen")
	listen.str("grpc", &s.listenGRPC)
	listen.str("http", &s.listenHTTP)
	listen.flag("allowRemote", &s.allowRemote)
	listen.str("tlsCert", &s.tlsCert)
	listen.str("tlsKey", &s.tlsKey)
	listen.str("token", &s.token)
	o.join(listen)
	o.duration("settle", &s.settle)
	o.duration("linger", &s.linger)
	o.integer("maxTraces", &s.maxTraces)
	o.number("sample", &s.sample)
	expect := o.nested(rt, "expect")
	expect.strings("services", &s.expect)
	o.join(expect)
	o.str("results", &s.results)
	o.labels("labels", &s.labels)
	o.flag("html", &s.html)
	o.str("traceURL", &s.traceURL)
	o.str("toxiproxy", &s.toxiproxy)
	return o.done()
}

// maxSettle is below the 30 minutes that k6 waits for an extension at the end.
const maxSettle = 20 * time.Minute

var errNoResults = errors.New(`configure.results must be a directory, got ""`)

// validate checks what no single option can tell by its type.
func (s *settings) validate() error {
	switch {
	case s.settle <= 0 || s.settle > maxSettle:
		return fmt.Errorf("configure.settle must be above 0 and at most %s, got %s",
			maxSettle, s.settle)
	case s.linger > s.settle:
		return fmt.Errorf("configure.linger must be at most settle (%s), got %s",
			s.settle, s.linger)
	case s.maxTraces < 1 || s.maxTraces > 50_000_000:
		return fmt.Errorf("configure.maxTraces must be between 1 and 50000000, got %d", s.maxTraces)
	case s.sample <= 0 || s.sample > 1:
		return fmt.Errorf("configure.sample must be above 0 and at most 1, got %v", s.sample)
	case s.results == "":
		return errNoResults
	case s.traceURL != "" && !strings.Contains(s.traceURL, "{trace_id}"):
		return fmt.Errorf("configure.traceURL must contain {trace_id}, got %q", s.traceURL)
	}
	for option, address := range map[string]string{"grpc": s.listenGRPC, "http": s.listenHTTP} {
		if address == "" {
			continue
		}
		if _, port, err := net.SplitHostPort(address); err != nil || !isPort(port) {
			return fmt.Errorf(`configure.listen.%s must be host:port, or "" for off, got %q`,
				option, address)
		}
	}
	return nil
}

func isPort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= 0 && n <= 65535
}
