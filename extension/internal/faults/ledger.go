package faults

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"github.com/xk6-continuity/xk6-continuity/toxics"
)

// Row is what one HTTP toxic counted during one phase; the phase is empty outside
// of a plan. See [toxics.Counts] for what the numbers say of each other.
type Row struct {
	Phase, Proxy, Toxic, Type, Mode string
	toxics.Counts
}

// Ledger divides the counters of toxics, which only grow, among the phases. The
// zero value is ready. It is safe for concurrent use.
//
// What a toxic of a plan counts belongs to the phase that put it in: requests
// that were under way when the phase ended are not lost, and are not another's.
// What a toxic of the script counts is divided at the start of each phase. Beyond
// maxScript toxics of the script, the others of a proxy and type share one row.
type Ledger struct {
	reading sync.Mutex // held while counters are read and told; before mu

	mu     sync.Mutex
	marks  map[toxicKey][]mark
	phase  string
	last   map[toxicKey]Counters // as they were read last
	script map[toxicKey]bool
	full   bool // the script has put in more than maxScript
	added  int  // marks
}

// maxScript bounds the toxics that a script is followed in by name. The hub of a
// proxy has the same bound.
const maxScript = toxics.MaxEntries

type toxicKey struct{ proxy, name, kind, phase string }

// mark is the start of a row.
type mark struct {
	phase, mode string
	base        toxics.Counts
	planned     bool
	order       int // of the rows
}

// Reading calls what reads counters and tells the ledger, one at a time. Counters that were
// read before a phase began and come behind it would look as if they had started anew.
func (l *Ledger) Reading(read func()) {
	l.reading.Lock()
	defer l.reading.Unlock()
	read()
}

// key is the key under which the toxic counts.
func (t Toxic) key() toxicKey {
	phase, _ := t.Attributes["phase"].(string)
	return toxicKey{t.Proxy, t.Name, t.Type, phase}
}

// read remembers the counters of now; nil are some that could not be read. The lock is
// held.
func (l *Ledger) read(now []Counters) {
	if now == nil {
		return
	}
	l.last = make(map[toxicKey]Counters, len(now))
	for _, c := range now {
		l.last[toxicKey{c.Proxy, c.Name, c.Type, c.Phase}] = c
	}
}

func (l *Ledger) add(key toxicKey, m mark) {
	if l.marks == nil {
		l.marks = make(map[toxicKey][]mark)
	}
	current := l.last[key]
	if marks := l.marks[key]; len(marks) > 0 && current.Mode != "" {
		marks[len(marks)-1].mode = current.Mode
	}
	l.added++
	m.base, m.order = current.Counts, l.added
	l.marks[key] = append(l.marks[key], m)
}

// Enter starts a phase with the counters as they are before its toxics come in.
func (l *Ledger) Enter(phase string, planned []Toxic, now []Counters) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.read(now)
	l.phase = phase
	for i := range planned {
		if toxics.IsHTTP(planned[i].Type) {
			l.add(planned[i].in(phase).key(), mark{phase: phase, planned: true})
		}
	}
	for key := range l.script {
		if marks := l.marks[key]; marks[len(marks)-1].phase != phase {
			l.add(key, mark{phase: phase})
		}
	}
}

// Script says that the script is about to put a toxic in.
func (l *Ledger) Script(t Toxic, now []Counters) {
	if t.Name == "" {
		t.Name = t.Type
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	key := t.key()
	if l.script[key] || !toxics.IsHTTP(t.Type) {
		return
	}
	if len(l.script) >= maxScript {
		l.full = true
		return
	}
	if l.script == nil {
		l.script = make(map[toxicKey]bool)
	}
	l.script[key] = true
	l.read(now)
	l.add(key, mark{phase: l.phase})
}

// Unmet lists the running phase's planned toxics that met no request.
func (l *Ledger) Unmet(now []Counters) []Row {
	return slices.DeleteFunc(l.Rows(now), func(r Row) bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		_, planned := l.marks[toxicKey{r.Proxy, r.Toxic, r.Type, l.phase}]
		return r.Seen > 0 || r.Phase != l.phase || !planned || l.phase == ""
	})
}

// Rows lists what all toxics have counted by now: by proxy, toxic and type, and
// for each in the order of the phases. Nil stands for the counters as they were
// read last.
func (l *Ledger) Rows(now []Counters) []Row {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.read(now)
	var rows []ordered
	for key, marks := range l.marks {
		current, known := l.last[key]
		if _, shared := l.last[toxicKey{key.proxy, toxics.Others, key.kind, ""}]; shared && !known {
			continue // it counts there
		}
		for i := range marks {
			end := current.Counts
			if i+1 < len(marks) {
				end = marks[i+1].base
			} else if current.Mode != "" {
				marks[i].mode = current.Mode
			}
			row := marks[i].row(key, end)
			if row.Seen > 0 || marks[i].planned || len(marks) == 1 {
				rows = append(rows, ordered{row, marks[i].order})
			}
		}
	}
	return sorted(append(rows, l.others()...))
}

// others are the rows of the toxics that are not followed by name. The lock is
// held.
func (l *Ledger) others() []ordered {
	all := make(map[toxicKey]Counters)
	for key, c := range l.last {
		if _, followed := l.marks[key]; followed || !l.full && key.name != toxics.Others {
			continue
		}
		key.name, key.phase = toxics.Others, ""
		sum := all[key]
		sum.Counts = sum.Plus(c.Counts)
		sum.PassedThrough, sum.Unpaired = c.PassedThrough, c.Unpaired // the same for all
		sum.Mode = c.Mode
		all[key] = sum
	}
	rows := make([]ordered, 0, len(all))
	for key, sum := range all {
		rows = append(rows, ordered{(&mark{mode: sum.Mode}).row(key, sum.Counts), 0})
	}
	return rows
}

// ordered is a row with its place among those of the same toxic.
type ordered struct {
	Row
	order int
}

func sorted(rows []ordered) []Row {
	slices.SortFunc(rows, func(a, b ordered) int {
		return cmp.Or(strings.Compare(a.Proxy, b.Proxy), strings.Compare(a.Toxic, b.Toxic),
			strings.Compare(a.Type, b.Type), cmp.Compare(a.order, b.order))
	})
	out := make([]Row, 0, len(rows))
	for _, row := range rows {
		out = append(out, row.Row)
	}
	return out
}

// row is what was counted from the mark to the end.
func (m *mark) row(key toxicKey, end toxics.Counts) Row {
	return Row{
		Phase: m.phase, Proxy: key.proxy, Toxic: key.name, Type: key.kind, Mode: m.mode,
		Counts: end.Since(m.base),
	}
}
