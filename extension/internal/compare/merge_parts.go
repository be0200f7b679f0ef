package compare

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

// maxWarnings bounds the warnings of a merged report.
const maxWarnings = 100

// addRun widens the run's time and joins what the parts say differently.
func (m *merger) addRun(p *report.Run) {
	r := &m.out.Run
	first := r.Instances == 0
	if first || p.Start.Before(r.Start) {
		r.Start = p.Start
	}
	if first || p.End.After(r.End) {
		r.End = p.End
	}
	r.Instances += max(1, p.Instances)
	for _, f := range []struct {
		to   *string
		from string
	}{
		{&r.ID, p.ID},
		{&r.Script, p.Script},
		{&r.ScriptHash, p.ScriptHash},
		{&r.Plan, p.Plan},
		{&r.Commit, p.Commit},
		{&r.K6Version, p.K6Version},
		{&r.Version, p.Version},
		{&r.Source, p.Source},
		{&r.Sampling, p.Sampling},
	} {
		*f.to = joined(*f.to, f.from)
	}
	r.Labels = joinMaps(r.Labels, p.Labels)
	r.Options = joinMaps(r.Options, p.Options)
}

func joinMaps(to, from map[string]string) map[string]string {
	if to == nil && len(from) > 0 {
		to = make(map[string]string, len(from))
	}
	for k, v := range from {
		to[k] = joined(to[k], v)
	}
	return to
}

func addCounts(to, from *report.Counts) {
	to.Attempts += from.Attempts
	to.Held += from.Held
	to.Broken += from.Broken
	to.HopBreaks += from.HopBreaks
	to.Retries += from.Retries
	for v, n := range from.Verdicts {
		if n > 0 {
			to.Verdicts[v] += n
		}
	}
}

func addControl(to *report.Control, from report.Control) {
	to.Injected += from.Injected
	to.Detected += from.Detected
	to.FalseBreak += from.FalseBreak
	to.Unsure += from.Unsure
}

func addSpans(to, from *report.Spans) {
	to.Started += from.Started
	to.Exported += from.Exported
	to.Failed += from.Failed
	to.Dropped += from.Dropped
	to.InFlight += from.InFlight
	to.Received += from.Received
	to.Rejected += from.Rejected
	to.Redelivered += from.Redelivered
	to.Foreign += from.Foreign
	to.Late += from.Late
	to.Truncated += from.Truncated
	to.Evicted += from.Evicted
	to.HookErrors += from.HookErrors
	to.FlagBreaks += from.FlagBreaks
	to.StateBreaks += from.StateBreaks
	to.Excluded += from.Excluded
}

// sum adds items to a list by key.
func sum[T any](to, from []T, equal func(a, b *T) bool, add func(to, from *T)) []T {
	for i := range from {
		at := slices.IndexFunc(to, func(t T) bool { return equal(&t, &from[i]) })
		if at < 0 {
			var zero T
			at = len(to)
			to = append(to, zero)
		}
		add(&to[at], &from[i])
	}
	return to
}

func (m *merger) addLists(p *report.Report) {
	r := m.out
	r.Phases = sum(r.Phases, p.Phases,
		func(a, b *report.Phase) bool { return a.Name == b.Name }, addPhase)
	r.Edges = sum(r.Edges, p.Edges,
		func(a, b *report.Edge) bool { return a.From == b.From && a.To == b.To },
		func(to, from *report.Edge) {
			spans, orphans := to.Spans+from.Spans, to.Orphans+from.Orphans
			*to = *from
			to.Spans, to.Orphans = spans, orphans
		})
	r.Services = sum(r.Services, p.Services,
		func(a, b *report.Service) bool { return a.Name == b.Name },
		func(to, from *report.Service) {
			to.Name = from.Name
			to.Traces += from.Traces
			to.Connected += from.Connected
		})
	r.Faults = sum(r.Faults, p.Faults, sameFault, addFault)
	r.Seen = sum(r.Seen, p.Seen,
		func(a, b *report.Seen) bool { return seenKey(*a) == seenKey(*b) },
		func(to, from *report.Seen) {
			n := to.Count + from.Count
			*to = *from
			to.Count = n
		})
	r.Warnings = addWarning(r.Warnings, withoutShardWarnings(p.Warnings)...)
}

// addWarning adds warnings to a sorted list without doubles.
func addWarning(list []string, more ...string) []string {
	list = slices.Concat(list, more)
	slices.Sort(list)
	list = slices.Compact(list)
	return list[:min(len(list), maxWarnings)]
}

func addPhase(to, from *report.Phase) {
	if to.Name == "" && to.Start.IsZero() || from.Start.Before(to.Start) {
		to.Start = from.Start
	}
	if from.End.After(to.End) {
		to.End = from.End
	}
	to.Name = from.Name
	to.Toxics = slices.Concat(to.Toxics, from.Toxics)
	slices.Sort(to.Toxics)
	to.Toxics = slices.Compact(to.Toxics)
}

func sameFault(a, b *report.Fault) bool {
	return a.Phase == b.Phase && a.Proxy == b.Proxy && a.Toxic == b.Toxic &&
		a.Type == b.Type && a.Mode == b.Mode
}

func addFault(to, from *report.Fault) {
	before := *to
	*to = *from
	to.Seen += before.Seen
	to.Selected += before.Selected
	to.Injected += before.Injected
	to.Marked += before.Marked
	to.Unreached += before.Unreached
	to.Unmarked += before.Unmarked
	to.PassedThrough += before.PassedThrough
	to.Unpaired += before.Unpaired
}

func seenKey(s report.Seen) report.Seen {
	s.Count = 0
	return s
}

// phaseRank orders phases by when they began; the time outside of all phases
// comes first.
func (m *merger) phaseRank(phase string) int {
	return slices.IndexFunc(m.out.Phases, func(p report.Phase) bool { return p.Name == phase })
}

// sortLists puts the lists into the order in which a single process writes them.
func (m *merger) sortLists() {
	r := m.out
	slices.SortFunc(r.Phases, func(a, b report.Phase) int {
		return cmp.Or(a.Start.Compare(b.Start), strings.Compare(a.Name, b.Name))
	})
	slices.SortFunc(r.Edges, func(a, b report.Edge) int {
		return cmp.Or(strings.Compare(a.From, b.From), strings.Compare(a.To, b.To))
	})
	slices.SortFunc(r.Services, func(a, b report.Service) int {
		return strings.Compare(a.Name, b.Name)
	})
	slices.SortFunc(r.Faults, func(a, b report.Fault) int {
		return cmp.Or(m.phaseRank(a.Phase)-m.phaseRank(b.Phase), strings.Compare(a.Phase, b.Phase),
			strings.Compare(a.Proxy, b.Proxy), strings.Compare(a.Toxic, b.Toxic),
			strings.Compare(a.Type, b.Type), strings.Compare(a.Mode, b.Mode))
	})
	slices.SortFunc(r.Seen, func(a, b report.Seen) int {
		return cmp.Or(m.phaseRank(a.Phase)-m.phaseRank(b.Phase), strings.Compare(a.Phase, b.Phase),
			strings.Compare(a.Proxy, b.Proxy),
			strings.Compare(a.Toxic, b.Toxic), strings.Compare(a.Type, b.Type),
			strings.Compare(a.Mode, b.Mode))
	})
}

// table orders the rows of a dimension as a single process does. A table whose
// only row is unnamed says nothing and is empty.
func (m *merger) table(dimension string, rows map[string]*report.Row) []report.Row {
	if len(rows) == 1 && rows[""] != nil {
		return []report.Row{}
	}
	out := make([]report.Row, 0, len(rows))
	for _, row := range rows {
		out = append(out, *row)
	}
	rank := func(key string) int {
		switch {
		case key == report.Other:
			return 2
		case dimension == "phase" && (key == "" || m.phaseRank(key) >= 0):
			return 0
		default:
			return 1
		}
	}
	slices.SortFunc(out, func(a, b report.Row) int {
		byPhase := 0
		if rank(a.Key) == 0 && rank(b.Key) == 0 {
			byPhase = m.phaseRank(a.Key) - m.phaseRank(b.Key)
		}
		return cmp.Or(rank(a.Key)-rank(b.Key), byPhase, compareKeys(a.Key, b.Key))
	})
	return out
}

// compareKeys orders numbers by value and all else by text.
func compareKeys(a, b string) int {
	x, errX := strconv.Atoi(a)
	y, errY := strconv.Atoi(b)
	if errX == nil && errY == nil {
		return cmp.Compare(x, y)
	}
	return strings.Compare(a, b)
}
