package module

import (
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/grafana/sobek"
	"github.com/stretchr/testify/require"
)

// BenchmarkOverhead is our own work on a request: k6/http and ours alternate on
// one VU over a transport that answers at once, so that the difference of their
// CPU times is neither network nor server.
func BenchmarkOverhead(b *testing.B) {
	module := New()
	startWithoutSource(b, module.run)
	v := newBenchVU(b, module, "http://127.0.0.1:9", tracedDefault)
	v.state.Transport = instant{}
	compareSides(b, []*benchVU{v})
}

// noConn is the connection of [instant]; only its address is ever asked for.
type noConn struct{ net.Conn }

// RemoteAddr implements net.Conn.
func (noConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9} }

// instant answers at once and calls the connection hooks as the real one does.
type instant struct{}

// RoundTrip implements http.RoundTripper.
func (instant) RoundTrip(req *http.Request) (*http.Response, error) {
	hooks := httptrace.ContextClientTrace(req.Context())
	hooks.GetConn("")
	hooks.GotConn(httptrace.GotConnInfo{Conn: noConn{}, Reused: true})
	hooks.WroteRequest(httptrace.WroteRequestInfo{})
	hooks.GotFirstResponseByte()
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Length": {"2"}}, ContentLength: 2,
		Body: io.NopCloser(strings.NewReader("ok")), Request: req,
	}, nil
}

func startWithoutSource(b *testing.B, r *run) {
	b.Helper()
	r.settings.source, r.settings.results = "none", b.TempDir()
	r.lookup = func(string) (string, bool) { return "", false }
	r.env = func() []string { return nil }
	_, err := r.start()
	require.NoError(b, err)
	b.Cleanup(func() {
		close(r.settler.stop)
		r.settler.stopped.Wait()
	})
}

// The parts of a measurement. What a request causes later (its spans are sent in batches,
// and judged when nothing new has come for half a second) is done while others are sent:
// the load goes on for longer than that before anything is measured.
const (
	benchWarm   = time.Second
	benchWindow = 1500 * time.Millisecond
	benchTurns  = 4
)

// compareSides measures the sides in turns, each as often before the other as behind it.
func compareSides(b *testing.B, vus []*benchVU) (traced benchSide) {
	b.Helper()
	plain := benchSide{call: func(v *benchVU) sobek.Callable { return v.plain }}
	traced = benchSide{call: func(v *benchVU) sobek.Callable { return v.traced }}
	for b.Loop() {
		for turn := range benchTurns {
			sides := []*benchSide{&plain, &traced}
			if turn%2 == 1 {
				slices.Reverse(sides)
			}
			for _, side := range sides {
				side.run(vus, benchWarm)
				side.measure(vus)
			}
		}
	}
	b.ReportMetric(plain.rate(), "plain-req/s")
	b.ReportMetric(traced.rate(), "traced-req/s")
	b.ReportMetric(traced.rate()/plain.rate(), "traced/plain")
	b.ReportMetric(plain.cpu(), "plain-cpu-µs/req")
	b.ReportMetric(traced.cpu(), "traced-cpu-µs/req")
	b.ReportMetric(traced.cpu()-plain.cpu(), "extra-cpu-µs/req")
	b.ReportMetric(plain.allocations(), "plain-allocs/req")
	b.ReportMetric(traced.allocations(), "traced-allocs/req")
	b.ReportMetric(traced.allocated()-plain.allocated(), "extra-B/req")
	return traced
}

// benchSide adds up what one side needed while it was measured: CPU time is the server's
// too.
type benchSide struct {
	call           func(*benchVU) sobek.Callable
	sent           uint64 // measured or not
	requests       uint64
	took, spent    time.Duration
	mallocs, bytes uint64
}

// run sends for some time, and returns how many requests that were.
func (s *benchSide) run(vus []*benchVU, d time.Duration) (requests uint64) {
	began := time.Now()
	var calls atomic.Uint64
	var wg sync.WaitGroup
	for _, v := range vus {
		wg.Go(func() {
			for time.Since(began) < d {
				if _, err := s.call(v)(sobek.Undefined()); err != nil {
					panic(err)
				}
				calls.Add(1)
			}
		})
	}
	wg.Wait()
	s.sent += calls.Load() * benchRequests
	return calls.Load() * benchRequests
}

func (s *benchSide) measure(vus []*benchVU) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began, cpu := time.Now(), cpuTime()
	s.requests += s.run(vus, benchWindow)
	s.took += time.Since(began)
	s.spent += cpuTime() - cpu
	runtime.ReadMemStats(&after)
	s.mallocs += after.Mallocs - before.Mallocs
	s.bytes += after.TotalAlloc - before.TotalAlloc
}

func (s *benchSide) each(total float64) float64 { return total / float64(s.requests) }

func (s *benchSide) rate() float64        { return 1 / s.each(s.took.Seconds()) }
func (s *benchSide) cpu() float64         { return s.each(float64(s.spent.Microseconds())) }
func (s *benchSide) allocations() float64 { return s.each(float64(s.mallocs)) }
func (s *benchSide) allocated() float64   { return s.each(float64(s.bytes)) }

// cpuTime is what the process has used, user and system.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
