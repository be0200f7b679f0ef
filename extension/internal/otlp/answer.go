package otlp

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlpfield"
)

const unauthorizedMessage = "a valid bearer token is required"

// tooLarge is the message for a request beyond the limit.
func (r *Receiver) tooLarge() string {
	return fmt.Sprintf("the request exceeds %d bytes after decompression", r.cfg.MaxBytes)
}

// bad counts a refused request and tells the user about the first one.
func (r *Receiver) bad(err error) {
	r.count.badRequests.Add(1)
	r.warn("bad request", "the OTLP receiver refused a request: "+err.Error())
}

// discarded counts a request of another signal.
func (r *Receiver) discarded(name string) {
	r.count.discarded.Add(1)
	r.warn(name, "the OTLP receiver takes traces only: data for "+name+" is discarded")
}

// validToken compares an Authorization value in constant time. The scheme is
// case-insensitive (RFC 9110, section 11.1).
func (r *Receiver) validToken(authorization string) bool {
	scheme, token, ok := strings.Cut(authorization, " ")
	return ok && strings.EqualFold(scheme, "Bearer") &&
		subtle.ConstantTimeCompare([]byte(strings.TrimSpace(token)), []byte(r.cfg.Token)) == 1
}

// appendPartialSuccess appends an ExportTraceServiceResponse: empty on full
// success.
func appendPartialSuccess(b []byte, result Result) []byte {
	if result.Rejected == 0 {
		return b
	}
	var p []byte
	p = protowire.AppendTag(p, otlpfield.PartialRejectedSpans, protowire.VarintType)
	p = protowire.AppendVarint(p, uint64(result.Rejected)) //nolint:gosec // a count
	p = protowire.AppendTag(p, otlpfield.PartialErrorMessage, protowire.BytesType)
	p = protowire.AppendString(p, result.Reason)
	b = protowire.AppendTag(b, otlpfield.ResponsePartialSuccess, protowire.BytesType)
	return protowire.AppendBytes(b, p)
}

// partialSuccessJSON is ExportTraceServiceResponse as OTLP/JSON writes it.
type partialSuccessJSON struct {
	PartialSuccess *struct {
		RejectedSpans string `json:"rejectedSpans"`
		ErrorMessage  string `json:"errorMessage"`
	} `json:"partialSuccess,omitempty"`
}

// success writes the response to an accepted request.
func success(enc encoding, result Result) []byte {
	if enc == encodingProtobuf {
		return appendPartialSuccess(nil, result)
	}
	var answer partialSuccessJSON
	if result.Rejected > 0 {
		answer.PartialSuccess = &struct {
			RejectedSpans string `json:"rejectedSpans"`
			ErrorMessage  string `json:"errorMessage"`
		}{strconv.Itoa(result.Rejected), result.Reason}
	}
	b, _ := json.Marshal(answer) //nolint:errchkjson // strings only
	return b
}

// failure writes a google.rpc.Status.
func failure(enc encoding, code codes.Code, message string) []byte {
	message = strings.ToValidUTF8(message, "�")
	if enc == encodingJSON {
		b, _ := json.Marshal(struct { //nolint:errchkjson // a number and a string
			Code    codes.Code `json:"code"`
			Message string     `json:"message"`
		}{code, message})
		return b
	}
	var b []byte
	b = protowire.AppendTag(b, otlpfield.RPCStatusCode, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(code))
	b = protowire.AppendTag(b, otlpfield.RPCStatusMessage, protowire.BytesType)
	return protowire.AppendString(b, message)
}
