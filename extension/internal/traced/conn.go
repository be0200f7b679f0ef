package traced

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptrace"
	"strconv"
	"sync"
	"time"
)

// connTrace watches the connection of one round trip. Go's transport calls the
// hooks from several goroutines, some of them after the round trip returned.
type connTrace struct {
	hooks   httptrace.ClientTrace
	outer   httptrace.ClientTrace // the caller's hooks, called before ours
	context withoutTrace
	start   time.Time

	mu                        sync.Mutex
	gotConn                   time.Time // of the first connection
	connectStart, connectDone time.Time
	tlsStart, tlsDone         time.Time
	wrote, firstByte          time.Time
	connected                 bool
	sends                     uint16
	remote                    net.Addr
}

// connTiming is what is known when the round trip is over, in nanoseconds.
type connTiming struct {
	blocked, connecting, tls, waiting int64
	connected                         bool
	sends                             uint16
}

// withoutTrace hides the caller's hooks from [httptrace.WithClientTrace], which
// would combine them with ours by reflection, at the price of the rest of our
// work on a request. Our hooks call the caller's directly.
type withoutTrace struct{ context.Context }

// Value implements context.Context.
func (c *withoutTrace) Value(key any) any {
	value := c.Context.Value(key)
	if _, ok := value.(*httptrace.ClientTrace); ok {
		return nil
	}
	return value
}

// attach returns the context that makes the transport call t, and the hooks
// that ctx already has.
func (t *connTrace) attach(ctx context.Context) context.Context {
	t.start = time.Now()
	if outer := httptrace.ContextClientTrace(ctx); outer != nil {
		t.outer, t.hooks, t.context = *outer, *outer, withoutTrace{ctx}
		ctx = &t.context
	}
	t.hooks.GotConn = t.onGotConn
	t.hooks.ConnectStart = t.onConnectStart
	t.hooks.ConnectDone = t.onConnectDone
	t.hooks.TLSHandshakeStart = t.onTLSStart
	t.hooks.TLSHandshakeDone = t.onTLSDone
	t.hooks.WroteRequest = t.onWroteRequest
	t.hooks.GotFirstResponseByte = t.onFirstByte
	return httptrace.WithClientTrace(ctx, &t.hooks)
}

func (t *connTrace) onGotConn(info httptrace.GotConnInfo) {
	if t.outer.GotConn != nil {
		t.outer.GotConn(info)
	}
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.connected {
		t.gotConn, t.connected = now, true
	}
	if info.Conn != nil {
		t.remote = info.Conn.RemoteAddr()
	}
}

func (t *connTrace) onConnectStart(network, addr string) {
	if t.outer.ConnectStart != nil {
		t.outer.ConnectStart(network, addr)
	}
	t.set(&t.connectStart)
}

func (t *connTrace) onConnectDone(network, addr string, err error) {
	if t.outer.ConnectDone != nil {
		t.outer.ConnectDone(network, addr, err)
	}
	t.set(&t.connectDone)
}

func (t *connTrace) onTLSStart() {
	if t.outer.TLSHandshakeStart != nil {
		t.outer.TLSHandshakeStart()
	}
	t.set(&t.tlsStart)
}

func (t *connTrace) onTLSDone(state tls.ConnectionState, err error) {
	if t.outer.TLSHandshakeDone != nil {
		t.outer.TLSHandshakeDone(state, err)
	}
	t.set(&t.tlsDone)
}

// onWroteRequest counts a failed write as a send too: the server may have seen
// a part of it.
func (t *connTrace) onWroteRequest(info httptrace.WroteRequestInfo) {
	if t.outer.WroteRequest != nil {
		t.outer.WroteRequest(info)
	}
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wrote = now
	t.sends++
}

func (t *connTrace) onFirstByte() {
	if t.outer.GotFirstResponseByte != nil {
		t.outer.GotFirstResponseByte()
	}
	t.set(&t.firstByte)
}

func (t *connTrace) set(at *time.Time) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	*at = now
}

func (t *connTrace) timing() connTiming {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := connTiming{
		connecting: between(t.connectStart, t.connectDone), tls: between(t.tlsStart, t.tlsDone),
		waiting: between(t.wrote, t.firstByte), connected: t.connected, sends: t.sends,
	}
	out.blocked = max(0, between(t.start, t.gotConn)-out.connecting-out.tls)
	return out
}

func between(from, to time.Time) int64 {
	if from.IsZero() || to.Before(from) {
		return 0
	}
	return int64(to.Sub(from))
}

// peer is the address that the request was sent to.
func (t *connTrace) peer() (host string, port int, ok bool) {
	t.mu.Lock()
	remote := t.remote
	t.mu.Unlock()
	if remote == nil {
		return "", 0, false
	}
	host, text, err := net.SplitHostPort(remote.String())
	if err != nil {
		return "", 0, false
	}
	port, err = strconv.Atoi(text)
	return host, port, err == nil
}
