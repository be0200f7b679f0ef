// Package toxics adds HTTP faults to toxiproxy. Toxiproxy draws toxicity per
// connection and works on bytes; these work per request.
//
//	http_status   answers with a status: "abort" before the service sees the
//	              request, "replace" after it answered
//	http_latency  delays single requests or responses
//	http_header   sets, removes or mangles header lines
//	http_reset    ends the connection before a request, after it, or after N
//	              bytes of the response body
//	http_body     truncates or corrupts a response body
//	http_script   JavaScript functions decide per request
//
// All of them share one [Selector]. Every response that a toxic made or
// changed says so: `X-Toxic: <type>; mode=…; name=…; proxy=…; phase=…`; the mode of
// a request whose trace context was taken or mangled starts with "context". The
// phase is there when a plan put the toxic in. Names are percent-encoded.
//
// Marks and counters can be held against each other: injected + unreached = marked +
// unmarked, see [Counts]. A head says before its body that this will be cut. Where
// the body's length is not known (chunked, or closed at its end), the head is held
// back until the byte that the cut hits has come, or the body has ended: for 100 ms
// and 64 KiB at most, as a stream must not wait. After that it goes out with the mark,
// and a body that ends before the cut counts as unreached, as does one whose service
// stops short of the length that it gave. Unmarked are faults of requests that no
// response went out for.
//
// What http_header's mangle does to a traceparent shows in the verdict on the
// attempt: mangle_as "ids", the default, makes the service go on with a trace that
// nobody else knows (restarted), "parent" hangs its span below one that does not
// exist (reparented), "flags" tells it not to sample (missing), and "invalid" makes
// it start a trace of its own (restarted).
//
// The source of an http_script defines onRequest(req, state) or
// onResponse(res, req, state). They return nothing, and the exchange passes, or
// an object with any of
//
//	status, body, headers, retryAfter   an answer: in place of the service on the
//	                                    request, of its answer on the response
//	delay                               milliseconds
//	reset                               true, "before", "after", or body bytes
//	truncate, corrupt                   body bytes that pass unharmed
//	set, remove                         header lines, of the request or response
//
//	function onRequest(req, state) {
//		if (req.path === '/cart' && req.headers['x-user']) return {status: 503, delay: 20};
//	}
//
// A req has method, target, path, query, traceId and headers, a res status and
// headers; header names in any case. State is an object of the connection.
// Math.random follows the toxic's seed and the request.
//
// A script has no access to the machine. Its attribute timeout bounds each call,
// 1 s by default, and a call may take 256 MiB of memory. One that throws, goes
// beyond a limit or returns anything else lets the exchange pass and counts an
// error. JavaScript is interrupted in time. A built-in function cannot be, such as
// a regular expression that goes back and forth for ever: what one call of them
// may make is bounded, 1048576 characters or 65536 elements of most, operators of BigInt
// that cannot be bounded (** and <<) are refused, and a call that does not end is given
// up with its runtime.
// While four such calls of a script still run, it is not called any more.
//
// A fault of a request may need both directions of its connection, which
// toxiproxy does not link. A [Hub] does: it is installed as two toxiproxy
// toxics, one per direction, before traffic. For every connection toxiproxy
// calls the upstream half's NewState and then the downstream half's, from the
// accept goroutine, so the second takes the state that the first left. The
// hub's rules change while connections are busy, without touching toxiproxy's
// own links: each request reads the list of rules once.
//
//	client ─► request half ─► service
//	              │ exchange queue, in order of the requests
//	client ◄─ response half ◄─ service
//
// Services close connections that are idle. A request that a toxic answers before the
// service sees it is none for the service: if its end was unused for a second, the answer
// ends the connection, so that no request is lost to the service's closing it. A delayed
// response says so if the service has closed the connection meanwhile.
//
// What is not HTTP/1.1 passes through as it came, and is counted.
package toxics
