package traced

import (
	"crypto/tls"
	"errors"
	"net/http/httptrace"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestConnectionOfARequestWithHooksOfItsOwn has k6's hooks around ours.
func TestConnectionOfARequestWithHooksOfItsOwn(t *testing.T) {
	t.Parallel()
	r, server := newRig(t, nil), newEcho(t)
	var seen []string
	for range 2 {
		req := request(t, "GET", server.URL)
		req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
			ConnectStart: func(string, string) { seen = append(seen, "start") },
			ConnectDone:  func(string, string, error) { seen = append(seen, "done") },
		}))
		require.NoError(t, r.send(ClientConfig{}, req))
	}
	attempts := r.sink.all()
	assert.Positive(t, attempts[0].Connecting)
	assert.Less(t, attempts[0].Blocked, attempts[0].Duration)
	assert.Zero(t, attempts[1].Connecting, "the connection is reused")
	assert.Equal(t, []string{"start", "done"}, seen)
}

// TestTimesOfAConnection lets things happen, with some time before each of them,
// and the round trip end as long after the last one.
func TestTimesOfAConnection(t *testing.T) {
	t.Parallel()
	const later = 5 * time.Millisecond
	refused := errors.New("refused")
	type times struct{ blocked, connecting, tls, waiting time.Duration }
	var (
		search  = func(c *connTrace) { c.onGetConn("shop:80") }
		connect = func(c *connTrace) { c.onConnectStart("tcp", "127.0.0.1:80") }
		answers = func(c *connTrace) { c.onConnectDone("tcp", "127.0.0.1:80", nil) }
		refuses = func(c *connTrace) { c.onConnectDone("tcp", "127.0.0.1:80", refused) }
		greet   = func(c *connTrace) { c.onTLSStart() }
		greeted = func(c *connTrace) { c.onTLSDone(tls.ConnectionState{}, nil) }
		own     = func(c *connTrace) { c.onGotConn(httptrace.GotConnInfo{}) }
		others  = func(c *connTrace) { c.onGotConn(httptrace.GotConnInfo{Reused: true}) }
		wrote   = func(c *connTrace) { c.onWroteRequest(httptrace.WroteRequestInfo{}) }
		read    = func(c *connTrace) { c.onFirstByte() }
	)
	for name, tt := range map[string]struct {
		happens []func(*connTrace)
		want    times
	}{
		"a new one": {
			[]func(*connTrace){search, connect, answers, greet, greeted, own, wrote, read},
			times{4 * later, later, later, later},
		},
		"two addresses, the first of which refuses": {
			[]func(*connTrace){connect, refuses, connect, answers, own, wrote, read},
			times{2 * later, 3 * later, 0, later},
		},
		"two addresses, the second of which is too late": {
			[]func(*connTrace){connect, connect, answers, own, refuses, wrote, read},
			times{2 * later, 2 * later, 0, later},
		},
		"no address": {
			[]func(*connTrace){connect, refuses, connect, refuses}, times{2 * later, 3 * later, 0, 0},
		},
		"no answer while it connects": {[]func(*connTrace){connect}, times{later, later, 0, 0}},
		"no answer to the handshake": {
			[]func(*connTrace){connect, answers, greet}, times{2 * later, later, later, 0},
		},
		"no answer to the request": {[]func(*connTrace){others, wrote}, times{later, 0, 0, later}},
		"none to be had":           {[]func(*connTrace){search}, times{2 * later, 0, 0, 0}},
		"one that was freed while another one was made": {
			[]func(*connTrace){connect, others, answers, greet, wrote, greeted, read},
			times{2 * later, 0, 0, 2 * later},
		},
		"one that takes the place of one that was dead": {
			[]func(*connTrace){search, others, wrote, search, connect, answers, own, wrote, read},
			times{4 * later, later, 0, later},
		},
		"none in the place of one that was dead": {
			[]func(*connTrace){search, others, wrote, search, connect, refuses},
			times{4 * later, later, 0, 0},
		},
		"another one of HTTP/2, after one of its own": {
			[]func(*connTrace){search, connect, answers, greet, greeted, own, others, wrote, read},
			times{4 * later, later, later, later},
		},
		"its own of HTTP/2, which another request used first": {
			[]func(*connTrace){search, connect, answers, greet, greeted, others, wrote, read},
			times{4 * later, later, later, later},
		},
		"another one of HTTP/2, which it is the first to use": {
			[]func(*connTrace){search, connect, answers, greet, own, greeted, wrote, read},
			times{5 * later, 0, 0, later},
		},
		"two of HTTP/2, which may not be reused": {
			[]func(*connTrace){
				connect, answers, greet, greeted, connect, answers, greet, greeted, own, wrote, read,
			},
			times{5 * later, 2 * later, 2 * later, later},
		},
		"through a proxy that speaks TLS too": {
			[]func(*connTrace){connect, answers, greet, greeted, greet, greeted, own, wrote, read},
			times{4 * later, later, 2 * later, later},
		},
		"an answer before the request was written": {
			[]func(*connTrace){others, read, wrote}, times{later, 0, 0, 0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := &connTrace{}
				c.attach(t.Context(), time.Now().Add(-1))
				for _, happen := range tt.happens {
					time.Sleep(later)
					happen(c)
				}
				time.Sleep(later)
				got := c.timing(now(c.start))
				assert.Equal(t, tt.want, times{
					time.Duration(got.blocked), time.Duration(got.connecting),
					time.Duration(got.tls), time.Duration(got.waiting),
				})
			})
		})
	}
}
