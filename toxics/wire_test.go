package toxics

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/stretchr/testify/require"
)

// wire is a hub's two halves on stubs, with a client and a service at their
// ends: a link of toxiproxy without its sockets, so that a test decides where
// chunks are cut and when a toxic is interrupted.
type wire struct {
	tb        testing.TB
	hub       *Hub
	requests  *toxics.ToxicStub
	responses *toxics.ToxicStub
	in, back  chan *stream.StreamChunk // from the client, from the service
	out, sent chan *stream.StreamChunk // to the service, to the client
	interrupt bool                     // a half after each of its chunks
	hangUp    bool                     // the client closes without waiting for responses

	fromClient, toService, fromService, toClient string // all bytes
}

// toxicSpec is a toxic to put in.
type toxicSpec struct{ kind, attributes string }

func newWire(tb testing.TB, specs ...toxicSpec) *wire {
	tb.Helper()
	w := &wire{
		tb: tb, hub: NewHub(tb.Name()),
		in: make(chan *stream.StreamChunk), back: make(chan *stream.StreamChunk),
		out: make(chan *stream.StreamChunk), sent: make(chan *stream.StreamChunk),
	}
	w.hub.Close() // it needs no finding
	for i, spec := range specs {
		name := string(rune('x' + i))
		require.NoError(tb, w.hub.Add(name, spec.kind, json.RawMessage(spec.attributes)))
		letFinish((*w.hub.rules.Load())[i])
	}
	l := newLink(w.hub)
	close(l.paired)
	w.requests = toxics.NewToxicStub(w.in, w.out)
	w.requests.State = newRequests(l)
	w.responses = toxics.NewToxicStub(w.back, w.sent)
	w.responses.State = patient(newResponses(l))
	return w
}

// patient makes a half wait for the bytes that decide, and for the service, however slow
// the machine is.
func patient(r *responses) *responses {
	r.patience, r.unused = time.Hour, time.Hour
	return r
}

// letFinish gives a script that has the longest timeout as long as it takes.
func letFinish(r *rule) {
	if f, ok := r.fault.(*scriptFault); ok && f.Timeout == maxTimeout {
		f.Timeout = int(time.Hour / time.Millisecond)
	}
}

func (w *wire) run(stub *toxics.ToxicStub, half toxics.Toxic) {
	stub.Run(&toxics.ToxicWrapper{Toxic: half, Toxicity: 1})
}

// disturb interrupts a half and starts it again, as toxiproxy does when a toxic
// next to it comes or goes.
func (w *wire) disturb(stub *toxics.ToxicStub, half toxics.Toxic) {
	if w.interrupt && stub.InterruptToxic() {
		go w.run(stub, half)
	}
}

// feed sends data cut at some offsets; it ends early when the half has closed.
func (w *wire) feed(
	to chan *stream.StreamChunk, data []byte, cuts []int, stub *toxics.ToxicStub, half toxics.Toxic,
) {
	from := 0
	for _, cut := range append(cuts, len(data)) {
		cut = min(cut, len(data))
		if cut <= from {
			continue
		}
		to <- &stream.StreamChunk{Data: bytes.Clone(data[from:cut]), Timestamp: time.Now()}
		from = cut
		w.disturb(stub, half)
	}
}

// pour copies a half's output into a pipe until the half closes.
func pour(from chan *stream.StreamChunk, to *io.PipeWriter, all *string) {
	for chunk := range from {
		*all += string(chunk.Data)
		_, _ = to.Write(chunk.Data) // a reader that has gone is no matter
	}
	_ = to.Close()
}

// seen is what both ends saw.
type seen struct {
	service []string // requests, as the service read them
	client  []string // responses, as the client read them, and how it ended
}

// talk sends the requests as one stream, cut at the given offsets, and answers
// them in the service with the responses, as one stream cut likewise.
func (w *wire) talk(requests []request, cuts []int) seen {
	var got seen
	var all sync.WaitGroup
	toService, serviceIn := io.Pipe()
	toClient, clientIn := io.Pipe()
	var halves sync.WaitGroup
	go w.run(w.requests, &RequestHalf{})
	go w.run(w.responses, &ResponseHalf{})
	all.Go(func() { pour(w.out, serviceIn, &w.toService) })
	all.Go(func() { pour(w.sent, clientIn, &w.toClient) })
	all.Go(func() { got.service = w.serve(toService, cuts) })
	done := make(chan struct{})
	all.Go(func() {
		got.client = read(toClient, requests)
		_ = toClient.Close()
		close(done)
	})
	halves.Go(func() {
		var raw []byte
		for _, r := range requests {
			raw = append(raw, r.raw...)
		}
		w.fromClient = string(raw)
		w.feed(w.in, raw, cuts, w.requests, &RequestHalf{})
		if !w.hangUp {
			<-done // a client that has read all it was due closes
		}
		close(w.in)
	})
	halves.Wait()
	all.Wait()
	return got
}

// serve is the service: it answers every request by its path.
func (w *wire) serve(in *io.PipeReader, cuts []int) []string {
	var got []string
	offset := 0
	reader := bufio.NewReader(in)
	for {
		r, err := http.ReadRequest(reader)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				got = append(got, "error: "+err.Error())
			}
			break
		}
		body, err := io.ReadAll(r.Body)
		line := r.Method + " " + r.URL.Path + " " + string(body)
		if parent := r.Header.Get("Traceparent"); parent != "" {
			line += " parent=" + parent
		}
		if len(r.Trailer) > 0 {
			line += fmt.Sprint(" trailer=", r.Trailer.Get("Sum"))
		}
		if err != nil {
			line += " error: " + err.Error()
		}
		got = append(got, strings.TrimSpace(line))
		raw := []byte(answerTo(r.Method, r.URL.Path))
		var here []int
		for _, cut := range cuts {
			here = append(here, cut-offset)
		}
		w.fromService += string(raw)
		w.feed(w.back, raw, here, w.responses, &ResponseHalf{})
		offset += len(raw)
	}
	close(w.back)
	_, _ = io.Copy(io.Discard, in)
	return got
}

// answerTo is the service's response on the wire.
func answerTo(method, path string) string {
	body := "answer to " + path
	n := path[len(path)-1]
	head := "HTTP/1.1 200 OK\r\nX-N: " + string(n) + "\r\n"
	switch {
	case method == "HEAD":
		return head + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body))
	case n%2 == 1:
		return head + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	default:
		return head + fmt.Sprintf("Transfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n"+
			"3\r\n%s\r\n%x;e=1\r\n%s\r\n0\r\nSum: %c\r\n\r\n", body[:3], len(body)-3, body[3:], n)
	}
}

// read is the client: it reads a response per request, until something fails.
func read(in io.Reader, requests []request) []string {
	var got []string
	reader := bufio.NewReader(in)
	for _, r := range requests {
		response, err := http.ReadResponse(reader, &http.Request{Method: r.method})
		if err != nil {
			return append(got, "end: "+err.Error())
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		line := fmt.Sprintf("%d %s", response.StatusCode, body)
		if marks := response.Header["X-Toxic"]; len(marks) > 0 {
			line += " [" + strings.Join(marks, "] [") + "]"
		}
		if len(response.Trailer) > 0 {
			line += " trailer=" + response.Trailer.Get("Sum")
		}
		if err != nil {
			return append(got, line+" end: "+err.Error())
		}
		got = append(got, line)
	}
	rest, err := io.ReadAll(io.LimitReader(reader, int64(reader.Buffered())))
	if len(rest) > 0 || err != nil {
		got = append(got, fmt.Sprintf("then %q %v", rest, err))
	}
	return got
}

// request is one request on the wire.
type request struct{ method, raw string }

// pipelined are requests of every form; those below /hit are for the toxics.
func pipelined() []request {
	const parent = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
	return []request{
		{"GET", "GET /plain/1 HTTP/1.1\r\nHost: a\r\n" + parent + "\r\n"},
		{"GET", "GET /hit/2?q=1 HTTP/1.1\r\nHost: a\r\n" + parent + "\r\n"},
		{"POST", "POST /plain/3 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"},
		{"POST", "POST /hit/4 HTTP/1.1\r\nHost: a\r\n" + parent +
			"Transfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n" +
			"2\r\nwo\r\n3\r\nrld\r\n0\r\nSum: 9\r\n\r\n"},
		{"HEAD", "HEAD /hit/5 HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"GET", "GET /plain/6 HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"GET", "GET /hit/7 HTTP/1.1\r\nHost: a\r\n" + parent + "\r\n"},
		{"GET", "GET /plain/8 HTTP/1.1\r\nHost: a\r\n\r\n"},
	}
}

// within ends a test that hangs, with the stacks of all goroutines.
func within(tb testing.TB, work func()) {
	tb.Helper()
	timer := time.AfterFunc(8*time.Minute, func() {
		buffer := make([]byte, 1<<20)
		panic(tb.Name() + " hangs\n" + string(buffer[:runtime.Stack(buffer, true)]))
	})
	defer timer.Stop()
	work()
}
