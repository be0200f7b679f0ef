package module

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.k6.io/k6/v2/metrics"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
	"github.com/xk6-continuity/xk6-continuity/toxics/server"
)

// upstream is the server of a VU as host:port.
func (v *vu) upstream() string { return strings.TrimPrefix(v.server.URL, "http://") }

// newShop is a VU with the proxy "shop" in front of its server.
func newShop(t *testing.T, init string) *vu {
	t.Helper()
	v := newInitVU(t)
	t.Cleanup(func() { v.module.run.exit() })
	require.NoError(t, v.tryInit("const shop = toxiproxy.proxy('shop', {upstream: '"+
		v.upstream()+"'});"+init))
	v.start()
	return v
}

// reportWarnings is what the report warns of.
func (v *vu) reportWarnings() []string {
	r := v.module.run
	r.early.deliver(r.builder) // as the start of a whole run does
	return r.builder.Report(time.Now()).Warnings
}

// faultRows is what the report says of toxics.
func (v *vu) faultRows() []report.Fault {
	v.tb.Helper()
	r := v.module.run
	r.faults.stop(r.warn)
	r.faults.report(r.builder, r.warn)
	return r.builder.Report(time.Now()).Faults
}

func TestScriptControlsToxics(t *testing.T) {
	t.Parallel()
	v := newShop(t, "")
	got := v.run(`
		const statuses = [];
		const get = () => statuses.push(http.get(shop.url + '/status/200').status);
		get();
		const toxic = shop.toxic({type: 'http_status', name: 'mine', attributes: {status: 418}});
		get();
		toxic.update({status: 503, every: 2});
		get(); get();
		toxic.remove();
		get();
		const again = shop.toxic({type: 'http_status', name: 'mine', attributes: {mode: 'replace'}});
		get();
		again.remove();
		const slow = shop.toxic({type: 'latency', attributes: {latency: 1}, toxicity: 1});
		get();
		slow.update({jitter: 1});
		slow.remove();
		shop.disable();
		get();
		shop.enable();
		get();
		return [statuses.join(), toxic.name, slow.name, shop.name, shop.url === 'http://' + shop.address];
	`).([]any)
	assert.Equal(t, []any{"200,418,200,503,200,503,200,0,200", "mine", "latency", "shop", true}, got)
	assert.Equal(t, []report.Fault{{
		Proxy: "shop", Toxic: "mine", Type: "http_status", Mode: "replace",
		Seen: 4, Selected: 3, Injected: 3, Marked: 3,
	}}, v.faultRows())
}

func TestScriptControlRefusesBadInput(t *testing.T) {
	t.Parallel()
	v := newShop(t, "")
	for code, want := range map[string]string{
		`shop.toxic({type: 'teapot'})`:                                       `type must be one of bandwidth`,
		`shop.toxic({kind: 'latency'})`:                                      `toxic.kind is not an option; accepted are attributes`,
		`shop.toxic({type: 7})`:                                              `toxic.type must be a string, got 7`,
		`shop.toxic()`:                                                       `type must be one of bandwidth`,
		`shop.toxic({type: 'http_status', attributes: 5})`:                   `toxic.attributes must be an object, got 5`,
		`shop.toxic({type: 'http_status', toxicity: 0.5})`:                   `stream and toxicity are for toxiproxy's own`,
		`shop.toxic({type: 'latency', toxicity: 'half'})`:                    `toxic.toxicity must be a number, got "half"`,
		`const t = shop.toxic({type: 'latency'}); t.remove(); t.remove()`:    `toxic not found`,
		`const t = shop.toxic({type: 'http_status'}); t.update({status: 1})`: `status must be between`,
		`toxiproxy.proxy('cart', {upstream: 'a:1'})`:                         `toxiproxy.proxy("cart") must be called in the init`,
		`toxiproxy.proxy('shop', {upstream: 'a:1'})`:                         `was called again with other options`,
		`toxiproxy.plan({})`:                                                 `toxiproxy.plan() must be called in the init context`,
	} {
		_, err := v.try(code)
		require.ErrorContains(t, err, want, code)
	}
	assert.Equal(t, true, v.run(
		`$error = undefined; return toxiproxy.proxy('shop', {upstream: '`+v.upstream()+`'}).url === shop.url`))
}

// TestInitRefusesBadInput: each in a fresh process.
func TestInitRefusesBadInput(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		`toxiproxy.proxy('a', {})`:                `toxiproxy.proxy("a").upstream must be host:port`,
		`toxiproxy.proxy('a', {upstream: 'b'})`:   `toxiproxy.proxy "a": upstream must be host:port or`,
		`toxiproxy.proxy('', {upstream: 'b:1'})`:  `name must not be empty`,
		`toxiproxy.proxy('a', {upstrem: 'b:1'})`:  `upstrem is not an option`,
		`toxiproxy.plan()`:                        `must be given a plan object or the text of a plan file`,
		`toxiproxy.plan('{')`:                     `toxiproxy.plan: parsing plan: unexpected EOF`,
		`toxiproxy.plan({name: 'p', phases: []})`: `phases must have at least one phase`,
		`toxiproxy.plan({name: 'p', phases: [{name: 'a', duration: '1s', toxics: [
			{proxy: 'x', type: 'latency'}]}]})`: `must be one of the proxies [], got "x"`,
		`const p = {name: 'p', phases: [{name: 'a', duration: '1s'}]}; toxiproxy.plan(p);
			toxiproxy.plan(p); p.name = 'q'; toxiproxy.plan(p)`: `a run has one plan`,
		`configure({toxiproxy: 'nowhere'}); toxiproxy.proxy('a', {upstream: 'b:1'})`:            `configure.toxiproxy (K6_CONTINUITY_TOXIPROXY): must be a URL`,
		`configure({toxiproxy: 'http://127.0.0.1:9'}); toxiproxy.proxy('a', {upstream: 'b:1'})`: `the toxiproxy at http://127.0.0.1:9 cannot be used`,
	} {
		v := newInitVU(t)
		require.ErrorContains(t, v.tryInit(code), want, code)
		v.module.run.exit()
	}
}

const planOfOne = `toxiproxy.plan({name: 'p', phases: [{name: 'storm', duration: '1h', toxics: [
	{proxy: 'shop', name: 'half', type: 'http_status', attributes: {every: 2}},
	{proxy: 'shop', name: 'never', type: 'http_status', attributes: {match: {path: '/none'}}}]}]});`

// TestPlanOfTheScript: its toxics are in before the first request is sent, and
// attempts, toxics and report agree on the phase.
func TestPlanOfTheScript(t *testing.T) {
	t.Parallel()
	v := newShop(t, planOfOne)
	got := v.run(`return [1, 2, 3, 4].map(() => http.get(shop.url + '/status/200').status).join()`)
	assert.Equal(t, "200,503,200,503", got)
	for _, a := range v.attempts() {
		assert.Equal(t, "storm", a.Labels.Phase)
	}
	rows := v.faultRows()
	require.Len(t, rows, 2)
	assert.Equal(t, report.Fault{
		Phase: "storm", Proxy: "shop", Toxic: "half", Type: "http_status", Mode: "abort",
		Seen: 4, Selected: 2, Injected: 2, Marked: 2,
	}, rows[0])
	assert.Empty(t, v.reportWarnings(), "both toxics met requests")
}

func TestPlanWhoseToxicMetNoRequest(t *testing.T) {
	t.Parallel()
	v := newShop(t, planOfOne)
	v.run(`http.get('SERVER/status/200')`) // past the proxy
	rows := v.faultRows()
	require.Len(t, rows, 2)
	assert.Zero(t, rows[0].Seen)
	assert.Equal(t, []string{
		`fault plan: in phase "storm" toxic "half" of proxy "shop" met no request`,
		`fault plan: in phase "storm" toxic "never" of proxy "shop" met no request`,
	}, v.reportWarnings())
}

// TestPlanOnARemoteToxiproxy is the same on a server of its own.
func TestPlanOnARemoteToxiproxy(t *testing.T) {
	t.Parallel()
	s, err := server.New(server.Config{Logger: zerolog.Nop()})
	require.NoError(t, err)
	api := httptest.NewServer(s.Handler())
	t.Cleanup(func() { api.Close(); s.Close() })
	v := newInitVU(t)
	require.NoError(t, v.tryInit(`configure({toxiproxy: '`+api.URL+`'});
		const shop = toxiproxy.proxy('shop', {upstream: '`+v.upstream()+`'});`+planOfOne))
	v.start()
	got := v.run(`
		const toxic = shop.toxic({type: 'http_status', name: 'mine', attributes: {match: {path: '/none'}}});
		return [1, 2, 3, 4].map(() => http.get(shop.url + '/status/200').status).join()`)
	assert.Equal(t, "200,503,200,503", got)
	assert.Len(t, s.Counts(), 3)
	rows := v.faultRows()
	require.Len(t, rows, 3)
	assert.EqualValues(t, 2, rows[0].Injected)
	v.module.run.exit()
	assert.Empty(t, s.Counts(), "the proxies have gone")
	assert.Empty(t, v.reportWarnings())
}

// TestSetupComesBeforeThePlan: requests of setup() do not start its clock.
func TestSetupComesBeforeThePlan(t *testing.T) {
	t.Parallel()
	v := newShop(t, planOfOne)
	v.state.Tags.Modify(setGroup("::setup"))
	assert.Equal(t, "200,200", v.run(
		`return [1, 2].map(() => http.get(shop.url + '/status/200').status).join()`))
	assert.Empty(t, v.module.run.phase())
	v.state.Tags.Modify(setGroup(""))
	assert.Equal(t, "200,503", v.run(
		`return [1, 2].map(() => http.get(shop.url + '/status/200').status).join()`))
	assert.Equal(t, "storm", v.module.run.phase())
}

func setGroup(path string) func(*metrics.TagsAndMeta) {
	return func(current *metrics.TagsAndMeta) {
		current.SetSystemTagOrMetaIfEnabled(&metrics.DefaultSystemTagSet, metrics.TagGroup, path)
	}
}
