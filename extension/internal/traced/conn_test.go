package traced

import (
	"net/http/httptrace"
	"testing"

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
