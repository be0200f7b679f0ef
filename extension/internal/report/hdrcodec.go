package report

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// This file is the compressed V2 encoding of HDR histograms, as all of their
// libraries read it (https://github.com/HdrHistogram/HdrHistogram,
// AbstractHistogram.encodeIntoCompressedByteBuffer). The library has it too, but
// makes a new compressor of some 600 kB for every histogram, and a report has
// thousands, which are written while the load runs. Its own codec is the oracle
// of the tests.

// The layout: a cookie and the length of what follows compressed; in there a
// header, and the counts in zigzag LEB128, a run of zeros as a negative number.
const (
	hdrPrefix     = 8  // cookie and length, 4 bytes each
	hdrHeader     = 40 // cookie, payload length, offset, figures; lowest, highest, ratio
	hdrPayload    = 4  // offsets in the header
	hdrFigures    = 12
	hdrLowest     = 16
	hdrHighest    = 24
	hdrCookie     = 0x1c849303 | 0x10
	hdrCompressed = 0x1c849304 | 0x10
	hdrVersion    = 0xffffff0f // the bits of a cookie that tell the version
)

// hdrEncoder holds the buffers of one encoding after the other.
type hdrEncoder struct {
	content []byte
	packed  bytes.Buffer
	zlib    *zlib.Writer
}

//nolint:gochecknoglobals // buffers to use again: a json.Marshaler has no other place
var hdrEncoders = sync.Pool{New: func() any {
	e := &hdrEncoder{}
	e.zlib, _ = zlib.NewWriterLevel(&e.packed, zlib.BestSpeed) // a level that there is
	return e
}}

// encodeHDR returns the base64 text of the encoding.
func encodeHDR(h *hdr.Histogram) (string, error) {
	e := hdrEncoders.Get().(*hdrEncoder) //nolint:forcetypeassert // it holds nothing else
	defer hdrEncoders.Put(e)
	e.fill(h.Export())
	var prefix [hdrPrefix]byte
	e.packed.Reset()
	e.packed.Write(prefix[:])
	e.zlib.Reset(&e.packed)
	_, err := e.zlib.Write(e.content)
	if err := errors.Join(err, e.zlib.Close()); err != nil {
		return "", fmt.Errorf("encoding histogram: %w", err)
	}
	packed := e.packed.Bytes()
	binary.BigEndian.PutUint32(packed, hdrCompressed)
	putLength(packed[4:], len(packed)-hdrPrefix)
	return base64.StdEncoding.EncodeToString(packed), nil
}

// fill makes the content, before its compression.
func (e *hdrEncoder) fill(s *hdr.Snapshot) {
	header := make([]byte, hdrHeader)
	binary.BigEndian.PutUint32(header, hdrCookie)
	putLength(header[hdrFigures:], int(s.SignificantFigures))
	binary.BigEndian.PutUint64(header[hdrLowest:], uint64(max(0, s.LowestTrackableValue)))
	binary.BigEndian.PutUint64(header[hdrHighest:], uint64(max(0, s.HighestTrackableValue)))
	binary.BigEndian.PutUint64(header[hdrHeader-8:], math.Float64bits(1)) // the ratio
	e.content = appendCounts(append(e.content[:0], header...), s.Counts)
	putLength(e.content[hdrPayload:], len(e.content)-hdrHeader)
}

func putLength(to []byte, n int) {
	binary.BigEndian.PutUint32(to, uint32(min(max(0, n), math.MaxInt32))) //nolint:gosec // by min
}

// appendCounts appends the counts up to the last one that is not zero.
func appendCounts(to []byte, counts []int64) []byte {
	var zeros int64
	for _, n := range counts {
		if n == 0 {
			zeros++
			continue
		}
		switch {
		case zeros == 1:
			to = appendCount(to, 0)
		case zeros > 1:
			to = appendCount(to, -zeros)
		}
		zeros = 0
		to = appendCount(to, n)
	}
	return to
}

// The bytes of a count have seven bits each, but for the last possible one.
const (
	maxCountBytes = 9
	more          = 0x80
)

func appendCount(to []byte, n int64) []byte {
	v := uint64(n)<<1 ^ uint64(n>>63) //nolint:gosec // zigzag is about the bits
	for range maxCountBytes - 1 {
		if v < more {
			return append(to, byte(v))
		}
		to = append(to, byte(v)|more)
		v >>= 7
	}
	return append(to, byte(v))
}

// readCount reads one count and tells its length; 0 when it is cut off.
func readCount(from []byte) (n int64, length int) {
	var v uint64
	for i, b := range from[:min(len(from), maxCountBytes)] {
		if i == maxCountBytes-1 {
			v |= uint64(b) << (7 * i)
			return unzigzag(v), i + 1
		}
		v |= uint64(b&^more) << (7 * i)
		if b < more {
			return unzigzag(v), i + 1
		}
	}
	return 0, 0
}

func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }
