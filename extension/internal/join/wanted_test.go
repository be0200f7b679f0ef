package join_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

func TestAnAttemptIsWantedUntilEverySendMayBeAccountedFor(t *testing.T) {
	t.Parallel()
	notSent := func(a *span.Attempt) { a.Outcome, a.Status = span.OutcomeNotSent, 0 }
	proxy := record(span.KindClient, descriptor("proxy"), 1, 20, 1)
	for name, c := range map[string]struct {
		change []func(*span.Attempt)
		spans  []span.Record
		want   bool
	}{
		"nothing came":              {nil, nil, true},
		"a SERVER span came":        {nil, []span.Record{server(1, 10, 1)}, false},
		"one came through a proxy":  {nil, []span.Record{proxy, server(1, 10, 20)}, false},
		"one of another trace came": {nil, []span.Record{claiming(server(7, 10, 0), 1, 1)}, false},
		"one of another attempt":    {nil, []span.Record{server(1, 10, 2)}, true},
		"reset, nothing came":       {[]func(*span.Attempt){reset}, nil, true},
		"sent twice, one came":      {[]func(*span.Attempt){sentTwice}, []span.Record{server(1, 10, 1)}, true},
		"sent twice, one came here and one elsewhere": {
			[]func(*span.Attempt){sentTwice},
			[]span.Record{server(1, 10, 1), claiming(server(7, 11, 0), 1, 1)},
			false,
		},
		"aborted":                       {[]func(*span.Attempt){aborted}, nil, false},
		"aborted, and sent once before": {[]func(*span.Attempt){aborted, sentTwice}, nil, true},
		"unsampled":                     {[]func(*span.Attempt){unsampled}, nil, false},
		"not sent":                      {[]func(*span.Attempt){notSent}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(join.Config{})
			w.send(1, 1, c.change...)
			w.receive(c.spans...)
			wanted := w.Wanted(traceID(1))
			if !c.want {
				require.Empty(t, wanted)
				return
			}
			require.Len(t, wanted, 1)
			require.Equal(t, spanID(1), wanted[0].Attempt.SpanID)
		})
	}
}
