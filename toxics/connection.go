package toxics

import (
	"errors"
	"net"
	"reflect"
	"strings"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
)

// endpoints are the two connections of a link. They are nil where a hub does not
// know them; the hub reads and writes neither, toxiproxy does.
type endpoints struct{ client, upstream net.Conn }

// connections sees the open connections of a proxy. Toxiproxy gives a toxic
// bytes alone, and two things need more: a reset has to be one on the wire, and a
// toxic must not wait for ever to hand on bytes to a connection that is gone.
type connections struct {
	list    *toxiproxy.ConnectionList
	open    *map[string]net.Conn // guarded by the list's lock
	claimed map[net.Conn]struct{}
}

var errOtherToxiproxy = errors.New(
	"this version of toxiproxy keeps its connections in another way than v2.12.0")

// connectionsOf finds the field that holds them. It has no accessor; another
// version of toxiproxy that keeps them otherwise is an error here and not a
// surprise later.
func connectionsOf(proxy *toxiproxy.Proxy) (*connections, error) {
	list := reflect.ValueOf(proxy).Elem().FieldByName("connections")
	if !list.IsValid() || list.Type() != reflect.TypeFor[toxiproxy.ConnectionList]() {
		return nil, errOtherToxiproxy
	}
	open := list.FieldByName("list")
	if !open.IsValid() || open.Type() != reflect.TypeFor[map[string]net.Conn]() {
		return nil, errOtherToxiproxy
	}
	return &connections{
		list:    (*toxiproxy.ConnectionList)(list.Addr().UnsafePointer()),
		open:    (*map[string]net.Conn)(open.Addr().UnsafePointer()),
		claimed: make(map[net.Conn]struct{}),
	}, nil
}

// newest returns the connections that were opened since it was last called. It
// is called once for each, from the goroutine that accepts them.
func (c *connections) newest() endpoints {
	const client, upstream = "downstream", "upstream"
	c.list.Lock()
	defer c.list.Unlock()
	if len(c.claimed) > 2*len(*c.open)+64 {
		c.forget()
	}
	for name, conn := range *c.open {
		if _, known := c.claimed[conn]; known || !strings.HasSuffix(name, client) {
			continue
		}
		c.claimed[conn] = struct{}{}
		return endpoints{
			client: conn, upstream: (*c.open)[strings.TrimSuffix(name, client)+upstream],
		}
	}
	return endpoints{}
}

// forget drops the connections that are closed.
func (c *connections) forget() {
	open := make(map[net.Conn]struct{}, len(*c.open))
	for _, conn := range *c.open {
		if _, known := c.claimed[conn]; known {
			open[conn] = struct{}{}
		}
	}
	c.claimed = open
}

// abort makes the end of the client's connection a reset (RST) and not a FIN.
// What the client's side has not acknowledged by then is lost, as in any reset.
func (e endpoints) abort() {
	if conn, ok := e.client.(*net.TCPConn); ok {
		_ = conn.SetLinger(0) // fails on a connection that is closed already
	}
}

// closed reports whether this process has closed a connection.
func closed(conn net.Conn) bool {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return false
	}
	raw, err := tcp.SyscallConn()
	return err != nil || raw.Control(func(uintptr) {}) != nil
}
