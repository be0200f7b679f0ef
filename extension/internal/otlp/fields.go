package otlp

import (
	"bytes"
	"strconv"
	"unsafe"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// attribute is an attribute key that the decoder keeps.
type attribute uint8

const (
	attrNone attribute = iota
	attrService
	attrMethod
	attrOldMethod
	attrRoute
	attrPath
	attrTarget
	attrStatus
	attrOldStatus
	attrAgent
	attrOldAgent
	attrCount
)

// attributeOf names the attribute of a key; both generations of the HTTP
// semantic conventions are understood.
func attributeOf(key []byte) attribute {
	switch string(key) {
	case "service.name":
		return attrService
	case "http.request.method":
		return attrMethod
	case "http.method":
		return attrOldMethod
	case "http.route":
		return attrRoute
	case "url.path":
		return attrPath
	case "http.target":
		return attrTarget
	case "http.response.status_code":
		return attrStatus
	case "http.status_code":
		return attrOldStatus
	case "user_agent.original":
		return attrAgent
	case "http.user_agent":
		return attrOldAgent
	default:
		return attrNone
	}
}

// valueKind is the type of an attribute value, as far as it matters here.
type valueKind uint8

const (
	valueOther valueKind = iota
	valueString
	valueInt
)

// value is an attribute value: a slice into the message, or an integer.
type value struct {
	kind valueKind
	text []byte
	num  int64
}

// fields is one span as scanned, before it becomes a record. Its slices point
// into the message.
type fields struct {
	traceID, spanID, parentID []byte
	traceState, name          []byte
	start, end                uint64
	flags                     uint32
	kind                      int32
	statusCode                int32
	attrs                     [attrCount]value
	seen                      uint16 // bit set of attrs that are present
}

// reset forgets the span before. Of the attributes only those count that are
// marked as seen, so their values may stay.
func (f *fields) reset() {
	f.traceID, f.spanID, f.parentID = nil, nil, nil
	f.traceState, f.name = nil, nil
	f.start, f.end, f.flags = 0, 0, 0
	f.kind, f.statusCode, f.seen = 0, 0, 0
}

func (f *fields) set(a attribute, v value) {
	f.attrs[a] = v
	f.seen |= 1 << a
}

// text returns the first string value among the keys.
func (f *fields) text(keys ...attribute) []byte {
	for _, a := range keys {
		if f.seen&(1<<a) != 0 && f.attrs[a].kind == valueString && len(f.attrs[a].text) > 0 {
			return f.attrs[a].text
		}
	}
	return nil
}

// httpStatus returns the response status, 0 when there is none. Some
// instrumentations report it as a string.
func (f *fields) httpStatus() uint16 {
	for _, a := range [...]attribute{attrStatus, attrOldStatus} {
		if f.seen&(1<<a) == 0 {
			continue
		}
		v := f.attrs[a]
		if v.kind == valueString && len(v.text) == 3 {
			n, err := strconv.Atoi(string(v.text))
			if err == nil {
				v = value{kind: valueInt, num: int64(n)}
			}
		}
		if v.kind == valueInt && v.num >= 100 && v.num <= 999 {
			return uint16(v.num) //nolint:gosec // checked above
		}
	}
	return 0
}

// route returns http.route, else, for a SERVER span, the concrete path.
func (f *fields) route() (route []byte, isPath bool) {
	if r := f.text(attrRoute); r != nil {
		return r, false
	}
	if kindOf(f.kind) != span.KindServer {
		return nil, false
	}
	if p := f.text(attrPath); p != nil {
		return p, true
	}
	target := f.text(attrTarget)
	if i := bytes.IndexByte(target, '?'); i >= 0 {
		target = target[:i]
	}
	return target, len(target) > 0
}

// claim returns the attempt that the user agent names; zero when none.
func (f *fields) claim() tracecontext.Correlation {
	if f.seen&(1<<attrAgent|1<<attrOldAgent) == 0 {
		return tracecontext.Correlation{}
	}
	for _, a := range [...]attribute{attrAgent, attrOldAgent} {
		if c := findClaim(f.text(a)); !c.IsZero() {
			return c
		}
	}
	return tracecontext.Correlation{}
}

// stringOf views b as a string without a copy. The string must not outlive
// the message that b belongs to.
func stringOf(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // read only, never retained
}

// badID says why a span must be rejected; empty when its ids are valid. An
// absent parent means a root; a parent of all zeros is read as absent.
func (f *fields) badID() string {
	switch {
	case len(f.traceID) != len(tracecontext.TraceID{}):
		return "trace_id must have 16 bytes"
	case tracecontext.TraceID(f.traceID).IsZero():
		return "trace_id must not be all zeros"
	case len(f.spanID) != len(tracecontext.SpanID{}):
		return "span_id must have 8 bytes"
	case tracecontext.SpanID(f.spanID).IsZero():
		return "span_id must not be all zeros"
	case len(f.parentID) != 0 && len(f.parentID) != len(tracecontext.SpanID{}):
		return "parent_span_id must have 8 bytes or be absent"
	default:
		return ""
	}
}

// record fills r from valid fields, all but the descriptor and tracestate.
func (f *fields) record(r *span.Record) {
	r.TraceID = tracecontext.TraceID(f.traceID)
	r.SpanID = tracecontext.SpanID(f.spanID)
	r.ParentID = tracecontext.SpanID{}
	if len(f.parentID) != 0 {
		r.ParentID = tracecontext.SpanID(f.parentID)
	}
	r.Claim = f.claim()
	r.Start, r.End = nanos(f.start), nanos(f.end)
	r.Flags = f.flags
	r.Status = f.httpStatus()
	r.Kind = kindOf(f.kind)
	r.Error = f.statusCode == statusError
}

// statusError is STATUS_CODE_ERROR of trace.proto.
const statusError = 2

// kindOf maps the enum; a kind from the future is unspecified.
func kindOf(k int32) span.Kind {
	if k < 0 || k > int32(span.KindConsumer) {
		return span.KindUnspecified
	}
	return span.Kind(k)
}

// nanos converts a time; one beyond the year 2262 is read as the latest
// representable, so that it does not turn negative.
func nanos(t uint64) int64 {
	const latest = 1<<63 - 1
	return int64(min(t, latest)) //nolint:gosec // bounded by min
}
