package module

import (
	"errors"
	"fmt"
	"maps"
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

// applyEnv lets the environment override what the script configured, as k6's
// own options do. Each variable is K6_CONTINUITY_ and the option's name.
func (s *settings) applyEnv(lookup func(string) (string, bool)) error {
	for name, dst := range map[string]*string{
		"SOURCE": &s.source, "LISTEN_GRPC": &s.listenGRPC, "LISTEN_HTTP": &s.listenHTTP,
		"LISTEN_TLS_CERT": &s.tlsCert, "LISTEN_TLS_KEY": &s.tlsKey, "LISTEN_TOKEN": &s.token,
		"RESULTS": &s.results, "TRACE_URL": &s.traceURL, "TOXIPROXY": &s.toxiproxy,
	} {
		if v, ok := lookup("K6_CONTINUITY_" + name); ok {
			*dst = v
		}
	}
	for name, dst := range map[string]*time.Duration{"SETTLE": &s.settle, "LINGER": &s.linger} {
		if v, ok := lookup("K6_CONTINUITY_" + name); ok {
			d, err := time.ParseDuration(v)
			if err != nil || d < 0 {
				return fmt.Errorf(`K6_CONTINUITY_%s must be a duration such as "10s", got %q`,
					name, v)
			}
			*dst = d
		}
	}
	for name, dst := range map[string]*bool{
		"LISTEN_ALLOW_REMOTE": &s.allowRemote, "HTML": &s.html,
	} {
		if v, ok := lookup("K6_CONTINUITY_" + name); ok {
			b, err := strconv.ParseBool(v)
			if err != nil {
				return fmt.Errorf("K6_CONTINUITY_%s must be true or false, got %q", name, v)
			}
			*dst = b
		}
	}
	if v, ok := lookup("K6_CONTINUITY_LABELS"); ok {
		return s.readLabels(v)
	}
	return nil
}

func (s *settings) readLabels(list string) error {
	labels := make(map[string]string)
	maps.Copy(labels, s.labels)
	for pair := range strings.SplitSeq(list, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok || name == "" {
			return fmt.Errorf("K6_CONTINUITY_LABELS must be name=value pairs with commas, got %q",
				list)
		}
		labels[name] = value
	}
	s.labels = labels
	return nil
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
