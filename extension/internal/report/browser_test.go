package report

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// browserTimeout bounds one test of the page, start of the browser included.
const browserTimeout = 2 * time.Minute

// findBrowser is the path of a Chromium. Without one the test is skipped, or
// fails where CONTINUITY_REQUIRE_BROWSER is set.
func findBrowser(t *testing.T) string {
	t.Helper()
	names := []string{os.Getenv("CONTINUITY_BROWSER"), "chromium", "chromium-browser", "google-chrome"}
	for _, name := range names {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	if os.Getenv("CONTINUITY_REQUIRE_BROWSER") != "" {
		t.Fatal("no Chromium found: install it, or name one in CONTINUITY_BROWSER")
	}
	t.Skip("no Chromium found: the page is not tested; make test-browser wants one")
	return ""
}

// tab is one page in the browser, with everything it complained about and asked for.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	problems []string
	requests []string
}

func newBrowser(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(findBrowser(t)),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1280, 900),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("force-device-scale-factor", "1"),
		chromedp.WSURLReadTimeout(browserTimeout))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Run(ctx), "starting the browser")
	return ctx
}

// open shows a report from a file.
func open(browser context.Context, t *testing.T, r *Report, before ...chromedp.Action) *tab {
	t.Helper()
	path := filepath.Join(t.TempDir(), "report.html")
	require.NoError(t, os.WriteFile(path, []byte(html(t, r, HTMLOptions{TraceURL: traceUI})), 0o600))
	return openFile(browser, t, path, before...)
}

func openFile(browser context.Context, t *testing.T, path string, before ...chromedp.Action) *tab {
	t.Helper()
	ctx, cancel := context.WithTimeout(browser, browserTimeout)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	p := &tab{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, p.listen)
	p.run(network.Enable(), log.Enable(), runtime.Enable())
	p.run(before...)
	p.run(chromedp.Navigate((&url.URL{Scheme: "file", Path: path}).String()))
	p.run(chromedp.WaitReady("body"))
	return p
}

func (p *tab) listen(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.problems = append(p.problems, "exception: "+e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		p.problems = append(p.problems, fmt.Sprintf("console.%s", e.Type))
	case *log.EventEntryAdded:
		p.problems = append(p.problems, fmt.Sprintf("%s: %s", e.Entry.Source, e.Entry.Text))
	case *cdppage.EventJavascriptDialogOpening:
		p.problems = append(p.problems, "dialog: "+e.Message)
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, e.Request.URL)
	}
}

func (p *tab) run(actions ...chromedp.Action) {
	p.t.Helper()
	require.NoError(p.t, chromedp.Run(p.ctx, actions...))
}

// eval evaluates an expression of the page's own world.
func eval[T any](p *tab, expression string) T {
	p.t.Helper()
	var out T
	p.run(chromedp.Evaluate(expression, &out))
	return out
}

// quiet wants a page that complained about nothing and asked for nothing but
// itself.
func (p *tab) quiet() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	assert.Empty(p.t, p.problems)
	require.Len(p.t, p.requests, 1)
	assert.True(p.t, strings.HasPrefix(p.requests[0], "file://"), p.requests[0])
}

// colors counts the different colours of a chart's canvas.
const colors = `(id) => { const c = document.querySelector(id + " canvas"),
	d = new Uint32Array(c.getContext("2d").getImageData(0, 0, c.width, c.height).data.buffer);
	return new Set(d).size }`

const visible = `(selector) => [...document.querySelectorAll(selector)]
	.filter((e) => e.checkVisibility()).length`

func (p *tab) visible(selector string) int {
	p.t.Helper()
	return eval[int](p, fmt.Sprintf("(%s)(%q)", visible, selector))
}

//nolint:paralleltest,tparallel // the tests share one browser and one machine
func TestBrowser(t *testing.T) {
	t.Parallel()
	browser := newBrowser(t)
	for name, test := range map[string]func(context.Context, *testing.T){
		"loads quietly and draws":            testLoads,
		"filters by keyboard and mouse":      testFilter,
		"opens waterfalls":                   testWaterfalls,
		"reads charts by keyboard":           testChartKeys,
		"runs nothing hostile":               testHostile,
		"fits narrow screens, light or dark": testScreens,
		"prints":                             testPrint,
		"shows the largest report":           testLargest,
		"works without charts":               testQuiet,
	} {
		t.Run(name, func(t *testing.T) { test(browser, t) })
	}
}

func testLoads(browser context.Context, t *testing.T) {
	t.Helper()
	p := open(browser, t, made(plainNames()))
	for _, id := range []string{"#plot-continuity", "#plot-requests", "#plot-latency"} {
		assert.Greater(t, eval[int](p, fmt.Sprintf("(%s)(%q)", colors, id)), 10, "%s is blank", id)
	}
	assert.Equal(t, "503s", eval[string](p, `document.querySelector("#phases .faulty").textContent`))
	assert.Equal(t, []string{}, eval[[]string](p, `[...document.querySelectorAll("[id]")].map((e) => e.id)
		.filter((id, i, all) => all.indexOf(id) !== i)`), "ids must be unique")
	assert.Zero(t, eval[int](p, `[...document.querySelectorAll("input,select,button")]
		.filter((e) => !(e.labels && e.labels.length) && !e.textContent.trim()).length`), "controls need names")
	p.quiet()
}

func testFilter(browser context.Context, t *testing.T) {
	t.Helper()
	p := open(browser, t, made(plainNames()))
	all := p.visible("details.example")
	require.Greater(t, all, 5)

	p.run(chromedp.KeyEvent("/"))
	assert.Equal(t, "filter-text", eval[string](p, "document.activeElement.id"))
	p.run(chromedp.KeyEvent("another trace no one has"))
	assert.Zero(t, p.visible("details.example"))
	assert.Equal(t, 1, p.visible("#no-example"))
	assert.Regexp(t, `^0 of \d+ rows, 0 of \d+ examples$`, eval[string](p, `document.getElementById("filter-count").textContent`))
	p.run(chromedp.KeyEvent(kb.Escape))
	p.run(chromedp.Poll(`document.getElementById("filter-count").textContent === ""`, nil))
	assert.Equal(t, all, p.visible("details.example"))

	p.run(chromedp.SetValue("#filter-verdict", "missing"),
		chromedp.Evaluate(`document.getElementById("filter-verdict").dispatchEvent(new Event("input", {bubbles: true}))`, nil))
	assert.Equal(t, 2, p.visible("details.example"))
	assert.Equal(t, 1, p.visible("section[aria-labelledby=verdicts] tbody tr"))
	assert.Equal(t, 1, p.visible("section[aria-labelledby=by-phase] tbody tr"))
	p.run(chromedp.Click(".filter button[type=reset]"))
	p.run(chromedp.Poll(`document.getElementById("filter-count").textContent === ""`, nil))

	p.run(chromedp.Focus("#filter-phase"), chromedp.KeyEvent("recovery"))
	assert.Equal(t, "recovery", eval[string](p, `document.getElementById("filter-phase").value`))
	assert.Equal(t, 1, p.visible("section[aria-labelledby=by-phase] tbody tr"))
	assert.Less(t, p.visible("details.example"), all)
	p.quiet()
}

func testWaterfalls(browser context.Context, t *testing.T) {
	t.Helper()
	p := open(browser, t, made(plainNames()))
	const first = "details.example:nth-of-type(1)"
	assert.Zero(t, p.visible(".waterfall"))
	p.run(chromedp.Click(first + " summary"))
	assert.Equal(t, 1, p.visible(".waterfall"))
	assert.Equal(t, 1, p.visible(first+" .absent rect"))
	assert.Equal(t, "SERVER span missing", eval[string](p, `document.querySelector(".absent th").textContent`))
	assert.Regexp(t, "^http://localhost:16686/trace/4b[0-9a-f]{30}$",
		eval[string](p, fmt.Sprintf("document.querySelector(%q).href", first+" a")))

	p.run(chromedp.Focus("details.example:nth-of-type(2) summary"), chromedp.KeyEvent(kb.Enter))
	assert.Equal(t, 2, p.visible(".waterfall"))
	p.run(chromedp.KeyEvent(" "))
	assert.Equal(t, 1, p.visible(".waterfall"))
	p.quiet()
}

func testChartKeys(browser context.Context, t *testing.T) {
	t.Helper()
	p := open(browser, t, made(plainNames()))
	value := func() string {
		return eval[string](p, `document.getElementById("plot-requests").getAttribute("aria-valuetext")`)
	}
	assert.Equal(t, "0:00, phase baseline: all 10/s, errors 0/s, broken traces 0/s", value())
	p.run(chromedp.Focus("#plot-requests"), chromedp.KeyEvent(kb.ArrowRight+kb.ArrowRight))
	assert.Contains(t, value(), "0:02, phase baseline: all ")
	assert.Contains(t, eval[string](p, `document.querySelector("#plot-latency .legend").textContent`), "at 0:02",
		"the charts share one cursor")
	p.run(chromedp.KeyEvent(kb.End))
	assert.Contains(t, value(), "phase recovery")
	assert.Contains(t, value(), "0:59")
	p.run(chromedp.KeyEvent(kb.Home))
	assert.Contains(t, value(), "0:00")
	p.quiet()
}

func testHostile(browser context.Context, t *testing.T) {
	t.Helper()
	p := open(browser, t, made(hostileNames()))
	p.run(chromedp.Evaluate(`document.querySelectorAll("details").forEach((d) => { d.open = true })`, nil))
	assert.Equal(t, "undefined", eval[string](p, "typeof window.hacked"))
	assert.Zero(t, eval[int](p, `document.querySelectorAll("main img, main script:not(#series), main iframe").length`))
	assert.Positive(t, eval[int](p, fmt.Sprintf("[...document.querySelectorAll('th')].filter((e) => e.textContent.includes(%q)).length",
		`<img src=x onerror="window.hacked=2">`)), "the name must be shown as text")
	p.run(chromedp.Evaluate(`document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.hacked=5'>")`, nil))
	p.run(chromedp.Poll(`document.images.length === 1`, nil))
	assert.Equal(t, "undefined", eval[string](p, "typeof window.hacked"), "the policy must hold even if escaping failed")
}

// testScreens writes what it saw to CONTINUITY_SCREENSHOTS, when it is set.
func testScreens(browser context.Context, t *testing.T) {
	t.Helper()
	for name, c := range map[string]struct {
		width, height int64
		scheme        string
	}{
		"light": {1280, 900, "light"}, "dark": {1280, 900, "dark"},
		"narrow": {390, 844, "light"}, "narrow-dark": {390, 844, "dark"},
	} {
		media := emulation.SetEmulatedMedia().
			WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: c.scheme}})
		p := open(browser, t, made(plainNames()), media, chromedp.EmulateViewport(c.width, c.height))
		p.run(chromedp.Click("details.example:nth-of-type(2) summary"))
		assert.LessOrEqual(t, eval[int](p, "document.documentElement.scrollWidth"), int(c.width), "%s scrolls sideways", name)
		background := eval[string](p, `getComputedStyle(document.body).backgroundColor`)
		assert.Equal(t, c.scheme == "dark", background == "rgb(18, 22, 27)", name)
		p.quiet()
		if dir := os.Getenv("CONTINUITY_SCREENSHOTS"); dir != "" {
			var picture []byte
			p.run(chromedp.FullScreenshot(&picture, 100))
			require.NoError(t, os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o600))
		}
	}
}

func testPrint(browser context.Context, t *testing.T) {
	t.Helper()
	p := open(browser, t, made(plainNames()), emulation.SetEmulatedMedia().
		WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}))
	var document []byte
	p.run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		document, _, err = cdppage.PrintToPDF().WithPrintBackground(true).Do(ctx)
		return err
	}))
	assert.Equal(t, "%PDF-", string(document[:5]))
	assert.Empty(t, eval[string](p, "document.documentElement.className"), "printing leaves no trace")
	assert.Zero(t, p.visible(".waterfall"), "what was folded is folded again")
	if dir := os.Getenv("CONTINUITY_SCREENSHOTS"); dir != "" {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "print.pdf"), document, 0o600))
	}
	p.quiet()
}

func testLargest(browser context.Context, t *testing.T) {
	t.Helper()
	p := open(browser, t, largest(t))
	assert.Greater(t, eval[int](p, fmt.Sprintf("(%s)(%q)", colors, "#plot-latency")), 10)
	p.run(chromedp.KeyEvent("/"), chromedp.KeyEvent("/399"))
	assert.Equal(t, 100, p.visible("section[aria-labelledby=by-name] tbody tr")+
		eval[int](p, `document.querySelectorAll("section[aria-labelledby=by-name] tbody tr[hidden]").length`))
	p.quiet()
}

func testQuiet(browser context.Context, t *testing.T) {
	t.Helper()
	p := open(browser, t, NewBuilder(Run{Start: start()}, BuilderOptions{}).Report(start()))
	assert.Equal(t, 1, p.visible("#filter-text"))
	p.quiet()
}
