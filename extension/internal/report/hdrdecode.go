package report

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// hdrDecoder holds the buffers of one decoding after the other.
type hdrDecoder struct {
	source  bytes.Reader
	zlib    io.ReadCloser // nil before the first
	payload bytes.Buffer
	counts  map[int][]int64 // by significant figures
}

//nolint:gochecknoglobals // buffers to use again: a json.Unmarshaler has no other place
var hdrDecoders = sync.Pool{New: func() any {
	d := &hdrDecoder{counts: make(map[int][]int64)}
	for _, digits := range []int{coarseFigures, figures} {
		d.counts[digits] = hdr.New(minMicros, maxMicros, digits).Export().Counts
	}
	return d
}}

// decodeHDR reads what encodeHDR wrote, and any encoding of a histogram with
// our range by another library. What claims to be larger is not read.
func decodeHDR(text string) (*hdr.Histogram, error) {
	d := hdrDecoders.Get().(*hdrDecoder) //nolint:forcetypeassert // it holds nothing else
	defer hdrDecoders.Put(d)
	packed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, err
	}
	if len(packed) < hdrPrefix {
		return nil, fmt.Errorf("too short: %d bytes", len(packed))
	}
	content, size := packed[hdrPrefix:], binary.BigEndian.Uint32(packed[4:])
	if binary.BigEndian.Uint32(packed)&hdrVersion != hdrCompressed&hdrVersion {
		return nil, errors.New("not a compressed V2 encoding")
	}
	if uint64(size) > uint64(len(content)) {
		return nil, fmt.Errorf("cut off: %d of %d bytes", len(content), size)
	}
	if err := d.unpack(content[:size]); err != nil {
		return nil, err
	}
	return d.decode()
}

// unpack starts the decompression of a content.
func (d *hdrDecoder) unpack(content []byte) (err error) {
	d.source.Reset(content)
	if d.zlib == nil {
		d.zlib, err = zlib.NewReader(&d.source)
		return err
	}
	return d.zlib.(zlib.Resetter).Reset(&d.source, nil) //nolint:forcetypeassert // by contract
}

func (d *hdrDecoder) decode() (*hdr.Histogram, error) {
	var header [hdrHeader]byte
	if _, err := io.ReadFull(d.zlib, header[:]); err != nil {
		return nil, fmt.Errorf("reading its header: %w", err)
	}
	digits := binary.BigEndian.Uint32(header[hdrFigures:])
	lowest := binary.BigEndian.Uint64(header[hdrLowest:])
	highest := binary.BigEndian.Uint64(header[hdrHighest:])
	counts := d.counts[int(digits)]
	if counts == nil || lowest != minMicros || highest != uint64(maxMicros) {
		return nil, fmt.Errorf("covers %d to %d µs with %d figures, want %d to %d µs with %d or %d",
			lowest, highest, digits, minMicros, maxMicros, coarseFigures, figures)
	}
	if binary.BigEndian.Uint32(header[:])&hdrVersion != hdrCookie&hdrVersion {
		return nil, errors.New("its content is not a V2 encoding")
	}
	size := binary.BigEndian.Uint32(header[hdrPayload:])
	if uint64(size) > uint64(len(counts))*maxCountBytes {
		return nil, fmt.Errorf("%d bytes of counts, at most %d are possible",
			size, len(counts)*maxCountBytes)
	}
	d.payload.Reset() // one byte more shows what should not be there, and checks the sum
	n, err := d.payload.ReadFrom(io.LimitReader(d.zlib, int64(size)+1))
	if err != nil {
		return nil, err
	}
	if n != int64(size) {
		return nil, fmt.Errorf("%d bytes of counts, its header says %d", n, size)
	}
	if err := readCounts(counts, d.payload.Bytes()); err != nil {
		return nil, err
	}
	return hdr.Import(&hdr.Snapshot{
		LowestTrackableValue: minMicros, HighestTrackableValue: maxMicros,
		SignificantFigures: int64(digits), Counts: counts,
	}), nil
}

// readCounts fills the counts of a histogram from their encoding.
func readCounts(counts []int64, payload []byte) error {
	clear(counts)
	var total int64
	for at := 0; len(payload) > 0; {
		n, length := readCount(payload)
		if length == 0 {
			return errors.New("its last count is cut off")
		}
		payload = payload[length:]
		left := int64(len(counts) - at)
		switch {
		case n < 0 && (n < -left || n == math.MinInt64), n >= 0 && left == 0:
			return fmt.Errorf("more than its %d counts", len(counts))
		case n < 0:
			at += int(-n)
		case n > math.MaxInt64-total:
			return errors.New("its counts add up to more than 63 bits")
		default:
			counts[at] = n
			total += n
			at++
		}
	}
	return nil
}
