package traced

import (
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
	mu                        sync.Mutex
	getConn, gotConn          time.Time
	connectStart, connectDone time.Time
	tlsStart, tlsDone         time.Time
	wrote, firstByte          time.Time
	connected                 bool
	sends                     uint16
	remote                    string
}

// connTiming is what is known when the round trip is over, in nanoseconds.
type connTiming struct {
	blocked, connecting, tls, waiting int64
	connected                         bool
	sends                             uint16
}

func (t *connTrace) hooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) { t.set(&t.getConn) },
		GotConn: func(info httptrace.GotConnInfo) {
			now := time.Now()
			t.mu.Lock()
			defer t.mu.Unlock()
			t.gotConn, t.connected = now, true
			if info.Conn != nil {
				t.remote = info.Conn.RemoteAddr().String()
			}
		},
		ConnectStart:      func(string, string) { t.set(&t.connectStart) },
		ConnectDone:       func(string, string, error) { t.set(&t.connectDone) },
		TLSHandshakeStart: func() { t.set(&t.tlsStart) },
		TLSHandshakeDone:  func(tls.ConnectionState, error) { t.set(&t.tlsDone) },
		WroteHeaders: func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.sends++
		},
		WroteRequest:         func(httptrace.WroteRequestInfo) { t.set(&t.wrote) },
		GotFirstResponseByte: func() { t.set(&t.firstByte) },
	}
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
	out.blocked = max(0, between(t.getConn, t.gotConn)-out.connecting-out.tls)
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
	defer t.mu.Unlock()
	host, text, err := net.SplitHostPort(t.remote)
	if err != nil {
		return "", 0, false
	}
	port, err = strconv.Atoi(text)
	return host, port, err == nil
}
