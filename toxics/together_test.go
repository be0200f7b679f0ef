package toxics

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestToxicsTogether puts in a few toxics at random under random pipelined requests, cut
// and interrupted at random. Whatever they do to each other, every response is the one of
// its request and in its turn, or says which toxic made it another; the service sees no
// request but those, in their order; and the counts add up.
func TestToxicsTogether(t *testing.T) {
	t.Parallel()
	const rounds = 3000
	for seed := range uint64(rounds) {
		within(t, func() { together(t, seed) })
	}
}

func together(t *testing.T, seed uint64) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 0))
	var specs []toxicSpec
	for range 1 + random.IntN(4) {
		specs = append(specs, randomToxic(random))
	}
	requests := make([]request, 0, 16)
	for range 1 + random.IntN(15) {
		requests = append(requests, pipelined()[random.IntN(8)])
	}
	var cuts []int
	for at := random.IntN(40); at < 3000; at += 1 + random.IntN(1+random.IntN(200)) {
		cuts = append(cuts, at)
	}
	w := newWire(t, specs...)
	w.interrupt = random.IntN(2) == 0
	if state, ok := w.responses.State.(*responses); ok && random.IntN(2) == 0 {
		state.patience = 0 // heads go out before it is known whether the body is cut
	}
	got := w.talk(requests, cuts)
	how := fmt.Sprint("seed ", seed, specs, requests, got)
	require.Empty(t, misread(requests, got.client), how)
	require.Empty(t, misserved(requests, got.service), how)
	marks := strings.Join(got.client, "\n")
	for i, counted := range w.hub.Counters() {
		require.Zero(t, counted.PassedThrough+counted.Unpaired+counted.Errors, how)
		requireBalance(t, counted.Counts, how)
		name := "name=" + url.PathEscape(string(rune('x'+i))) + "]"
		require.Equal(t, uint64(strings.Count(marks, name)), counted.Marked, "%s: %s", name, how)
	}
}

// randomToxic is a toxic that hits some requests, with random attributes.
func randomToxic(random *rand.Rand) toxicSpec {
	kinds := []toxicSpec{
		{"http_status", `"status":418,"body":"no"`},
		{"http_status", `"status":418,"mode":"replace","body":"no"`},
		{"http_latency", `"jitter":1`},
		{"http_latency", `"jitter":1,"on":"request"`},
		{"http_header", `"remove":["traceparent"]`},
		{"http_header", `"on":"response","set":{"X-A":"b"}`},
		{"http_reset", `"when":"before"`},
		{"http_reset", `"when":"after"`},
		{"http_reset", `"when":"body","bytes":` + strconv.Itoa(random.IntN(30))},
		{"http_body", `"bytes":` + strconv.Itoa(random.IntN(30))},
		{"http_body", `"mode":"corrupt","bytes":` + strconv.Itoa(random.IntN(30))},
		{"http_script", script(`function onRequest(q) { if (Math.random() < 0.5) return {status: 418} }`)},
		{"http_script", script(`function onResponse(r) { if (r.status == 200) return {delay: 0.1} }`)},
		{"http_script", script(`function onResponse(r) { if (Math.random() < 0.5) return {status: 418} }`)},
	}
	toxic := kinds[random.IntN(len(kinds))]
	toxic.attributes = fmt.Sprintf(`{%s,"probability":%v,"seed":%d}`,
		toxic.attributes, []float64{0.1, 0.5, 1}[random.IntN(3)], random.IntN(1000))
	return toxic
}

// entryForm is a line of what a client read.
var entryForm = regexp.MustCompile(`^(\d+) (.*?)((?: \[[^\]]*\])*)(?: trailer=.*?)?( end: .*)?$`)

// misread says what is wrong with the responses; empty for nothing.
func misread(requests []request, got []string) string {
	ended := false
	for i, line := range got {
		switch {
		case ended:
			return "a response behind the end"
		case strings.HasPrefix(line, "end: "):
			ended = true
			if !strings.HasSuffix(line, "EOF") {
				return line
			}
			continue
		case i >= len(requests):
			return "too many responses"
		}
		parts := entryForm.FindStringSubmatch(line)
		if parts == nil {
			return "no response: " + line
		}
		status, body, marks := parts[1], parts[2], parts[3]
		ended = parts[4] != ""
		want := "answer to " + pathOf(requests[i])
		if requests[i].method == "HEAD" {
			want = ""
		}
		switch {
		case ended && !strings.HasSuffix(parts[4], "EOF"):
			return line
		case status == "418":
			if !strings.Contains(marks, "http_status;") && !strings.Contains(marks, "http_script;") {
				return "a status without a mark: " + line
			}
		case status != "200":
			return "another status: " + line
		case strings.Contains(marks, "http_body; mode=corrupt"):
		case ended && strings.HasPrefix(want, body) && strings.Contains(marks, "["):
		case body != want || ended:
			return "another body: " + line
		}
	}
	if len(got) < len(requests) && !ended {
		return "responses are missing"
	}
	return ""
}

// misserved says what is wrong with the requests that the service read.
func misserved(requests []request, got []string) string {
	rest := requests
	for _, line := range got {
		if strings.Contains(line, "error: ") {
			continue // the connection has ended within it
		}
		words := strings.Fields(line)
		i := slices.IndexFunc(rest, func(r request) bool {
			return r.method == words[0] && pathOf(r) == words[1]
		})
		if i < 0 {
			return "not a request, or not in its turn: " + line
		}
		rest = rest[i+1:]
	}
	return ""
}

// pathOf is the path of a request, without its query.
func pathOf(r request) string {
	path, _, _ := strings.Cut(strings.Fields(r.raw)[1], "?")
	return path
}
