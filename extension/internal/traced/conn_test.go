package traced

import (
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

func TestTimeToConnect(t *testing.T) {
	t.Parallel()
	const later = 5 * time.Millisecond
	refused := errors.New("refused")
	synctest.Test(t, func(t *testing.T) {
		for name, tt := range map[string]struct {
			happens    func(*connTrace)
			connecting time.Duration
			blocked    time.Duration
		}{
			"of two addresses, the first of which refuses": {func(c *connTrace) {
				c.onConnectStart("tcp", "[::1]:80")
				time.Sleep(later)
				c.onConnectDone("tcp", "[::1]:80", refused)
				c.onConnectStart("tcp", "127.0.0.1:80")
				time.Sleep(later)
				c.onConnectDone("tcp", "127.0.0.1:80", nil)
				c.onGotConn(httptrace.GotConnInfo{})
			}, 2 * later, 0},
			"of two addresses, the second of which is too late": {func(c *connTrace) {
				c.onConnectStart("tcp", "[::1]:80")
				c.onConnectStart("tcp", "127.0.0.1:80")
				time.Sleep(later)
				c.onConnectDone("tcp", "[::1]:80", nil)
				c.onGotConn(httptrace.GotConnInfo{})
				time.Sleep(later)
				c.onConnectDone("tcp", "127.0.0.1:80", refused)
			}, later, 0},
			"to no address": {func(c *connTrace) {
				for range 2 {
					c.onConnectStart("tcp", "127.0.0.1:80")
					time.Sleep(later)
					c.onConnectDone("tcp", "127.0.0.1:80", refused)
				}
			}, 2 * later, 0},
			"of a connection that was freed earlier": {func(c *connTrace) {
				c.onConnectStart("tcp", "127.0.0.1:80")
				time.Sleep(later)
				c.onGotConn(httptrace.GotConnInfo{Reused: true})
				time.Sleep(later)
				c.onConnectDone("tcp", "127.0.0.1:80", nil)
			}, 0, later},
		} {
			c := &connTrace{}
			c.attach(t.Context(), time.Now().Add(-1))
			tt.happens(c)
			got := c.timing()
			assert.Equal(t, tt.connecting, time.Duration(got.connecting), name)
			assert.Equal(t, tt.blocked, time.Duration(got.blocked), name)
		}
	})
}
