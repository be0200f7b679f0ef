package verdict

import (
	"cmp"
	"slices"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// settleStrays gives SERVER spans that belong to nobody to attempts that were
// due and got none. It is inference: a stray is under the operation's id, or
// has no parent at all, or is one too many below another attempt, or has an
// unknown parent and is of the service that the attempt was sent to. The attempt
// with the span's own status is preferred, then the first.
func (f *family) settleStrays() {
	if f.early() {
		return
	}
	f.needy = f.unserved()
	if len(f.needy) == 0 {
		return
	}
	candidates := f.candidates()
	for _, r := range candidates {
		f.lend(r, func(a *span.Attempt) bool { return r.Status != 0 && r.Status == a.Status })
	}
	for _, r := range candidates {
		f.lend(r, func(*span.Attempt) bool { return true })
	}
	f.lost = f.countLost()
}

// lend gives a stray to the first attempt that it fits, once.
func (f *family) lend(r *span.Record, fits func(*span.Attempt) bool) {
	if f.lent[r] {
		return
	}
	i := slices.IndexFunc(f.needy, func(a *span.Attempt) bool {
		return f.strays[a] == nil && sameMethod(r, a) && f.isStray(r, a) && fits(a)
	})
	if i >= 0 {
		if f.lent == nil {
			f.strays, f.lent = map[*span.Attempt]*span.Record{}, map[*span.Record]bool{}
		}
		f.strays[f.needy[i]], f.lent[r] = r, true
	}
}

// unserved are the attempts that were due and have no SERVER span of their own.
func (f *family) unserved() []*span.Attempt {
	var out []*span.Attempt
	for i := range f.trace.Attempts {
		a := &f.trace.Attempts[i]
		if join.IsDue(a) && len(f.children(a)) == 0 && f.server(a) == nil {
			out = append(out, a)
		}
	}
	slices.SortStableFunc(out, func(a, b *span.Attempt) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), slices.Compare(a.SpanID[:], b.SpanID[:]))
	})
	return out
}

// candidates are the SERVER spans without a claim that may be strays.
func (f *family) candidates() []*span.Record {
	var out []*span.Record
	surplus := f.surplus()
	for _, r := range f.services {
		if r.Kind != span.KindServer || !r.Claim.IsZero() {
			continue
		}
		if f.own[r.ParentID] || r.ParentID.IsZero() || f.isOrphan(r) ||
			slices.Contains(surplus, r) {
			out = append(out, r)
		}
	}
	return out
}

func (f *family) isStray(r *span.Record, a *span.Attempt) bool {
	if f.isOrphan(r) {
		return r.Descriptor.Service != "" && r.Descriptor.Service == a.Labels.Service
	}
	return true
}

// surplus are the SERVER spans below an attempt beyond those that it was sent
// for. The one with the attempt's own status is its own.
func (f *family) surplus() []*span.Record {
	var out []*span.Record
	for i := range f.trace.Attempts {
		a := &f.trace.Attempts[i]
		servers := f.servers(a)
		if len(servers) <= max(1, int(a.Sends)) {
			continue
		}
		slices.SortStableFunc(servers, func(x, y *span.Record) int {
			return rank(x, a) - rank(y, a)
		})
		out = append(out, servers[max(1, int(a.Sends)):]...)
	}
	return out
}

// rank is lower for a span that more likely handled the attempt.
func rank(r *span.Record, a *span.Attempt) int {
	switch {
	case r.Claims(a):
		return 0
	case r.Status == a.Status:
		return 1
	default:
		return 2
	}
}

func sameMethod(r *span.Record, a *span.Attempt) bool {
	return r.Descriptor.Method == "" || a.Labels.Method == "" ||
		r.Descriptor.Method == a.Labels.Method
}
