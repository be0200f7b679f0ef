package verdict_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// fixture is a trace and the verdicts on its attempts.
type fixture struct {
	name     string
	attempts []span.Attempt
	spans    []span.Record
	want     string
}

// fixtures are traces of which everything came that ever will.
func fixtures() []fixture {
	all := held()
	all = append(all, restartedOrReparented()...)
	all = append(all, lostOrMissing()...)
	return append(all, outside()...)
}

func held() []fixture {
	return []fixture{
		{
			"continued: a SERVER span is the attempt's child",
			attempts(attempt(1)), spans(server("gateway", 10, 1)), "continued",
		},
		{
			"continued: with the spans of further services below",
			attempts(attempt(1)),
			spans(server("gateway", 10, 1), client("gateway", 11, 10), server("stock", 12, 11)),
			"continued",
		},
		{
			"continued: every retry has its own SERVER span",
			attempts(attempt(1, failed), attempt(2)),
			spans(server("gateway", 10, 1, failing), server("gateway", 11, 2)),
			"continued, continued",
		},
		{
			"continued: through a proxy that has SERVER and CLIENT spans",
			attempts(attempt(1)),
			spans(server("proxy", 10, 1), client("proxy", 11, 10), server("gateway", 12, 11)),
			"continued",
		},
		{
			"continued: through proxies that have CLIENT spans only",
			attempts(attempt(1)),
			spans(client("edge", 10, 1), client("mesh", 11, 10), server("gateway", 12, 11)),
			"continued via 2",
		},
		{
			"continued: the CLIENT sub-spans of otelhttptrace are nobody's SERVER spans",
			attempts(attempt(1)),
			spans(server("proxy", 10, 1), client("proxy", 11, 10), client("proxy", 12, 11),
				client("proxy", 13, 11), client("proxy", 14, 11), server("gateway", 15, 11)),
			"continued",
		},
		{
			"continued: the SERVER span shares its id with the client span, as Zipkin's do",
			attempts(attempt(1)), spans(server("gateway", 1, operation)), "continued",
		},
		{
			"continued: where all hops share ids, the next service is no duplicate",
			attempts(attempt(1)),
			spans(server("gateway", 1, operation), client("gateway", 11, 1), server("stock", 11, 1)),
			"continued",
		},
		{
			"continued: a PRODUCER and a late CONSUMER below the SERVER span",
			attempts(attempt(1)),
			spans(server("gateway", 10, 1), reported(span.KindProducer, "gateway", 11, 10),
				reported(span.KindConsumer, "mailer", 12, 11)),
			"continued",
		},
		{
			"continued: a CONSUMER that was handed the request's context is no duplicate",
			attempts(attempt(1)),
			spans(server("gateway", 10, 1), reported(span.KindConsumer, "mailer", 12, 1)),
			"continued",
		},
		{
			"continued: the context reached a CONSUMER of a service without SERVER spans",
			attempts(attempt(1)), spans(reported(span.KindConsumer, "mailer", 12, 1)), "continued",
		},
		{
			"continued: a service without service.name",
			attempts(attempt(1)), spans(server("", 10, 1)), "continued",
		},
		{
			"continued: a clock that is an hour off decides nothing",
			attempts(attempt(1)), spans(server("gateway", 10, 1, hourOff)), "continued",
		},
		{
			"continued: the load's own spans are not the service's",
			attempts(attempt(1)),
			spans(own(span.KindInternal, appSpan, none), own(span.KindInternal, operation, appSpan),
				own(span.KindClient, 1, operation), server("gateway", 10, 1)),
			"continued",
		},
		{
			"continued: evidence beats what the transport says",
			attempts(attempt(1, reset), attempt(2, notSent), attempt(3, toxic("abort"))),
			spans(server("gateway", 10, 1), server("gateway", 11, 2), server("gateway", 12, 3)),
			"continued, continued, continued",
		},
		{
			"continued: a toxic replaced the answer, the service had the request",
			attempts(attempt(1, toxic("replace"))), spans(server("gateway", 10, 1)), "continued",
		},
		{
			"continued: a User-Agent that is handed on to the next service changes nothing",
			attempts(attempt(1)),
			spans(server("proxy", 10, 1, claims(1)), client("proxy", 11, 10),
				server("gateway", 12, 11, claims(1))),
			"continued",
		},
		{
			"continued: a later service restarts the trace, with the User-Agent handed on",
			attempts(attempt(1)),
			spans(server("proxy", 10, 1, claims(1)), server("gateway", 12, none, claims(1), elsewhere)),
			"continued",
		},
		{
			"continued: the same behind a proxy that has CLIENT spans only",
			attempts(attempt(1)),
			spans(client("proxy", 10, 1), server("gateway", 11, 10, claims(1)),
				server("stock", 12, none, claims(1), elsewhere)),
			"continued via 1",
		},
		{
			"duplicated: two SERVER children and no explanation",
			attempts(attempt(1)), spans(server("gateway", 10, 1), server("gateway", 11, 1)), "duplicated",
		},
		{
			"duplicated: explained by a transport that sent it twice",
			attempts(attempt(1, sends(2))),
			spans(server("gateway", 10, 1), server("gateway", 11, 1)), "duplicated explained",
		},
		{
			"duplicated: sent twice and handled three times is not explained",
			attempts(attempt(1, sends(2))),
			spans(server("gateway", 10, 1), server("gateway", 11, 1), server("gateway", 12, 1)),
			"duplicated",
		},
		{
			"duplicated: explained by a proxy's own CLIENT spans",
			attempts(attempt(1)),
			spans(client("proxy", 10, 1), client("proxy", 11, 1),
				server("gateway", 12, 10), server("gateway", 13, 11)),
			"duplicated via 1 explained",
		},
		{
			"continued: a service without SERVER spans that calls two others sent nothing twice",
			attempts(attempt(1)),
			spans(inner("batch", 10, 1), client("batch", 11, 10), client("batch", 12, 10),
				server("stock", 13, 11), server("pricing", 14, 12)),
			"continued via 2",
		},
	}
}

func restartedOrReparented() []fixture {
	return []fixture{
		{
			"restarted: a root of another trace claims the attempt",
			attempts(attempt(1)), spans(server("gateway", 10, none, claims(1), elsewhere)), "restarted",
		},
		{
			"restarted: the traceparent was mangled, so the parent is unknown",
			attempts(attempt(1)), spans(server("gateway", 10, nowhere, claims(1), elsewhere)), "restarted",
		},
		{
			"restarted: the second attempt only",
			attempts(attempt(1, failed), attempt(2)),
			spans(server("gateway", 10, 1), server("gateway", 11, none, claims(2), elsewhere)),
			"continued, restarted",
		},
		{
			"restarted: although the request failed afterwards",
			attempts(attempt(1, reset)), spans(server("gateway", 10, none, claims(1), elsewhere)),
			"restarted",
		},
		{
			"missing: a CLIENT span of another trace that claims the attempt is no SERVER span",
			attempts(attempt(1)), spans(client("proxy", 10, none, claims(1), elsewhere)), "missing",
		},
		{
			"reparented: the SERVER span claims the attempt from below the operation",
			attempts(attempt(1)), spans(server("gateway", 10, operation, claims(1))), "reparented",
		},
		{
			"reparented: from below an earlier attempt",
			attempts(attempt(1, failed), attempt(2)),
			spans(server("gateway", 10, 1, claims(1)), server("gateway", 11, 1, claims(2))),
			"continued, reparented",
		},
		{
			"reparented: from below an attempt that no service saw",
			attempts(attempt(1, toxic("abort")), attempt(2)),
			spans(server("gateway", 11, 1, claims(2))), "not_delivered, reparented",
		},
		{
			"reparented: from below an unknown id",
			attempts(attempt(1)), spans(server("gateway", 10, nowhere, claims(1))), "reparented",
		},
		{
			"reparented: in the right trace without any parent",
			attempts(attempt(1)), spans(server("gateway", 10, none, claims(1))), "reparented",
		},
		{
			"reparented: below an application span of the load",
			attempts(attempt(1)),
			spans(own(span.KindInternal, appSpan, none), own(span.KindInternal, operation, appSpan),
				server("gateway", 10, appSpan)),
			"reparented inferred",
		},
		{
			"reparented: inferred, for the only attempt that lacks a SERVER span",
			attempts(attempt(1, failed), attempt(2)),
			spans(server("gateway", 10, 1, failing), server("gateway", 11, operation)),
			"continued, reparented inferred",
		},
		{
			"reparented: inferred, for both attempts of a service that takes the operation's id",
			attempts(attempt(1, failed), attempt(2)),
			spans(server("gateway", 10, operation, failing), server("gateway", 11, operation)),
			"reparented inferred, reparented inferred",
		},
		{
			"reparented: inferred, from one SERVER span too many below another attempt",
			attempts(attempt(1, failed), attempt(2)),
			spans(server("gateway", 10, 1, failing), server("gateway", 11, 1)),
			"continued, reparented inferred",
		},
		{
			"reparented: inferred, never for an attempt that was not due",
			attempts(attempt(1, reset), attempt(2), attempt(3, toxic("abort")), attempt(4, notSent)),
			spans(server("gateway", 11, operation)),
			"undecided, reparented inferred, not_delivered, not_delivered",
		},
		{
			"reparented: inferred, for the attempt that has the span's status",
			attempts(attempt(1), attempt(2, failed)),
			spans(server("gateway", 11, operation, failing)), "missing, reparented inferred",
		},
		{
			"missing: a SERVER span below the operation that belongs to another trace's attempt",
			attempts(attempt(1)), spans(server("gateway", 11, operation, claimsElsewhere)), "missing",
		},
		{
			"missing: a SERVER span of another method is not the attempt's",
			attempts(attempt(1)),
			spans(server("gateway", 11, operation, func(r *span.Record) { r.Descriptor.Method = "PUT" })),
			"missing",
		},
		{
			"missing: the SERVER span below the attempt belongs to another trace's attempt",
			attempts(attempt(1)), spans(server("gateway", 10, 1, claimsElsewhere)), "missing",
		},
		{
			"continued: a span that leaked in from another request is no duplicate",
			attempts(attempt(1)),
			spans(server("gateway", 10, 1, claims(1)), server("gateway", 11, 1, claimsElsewhere)),
			"continued",
		},
	}
}

func lostOrMissing() []fixture {
	return []fixture{
		{
			"span_lost: a span below a SERVER span that never came",
			attempts(attempt(1)), spans(client("gateway", 11, nowhere)), "span_lost",
		},
		{
			"span_lost: the next service's SERVER span came, below a lost CLIENT span",
			attempts(attempt(1)), spans(server("stock", 12, nowhere)), "span_lost",
		},
		{
			"span_lost: a span below the attempt that is not a SERVER span",
			attempts(attempt(1)), spans(inner("gateway", 11, 1)), "span_lost",
		},
		{
			"span_lost: the proxy's SERVER span was lost, the User-Agent was handed on",
			attempts(attempt(1)),
			spans(client("proxy", 11, nowhere), server("gateway", 12, 11, claims(1))), "span_lost",
		},
		{
			"span_lost: one lost parent explains one of two attempts",
			attempts(attempt(1), attempt(2)), spans(client("gateway", 11, nowhere)),
			"span_lost inferred, missing",
		},
		{
			"missing: nothing came",
			attempts(attempt(1)), nil, "missing",
		},
		{
			"missing: one of two attempts",
			attempts(attempt(1), attempt(2)), spans(server("gateway", 10, 1)), "continued, missing",
		},
		{
			"missing: the toxic replaced the answer of a service that did answer",
			attempts(attempt(1, toxic("replace"))), nil, "missing",
		},
		{
			"missing: the spans above a trace that the load was told to continue prove nothing",
			attempts(attempt(1)),
			spans(client("ci", appSpan, nowhere), own(span.KindInternal, operation, appSpan)), "missing",
		},
		{
			"missing: nor does an application span of the load without a request",
			attempts(attempt(1)), spans(own(span.KindInternal, 97, nowhere)), "missing",
		},
		{
			"missing: only the load's own spans came",
			attempts(attempt(1)),
			spans(own(span.KindInternal, appSpan, nowhere), own(span.KindInternal, operation, appSpan),
				own(span.KindClient, 1, operation)),
			"missing",
		},
	}
}

func outside() []fixture {
	return []fixture{
		{
			"not_delivered: a toxic answered in the service's place",
			attempts(attempt(1, toxic("abort"))), nil, "not_delivered",
		},
		{
			"not_delivered: nothing was sent",
			attempts(attempt(1, notSent)), nil, "not_delivered",
		},
		{
			"not_delivered: a lost span of the retry does not count for it",
			attempts(attempt(1, toxic("abort")), attempt(2)), spans(client("gateway", 11, nowhere)),
			"not_delivered, span_lost inferred",
		},
		{
			"undecided: sent, then the transport failed",
			attempts(attempt(1, reset)), nil, "undecided",
		},
		{
			"undecided: even if spans of the retry were lost",
			attempts(attempt(1, reset), attempt(2)),
			spans(server("gateway", 10, 2), server("stock", 12, nowhere)), "undecided, continued",
		},
		{
			"unsampled: no span is due",
			attempts(attempt(1, unsampled)), nil, "unsampled",
		},
		{
			"unsampled: but recorded all the same",
			attempts(attempt(1, unsampled)), spans(server("gateway", 10, 1)), "unsampled recorded",
		},
		{
			"unsampled: recorded in a trace of its own",
			attempts(attempt(1, unsampled)), spans(server("gateway", 10, none, claims(1), elsewhere)),
			"unsampled recorded",
		},
		{
			"unsampled: recorded behind a proxy",
			attempts(attempt(1, unsampled)), spans(client("proxy", 10, 1), server("gateway", 11, 10)),
			"unsampled recorded",
		},
		{
			"excluded: outside tracing",
			attempts(attempt(1, excluded)), nil, "excluded",
		},
	}
}

func TestEveryVerdictHasItsTraces(t *testing.T) {
	t.Parallel()
	seen := make(map[verdict.Verdict]bool)
	for _, f := range fixtures() {
		o := verdict.NewJudge(verdict.Options{}).Decide(trace(f.attempts, f.spans))
		for _, r := range o.Results {
			seen[r.Verdict] = true
		}
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, f.want, summary(o))
		})
	}
	for _, v := range verdict.All() {
		require.True(t, seen[v], "no fixture for %s", v)
	}
}

func TestSpansThatMayStillComeLeaveAnAttemptUndecided(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*join.Trace){
		"partial":     func(t *join.Trace) { t.Reason, t.Detail = join.ReasonPartial, "status 500" },
		"evicted":     func(t *join.Trace) { t.Reason = join.ReasonEvicted },
		"interrupted": func(t *join.Trace) { t.Reason, t.Detail = join.ReasonInterrupted, "Ctrl+C" },
		"truncated":   func(t *join.Trace) { t.Truncated = 3 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Neither nothing, nor a descendant, nor a stray proves anything yet.
			for _, s := range [][]span.Record{
				nil, spans(client("gateway", 11, nowhere)), spans(server("gateway", 10, operation)),
				spans(inner("gateway", 10, 1)), spans(server("stock", 10, nowhere, claims(1))),
			} {
				tr := trace(attempts(attempt(1)), s)
				change(tr)
				o := verdict.NewJudge(verdict.Options{Expect: []string{"stock"}}).Decide(tr)
				require.Equal(t, "undecided", summary(o))
				require.NotEmpty(t, o.Results[0].Reason)
				require.Empty(t, o.ExpectedMissing)
			}
			// What came is proof all the same.
			for want, s := range map[string][]span.Record{
				"continued":  spans(server("gateway", 10, 1)),
				"restarted":  spans(server("gateway", 10, none, claims(1), elsewhere)),
				"reparented": spans(server("gateway", 10, operation, claims(1))),
				"duplicated": spans(server("gateway", 10, 1), server("gateway", 11, 1)),
			} {
				tr := trace(attempts(attempt(1)), s)
				change(tr)
				o := verdict.NewJudge(verdict.Options{Expect: []string{"stock"}}).Decide(tr)
				require.Equal(t, want, summary(o))
				require.Empty(t, o.ExpectedMissing)
			}
		})
	}
}

// TestALostSpanOfAProxyIsNoWrongParent: a proxy hands the User-Agent on, so the
// span behind it claims the attempt as well as the proxy's own would.
func TestALostSpanOfAProxyIsNoWrongParent(t *testing.T) {
	t.Parallel()
	behind := spans(server("stock", 10, nowhere, claims(1)), server("price", 11, 10, claims(1)))
	for name, c := range map[string]struct {
		attempts []span.Attempt
		spans    []span.Record
		served   []join.Served
		want     string
	}{
		"the proxy's span was lost": {
			attempts(attempt(1)), behind, []join.Served{{Attempt: 0, Service: "proxy"}}, "span_lost",
		},
		"for the attempt that is named alone": {
			attempts(attempt(1, failed), attempt(2)), behind,
			[]join.Served{{Attempt: 0, Service: "proxy"}, {Attempt: 1, Service: "proxy"}},
			"span_lost, missing",
		},
		"the request failed": {
			attempts(attempt(1, reset)), behind, []join.Served{{Attempt: 0, Service: "proxy"}}, "undecided",
		},
		"a toxic mangled the parent": {
			attempts(attempt(1, mangled)), behind, []join.Served{{Attempt: 0, Service: "proxy"}}, "reparented",
		},
		"there is no proxy": {
			attempts(attempt(1)), behind, []join.Served{{Attempt: 0, Service: "stock"}}, "reparented",
		},
		"there is no proxy, and two versions of the service": {
			attempts(attempt(1)), behind,
			[]join.Served{{Attempt: 0, Service: "stock v2"}, {Attempt: 0, Service: "stock"}},
			"reparented",
		},
		"the lost span was of one of two proxies": {
			attempts(attempt(1)), behind,
			[]join.Served{{Attempt: 0, Service: "proxy"}, {Attempt: 0, Service: "proxy v2"}},
			"span_lost",
		},
		"nobody knows of a proxy": {attempts(attempt(1)), behind, nil, "reparented"},
		"a proxy is known for another attempt": {
			attempts(attempt(1), attempt(2)), behind,
			[]join.Served{{Attempt: 1, Service: "proxy"}},
			"reparented, missing",
		},
		"the parent is known": {
			attempts(attempt(1)), spans(server("stock", 10, operation, claims(1))),
			[]join.Served{{Attempt: 0, Service: "proxy"}},
			"reparented",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := trace(c.attempts, c.spans)
			tr.Served = c.served
			require.Equal(t, c.want, summary(verdict.NewJudge(verdict.Options{}).Decide(tr)))
		})
	}
}

func TestARootOfTheSameRouteIsAnInferredRestart(t *testing.T) {
	t.Parallel()
	tr := trace(attempts(attempt(1), attempt(2)), nil)
	tr.Roots = []join.Root{{Attempt: 1, Record: server("gateway", 10, none, elsewhere)}}
	o := verdict.NewJudge(verdict.Options{}).Decide(tr)
	require.Equal(t, "missing, restarted inferred", summary(o))
	require.Equal(t, id(10), o.Results[1].Server.SpanID)
}

func TestTheServerSpanThatDecidedIsNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		attempts []span.Attempt
		spans    []span.Record
		want     []byte
	}{
		"with shared ids, the one that shares the attempt's": {
			attempts(attempt(1)),
			spans(server("stock", 11, 1), server("gateway", 1, operation)),
			[]byte{1},
		},
		"of one too many, the one with the attempt's status is its own": {
			attempts(attempt(1, failed), attempt(2)),
			spans(server("gateway", 10, 1), server("gateway", 11, 1, failing)),
			[]byte{11, 10},
		},
		"of several in other traces, the root": {
			attempts(attempt(1)),
			spans(server("stock", 10, nowhere, claims(1), elsewhere),
				server("gateway", 11, none, claims(1), elsewhere)),
			[]byte{11},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := verdict.NewJudge(verdict.Options{}).Decide(trace(c.attempts, c.spans))
			for i, want := range c.want {
				require.Equal(t, id(want), o.Results[i].Server.SpanID)
			}
		})
	}
}

func TestTheReasonNamesTheWrongParent(t *testing.T) {
	t.Parallel()
	for parent, want := range map[byte]string{
		operation: "the operation", 2: "another attempt", nowhere: "an unknown id", none: "none",
	} {
		o := verdict.NewJudge(verdict.Options{}).Decide(trace(attempts(attempt(1), attempt(2, reset)),
			spans(server("gateway", 10, parent, claims(1)))))
		require.Equal(t, "reparented, undecided", summary(o))
		require.Equal(t, "the SERVER span is under another parent: "+want, o.Results[0].Reason)
	}
}

func TestOnlyHeldAndBrokenCount(t *testing.T) {
	t.Parallel()
	for _, v := range verdict.All() {
		require.False(t, v.Held() && v.Broken(), v)
		require.Equal(t, v.Expected(), v.Held() || v.Broken(), v)
		parsed, err := verdict.Parse(v.String())
		require.NoError(t, err)
		require.Equal(t, v, parsed)
	}
	_, err := verdict.Parse("lost")
	require.ErrorContains(t, err, `verdict must be one of continued, duplicated, restarted`)
	require.ErrorContains(t, err, `got "lost"`)
}

func TestAToxicThatTookTheContextMarksTheAttempt(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]bool{
		"context-removed": true, "context-changed": true, "request": false,
	} {
		for _, kind := range []string{"http_header", "http_script"} {
			a := attempt(1)
			a.Marks = &span.Marks{List: []span.Mark{{Type: kind, Mode: mode}}}
			o := verdict.NewJudge(verdict.Options{}).Decide(trace(attempts(a), nil))
			require.Equal(t, want, o.Results[0].Injected, kind+" "+mode)
		}
	}
}
