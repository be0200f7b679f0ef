package report

import (
	"crypto/sha256"
	_ "embed" // the page's template, style and scripts
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"net/url"
	"strings"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

//go:embed assets/report.html.tmpl
var pageTemplate string

//go:embed assets/report.css
var pageStyle string

//go:embed assets/report.js
var pageScript string

// The chart library, see scripts/vendor-uplot.sh.
var (
	//go:embed assets/uplot/uPlot.iife.min.js
	chartScript string
	//go:embed assets/uplot/uPlot.min.css
	chartStyle string
)

// HTMLOptions sets what the page links to.
type HTMLOptions struct {
	// TraceURL is the user's trace UI, an http or https address with {trace_id}
	// for the id; anything else makes no links.
	TraceURL string
}

// WriteHTML writes the report as one page that needs no network. Its content
// security policy runs the two scripts that this package embeds, by their
// hashes, and nothing else, whatever a service put into its names.
func WriteHTML(w io.Writer, r *Report, o HTMLOptions) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"ms":       formatMS,
		"text":     Printable,
		"short":    short,
		"percent":  Percent,
		"traceURL": func(id tracecontext.TraceID) string { return traceURL(o.TraceURL, id) },
	}).Parse(pageTemplate)
	if err != nil {
		return fmt.Errorf("parsing the report's page: %w", err)
	}
	p := newPage(r)
	style := chartStyle + "\n" + pageStyle
	p.Style = template.CSS(style)            //nolint:gosec // embedded at build time
	p.ChartScript = template.JS(chartScript) //nolint:gosec // embedded at build time
	p.PageScript = template.JS(pageScript)   //nolint:gosec // embedded at build time
	p.Policy = policy(style, chartScript, pageScript)
	if err := t.Execute(w, p); err != nil {
		return fmt.Errorf("writing the report's page: %w", err)
	}
	return nil
}

// policy is a content security policy that allows one inline style and some
// inline scripts by their hashes (https://www.w3.org/TR/CSP3/#grammardef-hash-source).
func policy(style string, scripts ...string) string {
	hashes := make([]string, len(scripts))
	for i, s := range scripts {
		hashes[i] = hash(s)
	}
	return "default-src 'none'; style-src " + hash(style) +
		"; script-src " + strings.Join(hashes, " ") + "; base-uri 'none'; form-action 'none'"
}

func hash(source string) string {
	sum := sha256.Sum256([]byte(source))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// traceURL fills the user's link template, or returns nothing for a template
// that is no plain web address: a report holds no credential.
func traceURL(pattern string, id tracecontext.TraceID) string {
	filled := strings.ReplaceAll(pattern, "{trace_id}", id.String())
	u, err := url.Parse(filled)
	if err != nil || u.User != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return ""
	}
	return filled
}
