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
//
// Moments are nanoseconds since start, on the monotonic clock; 0 is never.
type connTrace struct {
	hooks   httptrace.ClientTrace
	outer   *httptrace.ClientTrace // the caller's hooks, called before ours
	context connContext
	start   time.Time

	mu               sync.Mutex
	dial             dial
	searching        int64 // for a connection, since then; 0 while there is one
	wait             int64 // for connections that were found
	connecting, tls  int64 // of them
	wrote, firstByte int64
	connected        bool
	sends            uint16
	remote           net.Addr
}

// dial is a connection that is being made for the round trip. Another one may be
// found in the meantime; then it goes on for others. HTTP/2 that may not reuse
// connections makes a second one when the first is there.
type dial struct {
	connectStart, connectDone int64
	dialed                    bool // an address answered
	tlsStart, tlsDone         int64
	connectBefore             int64 // of the first of two
	tlsBefore                 int64 // of the first of two, or of the handshake with a proxy
}

// times are what the dial took, up to end if it is not over.
func (d *dial) times(end int64) (connecting, tls int64) {
	return d.connectBefore + between(d.connectStart, d.connectDone, end),
		d.tlsBefore + between(d.tlsStart, d.tlsDone, end)
}

// made reports whether the dial is over, so that its times count. Whether a
// connection of HTTP/2 is said to be reused depends on which of the requests that
// waited for it was first.
func (d *dial) made(info httptrace.GotConnInfo) bool {
	if d.tlsStart != 0 {
		return d.tlsDone != 0
	}
	return !info.Reused
}

// connTiming is what is known when the round trip is over, in nanoseconds.
type connTiming struct {
	blocked, connecting, tls, waiting int64
	connected                         bool
	sends                             uint16
}

// connContext puts our hooks in the place of the caller's, which ours call.
// [httptrace.WithClientTrace] would combine them by reflection, at the price of
// the rest of our work on a request.
type connContext struct {
	context.Context
	trace *connTrace

	once    sync.Once
	dialing context.Context
}

// Value implements context.Context. Package net has a form of its own for the
// caller's hooks. It looks for them when it makes a connection, so that ours are
// brought into that form then, and not for every request.
func (c *connContext) Value(key any) any {
	value := c.Context.Value(key)
	switch value.(type) {
	case nil, context.Context: // the latter is what package context looks for
		return value
	case *httptrace.ClientTrace:
		return &c.trace.hooks
	}
	c.once.Do(func() { c.dialing = c.trace.dialing(context.Background()) })
	if ours := c.dialing.Value(key); ours != nil {
		return ours
	}
	return value
}

// noHooks are the hooks of a caller that has none.
func noHooks() *httptrace.ClientTrace { return &httptrace.ClientTrace{} }

// attach returns the context that makes the transport call t, and the hooks
// that ctx already has. The round trip began at start.
func (t *connTrace) attach(ctx context.Context, start time.Time) context.Context {
	t.start, t.searching = start, now(start)
	t.outer = httptrace.ContextClientTrace(ctx)
	if t.outer != nil {
		t.hooks = *t.outer
	}
	t.hooks.GetConn = t.onGetConn
	t.hooks.GotConn = t.onGotConn
	t.hooks.TLSHandshakeStart = t.onTLSStart
	t.hooks.TLSHandshakeDone = t.onTLSDone
	t.hooks.WroteRequest = t.onWroteRequest
	t.hooks.GotFirstResponseByte = t.onFirstByte
	if t.outer == nil {
		t.outer = noHooks()
		return t.dialing(ctx)
	}
	t.context = connContext{Context: ctx, trace: t}
	return &t.context
}

// dialing adds the hooks to a context, with what package net calls for a connection.
func (t *connTrace) dialing(ctx context.Context) context.Context {
	hooks := t.hooks
	hooks.ConnectStart, hooks.ConnectDone = t.onConnectStart, t.onConnectDone
	return httptrace.WithClientTrace(ctx, &hooks)
}

// now is the moment since start; never 0.
func now(start time.Time) int64 { return max(1, int64(time.Since(start))) }

// onGetConn is called again when the transport sends the request again.
func (t *connTrace) onGetConn(hostPort string) {
	if t.outer.GetConn != nil {
		t.outer.GetConn(hostPort)
	}
	at := now(t.start)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.searching == 0 {
		t.searching, t.dial = at, dial{}
		t.wrote, t.firstByte = 0, 0
	}
}

func (t *connTrace) onGotConn(info httptrace.GotConnInfo) {
	if t.outer.GotConn != nil {
		t.outer.GotConn(info)
	}
	at := now(t.start)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.connected = true
	if info.Conn != nil {
		t.remote = info.Conn.RemoteAddr()
	}
	if t.searching == 0 { // HTTP/2 may not say that it searches
		return
	}
	t.wait += at - t.searching
	t.searching = 0
	if t.dial.made(info) {
		connecting, tls := t.dial.times(0)
		t.connecting, t.tls = t.connecting+connecting, t.tls+tls
	}
}

func (t *connTrace) onConnectStart(network, addr string) {
	if t.outer.ConnectStart != nil {
		t.outer.ConnectStart(network, addr)
	}
	at := now(t.start)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dial.dialed {
		t.dial.connectBefore += between(t.dial.connectStart, t.dial.connectDone, 0)
		t.dial.connectStart, t.dial.connectDone, t.dial.dialed = 0, 0, false
	}
	if t.dial.connectStart == 0 { // of several addresses, the first
		t.dial.connectStart = at
	}
}

func (t *connTrace) onConnectDone(network, addr string, err error) {
	if t.outer.ConnectDone != nil {
		t.outer.ConnectDone(network, addr, err)
	}
	at := now(t.start)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil || !t.dial.dialed { // an address that failed after another one is nothing
		t.dial.connectDone, t.dial.dialed = at, err == nil
	}
}

// onTLSStart is called twice with a proxy that speaks TLS.
func (t *connTrace) onTLSStart() {
	if t.outer.TLSHandshakeStart != nil {
		t.outer.TLSHandshakeStart()
	}
	at := now(t.start)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dial.tlsBefore += between(t.dial.tlsStart, t.dial.tlsDone, 0)
	t.dial.tlsStart, t.dial.tlsDone = at, 0
}

func (t *connTrace) onTLSDone(state tls.ConnectionState, err error) {
	if t.outer.TLSHandshakeDone != nil {
		t.outer.TLSHandshakeDone(state, err)
	}
	t.set(&t.dial.tlsDone)
}

// onWroteRequest counts a failed write as a send too: the server may have seen
// a part of it.
func (t *connTrace) onWroteRequest(info httptrace.WroteRequestInfo) {
	if t.outer.WroteRequest != nil {
		t.outer.WroteRequest(info)
	}
	at := now(t.start)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wrote = at
	t.sends++
}

func (t *connTrace) onFirstByte() {
	if t.outer.GotFirstResponseByte != nil {
		t.outer.GotFirstResponseByte()
	}
	t.set(&t.firstByte)
}

func (t *connTrace) set(moment *int64) {
	at := now(t.start)
	t.mu.Lock()
	defer t.mu.Unlock()
	*moment = at
}

// timing is what the round trip took that has ended, that long after its start.
// What was under way has ended with it.
func (t *connTrace) timing(end int64) connTiming {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := connTiming{
		connecting: t.connecting, tls: t.tls, waiting: between(t.wrote, t.firstByte, end),
		connected: t.connected, sends: t.sends,
	}
	wait := t.wait
	if t.searching != 0 {
		wait += max(0, end-t.searching)
		connecting, tls := t.dial.times(end)
		out.connecting, out.tls = out.connecting+connecting, out.tls+tls
	}
	out.blocked = max(0, wait-out.connecting-out.tls)
	return out
}

// between is the time from one moment to another, or to the end if that one never
// was; 0 if the first never was, or came second.
func between(from, to, end int64) int64 {
	if to == 0 {
		to = end
	}
	if from == 0 || to < from {
		return 0
	}
	return to - from
}

// peer is the address that the request was sent to.
func (t *connTrace) peer() (host string, port int, ok bool) {
	t.mu.Lock()
	remote := t.remote
	t.mu.Unlock()
	if remote == nil {
		return "", 0, false
	}
	if tcp, isTCP := remote.(*net.TCPAddr); isTCP && tcp.Zone == "" && len(tcp.IP) > 0 {
		return tcp.IP.String(), tcp.Port, true
	}
	host, text, err := net.SplitHostPort(remote.String())
	if err != nil {
		return "", 0, false
	}
	port, err = strconv.Atoi(text)
	return host, port, err == nil
}
