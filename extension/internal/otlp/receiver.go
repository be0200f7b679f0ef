package otlp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc"
)

// Stats counts what a receiver has seen so far.
type Stats struct {
	Requests     uint64 // trace export requests, good or bad
	Spans        uint64 // handed to the sink
	Rejected     uint64 // spans refused one by one through partial success
	Redelivered  uint64 // requests that were most likely sent before; the sink saw them again
	BadRequests  uint64 // refused as malformed, too large, too slow or unsupported
	Unauthorized uint64 // refused for a missing or wrong token
	Busy         uint64 // refused under pressure, with the request to try again
	Discarded    uint64 // requests of other signals, answered with success
	Bytes        uint64 // of trace requests, as sent
}

// counters is Stats while it is being counted.
type counters struct {
	requests, spans, rejected, redelivered atomic.Uint64
	badRequests, unauthorized, busy        atomic.Uint64
	discarded, bytes                       atomic.Uint64
}

// Receiver is a running OTLP receiver. Make one with [Listen].
type Receiver struct {
	cfg      Config
	count    counters
	places   *semaphore.Weighted // for requests being read
	plain    chan *worker        // free workers for requests as they are
	packed   chan *worker        // free workers for compressed requests
	recent   redeliveries
	buffers  sync.Pool // of *[]byte
	grpcLn   net.Listener
	httpLn   net.Listener
	grpc     *grpc.Server
	http     *http.Server
	handlers handlers // of the HTTP server
	done     sync.WaitGroup
	warnOnce sync.Map // cause -> struct{}
}

// Listen starts a receiver. A port in use is an error that names the port and
// the option.
func Listen(cfg Config) (*Receiver, error) {
	if err := cfg.normalize(); err != nil {
		return nil, err
	}
	secure, err := cfg.tlsConfig()
	if err != nil {
		return nil, err
	}
	r := &Receiver{cfg: cfg, places: semaphore.NewWeighted(maxReceiving)}
	r.newWorkers()
	if r.grpcLn, err = open("listen.grpc", cfg.GRPC); err != nil {
		return nil, err
	}
	if r.httpLn, err = open("listen.http", cfg.HTTP); err != nil {
		return nil, errors.Join(err, closeListener(r.grpcLn))
	}
	r.warnOpen()
	r.serveGRPC(secure)
	r.serveHTTP(secure)
	return r, nil
}

// open listens on an address; nil for an empty one.
func open(option, address string) (net.Listener, error) {
	if address == "" {
		return nil, nil //nolint:nilnil // off is a valid setting
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(context.Background(), "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		_, port, _ := net.SplitHostPort(address)
		return nil, fmt.Errorf("listening on %s (%s): port %s is already in use: "+
			"stop what uses it or choose another port: %w", address, option, port, err)
	case err != nil:
		return nil, fmt.Errorf("listening on %s (%s): %w", address, option, err)
	}
	return newLimitListener(ln, maxConnections), nil
}

func closeListener(ln net.Listener) error {
	if ln == nil {
		return nil
	}
	return ln.Close()
}

// GRPCAddr returns the address that gRPC is served on; empty when it is off.
func (r *Receiver) GRPCAddr() string { return address(r.grpcLn) }

// HTTPAddr returns the address that HTTP is served on; empty when it is off.
func (r *Receiver) HTTPAddr() string { return address(r.httpLn) }

func address(ln net.Listener) string {
	if ln == nil {
		return ""
	}
	return ln.Addr().String()
}

// Stats returns the counts so far.
func (r *Receiver) Stats() Stats {
	c := &r.count
	return Stats{
		Requests:     c.requests.Load(),
		Spans:        c.spans.Load(),
		Rejected:     c.rejected.Load(),
		Redelivered:  c.redelivered.Load(),
		BadRequests:  c.badRequests.Load(),
		Unauthorized: c.unauthorized.Load(),
		Busy:         c.busy.Load(),
		Discarded:    c.discarded.Load(),
		Bytes:        c.bytes.Load(),
	}
}

// Shutdown stops accepting requests, waits for those under way until ctx
// ends, and then cuts them off. The sink is not called after it returned.
func (r *Receiver) Shutdown(ctx context.Context) error {
	var wg sync.WaitGroup
	var httpErr error
	if r.grpc != nil {
		wg.Go(func() { r.stopGRPC(ctx) })
	}
	if r.http != nil {
		wg.Go(func() { httpErr = r.stopHTTP(ctx) })
	}
	wg.Wait()
	r.done.Wait()
	return httpErr
}

// warnOpen warns when other machines can send without any protection.
func (r *Receiver) warnOpen() {
	protected := r.cfg.TLSCert != "" && r.cfg.Token != ""
	for option, address := range map[string]string{
		"listen.grpc": r.cfg.GRPC, "listen.http": r.cfg.HTTP,
	} {
		if !protected && checkLoopback(option, address) != nil {
			r.warn(option, fmt.Sprintf("%s %s accepts spans from other machines without TLS "+
				"and a token: set listen.tlsCert, listen.tlsKey and listen.token",
				option, address))
		}
	}
}

// warn tells the user once per cause.
func (r *Receiver) warn(cause, message string) {
	if _, told := r.warnOnce.LoadOrStore(cause, struct{}{}); !told {
		r.cfg.OnWarn(message)
	}
}

// admit waits for a place to read a request into; false means try again later.
func (r *Receiver) admit(ctx context.Context) bool {
	if r.places.TryAcquire(1) {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.admissionTimeout)
	defer cancel()
	return r.places.Acquire(ctx, 1) == nil
}

func (r *Receiver) leave() { r.places.Release(1) }

// serverTLS returns the configuration for one protocol, with its ALPN names.
func serverTLS(base *tls.Config, protocols ...string) *tls.Config {
	c := base.Clone()
	c.NextProtos = protocols
	return c
}
