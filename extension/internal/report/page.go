package report

import (
	"cmp"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"
)

// page is what the template shows.
type page struct {
	*Report

	Policy                  string
	Style                   template.CSS
	ChartScript, PageScript template.JS

	Rate, Held, Broken, Length string
	Bad, Controlled            bool
	Facts                      []fact
	Findings                   []pageFinding
	VerdictLines               []verdictLine
	Tables                     []pageTable
	Timeline                   timeline
	FaultRows                  []faultRow
	Waterfalls                 []waterfall
	Lost                       uint64
	PhaseNames                 []string
	Edges                      []Edge
	MoreEdges, MoreExamples    int // that are not shown
}

// The bounds of the page, which may not be larger than 1.5 MB. The report's
// JSON has everything.
const (
	maxPageRows = 100 // of a table
	maxPageBars = 500 // of all waterfalls
	maxPageText = 80  // runes of a name
)

// short makes a string of others fit for the page.
func short(s string) string {
	runes := []rune(Printable(s))
	if len(runes) > maxPageText {
		return string(runes[:maxPageText-1]) + "…"
	}
	return string(runes)
}

// mostBroken keeps the rows of a table that matter most, in their order.
func mostBroken(rows []Row) (list []Row, more int) {
	if len(rows) <= maxPageRows {
		return rows, 0
	}
	order := make([]int, len(rows))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(rows[b].Broken, rows[a].Broken),
			cmp.Compare(rows[b].Attempts, rows[a].Attempts))
	})
	order = order[:maxPageRows]
	slices.Sort(order)
	for _, i := range order {
		list = append(list, rows[i])
	}
	return list, len(rows) - len(list)
}

// edgesWithOrphans keeps the edges that matter most.
func edgesWithOrphans(edges []Edge) (list []Edge, more int) {
	if len(edges) <= maxPageRows {
		return edges, 0
	}
	list = slices.Clone(edges)
	slices.SortStableFunc(list, func(a, b Edge) int { return cmp.Compare(b.Orphans, a.Orphans) })
	return list[:maxPageRows], len(edges) - maxPageRows
}

// addWaterfalls draws the examples. When there is not room for all, each
// verdict has its first ones drawn.
func (p *page) addWaterfalls(examples []Example) {
	bars, drawn := 0, make([]*waterfall, len(examples))
	for round, left := 0, true; left; round++ {
		left = false
		nth := make(map[string]int)
		for i, e := range examples {
			nth[e.Verdict]++
			if nth[e.Verdict] != round+1 {
				continue
			}
			left = true
			w := newWaterfall(e)
			if bars += len(w.Bars); bars > maxPageBars {
				p.MoreExamples++
				continue
			}
			drawn[i] = &w
		}
	}
	for _, w := range drawn {
		if w != nil {
			p.Waterfalls = append(p.Waterfalls, *w)
		}
	}
}

// fact is one line about the run.
type fact struct{ Name, Value string }

type pageFinding struct{ Class, Text string }

// pageTable is one table of verdicts.
type pageTable struct {
	ID, Title string
	Verdicts  []verdictLine
	Rows      []pageRow
	More      int // rows that are not shown
}

// pageRow is one row of a table of verdicts. Verdicts are the names of those
// that occurred, for the filter.
type pageRow struct {
	Key, Continuity         string
	Bad                     bool
	HeldShare, BrokenShare  string // of the bar's width
	BrokenFrom              string
	Counts                  []uint64
	Attempts, Retries       uint64
	P50, P95, P99, Verdicts string
}

type faultRow struct {
	Fault
	Found uint64 // marks, by the load
	Idle  bool
}

func newPage(r *Report) page {
	rate, held, broken := r.Continuity()
	p := page{
		Report: r, Rate: Percent(rate), Bad: broken > 0, Controlled: r.controlled(),
		Held: strconv.FormatUint(held, 10), Broken: strconv.FormatUint(broken, 10),
		Length: formatDuration(r.Run.Start, r.Run.End), Facts: r.facts(),
		VerdictLines: r.verdictLines(), Timeline: newTimeline(r),
		Lost: r.Spans.Failed + r.Spans.Dropped + r.Spans.InFlight,
	}
	if held+broken == 0 {
		p.Rate = "–"
	}
	for _, f := range r.findings() {
		class := "warn"
		if f.bad {
			class = classBroken
		}
		p.Findings = append(p.Findings, pageFinding{class, Printable(f.text)})
	}
	for _, dimension := range Dimensions() {
		if rows := r.By[dimension]; len(rows) > 0 {
			p.Tables = append(p.Tables, newPageTable(dimension, rows, p.VerdictLines))
		}
	}
	for _, f := range r.Faults {
		p.FaultRows = append(p.FaultRows, faultRow{f, r.seenOf(f), f.Injected == 0})
	}
	p.Edges, p.MoreEdges = edgesWithOrphans(r.Edges)
	p.addWaterfalls(r.Examples)
	for _, phase := range r.Phases {
		if !slices.Contains(p.PhaseNames, phase.Name) {
			p.PhaseNames = append(p.PhaseNames, phase.Name)
		}
	}
	return p
}

func newPageTable(dimension string, rows []Row, verdicts []verdictLine) pageTable {
	t := pageTable{ID: dimension, Title: dimension, Verdicts: verdicts}
	if dimension == "name" {
		t.Title = "request name"
	}
	rows, t.More = mostBroken(rows)
	for _, row := range rows {
		_, held, broken := row.Continuity()
		due := float64(max(1, held+broken))
		out := pageRow{
			Key: short(named(row.Key, unnamed(dimension))), Bad: broken > 0,
			Continuity:  shownContinuity(row.Counts),
			HeldShare:   percentage(float64(held) / due),
			BrokenFrom:  percentage(1 - float64(broken)/due),
			BrokenShare: percentage(float64(broken) / due),
			Attempts:    row.Attempts, Retries: row.Retries,
			P50: formatMS(row.Duration.Quantile(0.5)), P95: formatMS(row.Duration.Quantile(0.95)),
			P99: formatMS(row.Duration.Quantile(0.99)),
		}
		var names []string
		for _, v := range verdicts {
			n := row.Verdicts[v.Name]
			out.Counts = append(out.Counts, n)
			if n > 0 {
				names = append(names, v.Name)
			}
		}
		out.Verdicts = strings.Join(names, " ")
		t.Rows = append(t.Rows, out)
	}
	return t
}

// facts are the run's identity and conditions, without those that are unknown.
func (r *Report) facts() []fact {
	run := r.Run
	instances := ""
	if run.Instances > 1 {
		instances = strconv.Itoa(run.Instances)
	}
	list := []fact{
		{"run", run.ID},
		{"started", run.Start.UTC().Format("2006-01-02 15:04:05 UTC")},
		{"length", formatDuration(run.Start, run.End)},
		{"script", run.Script},
		{"script sha256", run.ScriptHash},
		{"plan", run.Plan},
		{"commit", run.Commit},
		{"k6", run.K6Version},
		{"xk6-continuity", run.Version},
		{"source", run.Source},
		{"sampling", run.Sampling},
		{"parts merged", instances},
		{"labels", pairs(run.Labels)},
		{"options", pairs(run.Options)},
	}
	list = slices.DeleteFunc(list, func(f fact) bool { return f.Value == "" })
	for i := range list {
		list[i].Value = Printable(list[i].Value)
	}
	return list
}

func pairs(m map[string]string) string {
	list := make([]string, 0, len(m))
	for key, value := range m {
		list = append(list, key+"="+value)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func formatMS(v float64) string {
	switch {
	case v == 0:
		return "0 ms"
	case v < 10:
		return strconv.FormatFloat(v, 'f', 2, 64) + " ms"
	case v < 10_000:
		return strconv.FormatFloat(v, 'f', 0, 64) + " ms"
	default:
		return strconv.FormatFloat(v/1000, 'f', 1, 64) + " s"
	}
}

func formatDuration(from, to time.Time) string {
	if from.IsZero() || to.IsZero() {
		return "–"
	}
	return to.Sub(from).Round(100 * time.Millisecond).String()
}
