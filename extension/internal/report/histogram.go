package report

import (
	"encoding/json"
	"fmt"
	"sort"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// The range of a histogram: 1 µs to 1 h, with two significant figures, or one
// for the many small ones of the series.
const (
	minMicros     = 1
	maxMicros     = int64(time.Hour / time.Microsecond)
	figures       = 2
	coarseFigures = 1
)

// Histogram is a mergeable distribution of milliseconds: an HDR histogram of
// microseconds (https://hdrhistogram.github.io/HdrHistogram/).
type Histogram struct{ hdr *hdr.Histogram }

// NewHistogram returns an empty histogram.
func NewHistogram() *Histogram { return &Histogram{hdr: hdr.New(minMicros, maxMicros, figures)} }

// newCoarse returns an empty histogram of a tenth of the size.
func newCoarse() *Histogram {
	return &Histogram{hdr: hdr.New(minMicros, maxMicros, coarseFigures)}
}

// Record adds one duration; what is out of range counts at the range's end.
func (h *Histogram) Record(d time.Duration) {
	micros := min(max(d.Microseconds(), 0), maxMicros)
	_ = h.hdr.RecordValue(micros) // in range by the line above
}

// Count is the number of recorded durations. A nil histogram is empty.
func (h *Histogram) Count() uint64 {
	if h == nil {
		return 0
	}
	return uint64(max(0, h.hdr.TotalCount()))
}

// Quantile is the duration in milliseconds that a share q of all, 0 to 1, does
// not exceed: the middle of its bucket. It is 0 for an empty histogram.
func (h *Histogram) Quantile(q float64) float64 {
	n := h.Count()
	if n == 0 {
		return 0
	}
	high := h.hdr.ValueAtPercentile(float64(Rank(n, q)) / float64(n) * 100)
	low := sort.Search(int(high), func(v int) bool {
		return h.hdr.ValuesAreEquivalent(int64(v), high)
	})
	return float64(int64(low)+high) / 2000
}

// Rank is the 1-based rank of the q-quantile of n observations: that of the
// smallest one that at least a share q of all do not exceed.
func Rank(n uint64, q float64) uint64 {
	exact := q * float64(n)
	rank := uint64(exact)
	if exact-float64(rank) > 1e-9*exact {
		rank++
	}
	return min(max(rank, 1), n)
}

// Mean is the mean in milliseconds; 0 for an empty histogram.
func (h *Histogram) Mean() float64 {
	if h.Count() == 0 {
		return 0
	}
	return h.hdr.Mean() / 1000
}

// Max is the largest duration in milliseconds; 0 for an empty histogram.
func (h *Histogram) Max() float64 {
	if h.Count() == 0 {
		return 0
	}
	return float64(h.hdr.Max()) / 1000
}

// Bar is one filled bucket, from Low to High milliseconds.
type Bar struct {
	Low, High float64
	Count     uint64
}

// Bars lists the filled buckets in ascending order.
func (h *Histogram) Bars() []Bar {
	if h.Count() == 0 {
		return nil
	}
	var out []Bar
	for _, bar := range h.hdr.Distribution() {
		if bar.Count > 0 {
			out = append(out, Bar{
				Low: float64(bar.From) / 1000, High: float64(bar.To) / 1000,
				Count: uint64(max(0, bar.Count)),
			})
		}
	}
	return out
}

// Merge adds another histogram to this one, exactly.
func (h *Histogram) Merge(other *Histogram) error {
	if other.Count() == 0 {
		return nil
	}
	if dropped := h.hdr.Merge(other.hdr); dropped > 0 {
		return fmt.Errorf("merging histograms: %d values are out of range", dropped)
	}
	return nil
}

// Clone returns a copy that shares nothing with h.
func (h *Histogram) Clone() *Histogram {
	if h == nil {
		return nil
	}
	return &Histogram{hdr: hdr.Import(h.hdr.Export())}
}

// MarshalJSON writes the count, for readers, and the compressed V2 encoding
// that all HDR histogram libraries read.
func (h *Histogram) MarshalJSON() ([]byte, error) {
	encoded, err := encodeHDR(h.hdr)
	if err != nil {
		return nil, err
	}
	return json.Marshal(wireHistogram{h.Count(), encoded})
}

// wireHistogram is a histogram as JSON has it.
type wireHistogram struct {
	Count uint64 `json:"count"`
	HDR   string `json:"hdr"`
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (h *Histogram) UnmarshalJSON(data []byte) error {
	var wire wireHistogram
	if err := json.Unmarshal(data, &wire); err != nil {
		return fmt.Errorf("decoding histogram: %w", err)
	}
	decoded, err := decodeHDR(wire.HDR)
	if err != nil {
		return fmt.Errorf("decoding histogram: %w", err)
	}
	if total := decoded.TotalCount(); total < 0 || uint64(max(0, total)) != wire.Count {
		return fmt.Errorf("decoding histogram: holds %d values, its count says %d",
			decoded.TotalCount(), wire.Count)
	}
	h.hdr = decoded
	return nil
}
