package shop_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlp"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/shop"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

const anyPort = "127.0.0.1:0"

// sink is an OTLP receiver that keeps every span.
type sink struct {
	receiver *otlp.Receiver
	mu       sync.Mutex
	spans    []span.Record
}

func newSink(t *testing.T) *sink {
	t.Helper()
	s := &sink{}
	var err error
	s.receiver, err = otlp.Listen(otlp.Config{
		GRPC: anyPort, HTTP: anyPort, OnWarn: func(string) {},
		Sink: func(batch []span.Record) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.spans = append(s.spans, batch...)
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.receiver.Shutdown(context.Background())) })
	return s
}

// of lists the spans of a service and kind.
func (s *sink) of(service string, kind span.Kind) []span.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []span.Record
	for _, r := range s.spans {
		if r.Descriptor.Service == service && r.Kind == kind {
			out = append(out, r)
		}
	}
	return out
}

// open runs the demo until the returned function is called, which returns when
// every span has been exported.
func open(t *testing.T, c shop.Config) (gateway string, stop func()) {
	t.Helper()
	c.Gateway, c.Inventory, c.Pricing = anyPort, anyPort, anyPort
	addresses := make(chan string, 3)
	c.Ready = func(_, address string) { addresses <- address }
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- shop.Run(ctx, c) }()
	for range 3 {
		select {
		case gateway = <-addresses:
		case err := <-ended:
			require.NoError(t, err)
		}
	}
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	t.Cleanup(stop)
	return "http://" + gateway, stop
}

// traceparent is the context of the n-th request.
func traceparent(n int) string { return fmt.Sprintf("00-%032x-%016x-01", n+1, n+1) }

// send makes requests 0 to n-1, one after the other, and returns their statuses.
func send(t *testing.T, n int, method, url string) []int {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	statuses := make([]int, n)
	for i := range n {
		req, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
		require.NoError(t, err)
		req.Header.Set("Traceparent", traceparent(i))
		resp, err := client.Do(req)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		statuses[i] = resp.StatusCode
	}
	return statuses
}

func TestACheckoutIsOneTraceThroughAllServices(t *testing.T) {
	t.Parallel()
	for name, endpoint := range map[string]func(*otlp.Receiver) string{
		"over gRPC": (*otlp.Receiver).GRPCAddr,
		"over HTTP": func(r *otlp.Receiver) string { return "http://" + r.HTTPAddr() + "/" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSink(t)
			gateway, stop := open(t, shop.Config{Endpoint: endpoint(s.receiver)})
			require.Equal(t, []int{http.StatusCreated}, send(t, 1, http.MethodPost, gateway+"/checkout"))
			stop()
			entry := s.of("gateway", span.KindServer)
			require.Len(t, entry, 1)
			assert.Equal(t, "POST /checkout", entry[0].Descriptor.Name)
			assert.Equal(t, "0000000000000001", entry[0].ParentID.String())
			calls := s.of("gateway", span.KindClient)
			require.Len(t, calls, 2)
			for i, service := range []string{"inventory", "pricing"} {
				served := s.of(service, span.KindServer)
				require.Len(t, served, 1)
				assert.Equal(t, calls[i].SpanID, served[0].ParentID)
				assert.Equal(t, entry[0].SpanID, calls[i].ParentID)
				assert.Equal(t, entry[0].TraceID, served[0].TraceID)
			}
		})
	}
}

// requests is enough for a share of 0.2 to stay within 0.15 and 0.25 with any
// honest draw; the draws are seeded, so the tests below never change.
const requests = 600

func TestFailAnswers503ForItsShareBySeed(t *testing.T) {
	t.Parallel()
	statuses := func(seed uint64) (all []int, failed int) {
		gateway, stop := open(t, shop.Config{Fail: 0.2, Seed: seed})
		all = send(t, requests, http.MethodGet, gateway+"/products")
		stop()
		for _, status := range all {
			if status == http.StatusServiceUnavailable {
				failed++
				continue
			}
			assert.Equal(t, http.StatusOK, status)
		}
		return all, failed
	}
	first, failed := statuses(1)
	assert.InDelta(t, 0.2*requests, failed, 0.05*requests)
	again, _ := statuses(1)
	assert.Equal(t, first, again, "the same seed makes the same choices")
	other, _ := statuses(2)
	assert.NotEqual(t, first, other)
}

func TestDropContextStartsNewTracesForItsShare(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	gateway, stop := open(t, shop.Config{DropContext: 0.2, Seed: 1, Endpoint: s.receiver.GRPCAddr()})
	send(t, requests, http.MethodGet, gateway+"/products")
	stop()
	served := s.of("gateway", span.KindServer)
	require.Len(t, served, requests)
	restarted := 0
	for _, r := range served {
		if r.ParentID.IsZero() {
			restarted++
		}
	}
	assert.InDelta(t, 0.2*requests, restarted, 0.05*requests)
}

func TestDropSpansLosesTheServerSpanAndKeepsItsChildren(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	gateway, stop := open(t, shop.Config{DropSpans: 0.2, Seed: 1, Endpoint: s.receiver.GRPCAddr()})
	send(t, requests, http.MethodPost, gateway+"/cart")
	stop()
	assert.InDelta(t, 0.8*requests, len(s.of("gateway", span.KindServer)), 0.05*requests)
	assert.Len(t, s.of("gateway", span.KindClient), requests)
	assert.Len(t, s.of("pricing", span.KindServer), requests)
}

func TestDuplicateHandlesItsShareTwiceBelowOneParent(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	gateway, stop := open(t, shop.Config{Duplicate: 0.2, Seed: 1, Endpoint: s.receiver.GRPCAddr()})
	statuses := send(t, requests, http.MethodPost, gateway+"/cart")
	stop()
	assert.NotContains(t, statuses, http.StatusBadGateway)
	perParent := make(map[[8]byte]int)
	for _, r := range s.of("gateway", span.KindServer) {
		perParent[r.ParentID]++
	}
	require.Len(t, perParent, requests)
	twice := 0
	for _, n := range perParent {
		require.LessOrEqual(t, n, 2)
		twice += n - 1
	}
	assert.InDelta(t, 0.2*requests, twice, 0.05*requests)
	assert.Len(t, s.of("pricing", span.KindServer), requests+twice)
}

func TestSlowWaitsAtLeastItsTime(t *testing.T) {
	t.Parallel()
	const wait = 150 * time.Millisecond
	gateway, _ := open(t, shop.Config{Slow: 1, SlowBy: wait})
	began := time.Now()
	assert.Equal(t, []int{http.StatusOK}, send(t, 1, http.MethodGet, gateway+"/products"))
	assert.GreaterOrEqual(t, time.Since(began), wait)
}

func TestStopFinishesTheRequestUnderWayAndClosesThePorts(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	gateway, stop := open(t, shop.Config{
		Slow: 1, SlowBy: 3500 * time.Millisecond, Endpoint: s.receiver.GRPCAddr(),
	})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, gateway+"/healthz", http.NoBody)
	require.NoError(t, err)
	resp, err := client.Do(req) // the next request has a connection already
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	slow := req.Clone(t.Context())
	slow.URL.Path = "/products"
	status := make(chan int, 1)
	go func() {
		defer close(status)
		if resp, err := client.Do(slow); err == nil {
			status <- resp.StatusCode
			_ = resp.Body.Close()
		}
	}()
	<-time.After(1500 * time.Millisecond) // enough to be read, not to be answered
	stop()
	select {
	case got := <-status:
		assert.Equal(t, http.StatusOK, got)
		assert.Len(t, s.of("gateway", span.KindServer), 1)
	case <-time.After(20 * time.Second):
		t.Fatal("the request was not answered")
	}
	_, err = net.DialTimeout("tcp", gateway[len("http://"):], time.Second)
	assert.Error(t, err)
}

func TestAPortInUseNamesTheService(t *testing.T) {
	t.Parallel()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", anyPort)
	require.NoError(t, err)
	defer func() { assert.NoError(t, taken.Close()) }()
	address := taken.Addr().String()
	err = shop.Run(t.Context(), shop.Config{Gateway: anyPort, Inventory: anyPort, Pricing: address})
	require.ErrorContains(t, err, "listening for pricing on "+address)
}

func TestCheckWantsAnAnswerOf200(t *testing.T) {
	t.Parallel()
	gateway, stop := open(t, shop.Config{})
	require.NoError(t, shop.Check(t.Context(), gateway+"/healthz"))
	require.ErrorContains(t, shop.Check(t.Context(), gateway+"/nowhere"), "want status 200, got 404")
	require.ErrorContains(t, shop.Check(t.Context(), "127.0.0.1:8080"), "checking \"127.0.0.1:8080\"")
	require.ErrorContains(t, shop.Check(t.Context(), "ftp://x"), "want an http or https URL")
	stop()
	require.ErrorContains(t, shop.Check(t.Context(), gateway+"/healthz"), "checking "+gateway)
}
