package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2/client"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/toxics/bridge/bridgetest"
	"github.com/xk6-continuity/xk6-continuity/toxics/server"
)

// start runs a server with its API and toxiproxy's own client for it.
func start(t *testing.T, config server.Config) (*server.Server, string, *toxiproxy.Client) {
	t.Helper()
	config.Logger = zerolog.Nop()
	s, err := server.New(config)
	require.NoError(t, err)
	api := httptest.NewServer(s.Handler())
	t.Cleanup(func() { api.Close(); s.Close() })
	return s, api.URL, toxiproxy.NewClient(api.URL)
}

// upstream is a service that answers "ok".
func upstream(t *testing.T) string {
	t.Helper()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok")
	}))
	t.Cleanup(service.Close)
	return service.Listener.Addr().String()
}

// call is a call of the API, with its status and answer.
func call(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text)
}

// statuses sends n requests on one connection.
func statuses(t *testing.T, address string, n int) []int {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	out := make([]int, 0, n)
	for range n {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address, nil)
		require.NoError(t, err)
		response, err := transport.RoundTrip(request)
		if err != nil {
			out = append(out, 0)
			continue
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		out = append(out, response.StatusCode)
	}
	return out
}

func TestToxiproxysOwnClient(t *testing.T) {
	t.Parallel()
	_, url, client := start(t, server.Config{})
	proxy, err := client.CreateProxy("shop", "127.0.0.1:0", upstream(t))
	require.NoError(t, err)
	assert.Equal(t, []int{200}, statuses(t, proxy.Listen, 1))

	added, err := proxy.AddToxic("", "http_status", "upstream", 1, toxiproxy.Attributes{
		"status": 418, "every": 2,
	})
	require.NoError(t, err)
	assert.Equal(t, "http_status_upstream", added.Name)
	assert.Equal(t, "upstream", added.Stream, "as it was asked for")
	assert.Equal(t, toxiproxy.Attributes{"status": 418.0, "mode": "abort", "every": 2.0}, added.Attributes)
	_, err = proxy.AddToxic("slow", "latency", "downstream", 1, toxiproxy.Attributes{"latency": 1})
	require.NoError(t, err)
	assert.Equal(t, []int{200, 418, 200, 418}, statuses(t, proxy.Listen, 4))

	updated, err := proxy.UpdateToxic(added.Name, 1, toxiproxy.Attributes{"status": 503})
	require.NoError(t, err)
	assert.Equal(t, toxiproxy.Attributes{"status": 503.0, "mode": "abort", "every": 2.0},
		updated.Attributes, "what is not named stays")
	assert.Equal(t, []int{200, 503}, statuses(t, proxy.Listen, 2))
	toxics, err := proxy.Toxics()
	require.NoError(t, err)
	require.Len(t, toxics, 2)
	assert.Equal(t, []string{"slow", added.Name}, []string{toxics[0].Name, toxics[1].Name})
	all, err := client.Proxies()
	require.NoError(t, err)
	assert.Len(t, all["shop"].ActiveToxics, 2)
	_, text := call(t, http.MethodGet, url+"/proxies/shop/toxics/"+added.Name, "")
	assert.Contains(t, text, `"counts":{"seen":6,"selected":3,"injected":3,"marked":3,"passed_through":0,"unpaired":0}`)

	require.NoError(t, proxy.RemoveToxic(added.Name))
	assert.Equal(t, []int{200, 200}, statuses(t, proxy.Listen, 2))
	require.Error(t, proxy.RemoveToxic(added.Name))
	_, text = call(t, http.MethodGet, url+"/counts", "")
	assert.JSONEq(t, `[{"proxy":"shop","name":"http_status_upstream","type":"http_status","mode":"abort",
		"seen":6,"selected":3,"injected":3,"marked":3,"passed_through":0,"unpaired":0}]`, text)
	require.NoError(t, proxy.Disable())
	assert.Equal(t, []int{0}, statuses(t, proxy.Listen, 1))
	require.NoError(t, proxy.Enable())
	_, err = proxy.AddToxic("down", "http_status", "", 1, nil)
	require.NoError(t, err)
	assert.Equal(t, []int{503}, statuses(t, proxy.Listen, 1))
	require.NoError(t, client.ResetState())
	toxics, err = proxy.Toxics()
	require.NoError(t, err)
	assert.Empty(t, toxics)
	assert.Equal(t, []int{200}, statuses(t, proxy.Listen, 1), "the hub is still there")
	require.NoError(t, proxy.Delete())
	all, err = client.Proxies()
	require.NoError(t, err)
	assert.Empty(t, all)
	version, err := client.Version()
	require.NoError(t, err)
	assert.Contains(t, string(version), `"version"`)
}

func TestBadCallsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	_, url, client := start(t, server.Config{})
	proxy, err := client.CreateProxy("shop", "127.0.0.1:0", upstream(t))
	require.NoError(t, err)
	_, err = proxy.AddToxic("taken", "http_status", "", 1, nil)
	require.NoError(t, err)
	_, err = proxy.AddToxic("own", "latency", "", 1, nil)
	require.NoError(t, err)
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", "/proxies", `{`, 400, "bad request body: unexpected EOF"},
		{"POST", "/proxies", `{"upstream":"a:1"}`, 400, "missing required field: name"},
		{"POST", "/proxies", `{"name":"a"}`, 400, "missing required field: upstream"},
		{"POST", "/proxies", `{"name":"shop","upstream":"a:1"}`, 409, "proxy already exists"},
		{"POST", "/proxies", `{"name":"a","upstream":"ftp://a"}`, 400, `upstream must be host:port or https://host[:port] without a path, got \"ftp://a\"`},
		{"POST", "/proxies", `{"name":"a","upstream":"a:1","tls":{}}`, 400, `tls is for https upstreams, got the upstream \"a:1\"`},
		{"POST", "/proxies", `{"name":"a","upstream":"https://a","tls":{"ca":"/nowhere"}}`, 400, "reading tls.ca: open /nowhere"},
		{"POST", "/proxies", `{"name":"a","upstream":"a:1","listen":"` + proxy.Listen + `"}`, 500, "address already in use"},
		{"POST", "/proxies/none", `{}`, 404, "proxy not found"},
		{"POST", "/proxies/shop", `x`, 400, "bad request body"},
		{"DELETE", "/proxies/none", ``, 404, "proxy not found"},
		{"GET", "/proxies/none/toxics", ``, 404, "proxy not found"},
		{"GET", "/proxies/shop/toxics/none", ``, 404, "toxic not found"},
		{"GET", "/proxies/shop/toxics/http_hub_request", ``, 404, "toxic not found"},
		{"DELETE", "/proxies/shop/toxics/http_hub_response", ``, 404, "toxic not found"},
		{"POST", "/proxies/shop/toxics", `x`, 400, "bad request body"},
		{"POST", "/proxies/shop/toxics", `{"type":"http_teapot"}`, 400, "invalid toxic type"},
		{"POST", "/proxies/shop/toxics", `{"type":"http_hub_request"}`, 400, "invalid toxic type"},
		{"POST", "/proxies/shop/toxics", `{"type":"http_status","stream":"side"}`, 400, "stream was invalid"},
		{"POST", "/proxies/shop/toxics", `{"type":"http_status","toxicity":0.5}`, 400, "http_status: toxicity must be 1, got 0.5: use the attribute probability"},
		{"POST", "/proxies/shop/toxics", `{"type":"http_status","name":"taken"}`, 409, "toxic already exists"},
		{"POST", "/proxies/shop/toxics", `{"type":"http_status","name":"own"}`, 409, "toxic already exists"},
		{"POST", "/proxies/shop/toxics", `{"type":"latency","name":"taken"}`, 409, "toxic already exists"},
		{"POST", "/proxies/shop/toxics", `{"type":"http_status","attributes":{"chance":1}}`, 400, "http_status: chance is not an attribute; accepted are body, every"},
		{"POST", "/proxies/shop/toxics", `{"type":"http_script","attributes":{"script":"("}}`, 400, "http_script: script must compile"},
		{"POST", "/proxies/shop/toxics/taken", `{"attributes":{"status":1}}`, 400, "http_status: status must be between 200 and 599, got 1"},
		{"POST", "/proxies/shop/toxics/taken", `{"toxicity":0.5}`, 400, "toxicity must be 1, got 0.5"},
		{"POST", "/proxies/shop/toxics/taken", `x`, 400, "bad request body"},
		{"POST", "/proxies/shop/toxics/none", `{}`, 404, "toxic not found"},
		{"POST", "/populate", `{}`, 400, "bad request body"},
		{"POST", "/populate", `[{"name":"a"}]`, 400, "missing required field: upstream at proxy 1"},
		{"PUT", "/proxies", ``, 405, ""},
		{"GET", "/nothing", ``, 404, ""},
	} {
		status, text := call(t, c.method, url+c.path, c.body)
		assert.Equal(t, c.status, status, "%s %s %s: %s", c.method, c.path, c.body, text)
		assert.Contains(t, text, c.want, "%s %s %s", c.method, c.path, c.body)
	}
	proxies, err := client.Proxies()
	require.NoError(t, err)
	require.Len(t, proxies, 1, "nothing came of them")
	assert.Len(t, proxies["shop"].ActiveToxics, 2)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/proxies", nil)
	require.NoError(t, err)
	request.Header.Set("User-Agent", "Mozilla/5.0")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Equal(t, http.StatusForbidden, response.StatusCode, "no browser")
}

func TestPopulate(t *testing.T) {
	t.Parallel()
	_, url, client := start(t, server.Config{})
	service := upstream(t)
	made, err := client.Populate([]toxiproxy.Proxy{
		{Name: "one", Listen: "127.0.0.1:0", Upstream: service, Enabled: true},
		{Name: "two", Listen: "127.0.0.1:0", Upstream: service},
	})
	require.NoError(t, err)
	require.Len(t, made, 2)
	assert.Equal(t, []int{200}, statuses(t, made[0].Listen, 1))
	_, err = made[0].AddToxic("down", "http_status", "", 1, nil)
	require.NoError(t, err)
	again := fmt.Sprintf(`[{"name":"one","listen":%q,"upstream":%q}]`, made[0].Listen, service)
	status, text := call(t, http.MethodPost, url+"/populate", again)
	require.Equal(t, http.StatusCreated, status, text)
	assert.Equal(t, []int{503}, statuses(t, made[0].Listen, 1), "one that does not differ stays")
	status, text = call(t, http.MethodPost, url+"/populate", strings.ReplaceAll(again, service, upstream(t)))
	require.Equal(t, http.StatusCreated, status, text)
	assert.Equal(t, []int{200}, statuses(t, made[0].Listen, 1), "one that differs is replaced")
	// Those before a failure are made and told of.
	status, text = call(t, http.MethodPost, url+"/populate", fmt.Sprintf(
		`[{"name":"three","listen":"127.0.0.1:0","upstream":"a:1"},
		{"name":"four","listen":%q,"upstream":"a:1"}]`, made[0].Listen))
	assert.Equal(t, http.StatusInternalServerError, status, text)
	assert.Contains(t, text, "address already in use")
	assert.Contains(t, text, `"name":"three"`)
	proxies, err := client.Proxies()
	require.NoError(t, err)
	assert.Len(t, proxies, 3)
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	_, url, client := start(t, server.Config{ProxyMetrics: true, RuntimeMetrics: true})
	proxy, err := client.CreateProxy("shop", "127.0.0.1:0", upstream(t))
	require.NoError(t, err)
	_, err = proxy.AddToxic("down", "http_status", "", 1, toxiproxy.Attributes{"every": 3, "phase": "503s"})
	require.NoError(t, err)
	statuses(t, proxy.Listen, 7)
	require.NoError(t, proxy.RemoveToxic("down"))
	_, text := call(t, http.MethodGet, url+"/metrics", "")
	for name, value := range map[string]int{
		"seen": 7, "selected": 2, "injected": 2, "marked": 2, "unreached": 0, "unmarked": 0, "errors": 0, "passed_through": 0, "unpaired": 0,
	} {
		assert.Contains(t, text, fmt.Sprintf(
			"\ntoxiproxy_http_toxic_%s_total{phase=\"503s\",proxy=\"shop\",toxic=\"down\",type=\"http_status\"} %d\n",
			name, value))
	}
	assert.Contains(t, text, "\ntoxiproxy_proxy_received_bytes_total{")
	assert.Contains(t, text, "\ngo_goroutines ")
	_, bare, _ := start(t, server.Config{})
	_, text = call(t, http.MethodGet, bare+"/metrics", "")
	assert.NotContains(t, text, "go_goroutines")
}

func TestSeedOfTheServer(t *testing.T) {
	t.Parallel()
	seed := uint64(42)
	_, _, client := start(t, server.Config{Seed: &seed})
	proxy, err := client.CreateProxy("shop", "127.0.0.1:0", upstream(t))
	require.NoError(t, err)
	added, err := proxy.AddToxic("a", "http_status", "", 1, nil)
	require.NoError(t, err)
	assert.InDelta(t, 42, added.Attributes["seed"], 0)
	added, err = proxy.AddToxic("b", "http_status", "", 1, toxiproxy.Attributes{"seed": 7})
	require.NoError(t, err)
	assert.InDelta(t, 7, added.Attributes["seed"], 0)
}

// TestChangesUnderLoad adds, updates and removes a toxic through the API while 16
// connections are busy. The responses that the clients had are those that the
// toxic counted.
func TestChangesUnderLoad(t *testing.T) {
	t.Parallel()
	s, _, client := start(t, server.Config{})
	proxy, err := client.CreateProxy("shop", "127.0.0.1:0", upstream(t))
	require.NoError(t, err)
	var done, marked, wrong atomic.Uint64
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for transport := (&http.Transport{}); ; {
				select {
				case <-stop:
					transport.CloseIdleConnections()
					return
				default:
				}
				switch status := statusOf(transport, "http://"+proxy.Listen); status {
				case 200:
				case 418, 503:
					marked.Add(1)
				default:
					wrong.Add(1)
				}
				done.Add(1)
			}
		})
	}
	more := func() {
		from := done.Load()
		require.Eventually(t, func() bool { return done.Load() > from+100 }, 5*time.Minute, time.Millisecond)
	}
	for range 5 {
		_, err := proxy.AddToxic("down", "http_status", "", 1, toxiproxy.Attributes{"every": 3})
		require.NoError(t, err)
		more()
		_, err = proxy.UpdateToxic("down", 1, toxiproxy.Attributes{"status": 418, "mode": "replace"})
		require.NoError(t, err)
		more()
		require.NoError(t, proxy.RemoveToxic("down"))
		more()
	}
	close(stop)
	all.Wait()
	counts := s.Counts()
	require.Len(t, counts, 1)
	assert.Zero(t, wrong.Load())
	assert.Equal(t, marked.Load(), counts[0].Injected)
	assert.Equal(t, counts[0].Selected, counts[0].Injected)
	assert.NotZero(t, counts[0].Injected)
}

// statusOf is the status of a GET; 0 for none.
func statusOf(transport *http.Transport, url string) int {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return 0
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	return response.StatusCode
}

// TestHTTPSUpstreams are spoken to over verified TLS, as the proxy's description
// says it now.
func TestHTTPSUpstreams(t *testing.T) {
	t.Parallel()
	a := bridgetest.NewAuthority(t)
	first := bridgetest.NewService(t, a, "localhost", nil)
	second := bridgetest.NewService(t, a, "localhost", nil)
	_, url, client := start(t, server.Config{})
	text, err := os.ReadFile(a.File)
	require.NoError(t, err)
	described := func(upstream, ca string) string {
		body, err := json.Marshal(map[string]any{
			"name": "shop", "listen": "127.0.0.1:0", "upstream": upstream,
			"tls": map[string]any{"ca": ca},
		})
		require.NoError(t, err)
		return string(body)
	}
	status, answer := call(t, http.MethodPost, url+"/proxies", described(first.Upstream(), string(text)))
	require.Equal(t, http.StatusCreated, status, answer)
	assert.Contains(t, answer, `"upstream":"`+first.Upstream()+`"`)
	proxy, err := client.Proxy("shop")
	require.NoError(t, err)
	assert.Equal(t, []int{200}, statuses(t, proxy.Listen, 1))
	assert.Len(t, first.Hosts, 1)

	proxy.Upstream = second.Upstream()
	require.NoError(t, proxy.Save())
	assert.Equal(t, []int{200}, statuses(t, proxy.Listen, 1), "the authority stays")
	assert.Len(t, second.Hosts, 1)
	_, err = proxy.AddToxic("down", "http_status", "", 1, nil)
	require.NoError(t, err)
	assert.Equal(t, []int{503}, statuses(t, proxy.Listen, 1))
	require.NoError(t, proxy.RemoveToxic("down"))
	status, answer = call(t, http.MethodPost, url+"/populate", "["+strings.Replace(
		described(second.Upstream(), string(text)), "127.0.0.1:0", proxy.Listen, 1)+"]")
	require.Equal(t, http.StatusCreated, status, answer)
	assert.Equal(t, []int{200}, statuses(t, proxy.Listen, 1), "populated again, with its bridge")

	status, answer = call(t, http.MethodPost, url+"/proxies/shop", `{"tls":{}}`)
	require.Equal(t, http.StatusOK, status, answer)
	assert.Equal(t, []int{502}, statuses(t, proxy.Listen, 1), "the system knows no such authority")
	status, answer = call(t, http.MethodPost, url+"/proxies/shop", `{"upstream":"https://a/b"}`)
	assert.Equal(t, http.StatusBadRequest, status, answer)
	status, answer = call(t, http.MethodPost, url+"/proxies/shop", fmt.Sprintf(`{"upstream":%q}`, upstream(t)))
	require.Equal(t, http.StatusOK, status, answer)
	assert.Equal(t, []int{200}, statuses(t, proxy.Listen, 1), "plain bytes")
	require.NoError(t, proxy.Delete())
}

// TestToxiproxysCommandLine drives the server with toxiproxy's own command, if it
// is installed: go install github.com/Shopify/toxiproxy/v2/cmd/cli@v2.12.0.
func TestToxiproxysCommandLine(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("toxiproxy-cli")
	if err != nil {
		t.Skip("toxiproxy-cli is not installed")
	}
	_, url, client := start(t, server.Config{})
	cli := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), path, append([]string{"-h", url}, args...)...).CombinedOutput()
		require.NoError(t, err, string(out))
		return string(out)
	}
	cli("create", "-l", "127.0.0.1:0", "-u", upstream(t), "shop")
	cli("toxic", "add", "-n", "down", "-t", "http_status", "-a", "status=418", "-a", "every=2",
		"-a", `match={"method":"GET"}`, "shop")
	proxy, err := client.Proxy("shop")
	require.NoError(t, err)
	assert.Equal(t, []int{200, 418}, statuses(t, proxy.Listen, 2))
	cli("toxic", "update", "-n", "down", "-a", "status=503", "shop")
	assert.Contains(t, cli("inspect", "shop"), "status=503")
	cli("toxic", "remove", "-n", "down", "shop")
	cli("toggle", "shop")
	assert.Contains(t, cli("list"), "shop")
	cli("delete", "shop")
}
