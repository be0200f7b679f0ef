package traced

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestExportOfTextsThatAreNoUTF8 has a header and a redirect in Latin-1: neither
// may cost the batch.
func TestExportOfTextsThatAreNoUTF8(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header()["X-City"] = []string{"Orl\xe9ans"}
		if req.URL.Path == "/" {
			w.Header()["Location"] = []string{"/next?city=Orl\xe9ans"}
			w.WriteHeader(http.StatusFound)
		}
	}))
	t.Cleanup(server.Close)
	c := newCollector(t, nil)
	e := newExporting(t, to(c.address, inOnePiece, "3600000"))
	client, err := NewClient(e.Provider,
		ClientConfig{Capture: CaptureHeaders{Response: []string{"X-City"}}}, &sinkLog{})
	require.NoError(t, err)
	op := client.Start(t.Context(), operation("GET", server.URL+"/"))
	r := &rig{tb: t, base: newBase(t)}
	require.NoError(t, r.through(op, request(t, "GET", server.URL+"/")))
	op.End(nil)
	e.shutdown()
	assert.Empty(t, e.told())
	assert.Equal(t, uint64(3), e.identity().Exported)
	spans := spansOf(c.request1(t))
	require.Len(t, spans, 3)
	for i, path := range []string{"/", "/next?city=Orl\uFFFDans"} {
		for _, kv := range spans[i].GetAttributes() {
			switch kv.GetKey() {
			case "url.full":
				assert.Equal(t, server.URL+path, kv.GetValue().GetStringValue())
			case "http.response.header.x-city":
				assert.Equal(t, "Orl\uFFFDans",
					kv.GetValue().GetArrayValue().GetValues()[0].GetStringValue())
			}
		}
	}
}
