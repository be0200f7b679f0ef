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

	mu                        sync.Mutex
	attached                  int64
	gotConn                   int64 // of the first connection
	connectStart, connectDone int64
	tlsStart, tlsDone         int64
	wrote, firstByte          int64
	dialed                    bool // to an address that answered
	connected                 bool
	reused                    bool // the first connection was made for another request
	sends                     uint16
	remote                    net.Addr
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
	c.once.Do(func() { c.dialing = c.trace.dialing() })
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
	t.start, t.attached = start, now(start)
	t.outer = httptrace.ContextClientTrace(ctx)
	if t.outer != nil {
		t.hooks = *t.outer
	}
	t.hooks.GotConn = t.onGotConn
	t.hooks.TLSHandshakeStart = t.onTLSStart
	t.hooks.TLSHandshakeDone = t.onTLSDone
	t.hooks.WroteRequest = t.onWroteRequest
	t.hooks.GotFirstResponseByte = t.onFirstByte
	if t.outer == nil {
		t.outer = noHooks()
		t.hooks.ConnectStart, t.hooks.ConnectDone = t.onConnectStart, t.onConnectDone
		return httptrace.WithClientTrace(ctx, &t.hooks)
	}
	t.context = connContext{Context: ctx, trace: t}
	return &t.context
}

// dialing returns a context with what package net calls for a connection.
func (t *connTrace) dialing() context.Context {
	hooks := t.hooks
	hooks.ConnectStart, hooks.ConnectDone = t.onConnectStart, t.onConnectDone
	return httptrace.WithClientTrace(context.Background(), &hooks)
}

// now is the moment since start; never 0.
func now(start time.Time) int64 { return max(1, int64(time.Since(start))) }

func (t *connTrace) onGotConn(info httptrace.GotConnInfo) {
	if t.outer.GotConn != nil {
		t.outer.GotConn(info)
	}
	at := now(t.start)
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.connected {
		t.gotConn, t.connected, t.reused = at, true, info.Reused
	}
	if info.Conn != nil {
		t.remote = info.Conn.RemoteAddr()
	}
}

func (t *connTrace) onConnectStart(network, addr string) {
	if t.outer.ConnectStart != nil {
		t.outer.ConnectStart(network, addr)
	}
	at := now(t.start)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.connectStart == 0 { // of several addresses, the first
		t.connectStart = at
	}
}

func (t *connTrace) onConnectDone(network, addr string, err error) {
	if t.outer.ConnectDone != nil {
		t.outer.ConnectDone(network, addr, err)
	}
	at := now(t.start)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil || !t.dialed { // an address that failed after another one is nothing
		t.connectDone, t.dialed = at, err == nil
	}
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

func (t *connTrace) timing() connTiming {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := connTiming{
		connecting: between(t.connectStart, t.connectDone), tls: between(t.tlsStart, t.tlsDone),
		waiting: between(t.wrote, t.firstByte), connected: t.connected, sends: t.sends,
	}
	if t.reused { // what was dialed is another one, which came too late
		out.connecting, out.tls = 0, 0
	}
	out.blocked = max(0, between(t.attached, t.gotConn)-out.connecting-out.tls)
	return out
}

// between is the time from one moment to another; 0 if either never was.
func between(from, to int64) int64 {
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
