package toxics

import "slices"

// contractCase is a toxic with what both ends see of it.
type contractCase struct {
	name string
	toxicSpec
	seen
	ends   bool // the connection ends; what the service reads from there on is open
	counts [2]uint64
}

// clientSees are the responses to pipelined requests, given those below /hit.
func clientSees(two, four, five, seven string) []string {
	return []string{
		"200 answer to /plain/1", two, "200 answer to /plain/3", four, five,
		"200 answer to /plain/6 trailer=6", seven, "200 answer to /plain/8 trailer=8",
	}
}

const parentLine = " parent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// serviceSees are the pipelined requests, given those below /hit; an empty one
// does not arrive.
func serviceSees(two, four, five, seven string) []string {
	all := []string{
		"GET /plain/1 " + parentLine, two, "POST /plain/3 hello", four, five,
		"GET /plain/6", seven, "GET /plain/8",
	}
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

func serviceSeesAll() []string {
	return serviceSees("GET /hit/2 "+parentLine, "POST /hit/4 world"+parentLine+" trailer=9",
		"HEAD /hit/5", "GET /hit/7 "+parentLine)
}

func marked(mark string) []string {
	mark = " [" + mark + "; name=x]"
	return clientSees("200 answer to /hit/2"+mark+" trailer=2",
		"200 answer to /hit/4"+mark+" trailer=4", "200 "+mark, "200 answer to /hit/7"+mark)
}

// unmarkedHead is marked without the request that has no traceparent.
func unmarkedHead(mark string) []string {
	out := marked(mark)
	out[4] = "200 "
	return out
}

func statusCases() []contractCase {
	const aborted = " [http_status; mode=abort; name=x]"
	const replaced = " [http_status; mode=replace; name=x]"
	return []contractCase{
		{
			name:      "http_status abort",
			toxicSpec: spec("http_status", `"status":503,"body":"no","retry_after":"1"`),
			seen: seen{
				client: clientSees("503 no"+aborted, "503 no"+aborted, "503 "+aborted,
					"503 no"+aborted),
				service: serviceSees("", "", "", ""),
			},
			counts: [2]uint64{4, 4},
		},
		{
			name:      "http_status replace",
			toxicSpec: spec("http_status", `"status":502,"mode":"replace","body":"no"`),
			seen: seen{
				client: clientSees("502 no"+replaced, "502 no"+replaced, "502 "+replaced,
					"502 no"+replaced),
				service: serviceSeesAll(),
			},
			counts: [2]uint64{4, 4},
		},
		{
			name:      "http_latency on the request",
			toxicSpec: spec("http_latency", `"on":"request","latency":1`),
			seen:      seen{client: marked("http_latency; mode=request"), service: serviceSeesAll()},
			counts:    [2]uint64{4, 4},
		},
		{
			name:      "http_latency on the response",
			toxicSpec: spec("http_latency", `"latency":1`),
			seen:      seen{client: marked("http_latency; mode=response"), service: serviceSeesAll()},
			counts:    [2]uint64{4, 4},
		},
	}
}

func headerCases() []contractCase {
	const changed = " parent=00-0ba8762127de54ee9559fc322d90421d-c8be7c8271304442-01"
	return []contractCase{
		{
			name:      "http_header removing from the request",
			toxicSpec: spec("http_header", `"remove":["traceparent"]`),
			seen: seen{
				client: unmarkedHead("http_header; mode=context-removed"),
				service: serviceSees("GET /hit/2", "POST /hit/4 world trailer=9",
					"HEAD /hit/5", "GET /hit/7"),
			},
			counts: [2]uint64{4, 3},
		},
		{
			name:      "http_header mangling the request",
			toxicSpec: spec("http_header", `"mangle":["traceparent"]`),
			seen: seen{
				client: unmarkedHead("http_header; mode=context-changed"),
				service: serviceSees("GET /hit/2 "+changed, "POST /hit/4 world"+changed+" trailer=9",
					"HEAD /hit/5", "GET /hit/7 "+changed),
			},
			counts: [2]uint64{4, 3},
		},
		{
			name:      "http_header on the response",
			toxicSpec: spec("http_header", `"on":"response","set":{"X-N":"z"}`),
			seen:      seen{client: marked("http_header; mode=response"), service: serviceSeesAll()},
			counts:    [2]uint64{4, 4},
		},
	}
}

func cutCases() []contractCase {
	untilSeven := clientSees("200 answer to /hit/2 trailer=2", "200 answer to /hit/4 trailer=4",
		"200 ", "end: unexpected EOF")[:7]
	seven := func(attributes string) toxicSpec {
		return toxicSpec{"http_reset", `{"match":{"path":"/hit/7"}` + attributes + `}`}
	}
	const corrupt = " [http_body; mode=corrupt; name=x]"
	return []contractCase{
		{
			name: "http_reset before the request", toxicSpec: seven(""), ends: true,
			seen:   seen{client: untilSeven, service: serviceSeesAll()[:6]},
			counts: [2]uint64{1, 1},
		},
		{
			name: "http_reset after the request", toxicSpec: seven(`,"when":"after"`), ends: true,
			seen:   seen{client: untilSeven, service: serviceSeesAll()[:7]},
			counts: [2]uint64{1, 1},
		},
		{
			name: "http_reset in the response's body", ends: true,
			toxicSpec: seven(`,"when":"body","bytes":4`),
			seen: seen{
				client: append(untilSeven[:6:6],
					"200 answ [http_reset; mode=body; name=x] end: unexpected EOF"),
				service: serviceSeesAll()[:7],
			},
			counts: [2]uint64{1, 1},
		},
		{
			name: "http_body truncate", ends: true,
			toxicSpec: toxicSpec{"http_body", `{"bytes":5,"match":{"path":"/hit/2"}}`},
			seen: seen{
				client: []string{
					"200 answer to /plain/1",
					"200 answe [http_body; mode=truncate; name=x] trailer= end: unexpected EOF",
				},
				service: serviceSeesAll()[:2],
			},
			counts: [2]uint64{1, 1},
		},
		{
			name:      "http_body corrupt",
			toxicSpec: spec("http_body", `"mode":"corrupt","bytes":7`),
			seen: seen{
				client: clientSees("200 answer un!.ihu.3"+corrupt+" trailer=2",
					"200 answer un!.ihu.5"+corrupt+" trailer=4", "200 ",
					"200 answer un!.ihu.6"+corrupt),
				service: serviceSeesAll(),
			},
			counts: [2]uint64{4, 3},
		},
		{
			name:      "http_body behind the end of every body",
			toxicSpec: spec("http_body", `"bytes":16`),
			seen:      seen{client: untouched(), service: serviceSeesAll()},
			counts:    [2]uint64{4, 0},
		},
		{
			name:      "http_reset behind the end of every body",
			toxicSpec: spec("http_reset", `"when":"body","bytes":1000000`),
			seen:      seen{client: untouched(), service: serviceSeesAll()},
			counts:    [2]uint64{4, 0},
		},
	}
}

func scriptCases() []contractCase {
	const requests = `function onRequest(req, state) {
		state.n = (state.n || 0) + 1;
		if (state.n < 3) return {status: 500 + state.n, body: req.path + '?' + req.query};
		if (req.headers.Traceparent) return {remove: ['traceparent']};
	}`
	const responses = `function onResponse(res, req, state) {
		if (req.method === 'POST') return {corrupt: 0};
		if (res.headers['x-n'] === '7') return {status: 500, body: req.traceId, delay: 1};
		return {set: {'X-N': 'z'}};
	}`
	const trace = "0af7651916cd43dd8448eb211c80319c"
	return []contractCase{
		{
			name: "http_script on requests", toxicSpec: spec("http_script", script(requests)),
			seen: seen{
				client: clientSees("501 /hit/2?q=1 [http_script; mode=abort; name=x]",
					"502 /hit/4? [http_script; mode=abort; name=x]", "200 ",
					"200 answer to /hit/7 [http_script; mode=context-removed; name=x]"),
				service: serviceSees("", "", "HEAD /hit/5", "GET /hit/7"),
			},
			counts: [2]uint64{4, 3},
		},
		{
			name: "http_script on responses", toxicSpec: spec("http_script", script(responses)),
			seen: seen{
				client: clientSees("200 answer to /hit/2 [http_script; mode=response; name=x] trailer=2",
					"200 `orvds!un!.ihu.5 [http_script; mode=corrupt; name=x] trailer=4",
					"200  [http_script; mode=response; name=x]",
					"500 "+trace+" [http_script; mode=replace; name=x]"),
				service: serviceSeesAll(),
			},
			counts: [2]uint64{4, 4},
		},
	}
}

// contractCases are all toxics in all of their modes.
func contractCases() []contractCase {
	return slices.Concat(statusCases(), headerCases(), cutCases(), scriptCases())
}
