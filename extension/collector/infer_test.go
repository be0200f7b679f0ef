package collector

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// anonymous takes the User-Agent from the services' spans of a traffic, and tells them from
// the load's.
func anonymous(t *traffic) (load, services []spanData) {
	for _, s := range t.spans {
		if isLoad(s) {
			load = append(load, s)
			continue
		}
		delete(s.attributes, "user_agent.original")
		services = append(services, s)
	}
	return load, services
}

// TestRestartsAreInferredByWhenTheirSpansCame: as in one process, whether the load's spans or
// the services' come first, and of those that came since the attempt was sent.
func TestRestartsAreInferredByWhenTheirSpansCame(t *testing.T) {
	t.Parallel()
	const batchDelay = 4 * time.Second
	for after, want := range map[time.Duration]string{
		-time.Second: "missing", time.Second: "restarted", 4 * time.Second: "restarted",
		5 * time.Second: "restarted", 13 * time.Second: "restarted", 15 * time.Second: "missing",
	} {
		dir, begin := t.TempDir(), time.Unix(1_800_000_000, 0)
		s, now := newShard(dir, "one", begin), begin
		known := newTraffic(1, begin.UnixNano())
		known.operation("baseline", "continued")
		anonymous(known)
		require.NoError(t, s.intake.take(batch(known.spans...), begin))
		sent := begin.Add(time.Minute)
		restarted := newTraffic(2, sent.UnixNano())
		restarted.operation("baseline", "restarted")
		load, services := anonymous(restarted)
		for ; now.Before(sent.Add(time.Minute)); now = now.Add(time.Second) {
			if now.Equal(sent.Add(batchDelay)) {
				require.NoError(t, s.intake.take(batch(load...), now))
			}
			if now.Equal(sent.Add(after)) {
				require.NoError(t, s.intake.take(batch(services...), now))
			}
			s.advance(now)
		}
		s.stop(t, now)
		r := merged(t, dir)
		assert.Equal(t, map[string]uint64{"continued": 1, want: 1}, r.Totals.Verdicts, after)
		assert.Equal(t, uint64(len(services)), r.Spans.Foreign, after)
	}
}
