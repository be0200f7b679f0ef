package report

import (
	"encoding/base64"
	"math"
	"testing"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// anyHistogram draws a histogram of one of our two precisions.
func anyHistogram(t *rapid.T) *hdr.Histogram {
	h := hdr.New(minMicros, maxMicros, rapid.IntRange(coarseFigures, figures).Draw(t, "figures"))
	values := rapid.MapOf(rapid.Int64Range(0, maxMicros), rapid.Int64Range(1, 1<<50)).Draw(t, "values")
	for value, n := range values {
		require.NoError(t, h.RecordValues(value, n))
	}
	return h
}

func TestEncodedHistogramsAreThoseOfTheLibrary(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := anyHistogram(t)
		encoded, err := encodeHDR(h)
		require.NoError(t, err)
		theirs, err := hdr.Decode([]byte(encoded))
		require.NoError(t, err)
		require.True(t, h.Equals(theirs))

		encodedByThem, err := h.Encode(hdr.V2CompressedEncodingCookieBase)
		require.NoError(t, err)
		ours, err := decodeHDR(string(encodedByThem))
		require.NoError(t, err)
		require.True(t, h.Equals(ours))
		require.Equal(t, h.TotalCount(), ours.TotalCount())
	})
}

func TestCountsAreBoundedByTheRange(t *testing.T) {
	t.Parallel()
	counts := make([]int64, 4)
	for name, payload := range map[string][]byte{
		"more than its 4 counts": appendCount(appendCount(nil, -4), 1),
		"more than":              appendCount(appendCount(nil, 1), -4),
		"more than its":          appendCount(nil, math.MinInt64),
		"cut off":                {more},
		"63 bits":                appendCount(appendCount(nil, math.MaxInt64), 1),
	} {
		require.ErrorContains(t, readCounts(counts, payload), name)
	}
	require.NoError(t, readCounts(counts, appendCount(appendCount(nil, -3), 7)))
	assert.Equal(t, []int64{0, 0, 0, 7}, counts)
	for _, n := range []int64{0, 1, -1, 63, 64, math.MaxInt64, math.MinInt64, 1 << 55, 1 << 56} {
		encoded := appendCount(nil, n)
		got, length := readCount(encoded)
		assert.Equal(t, n, got)
		assert.Len(t, encoded, length)
	}
}

// FuzzDecodeHDR compares with the library: what it refuses of our range, we
// refuse, and the other way round.
func FuzzDecodeHDR(f *testing.F) {
	h := hdr.New(minMicros, maxMicros, figures)
	require.NoError(f, h.RecordValues(1500, 3))
	encoded, err := encodeHDR(h)
	require.NoError(f, err)
	content, err := base64.StdEncoding.DecodeString(encoded)
	require.NoError(f, err)
	f.Add(content)
	f.Add(content[:len(content)-3])
	f.Fuzz(func(t *testing.T, data []byte) {
		text := base64.StdEncoding.EncodeToString(data)
		ours, err := decodeHDR(text)
		if err != nil {
			return
		}
		theirs, err := hdr.Decode([]byte(text))
		require.NoErrorf(t, err, "%x", data)
		require.True(t, theirs.Equals(ours))
	})
}
