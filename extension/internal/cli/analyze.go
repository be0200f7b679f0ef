package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/backend"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/join"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/verdict"
)

// analyzeFlags are the options of `analyze`.
type analyzeFlags struct {
	showFlags

	client string
	expect []string
}

func (e *edge) analyzeCommand() *cobra.Command {
	var f analyzeFlags
	cmd := &cobra.Command{
		Use:   "analyze GLOB…",
		Short: "Make a report of spans in files, after the fact",
		Long: "Reads OTLP/JSON files, as the Collector's file exporter writes them, and\n" +
			"judges every client span of the load in them, as a run would have. Quote patterns\n" +
			"to have them matched here. Phases, toxics and how far a failed request got come\n" +
			"from the traced client's own spans; those of another load generator do not have\n" +
			"them. Only a live run knows unsampled and excluded requests, which leave no\n" +
			"span, and what toxics did that the load did not see.",
		Example: "  k6 x continuity analyze 'spans/*.jsonl' --format json --output run.json\n" +
			"  k6 x continuity analyze spans.jsonl --client-service my-load-generator",
		Args: atLeast(1, "one or more files or patterns"),
		RunE: func(_ *cobra.Command, args []string) error { return e.analyze(args, f) },
	}
	f.add(cmd.Flags())
	cmd.Flags().StringVar(&f.client, "client-service", "",
		"service.name of the load (default: the client spans of k6/x/continuity)")
	cmd.Flags().StringSliceVar(&f.expect, "expect", nil,
		"services that must appear connected in every trace")
	return cmd
}

func (e *edge) analyze(globs []string, f analyzeFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	ctx, stop := e.interruptible()
	defer stop()
	a := analysis{edge: e, load: newLoad(f.client), globs: globs}
	r, err := a.run(ctx, f.expect)
	if err != nil {
		return unusable(err, "")
	}
	return e.writeReport(r, f.showFlags)
}

// analysis reads the files twice: first for the attempts, then for the spans
// that answer them, so that the order of spans in files does not matter.
type analysis struct {
	*edge

	load     *load
	globs    []string
	damage   string
	rejected uint64 // spans that are unusable for their ids
}

func (a *analysis) run(ctx context.Context, expect []string) (*report.Report, error) {
	err := a.read(ctx, a.load.take, a.load.testify)
	if err != nil {
		return nil, err
	}
	attempts := a.load.attempts()
	if len(attempts) == 0 {
		return nil, a.load.none()
	}
	// One instant for everything: the files are complete, nothing is waited for.
	now := a.load.end()
	store := join.New(join.Config{MaxTraces: len(attempts)})
	for i := range attempts {
		store.Open(attempts[i].TraceID, now)
		store.Attempt(attempts[i], now)
		store.Close(attempts[i].TraceID, now)
		if a.damage != "" {
			store.MarkPartial(attempts[i].TraceID, "damaged file: "+a.damage, now)
		}
	}
	err = a.read(ctx, func(batch []span.Record) { store.Spans(batch, now) }, nil)
	if err != nil {
		return nil, err
	}
	return a.judge(store, now, expect), nil
}

// read hands every span of every file to sink, and every line to line, if any.
func (a *analysis) read(
	ctx context.Context, sink func([]span.Record), line func([]byte),
) error {
	a.rejected = 0 // of the reading before
	for _, glob := range a.globs {
		full, err := a.path(glob)
		if err != nil {
			return err
		}
		files := backend.NewFiles(full)
		files.EachLine = line
		if err := files.Finish(ctx, sink); err != nil {
			return fmt.Errorf("analyzing %s: %w", glob, err)
		}
		s := files.Stats()
		a.damage = cmp.Or(a.damage, s.Damage)
		a.rejected += uint64(s.Rejected) //nolint:gosec // a count
	}
	return nil
}

func (a *analysis) judge(store *join.Store, now time.Time, expect []string) *report.Report {
	start := a.load.start()
	builder := report.NewBuilder(report.Run{
		ID: start.UTC().Format("20060102T150405Z") + "-analyze", Start: start,
		Source: "file=" + strings.Join(a.globs, ","),
	}, report.BuilderOptions{})
	judge := verdict.NewJudge(verdict.Options{Expect: expect})
	// Complete traces settle first, as in a run: they show who serves which
	// request. Long after the last attempt all others are due.
	for _, wait := range []time.Duration{time.Second, time.Hour} {
		for _, t := range store.Advance(now.Add(wait)) {
			t.SettleTime = 0 // nothing was waited for
			builder.Add(judge.Decide(t))
		}
	}
	s := store.Stats()
	builder.SetSpans(report.Spans{
		Received: s.Spans, Rejected: a.rejected, Foreign: s.Foreign, Redelivered: s.Redelivered,
		Late: s.Late, Truncated: s.Truncated, Evicted: s.Evicted,
	})
	if a.load.unread > 0 {
		builder.Warn(fmt.Sprintf("what the load says about its requests could not be read "+
			"in %d lines: phases, toxics and failed requests are unknown there", a.load.unread))
	}
	if a.damage != "" {
		builder.Warn("a file is damaged, attempts without spans are undecided: " + a.damage)
	}
	return builder.Report(now)
}

// none says what the files hold instead of client spans of the load.
func (l *load) none() error {
	if l.spans == 0 {
		return errors.New("the files hold no spans")
	}
	want := "of k6/x/continuity"
	if l.service != "" {
		want = fmt.Sprintf("of service %q", l.service)
	}
	return fmt.Errorf("the files hold %d spans, but no HTTP client span %s: "+
		"export the load's own spans too, or name its service with --client-service", l.spans, want)
}
