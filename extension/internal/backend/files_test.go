package backend_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/backend"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// line is one export request as the file exporter writes it: a client span
// and a server span of a trace.
func line(n uint64) string {
	id := idOf(n).String()
	return `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":` +
		`{"stringValue":"shop"}}]},"scopeSpans":[{"scope":{"name":"x"},"spans":[{"traceId":"` + id +
		`","spanId":"00000000000000a1","parentSpanId":"","flags":257,"name":"GET","kind":3},` +
		`{"traceId":"` + id + `","spanId":"00000000000000a2","parentSpanId":"00000000000000a1",` +
		`"name":"GET /","kind":2,"startTimeUnixNano":"1"}]}],"schemaUrl":"x"}]}`
}

func appendTo(t *testing.T, name, s string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	noError(t, err)
	_, err = f.WriteString(s)
	noError(t, err)
	noError(t, f.Close())
}

func TestFilesAreReadWhileTheyGrow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := backend.NewFiles(filepath.Join(dir, "spans-*.json"))
	var got []span.Record
	sink := func(b []span.Record) { got = append(got, b...) }
	ctx := context.Background()
	noError(t, f.Poll(ctx, sink)) // nothing there yet is no error
	equal(t, 0, len(got))

	one, two := filepath.Join(dir, "spans-1.json"), filepath.Join(dir, "spans-2.json")
	appendTo(t, one, line(1)+"\n\n"+line(2)[:50])
	noError(t, f.Poll(ctx, sink))
	equal(t, 2, len(got))
	equal(t, span.KindClient, got[0].Kind)
	equal(t, got[0].SpanID, got[1].ParentID)
	noError(t, f.Poll(ctx, sink))
	equal(t, 2, len(got))

	appendTo(t, one, line(2)[50:]+"\r\n")
	appendTo(t, two, line(3)) // its line is not ended
	appendTo(t, filepath.Join(dir, "other.json"), line(9)+"\n")
	noError(t, f.Poll(ctx, sink))
	equal(t, 4, len(got))
	noError(t, f.Finish(ctx, sink))
	equal(t, 6, len(got))
	equal(t, idOf(3), got[5].TraceID)
	equal(t, backend.FileStats{Files: 2, Lines: 3, Spans: 6}, f.Stats())

	noError(t, os.WriteFile(one, []byte(line(4)+"\n"), 0o600)) // replaced
	noError(t, f.Poll(ctx, sink))
	equal(t, 8, len(got))
}

func TestDamagedLinesAreCountedAndNamed(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "spans.json")
	unusable := strings.ReplaceAll(line(3), "00000000000000a1", "0000000000000000")
	appendTo(t, name, line(1)+"\n"+`{"resourceMetrics":[]}`+"\n"+line(2)[:80]+"\n"+unusable+
		"\n"+line(4)+"\n"+line(5)[:100])
	f := backend.NewFiles(name)
	spans := 0
	noError(t, f.Finish(context.Background(), func(b []span.Record) { spans += len(b) }))
	stats := f.Stats()
	equal(t, 2+1+2, spans)
	equal(t, spans, stats.Spans)
	equal(t, 1, stats.Rejected)
	equal(t, 2, stats.Damaged)
	equal(t, 6, stats.Lines)
	equal(t, true, strings.Contains(stats.Damage, "spans.json, line 3: malformed message"))
}

func TestFilesThatCannotBeReadAreErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sink := func([]span.Record) {}
	f := backend.NewFiles(filepath.Join(dir, "*.json"))
	errorWith(t, f.Finish(context.Background(), sink), "source file: no file matches", "*.json")
	noError(t, os.Mkdir(filepath.Join(dir, "a.json"), 0o700))
	errorWith(t, f.Finish(context.Background(), sink), "a.json", "is a directory")
}
