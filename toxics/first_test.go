package toxics_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/toxics"
)

// TestResetsOfToxiproxyLeaveTheHub: its halves are out of the sight of toxiproxy's
// own list, on connections that are open and on new ones.
func TestResetsOfToxiproxyLeaveTheHub(t *testing.T) {
	t.Parallel()
	r := serve(t, func(http.ResponseWriter, *http.Request) {})
	assert.Empty(t, r.proxy.Toxics.GetToxicArray())
	r.add(t, "x", "http_status", `{"match":{"path":"/hit"}}`)
	open := client(t, 1)
	response, _ := get(t, open, r.url("/"))
	assert.Equal(t, http.StatusOK, response.StatusCode)
	r.proxy.Toxics.ResetToxics(t.Context())
	for _, c := range []*http.Client{open, client(t, 1)} {
		response, _ = get(t, c, r.url("/hit"))
		assert.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	}
	err := toxics.NewHub(t.Name()).Install(r.proxy)
	require.EqualError(t, err,
		`installing the HTTP toxics in proxy "p": it has HTTP toxics already`)
}

// TestConnectionsBeforeTheHubPass counts one that was open when the hub came.
func TestConnectionsBeforeTheHubPass(t *testing.T) {
	t.Parallel()
	toxics.Register()
	service := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(service.Close)
	r := &rig{
		proxy: newProxy(t, service.Listener.Addr().String()), hub: toxics.NewHub(t.Name()),
	}
	require.NoError(t, r.proxy.Start())
	t.Cleanup(r.proxy.Stop)
	t.Cleanup(r.hub.Close)
	open := client(t, 1)
	response, _ := get(t, open, r.url("/"))
	assert.Equal(t, http.StatusOK, response.StatusCode)
	require.NoError(t, r.hub.Install(r.proxy))
	r.add(t, "x", "http_status", `{}`)
	response, _ = get(t, open, r.url("/"))
	assert.Equal(t, http.StatusOK, response.StatusCode, "it was open before")
	response, _ = get(t, client(t, 1), r.url("/"))
	assert.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	assert.Equal(t, uint64(1), r.counts().Unpaired)
}
