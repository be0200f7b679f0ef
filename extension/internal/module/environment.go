package module

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// envPrefix begins the names of the variables of configure().
const envPrefix = "K6_CONTINUITY_"

// applyEnv lets the environment override what the script configured, as k6's
// own options do. Each variable is K6_CONTINUITY_ and the option's name.
func (s *settings) applyEnv(lookup func(string) (string, bool)) error {
	for name, dst := range map[string]*string{
		"SOURCE": &s.source, "LISTEN_GRPC": &s.listenGRPC, "LISTEN_HTTP": &s.listenHTTP,
		"LISTEN_TLS_CERT": &s.tlsCert, "LISTEN_TLS_KEY": &s.tlsKey, "LISTEN_TOKEN": &s.token,
		"RESULTS": &s.results, "TRACE_URL": &s.traceURL, "TOXIPROXY": &s.toxiproxy,
	} {
		if v, ok := lookup(envPrefix + name); ok {
			*dst = v
		}
	}
	for name, dst := range map[string]*time.Duration{"SETTLE": &s.settle, "LINGER": &s.linger} {
		if v, ok := lookup(envPrefix + name); ok {
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
		if v, ok := lookup(envPrefix + name); ok {
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

// variables are the names that have an effect, without the prefix.
func variables() []string {
	return []string{
		"HTML", "LABELS", "LINGER", "LISTEN_ALLOW_REMOTE", "LISTEN_GRPC", "LISTEN_HTTP",
		"LISTEN_TLS_CERT", "LISTEN_TLS_KEY", "LISTEN_TOKEN", "RESULTS", "SETTLE", "SOURCE",
		tenantVariable, "TOXIPROXY", "TRACE_URL",
	}
}

// unknownVariables says which variables of an environment bear the prefix and
// have no effect: a misspelt one would change nothing, silently.
func unknownVariables(environ []string) []string {
	var out []string
	for _, pair := range environ {
		full, _, _ := strings.Cut(pair, "=")
		name, ours := strings.CutPrefix(full, envPrefix)
		if !ours || slices.Contains(variables(), name) {
			continue
		}
		out = append(out, fmt.Sprintf("%s has no effect: known are …%s",
			full, strings.Join(variables(), ", ")))
	}
	return out
}
