package verdict_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

func judge(a []span.Attempt, s []span.Record, expect ...string) verdict.Outcome {
	return verdict.NewJudge(verdict.Options{Expect: expect}).Decide(trace(a, s))
}

func TestEdgesCountSpansAndThoseThatHangInTheAir(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spans []span.Record
		want  []verdict.Edge
	}{
		"load to gateway to two services": {
			spans(server("gateway", 10, 1), client("gateway", 11, 10), client("gateway", 12, 10),
				server("stock", 13, 11), server("pricing", 14, 12)),
			[]verdict.Edge{
				{From: verdict.Load, To: "gateway", Spans: 1},
				{From: "gateway", To: "pricing", Spans: 1},
				{From: "gateway", To: "stock", Spans: 1},
			},
		},
		"a lost CLIENT span makes the next service an orphan": {
			spans(server("gateway", 10, 1), server("stock", 13, nowhere)),
			[]verdict.Edge{
				{From: verdict.Load, To: "gateway", Spans: 1},
				{From: verdict.Unknown, To: "stock", Spans: 1, Orphans: 1},
			},
		},
		"a CONSUMER is a hop too, and an unnamed service is shown as such": {
			spans(server("", 10, 1), reported(span.KindProducer, "", 11, 10),
				reported(span.KindConsumer, "mailer", 12, 11)),
			[]verdict.Edge{
				{From: verdict.Load, To: verdict.Unnamed, Spans: 1},
				{From: verdict.Unnamed, To: "mailer", Spans: 1},
			},
		},
		"an inner SERVER span of one service is no hop": {
			spans(server("gateway", 10, 1), server("gateway", 11, 10)),
			[]verdict.Edge{{From: verdict.Load, To: "gateway", Spans: 1}},
		},
		"a restarted trace hangs off the load": {
			spans(server("gateway", 10, none, claims(1), elsewhere)),
			[]verdict.Edge{{From: verdict.Load, To: "gateway", Spans: 1, Orphans: 1}},
		},
		"so does a SERVER span below the operation": {
			spans(server("gateway", 10, operation)),
			[]verdict.Edge{{From: verdict.Load, To: "gateway", Spans: 1, Orphans: 1}},
		},
		"a later restart hangs in the air": {
			spans(server("proxy", 10, 1), server("gateway", 11, none, claims(1), elsewhere)),
			[]verdict.Edge{
				{From: verdict.Load, To: "proxy", Spans: 1},
				{From: verdict.Unknown, To: "gateway", Spans: 1, Orphans: 1},
			},
		},
		"where ids are shared, the caller is the service that shares them": {
			spans(server("gateway", 1, operation), client("gateway", 11, 1), server("stock", 11, 1)),
			[]verdict.Edge{
				{From: verdict.Load, To: "gateway", Spans: 1}, {From: "gateway", To: "stock", Spans: 1},
			},
		},
		"the load's own spans are no hop": {
			spans(own(span.KindInternal, operation, none), own(span.KindClient, 1, operation)),
			[]verdict.Edge{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, judge(attempts(attempt(1)), c.spans).Edges)
		})
	}
}

func TestAServiceIsConnectedWhenItDescendsFromAnAttempt(t *testing.T) {
	t.Parallel()
	o := judge(attempts(attempt(1)), spans(
		server("gateway", 10, 1), client("gateway", 11, 10), server("stock", 12, 11),
		server("pricing", 13, nowhere), server("mailer", 14, none, claims(1), elsewhere),
		own(span.KindClient, 1, operation),
	))
	require.Equal(t, []verdict.Presence{
		{Service: "gateway", Connected: true},
		{Service: "mailer", Connected: false},
		{Service: "pricing", Connected: false},
		{Service: "stock", Connected: true},
	}, o.Services)
}

func TestAnExpectedServiceIsOwedByATraceThatHeldAndSucceeded(t *testing.T) {
	t.Parallel()
	gateway := server("gateway", 10, 1)
	stock := server("stock", 12, 11)
	for name, c := range map[string]struct {
		attempt span.Attempt
		spans   []span.Record
		want    []string
	}{
		"all there":    {attempt(1), spans(gateway, client("gateway", 11, 10), stock), nil},
		"absent":       {attempt(1), spans(gateway), []string{"stock"}},
		"disconnected": {attempt(1), spans(gateway, stock), []string{"stock"}},
		"the service failed before it called the next": {attempt(1, failed), spans(gateway), nil},
		"the first hop broke, which is counted there":  {attempt(1), nil, nil},
		"a toxic answered in its place":                {attempt(1, toxic("abort")), nil, nil},
		"unsampled":                                    {attempt(1, unsampled), spans(gateway), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := judge(attempts(c.attempt), c.spans, "gateway", "stock")
			require.Equal(t, c.want, o.ExpectedMissing)
		})
	}
}

func TestSampledFlagAndTracestateAreFollowedWhereSpansCarryThem(t *testing.T) {
	t.Parallel()
	const sampled, off, silent = 0x301, 0x300, 0
	for name, c := range map[string]struct {
		sent        string
		first, next func(*span.Record)
		flag, state uint64
	}{
		"all kept":             {"a=1,b=2", stated("b=2,a=1"), stated("c=3,a=1,b=9"), 0, 0},
		"the next hop lost it": {"a=1", stated("a=1"), stated(""), 0, 1},
		"one member was lost":  {"a=1,b=2", stated("a=1"), stated("a=1"), 0, 2},
		"an SDK that reports no flags reports no tracestate": {
			"a=1", stated("a=1"), flagged(silent), 0, 0,
		},
		"a flag that is off":            {"", flagged(sampled), flagged(off), 1, 0},
		"nothing was sent with it":      {"", stated("x=1"), stated(""), 0, 0},
		"older SDKs report no flag bit": {"", flagged(0x300), flagged(0x100), 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// The last span is of the same service as the one before, and sampled.
			o := judge(attempts(attempt(1, state(c.sent))), spans(
				server("gateway", 10, 1, c.first), client("gateway", 11, 10, flagged(0)),
				server("stock", 12, 11, c.next), client("stock", 13, 12, c.first),
			))
			require.Equal(t, c.flag, o.FlagBreaks, "flags")
			require.Equal(t, c.state, o.StateBreaks, "tracestate")
		})
	}
}
