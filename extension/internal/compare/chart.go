package compare

import (
	"fmt"
	"math"
	"strings"
)

// The geometry of a trend chart, in pixels.
const (
	chartWidth  = 520
	chartHeight = 200
	chartLeft   = 64
	chartRight  = 500
	chartTop    = 14
	chartBottom = 168
)

// chart is one trend as the page draws it.
type chart struct {
	Title, Alt    string
	Width, Height int
	Ticks, Names  []mark
	Bands, Points []mark
	Line          string
}

// mark is one thing with a place.
type mark struct {
	X, Y, Y2     string
	Label, Class string
}

func newChart(t Trend, runs []Run) chart {
	c := chart{Title: name(t.Name), Width: chartWidth, Height: chartHeight}
	low, high := chartRange(t)
	y := func(v float64) string {
		return pixel(chartBottom - (v-low)/(high-low)*(chartBottom-chartTop))
	}
	for i := range 4 {
		v := low + float64(i)/3*(high-low)
		c.Ticks = append(c.Ticks, mark{
			X: pixel(chartRight), Y: y(v), Label: number(v, t.Unit) + suffix(t.Unit),
		})
	}
	var line, alt []string
	for i, v := range t.Values {
		x := pixel(chartLeft + (float64(i)+0.5)/float64(len(t.Values))*(chartRight-chartLeft))
		if every := (len(runs) + 7) / 8; i%every == 0 {
			label := cut(name(runs[i].Label), 12)
			c.Names = append(c.Names, mark{X: x, Y: pixel(chartHeight - 10), Label: label})
		}
		if v == nil {
			continue
		}
		label := name(runs[i].Label) + ": " + valueText(v, t.Unit)
		alt = append(alt, label)
		line = append(line, x+","+y(v.Value))
		c.Bands = append(c.Bands, mark{X: x, Y: y(v.Low), Y2: y(v.High)})
		point := mark{X: x, Y: y(v.Value), Label: label, Class: string(t.Marks[i])}
		c.Points = append(c.Points, point)
	}
	c.Line = strings.Join(line, " ")
	c.Alt = fmt.Sprintf("%s over %s: %s",
		c.Title, plural(len(runs), "run"), strings.Join(alt, "; "))
	return c
}

// chartRange returns the axis limits: all intervals and a margin, inside 0 to 1
// for rates and from 0 for durations when that is close.
func chartRange(t Trend) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, v := range t.Values {
		if v != nil {
			low, high = math.Min(low, v.Low), math.Max(high, v.High)
		}
	}
	if low > high {
		return 0, 1
	}
	margin := (high - low) / 10
	if margin == 0 {
		margin = math.Max(math.Abs(high)/10, 1e-9)
	}
	low, high = math.Max(0, low-margin), high+margin
	if t.Unit == UnitRate {
		high = math.Min(1, high)
		low = math.Min(low, 1-1e-6)
	}
	return low, high
}
