package module

import (
	"maps"
	"net/url"
	"slices"
	"strings"
)

// identityTags are the tags by which the runs of one test know each other: the
// first is k6's convention, the others are what the k6-operator passes to each
// runner (https://github.com/grafana/k6-operator, pkg/resources/jobs/runner.go).
func identityTags() []string { return []string{"testid", "testrun_name", "instance_id"} }

// identity finds these tags among k6's arguments, as the report's labels and as
// resource attributes of the load's spans: `--tag name=value`. The tags of the
// options of a script are not known before the first iteration, and are not
// looked for.
func identity(args []string) map[string]string {
	out := make(map[string]string)
	previous := ""
	for _, arg := range args {
		pair, given := strings.CutPrefix(arg, "--tag=")
		if previous == "--tag" {
			pair, given = arg, true
		}
		previous = arg
		if !given {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		if ok && value != "" && slices.Contains(identityTags(), name) {
			out[name] = value
		}
	}
	return out
}

// identified is the labels of a run under its identity: what the script or the
// environment says of a label stays.
func identified(identity, labels map[string]string) map[string]string {
	if len(identity) == 0 {
		return labels
	}
	out := maps.Clone(identity)
	maps.Copy(out, labels)
	return out
}

// withIdentity puts the identity before what OTEL_RESOURCE_ATTRIBUTES says, so
// that Collectors can tell the tests and the runners apart by their spans.
func withIdentity(identity map[string]string, getenv func(string) string) func(string) string {
	const variable = "OTEL_RESOURCE_ATTRIBUTES"
	return func(name string) string {
		value := getenv(name)
		if name != variable || len(identity) == 0 {
			return value
		}
		pairs := make([]string, 0, len(identity)+1)
		for _, key := range slices.Sorted(maps.Keys(identity)) {
			pairs = append(pairs, key+"="+url.PathEscape(identity[key]))
		}
		if value != "" {
			pairs = append(pairs, value)
		}
		return strings.Join(pairs, ",")
	}
}
