package module

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"go.k6.io/k6/v2/lib"
)

// loadOptionNames are the options of k6 that decide what load a run is, by
// their names in a script (https://grafana.com/docs/k6/latest/using-k6/k6-options/reference/).
func loadOptionNames() []string {
	return []string{
		"batch", "batchPerHost", "discardResponseBodies", "executionSegment",
		"insecureSkipTLSVerify", "maxRedirects", "minIterationDuration", "noConnectionReuse",
		"noCookiesReset", "noVUConnectionReuse", "rps", "throw", "userAgent",
	}
}

// loadOptions are k6's options of a run for its report, those of scenarios
// among them, as name and value. Options that are not set are left out, and so
// are a scenario's environment and tags, which may hold secrets.
func loadOptions(o *lib.Options) map[string]string {
	set := fields(o)
	out := make(map[string]string)
	for _, name := range loadOptionNames() {
		putOption(out, "k6."+name, set[name])
	}
	if strings.HasPrefix(out["k6.userAgent"], "k6/") { // k6's own
		delete(out, "k6.userAgent")
	}
	for name, scenario := range o.Scenarios {
		set := fields(scenario)
		for _, secret := range []string{"env", "tags", "options"} {
			delete(set, secret)
		}
		for field, value := range set {
			putOption(out, "k6.scenarios."+name+"."+field, value)
		}
	}
	return out
}

// fields are the fields of a value as JSON has them; none if it has no such form.
func fields(value any) map[string]json.RawMessage {
	encoded, err := json.Marshal(value)
	if err != nil {
		return nil
	}
	var out map[string]json.RawMessage
	if json.Unmarshal(encoded, &out) != nil {
		return nil
	}
	return out
}

// maxOption bounds the text of an option, in bytes; a longer one ends with the
// hash of all of it, so that a comparison sees any difference.
const maxOption = 150

func putOption(to map[string]string, name string, value json.RawMessage) {
	var text string
	switch {
	case len(value) == 0 || string(value) == "null":
		return
	case json.Unmarshal(value, &text) == nil:
	default:
		text = string(value)
	}
	if len(text) > maxOption {
		sum := sha256.Sum256([]byte(text))
		text = text[:maxOption] + "… sha256:" + hex.EncodeToString(sum[:6])
	}
	if text != "" {
		to[name] = text
	}
}
