package report

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

func encoded(tb testing.TB, r *Report) []byte {
	tb.Helper()
	var b bytes.Buffer
	require.NoError(tb, WriteJSON(&b, r))
	return b.Bytes()
}

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile("../../../results/report.schema.json")
	require.NoError(t, err)
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, data []byte) error {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	require.NoError(t, err)
	return s.Validate(value)
}

func TestReportsMatchTheSchema(t *testing.T) {
	t.Parallel()
	partial := NewBuilder(Run{ID: "part", Start: start()}, BuilderOptions{Partial: true})
	partial.Add(operation{n: 1, verdicts: []verdict.Verdict{verdict.Missing}}.outcome(plainNames()))
	partial.AddClaim(Claim{TraceID: traceID(1), SpanID: spanID(1, 1), Root: traceID(2)})
	s := schema(t)
	for name, r := range map[string]*Report{
		"a full run":             made(plainNames()),
		"hostile names":          made(hostileNames()),
		"a run without attempts": NewBuilder(Run{Start: start()}, BuilderOptions{}).Report(start()),
		"a part of a run":        partial.Report(start()),
	} {
		require.NoError(t, validate(t, s, encoded(t, r)), name)
	}
}

// fill sets every field to something that is not its zero value, so that no
// field is left out of the JSON.
func fill(v reflect.Value) {
	switch special := v.Addr().Interface().(type) {
	case *time.Time:
		*special = start()
		return
	case **Histogram:
		*special = NewHistogram()
		(*special).Record(time.Second)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(field)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Map:
		element := reflect.New(v.Type().Elem()).Elem()
		fill(element)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key"), element)
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(1)
	case reflect.Uint8, reflect.Uint64:
		v.SetUint(1)
	case reflect.Float64:
		v.SetFloat(1.5)
	default:
		panic("fill knows no " + v.Kind().String())
	}
}

func TestTheSchemaKnowsEveryField(t *testing.T) {
	t.Parallel()
	var r Report
	fill(reflect.ValueOf(&r).Elem())
	counts := Counts{Attempts: 1, Held: 1, Retries: 1, HopBreaks: 1, Verdicts: map[string]uint64{"continued": 1}}
	r.Totals, r.SchemaVersion = counts, SchemaVersion
	r.By = map[string][]Row{"phase": {{Key: "a", Counts: counts, Duration: NewHistogram()}}}
	r.Histograms = map[string]*Histogram{"duration_ms": NewHistogram()}
	r.Examples[0].Verdict, r.Examples[0].Attempts[0].Verdict = "missing", "missing"
	r.Partial.Missing[0].Verdict, r.Partial.Missing[0].Merged = "span_lost", "restarted"
	data := encoded(t, &r)
	require.NoError(t, validate(t, schema(t), data))

	unknown := bytes.Replace(data, []byte(`"run": {`), []byte(`"run": {"surprise": 1,`), 1)
	require.Error(t, validate(t, schema(t), unknown), "the schema must be closed")
}

func TestReadingWhatWasWrittenChangesNothing(t *testing.T) {
	t.Parallel()
	for _, r := range []*Report{made(plainNames()), made(hostileNames())} {
		data := encoded(t, r)
		read, err := ReadJSON(bytes.NewReader(data))
		require.NoError(t, err)
		require.Equal(t, string(data), string(encoded(t, read)))
	}
}

func TestReadingOldAndNewVersions(t *testing.T) {
	t.Parallel()
	// Version 1 as its first release wrote it must load for ever.
	old, err := os.Open("testdata/version1.json")
	require.NoError(t, err)
	r, err := ReadJSON(old)
	require.NoError(t, errors.Join(err, old.Close()))
	assert.Equal(t, uint64(3), r.Totals.Attempts)
	assert.Equal(t, uint64(1), r.Totals.Broken)
	assert.Equal(t, uint64(0), r.Histograms["backoff_ms"].Count(), "absent histograms are empty")
	require.NoError(t, WriteText(&bytes.Buffer{}, r, TextOptions{}))
	require.NoError(t, WriteHTML(&bytes.Buffer{}, r, HTMLOptions{}))

	for name, c := range map[string]struct{ text, want string }{
		"a newer version": {
			`{"schema_version": 2}`,
			"schema version 2 is newer than 1, the newest this version knows: update the extension",
		},
		"no version":   {`{"run": {}}`, "not a continuity report: it has no schema_version"},
		"no JSON":      {`<html>`, "not a continuity report"},
		"nothing":      {``, "not a continuity report"},
		"a comparison": {`{"schema_version": 1, "runs": []}`, "not a continuity report: it has no totals"},
		"a k6 summary": {`{"metrics": {}, "root_group": {}}`, "it has no schema_version"},
		"wrong sums": {
			`{"schema_version": 1, "totals": {"attempts": 3, "verdicts": {"continued": 2}}}`,
			"totals does not add up: 3 attempts, 0 held, 0 broken, but its verdicts are 2, 2 and 0",
		},
		"an unknown verdict": {
			`{"schema_version": 1, "totals": {"attempts": 3, "verdicts": {"splendid": 3}}}`,
			`got "splendid"`,
		},
		"a damaged histogram": {
			`{"schema_version": 1, "totals": {}, "histograms": {"duration_ms": {"count": 1, "hdr": "AAAA"}}}`,
			"decoding histogram",
		},
	} {
		_, err := ReadJSON(strings.NewReader(c.text))
		require.ErrorContains(t, err, c.want, name)
	}
}

func TestReadingHistogramsOfAnotherRange(t *testing.T) {
	t.Parallel()
	for name, other := range map[string]*hdr.Histogram{
		"finer": hdr.New(minMicros, maxMicros, 5), "wider": hdr.New(minMicros, maxMicros*10, figures),
	} {
		encoded, err := other.Encode(hdr.V2CompressedEncodingCookieBase)
		require.NoError(t, err)
		err = new(Histogram).UnmarshalJSON(fmt.Appendf(nil, `{"count": 0, "hdr": %q}`, encoded))
		require.ErrorContains(t, err, "want 1 to 3600000000 µs with 1 or 2", name)
	}
	var bomb bytes.Buffer
	bomb.WriteString("\x1c\x84\x93\x14\x00\x00\xff\xff")
	w := zlib.NewWriter(&bomb)
	_, err := w.Write(make([]byte, 1<<20))
	require.NoError(t, errors.Join(err, w.Close()))
	binary.BigEndian.PutUint32(bomb.Bytes()[4:], uint32(bomb.Len()-hdrPrefix))
	err = new(Histogram).UnmarshalJSON(fmt.Appendf(nil, `{"count": 0, "hdr": %q}`,
		base64.StdEncoding.EncodeToString(bomb.Bytes())))
	require.ErrorContains(t, err, "covers 0 to 0")
}

func TestNoSecretReachesTheReport(t *testing.T) {
	t.Parallel()
	run := testRun(plainNames())
	run.Source = "jaeger=https://user:hunter2@jaeger:16686"
	run.Options = map[string]string{"url": "http://x/?key=hunter2#access_token=hunter2"}
	b := NewBuilder(run, BuilderOptions{})
	n := plainNames()
	n.name, n.service = "http://user:hunter2@shop/pay", "http://a:hunter2@svc"
	o := operation{n: 1, verdicts: []verdict.Verdict{verdict.Missing}}.outcome(n)
	o.Results[0].Reason = "Get https://user:hunter2@tempo/api?token=hunter2: timeout"
	b.Add(o)
	b.Warn("asking https://user:hunter2@tempo/api/traces?token=hunter2")
	data := string(encoded(t, b.Report(start())))
	assert.NotContains(t, data, "hunter2")
	assert.NotContains(t, data, "secret")
	assert.Contains(t, data, "http://REDACTED@shop/pay")
}

func TestScrubbing(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/cart?id=1&token=x":        "/cart?…",
		"https://u:p@host/a":        "https://REDACTED@host/a",
		"a@b.c wrote; is it there?": "a@b.c wrote; is it there?",
		"x#code=1 y":                "x#… y",
		"\xff\xfe":                  "\uFFFD",
		strings.Repeat("ä", 200):    strings.Repeat("ä", 100) + "…",
	} {
		assert.Equal(t, want, scrub(in))
	}
}

func FuzzReadJSON(f *testing.F) {
	f.Add(encoded(f, quiet()))
	f.Add([]byte(`{"schema_version": 1}`))
	f.Add([]byte(`{"schema_version": 1, "totals": {"attempts": 1, "held": 1, "verdicts": {"continued": 1}}}`))
	f.Add([]byte(`{"schema_version": 1, "totals": {}, "histograms": {"duration_ms": {"count": 0, "hdr": "HISTFAAAAA=="}}}`))
	f.Add([]byte(`{"schema_version": 1, "totals": {}, "series": {"bucket_seconds": -1, "buckets": [{}]}, "examples": [{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ReadJSON(bytes.NewReader(data))
		if err != nil {
			return
		}
		once := encoded(t, r)
		again, err := ReadJSON(bytes.NewReader(once))
		require.NoError(t, err)
		require.JSONEq(t, string(once), string(encoded(t, again)))
		require.NoError(t, WriteText(&bytes.Buffer{}, r, TextOptions{}))
		require.NoError(t, WriteMarkdown(&bytes.Buffer{}, r))
		require.NoError(t, WriteHTML(&bytes.Buffer{}, r, HTMLOptions{}))
		require.True(t, json.Valid(once))
	})
}
