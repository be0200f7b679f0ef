package module

import (
	"fmt"
	"time"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/backend"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/compare/interval"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

// tenantVariable names the tenant of a Tempo that has several, without the prefix.
const tenantVariable = "TENANT"

// parseSource reads configure.source.
func (r *run) parseSource() (backend.Spec, error) {
	spec, err := backend.ParseSource(r.settings.source)
	if err != nil {
		return spec, fmt.Errorf("configure.%w", err)
	}
	r.settings.source = spec.String() // without a password
	return spec, nil
}

// openSource opens a source of spans other than the embedded receiver.
func (r *run) openSource(spec backend.Spec) (err error) {
	tenant, _ := r.lookup(envPrefix + tenantVariable)
	r.feed, err = backend.NewFeed(spec, backend.FeedConfig{
		Settle: r.settings.settle, Sample: r.settings.sample, Store: r.store, Warn: r.warn,
		Query: backend.QueryConfig{Tenant: tenant}, Agent: r.userAgent,
	})
	return err
}

// userAgent is what k6 sends when the script sets none; empty before the first
// request. It is the same for all VUs of a test.
func (r *run) userAgent() string {
	if options := r.options.Load(); options != nil {
		return options.UserAgent.String
	}
	return ""
}

// closeFeed ends the feed, and says how sure its sample makes the result.
func (r *run) closeFeed() {
	r.feed.Close()
	asked, left := r.feed.Asked()
	if left == 0 {
		return
	}
	_, held, broken := r.builder.Report(time.Now()).Continuity()
	r.warn(sampled(asked, left, held, broken))
}

// sampled says what a sample proves of all. The interval is exact: nearly all
// traces hold, and there the usual approximations promise too much.
func sampled(asked, left, held, broken uint64) string {
	const level = 0.95
	i := interval.ClopperPearson(interval.Proportion{Hits: held, Trials: held + broken}, level)
	return fmt.Sprintf("the source was asked for a sample of %d of %d traces: with 95 %% "+
		"confidence the continuity of all is between %s and %s, if attempts break independently",
		asked, asked+left, report.Percent(i.Low), report.Percent(i.High))
}
