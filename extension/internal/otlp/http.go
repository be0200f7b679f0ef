package otlp

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
)

const (
	typeProtobuf = "application/x-protobuf"
	typeJSON     = "application/json"
)

// smallBody is how much of a body is read before the request needs a place:
// who sends next to nothing, slowly, keeps no place from others.
const smallBody = 64 << 10

// serveHTTP starts the HTTP server, if it has an address.
func (r *Receiver) serveHTTP(secure *tls.Config) {
	if r.httpLn == nil {
		return
	}
	r.http = &http.Server{
		Handler:           r.handlers.counted(r.misdirected(r.routes())),
		ReadHeaderTimeout: handshakeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	ln := r.httpLn
	if secure != nil {
		r.http.TLSConfig = serverTLS(secure, "h2", "http/1.1")
		ln = tls.NewListener(ln, r.http.TLSConfig)
	}
	r.done.Go(func() {
		if err := r.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			r.warn("serve http", "listen.http stopped: "+err.Error())
		}
	})
}

func (r *Receiver) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/traces", r.postTraces)
	for _, path := range []string{"/v1/metrics", "/v1/logs", "/v1development/profiles"} {
		mux.HandleFunc(path, r.postOther)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) {
		x := exchange{w: w, encoding: encodingOf(req)}
		x.fail(http.StatusNotFound, codes.NotFound,
			"no such path: traces are received at /v1/traces")
	})
	return mux
}

// exchange is one HTTP request and the encoding that its answer is due in.
type exchange struct {
	w        http.ResponseWriter
	encoding encoding
	trace    bool // it is addressed to the trace service
}

func (x *exchange) reply(status int, body []byte) {
	h := x.w.Header()
	h.Set("Content-Type", typeProtobuf)
	if x.encoding == encodingJSON {
		h.Set("Content-Type", typeJSON)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	x.w.WriteHeader(status)
	_, _ = x.w.Write(body) // the sender is gone if this fails
}

func (x *exchange) fail(status int, code codes.Code, message string) {
	x.reply(status, failure(x.encoding, code, message))
}

// encodingOf returns the encoding of the answer: that of the request, and
// JSON, which people can read, when the request's is not OTLP.
func encodingOf(req *http.Request) encoding {
	if t, _, err := mime.ParseMediaType(req.Header.Get("Content-Type")); err == nil &&
		t == typeProtobuf {
		return encodingProtobuf
	}
	return encodingJSON
}

// unsupported refuses a request for its form, before its content is read.
func (r *Receiver) unsupported(x *exchange, status int, code codes.Code, message string) {
	if x.trace {
		r.bad(errors.New(message))
	}
	x.fail(status, code, message)
}

// begin checks what all signals have in common; false means answered.
func (r *Receiver) begin(x *exchange, req *http.Request) bool {
	if req.Method != http.MethodPost {
		x.w.Header().Set("Allow", http.MethodPost)
		r.unsupported(x, http.StatusMethodNotAllowed, codes.Unimplemented,
			"the method must be POST")
		return false
	}
	if r.cfg.Token != "" && !r.validToken(req.Header.Get("Authorization")) {
		r.count.unauthorized.Add(1)
		x.w.Header().Set("WWW-Authenticate", "Bearer")
		x.fail(http.StatusUnauthorized, codes.Unauthenticated, unauthorizedMessage)
		return false
	}
	t, _, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if err != nil || (t != typeProtobuf && t != typeJSON) {
		r.unsupported(x, http.StatusUnsupportedMediaType, codes.InvalidArgument,
			"Content-Type must be "+typeProtobuf+" or "+typeJSON)
		return false
	}
	return true
}

// postTraces handles POST /v1/traces.
func (r *Receiver) postTraces(w http.ResponseWriter, req *http.Request) {
	r.count.requests.Add(1)
	x := &exchange{w: w, encoding: encodingOf(req), trace: true}
	if !r.begin(x, req) {
		return
	}
	packed, ok := contentCoding(req)
	if !ok {
		w.Header().Set("Accept-Encoding", "gzip")
		r.unsupported(x, http.StatusUnsupportedMediaType, codes.InvalidArgument,
			"Content-Encoding must be gzip or absent")
		return
	}
	body := r.newBody(w, req)
	defer body.close()
	raw, err := body.read(req.Context())
	if err != nil {
		r.refuseHTTP(x, err)
		return
	}
	result, err := r.process(req.Context(), payload{raw: raw, packed: packed, encoding: x.encoding})
	if err != nil {
		r.refuseHTTP(x, err)
		return
	}
	x.reply(http.StatusOK, success(x.encoding, result))
}

// postOther answers another signal with success and discards it.
func (r *Receiver) postOther(w http.ResponseWriter, req *http.Request) {
	x := &exchange{w: w, encoding: encodingOf(req)}
	if !r.begin(x, req) {
		return
	}
	deadline := time.Now().Add(r.cfg.receiveTimeout)
	_ = http.NewResponseController(w).SetReadDeadline(deadline)
	body := http.MaxBytesReader(w, req.Body, r.cfg.MaxBytes)
	if _, err := io.Copy(io.Discard, body); err != nil {
		r.refuseHTTP(x, bodyError(err))
		return
	}
	r.discarded(req.URL.Path)
	x.reply(http.StatusOK, success(x.encoding, Result{}))
}

// contentCoding says whether the body is packed; ok is false for an unknown coding.
func contentCoding(req *http.Request) (packed, ok bool) {
	switch strings.ToLower(strings.TrimSpace(req.Header.Get("Content-Encoding"))) {
	case "", "identity":
		return false, true
	case "gzip", "x-gzip":
		return true, true
	default:
		return false, false
	}
}

// Errors of reading a body.
var (
	errTooSlow    = errors.New("the request did not arrive in time")
	errIncomplete = errors.New("the request's body is incomplete")
)

// bodyError classifies an error of reading a body.
func bodyError(err error) error {
	var tooLong *http.MaxBytesError
	var timeout net.Error
	switch {
	case errors.As(err, &tooLong):
		return errTooLarge
	case errors.As(err, &timeout) && timeout.Timeout():
		return errTooSlow
	default:
		return errIncomplete
	}
}

// refuseHTTP answers a request that could not be processed.
func (r *Receiver) refuseHTTP(x *exchange, err error) {
	switch {
	case errors.Is(err, errBusy):
		r.count.busy.Add(1)
		x.w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))
		x.fail(http.StatusServiceUnavailable, codes.Unavailable, "the receiver is busy")
	case errors.Is(err, errTooLarge):
		r.bad(err)
		x.fail(http.StatusRequestEntityTooLarge, codes.ResourceExhausted, r.tooLarge())
	case errors.Is(err, errTooSlow):
		r.bad(err)
		x.w.Header().Set("Connection", "close")
		x.fail(http.StatusRequestTimeout, codes.DeadlineExceeded, err.Error())
	default:
		r.bad(err)
		x.fail(http.StatusBadRequest, codes.InvalidArgument, err.Error())
	}
}

func (r *Receiver) stopHTTP(ctx context.Context) error {
	if err := r.http.Shutdown(ctx); err == nil {
		return nil
	}
	err := r.http.Close()
	r.handlers.stop()
	return err
}
