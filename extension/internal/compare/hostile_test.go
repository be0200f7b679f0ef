package compare

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
)

// hostile is a name as a service may choose it.
const hostile = "<script>alert(1)</script>|`x``| @everyone [a](http://evil.example) " +
	"\x1b[2J\x1b]0;title\a\u202e\u2066 ![i](x)\r\n# heading &amp; \xff\""

// hostileComparison has the name in every place that takes a string of others.
func hostileComparison() *Comparison {
	v := &Value{Value: 0.5, Low: 0.4, High: 0.6, Hits: 50, Total: 100}
	row := rateRow(hostile, of(5000, 10000), of(4000, 10000), 0.95, HigherIsBetter)
	example := Example{
		TraceID: hostile, SpanID: hostile, Verdict: hostile, Reason: hostile, Phase: hostile,
		Name: hostile, Method: hostile, Service: hostile, Attempt: 2, Status: 500,
	}
	head := Head{
		Label:     hostile,
		Tables:    []Table{{Title: tableRun, Rows: []Row{row}}, {Title: tableEdges, Dimension: "edge", Rows: []Row{row}}},
		NewBreaks: []NewBreak{{Kind: "restarted", Where: hostile, Count: 1, Of: 2, Examples: []Example{example}}},
	}
	run := Run{Label: hostile, ID: hostile, Commit: hostile, Start: time.Unix(0, 0), Continued: v}
	return &Comparison{
		Schema: SchemaVersion, Runs: []Run{run, run, run}, Heads: []Head{head, head},
		Warnings:    []Warning{{hostile, "script", hostile, hostile}},
		Trends:      []Trend{{Name: hostile, Unit: UnitRate, Values: []*Value{v, v, nil}, Marks: []Mark{MarkEqual, MarkWorse, MarkUnknown}}},
		Regressions: []Finding{{hostile, hostile}},
		Exit:        1,
	}
}

func TestTextObeysNoControlSequence(t *testing.T) {
	t.Parallel()
	for _, gates := range []bool{false, true} {
		c := hostileComparison()
		if gates {
			c.Gates = []GateResult{{Run: hostile, Gate: hostile, Detail: hostile}}
		}
		var b bytes.Buffer
		require.NoError(t, WriteText(&b, c, TextOptions{}))
		assertPlain(t, b.String())
		assert.Contains(t, b.String(), `\x1b[2J`)
		assertPlain(t, c.Verdict())
		assert.NotContains(t, c.Verdict(), "\n")
	}
}

// assertPlain wants nothing but printable characters and line feeds.
func assertPlain(t *testing.T, text string) {
	t.Helper()
	for i, r := range text {
		if r < 0x20 && r != '\n' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			t.Fatalf("control character %q after %q", r, text[max(0, i-80):i])
		}
	}
}

func TestMarkdownKeepsNamesInCodeSpans(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	c := hostileComparison()
	require.NoError(t, WriteMarkdown(&b, c))
	c.Gates = []GateResult{{Run: hostile, Gate: hostile, Detail: hostile}}
	require.NoError(t, WriteMarkdown(&b, c))
	assertPlain(t, b.String())
	for text := range strings.SplitSeq(b.String(), "\n") {
		outside := withoutCodeSpans(text)
		assert.NotContains(t, outside, "script>", text)
		assert.NotContains(t, outside, "@everyone", text)
		assert.NotContains(t, outside, "](", text)
		assert.NotContains(t, outside, "heading", text)
	}
}

// withoutCodeSpans removes code spans by CommonMark's rule: a run of backticks
// up to the next run of the same length.
func withoutCodeSpans(text string) string {
	ticks := regexp.MustCompile("`+")
	var b strings.Builder
	for {
		open := ticks.FindStringIndex(text)
		if open == nil {
			return b.String() + text
		}
		fence := text[open[0]:open[1]]
		b.WriteString(text[:open[0]])
		text = text[open[1]:]
		for {
			closing := ticks.FindStringIndex(text)
			if closing == nil {
				return b.String() + fence + text
			}
			run := text[closing[0]:closing[1]]
			text = text[closing[1]:]
			if run == fence {
				break
			}
		}
	}
}

func TestMarkdownTablesKeepTheirColumns(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	require.NoError(t, WriteMarkdown(&b, hostileComparison()))
	columns := -1
	for text := range strings.SplitSeq(b.String(), "\n") {
		if !strings.HasPrefix(text, "|") {
			columns = -1
			continue
		}
		// In a table a pipe separates cells even inside code, unless escaped (GFM 4.10).
		cells := strings.Count(strings.ReplaceAll(text, `\|`, ""), "|") - 1
		if columns >= 0 {
			assert.Equal(t, columns, cells, text)
		}
		columns = cells
	}
}

func TestHTMLHasNoForeignElementAndAStrictPolicy(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	c := hostileComparison()
	c.Gates = []GateResult{{Run: hostile, Gate: hostile, Detail: hostile}}
	require.NoError(t, WriteHTML(&b, c))
	policy := ""
	tokens := html.NewTokenizer(bytes.NewReader(b.Bytes()))
	for {
		kind := tokens.Next()
		if kind == html.ErrorToken {
			require.ErrorIs(t, tokens.Err(), io.EOF)
			break
		}
		token := tokens.Token()
		switch token.Data {
		case "script", "img", "a", "iframe", "object", "link":
			if kind == html.StartTagToken || kind == html.SelfClosingTagToken {
				t.Errorf("unexpected element %v", token)
			}
		}
		for _, a := range token.Attr {
			assert.False(t, a.Key == "style" || strings.HasPrefix(a.Key, "on"), "%v", token)
			if a.Key == "content" && strings.Contains(a.Val, "default-src") {
				policy = a.Val
			}
		}
	}
	_, style, _ := strings.Cut(b.String(), "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	assert.Contains(t, policy, base64.StdEncoding.EncodeToString(sum[:]), "the hash of the style as written")
	assert.Regexp(t, `^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; base-uri 'none'`, policy)
	assertPlain(t, b.String())
}

func TestJSONSurvivesHostileNames(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	require.NoError(t, WriteJSON(&b, hostileComparison()))
	var back Comparison
	require.NoError(t, json.Unmarshal(b.Bytes(), &back))
	assert.Equal(t, strings.ToValidUTF8(hostile, "\ufffd"), back.Runs[0].ID)
}

func TestPercentNeverRoundsSomethingToNothing(t *testing.T) {
	t.Parallel()
	for rate, want := range map[float64]string{
		1: "100.00", 0: "0.00", 0.5: "50.00", 0.9999: "99.99", 0.99999: "99.999",
		0.9999999: "99.99999", 1e-7: "0.00001", -1e-5: "-0.001", 0.0123: "1.23",
	} {
		assert.Equal(t, want, percent(rate))
	}
}

func TestLongNamesAreCutInTheMiddle(t *testing.T) {
	t.Parallel()
	got := name(strings.Repeat("a", 100) + "end")
	assert.Len(t, []rune(got), 79)
	assert.True(t, strings.HasSuffix(got, "end"))
}
