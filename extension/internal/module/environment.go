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

// labelsVariable holds labels, without the prefix.
const labelsVariable = "LABELS"

// texts, durations and switches are the settings that a variable can set, by its name
// without the prefix.
func (s *settings) texts() map[string]*string {
	return map[string]*string{
		"SOURCE": &s.source, "LISTEN_GRPC": &s.listenGRPC, "LISTEN_HTTP": &s.listenHTTP,
		"LISTEN_TLS_CERT": &s.tlsCert, "LISTEN_TLS_KEY": &s.tlsKey, "LISTEN_TOKEN": &s.token,
		"RESULTS": &s.results, "TRACE_URL": &s.traceURL, "TOXIPROXY": &s.toxiproxy,
	}
}

func (s *settings) durations() map[string]*time.Duration {
	return map[string]*time.Duration{"SETTLE": &s.settle, "LINGER": &s.linger}
}

func (s *settings) switches() map[string]*bool {
	return map[string]*bool{"LISTEN_ALLOW_REMOTE": &s.allowRemote, "HTML": &s.html}
}

// applyEnv lets the environment override what the script configured, as k6's
// own options do. Each variable is K6_CONTINUITY_ and the option's name.
func (s *settings) applyEnv(lookup func(string) (string, bool)) error {
	for name, dst := range s.texts() {
		if v, ok := lookup(envPrefix + name); ok {
			*dst = v
		}
	}
	for name, dst := range s.durations() {
		if v, ok := lookup(envPrefix + name); ok {
			d, err := time.ParseDuration(v)
			if err != nil || d < 0 {
				return fmt.Errorf(`K6_CONTINUITY_%s must be a duration such as "10s", got %q`,
					name, v)
			}
			*dst = d
		}
	}
	for name, dst := range s.switches() {
		if v, ok := lookup(envPrefix + name); ok {
			b, err := strconv.ParseBool(v)
			if err != nil {
				return fmt.Errorf("K6_CONTINUITY_%s must be true or false, got %q", name, v)
			}
			*dst = b
		}
	}
	if v, ok := lookup(envPrefix + labelsVariable); ok {
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

// variables are the names that have an effect, without the prefix, in order.
func variables() []string {
	var s settings
	names := []string{labelsVariable, tenantVariable}
	names = slices.AppendSeq(names, maps.Keys(s.texts()))
	names = slices.AppendSeq(names, maps.Keys(s.durations()))
	names = slices.AppendSeq(names, maps.Keys(s.switches()))
	slices.Sort(names)
	return names
}

// unknownVariables says which variables of an environment bear the prefix and
// have no effect: a misspelt one would change nothing, silently.
func unknownVariables(environ []string) []string {
	known := variables()
	var out []string
	for _, pair := range environ {
		full, _, _ := strings.Cut(pair, "=")
		name, ours := strings.CutPrefix(full, envPrefix)
		if !ours || slices.Contains(known, name) {
			continue
		}
		out = append(out, fmt.Sprintf("%s has no effect: known are …%s",
			full, strings.Join(known, ", ")))
	}
	return out
}
