package traced

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/contrib/propagators/aws/xray"
	"go.opentelemetry.io/contrib/propagators/b3"
	"go.opentelemetry.io/contrib/propagators/jaeger"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

const (
	scriptTrace = "0af7651916cd43dd8448eb211c80319c"
	scriptSpan  = "b7ad6b7169203331"
)

func TestTraceparentFlagsAre01Or00(t *testing.T) {
	t.Parallel()
	for sampler, flags := range map[string]string{"always_on": "01", "always_off": "00"} {
		t.Run(sampler, func(t *testing.T) {
			t.Parallel()
			r, server := newRig(t, nil), newEcho(t)
			r.get(ClientConfig{Sampler: sampler}, server.URL)
			a := r.attempt()
			assert.Equal(t, []string{"00-" + a.TraceID.String() + "-" + a.SpanID.String() + "-" + flags},
				server.seen(0)["Traceparent"])
			assert.Equal(t, flags == "01", a.Sampled)
			assert.Len(t, r.spans(trace.SpanKindClient), int(flags[1]-'0'), "unsampled: nothing is exported")
			assert.Zero(t, r.provider.Stats().Dropped)
		})
	}
}

func TestTraceparentFlagsAre03Or02ByOption(t *testing.T) {
	t.Parallel()
	for sampler, flags := range map[string]string{"always_on": "03", "always_off": "02"} {
		r, server := newRig(t, nil), newEcho(t)
		r.get(ClientConfig{Sampler: sampler, RandomFlag: true}, server.URL)
		assert.Regexp(t, "-"+flags+"$", server.seen(0).Get("Traceparent"))
	}
	for parent, flags := range map[string]string{"01": "01", "03": "03", "": "03"} {
		header := ""
		if parent != "" {
			header = "00-" + scriptTrace + "-" + scriptSpan + "-" + parent
		}
		_, _, sent := continued(t, ClientConfig{Continue: true, RandomFlag: true}, header, "")
		assert.Regexp(t, "-"+flags+"$", sent.Get("Traceparent"), "parent %q", parent)
		_, _, sent = continued(t, ClientConfig{Continue: true}, header, "")
		assert.Regexp(t, "-01$", sent.Get("Traceparent"), "without the option")
	}
}

// continued sends a GET whose script set trace headers, with continue or not.
func continued(t *testing.T, config ClientConfig, traceparent, tracestate string) (*rig, *Operation, http.Header) {
	t.Helper()
	r, server := newRig(t, nil), newEcho(t)
	what := operation("GET", server.URL)
	what.Traceparent, what.Tracestate = traceparent, tracestate
	req := request(t, "GET", server.URL)
	req.Header.Set("Traceparent", traceparent)
	req.Header.Set("Tracestate", tracestate)
	op := r.client(config).Start(t.Context(), what)
	require.NoError(t, r.through(op, req))
	op.End(nil)
	return r, op, server.seen(0)
}

func TestScriptsTraceparentIsOverwritten(t *testing.T) {
	t.Parallel()
	r, op, seen := continued(t, ClientConfig{}, "00-"+scriptTrace+"-"+scriptSpan+"-01", "foo=1")
	assert.NotEqual(t, scriptTrace, op.TraceID().String())
	assert.Len(t, seen["Traceparent"], 1)
	assert.Contains(t, seen.Get("Traceparent"), op.TraceID().String())
	assert.NotContains(t, seen, "Tracestate", "it belongs to the other trace")
	assert.Empty(t, r.warnings)
}

func TestScriptsTraceparentIsTheParentWithContinue(t *testing.T) {
	t.Parallel()
	r, op, seen := continued(t, ClientConfig{Continue: true},
		"00-"+scriptTrace+"-"+scriptSpan+"-03", "foo=1, bar@x=2")
	assert.Equal(t, scriptTrace, op.TraceID().String())
	assert.Equal(t, []string{"00-" + scriptTrace + "-" + op.LastSpanID().String() + "-01"},
		seen["Traceparent"], "01 even where the parent had 03")
	assert.Equal(t, []string{"foo=1,bar@x=2"}, seen["Tracestate"])
	assert.Equal(t, "foo=1,bar@x=2", r.attempt().TraceState)
	internals := r.spans(trace.SpanKindInternal)
	require.Len(t, internals, 1)
	assert.Equal(t, scriptSpan, internals[0].Parent.SpanID().String())
	assert.True(t, internals[0].Parent.IsRemote())
	assert.Equal(t, "foo=1,bar@x=2", r.one().SpanContext.TraceState().String())
}

func TestContinueFollowsTheParentsFlagWhereTheSamplerDoes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ sampler, parent, want string }{
		{"", "00", "00"},
		{"", "01", "01"},
		{"parentbased_always_off", "01", "01"},
		{"parentbased_traceidratio", "00", "00"},
		{"always_on", "00", "01"},
		{"always_off", "01", "00"},
	} {
		t.Run(tt.sampler+" "+tt.parent, func(t *testing.T) {
			t.Parallel()
			_, _, seen := continued(t, ClientConfig{Continue: true, Sampler: tt.sampler, Ratio: 1},
				"00-"+scriptTrace+"-"+scriptSpan+"-"+tt.parent, "")
			assert.Equal(t, tt.want, seen.Get("Traceparent")[53:])
		})
	}
}

func TestContinueWithInvalidHeadersStartsAnew(t *testing.T) {
	t.Parallel()
	r, op, seen := continued(t, ClientConfig{Continue: true}, "00-bogus", "foo=1")
	assert.NotZero(t, op.TraceID())
	assert.NotContains(t, seen, "Tracestate")
	require.Len(t, r.warnings, 1)
	assert.Contains(t, r.warnings[0], `"00-bogus"`)
	assert.Contains(t, r.warnings[0], "a new trace is started")

	r, op, seen = continued(t, ClientConfig{Continue: true}, "00-"+scriptTrace+"-"+scriptSpan+"-01", "FOO=1")
	assert.Equal(t, scriptTrace, op.TraceID().String())
	assert.NotContains(t, seen, "Tracestate")
	require.Len(t, r.warnings, 1)
	assert.Contains(t, r.warnings[0], "tracestate is not sent on")
}

func TestPropagatorNames(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		names   []string
		headers []string
	}{
		{nil, []string{"Traceparent", "Baggage"}},
		{[]string{}, nil},
		{[]string{"none"}, nil},
		{[]string{" tracecontext ", "tracecontext", ""}, []string{"Traceparent"}},
		{[]string{"b3"}, []string{"B3"}},
		{[]string{"b3multi"}, []string{"X-B3-Traceid", "X-B3-Spanid", "X-B3-Sampled"}},
		{[]string{"jaeger", "xray"}, []string{"Uber-Trace-Id", "X-Amzn-Trace-Id"}},
		{
			[]string{"tracecontext", "baggage", "b3", "b3multi", "jaeger", "xray"},
			[]string{
				"Traceparent", "Baggage", "B3", "X-B3-Traceid", "X-B3-Spanid", "X-B3-Sampled",
				"Uber-Trace-Id", "X-Amzn-Trace-Id",
			},
		},
	} {
		t.Run(strings.Join(tt.names, ","), func(t *testing.T) {
			t.Parallel()
			r, server := newRig(t, nil), newEcho(t)
			r.get(ClientConfig{Propagators: tt.names, Baggage: map[string]string{"k": "v"}}, server.URL)
			seen := server.seen(0)
			for _, ours := range []string{"User-Agent", "Accept-Encoding"} {
				delete(seen, ours)
			}
			var got []string
			for name, values := range maps.All(seen) {
				got = append(got, name)
				assert.Len(t, values, 1)
			}
			assert.ElementsMatch(t, tt.headers, got)
		})
	}
	for _, names := range [][]string{{"b4"}, {"tracecontext", "W3C"}, {"Tracecontext"}, {"tracecontext,baggage"}} {
		err := ClientConfig{Propagators: names}.Validate()
		require.ErrorContains(t, err, "propagators must be of tracecontext, baggage, b3, b3multi, jaeger, xray, none")
		require.ErrorContains(t, err, fmt.Sprintf("%q", names[len(names)-1]))
	}
	require.ErrorContains(t, ClientConfig{Propagators: []string{"none", "b3"}}.Validate(),
		"none cannot be combined")
}

func TestPropagatorsAgreeWithOpenTelemetrys(t *testing.T) {
	t.Parallel()
	for _, sampler := range []string{"always_on", "always_off"} {
		for name, official := range map[string]propagation.TextMapPropagator{
			"tracecontext": propagation.TraceContext{},
			"b3":           b3.New(b3.WithInjectEncoding(b3.B3SingleHeader)),
			"b3multi":      b3.New(b3.WithInjectEncoding(b3.B3MultipleHeader)),
			"jaeger":       jaeger.Jaeger{},
			"xray":         xray.Propagator{},
		} {
			t.Run(name+" "+sampler, func(t *testing.T) {
				t.Parallel()
				r, server := newRig(t, nil), newEcho(t)
				r.get(ClientConfig{Propagators: []string{name}, Sampler: sampler}, server.URL)
				a, seen := r.attempt(), server.seen(0)
				var flags trace.TraceFlags
				ours := trace.NewSpanContext(trace.SpanContextConfig{
					TraceID: trace.TraceID(a.TraceID), SpanID: trace.SpanID(a.SpanID),
					TraceFlags: flags.WithSampled(a.Sampled),
				})
				want := make(http.Header)
				official.Inject(trace.ContextWithSpanContext(t.Context(), ours), propagation.HeaderCarrier(want))
				require.NotEmpty(t, want)
				for key, values := range want {
					assert.Equal(t, values, seen[key], key)
				}
				read := trace.SpanContextFromContext(
					official.Extract(t.Context(), propagation.HeaderCarrier(seen)))
				assert.Equal(t, ours.TraceID(), read.TraceID())
				assert.Equal(t, ours.SpanID(), read.SpanID())
				assert.Equal(t, ours.IsSampled(), read.IsSampled())
			})
		}
	}
}

func TestB3MultiSendsNoParent(t *testing.T) {
	t.Parallel()
	r, server := newRig(t, nil), newEcho(t)
	req := request(t, "GET", server.URL)
	req.Header.Set("X-B3-ParentSpanId", scriptSpan)
	require.NoError(t, r.send(ClientConfig{Propagators: []string{"b3multi"}}, req))
	assert.NotContains(t, server.seen(0), "X-B3-Parentspanid")
}

func TestRequestsJoinTheApplicationSpan(t *testing.T) {
	t.Parallel()
	r, server := newRig(t, nil), newEcho(t)
	ctx, outer := r.provider.StartSpan(t.Context(), "checkout", nil, r.sink)
	ctx, inner := r.provider.StartSpan(ctx, "pay", nil, r.sink)
	op := r.client(ClientConfig{}).Start(ctx, operation("GET", server.URL))
	require.NoError(t, r.through(op, request(t, "GET", server.URL)))
	op.End(nil)
	inner.End(nil)
	outer.End(context.DeadlineExceeded)
	outer.End(nil)
	id := outer.TraceID()
	assert.Equal(t, id, op.TraceID())
	assert.Equal(t, "open open attempt close close", r.sink.kinds(),
		"the trace is open as long as its root")
	assert.Equal(t, id, r.sink.all()[0].TraceID)
	byName := make(map[string]trace.SpanID)
	parents := make(map[string]trace.SpanID)
	for _, s := range r.spans(trace.SpanKindInternal) {
		byName[s.Name], parents[s.Name] = s.SpanContext.SpanID(), s.Parent.SpanID()
	}
	assert.Equal(t, byName["checkout"], parents["pay"])
	assert.Equal(t, byName["pay"], parents["GET"])
	assert.Equal(t, byName["GET"], r.one().Parent.SpanID())
	assert.Equal(t, inner.SpanID(), tracecontext.SpanID(byName["pay"]))
}
