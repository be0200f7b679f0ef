package otlp

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
)

// Senders that speak to the wrong port or path hear of it from their own logs,
// if at all. The user looks here, where nothing arrives.

// misdirected tells of requests that are not for this server: the preface of
// HTTP/2, by which gRPC begins, and spans for another path.
func (r *Receiver) misdirected(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case req.Method == "PRI":
			r.warn("grpc at http", fmt.Sprintf("listen.http %s was spoken to in gRPC: %s, "+
				"or set the sender's OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
				r.HTTPAddr(), elsewhere("gRPC", r.GRPCAddr())))
		case req.Method == http.MethodPost && req.URL.Path == "/":
			r.warn("path", fmt.Sprintf("listen.http %s refuses what is sent to the path /: "+
				"traces are received at /v1/traces", r.HTTPAddr()))
		}
		next.ServeHTTP(w, req)
	})
}

func elsewhere(protocol, address string) string {
	if address == "" {
		return protocol + " is off"
	}
	return protocol + " is received on " + address
}

// plainListener tells of HTTP/1 on the port of gRPC.
type plainListener struct {
	net.Listener

	receiver *Receiver
}

// Accept waits for a connection.
func (l plainListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &greetedConn{Conn: c, receiver: l.receiver}, nil
}

// greetedConn looks at the first bytes of a connection.
type greetedConn struct {
	net.Conn

	receiver *Receiver // nil when they were seen
}

// Read reads from the connection. gRPC reads from one goroutine.
func (c *greetedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if r := c.receiver; r != nil && n > 0 {
		c.receiver = nil
		if bytes.HasPrefix(b[:n], []byte("POST ")) {
			r.warn("http at grpc", fmt.Sprintf("listen.grpc %s was spoken to in HTTP: %s, "+
				"or set the sender's OTEL_EXPORTER_OTLP_PROTOCOL=grpc",
				r.GRPCAddr(), elsewhere("HTTP", r.HTTPAddr())))
		}
	}
	return n, err
}
