package bridge

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/xk6-continuity/xk6-continuity/toxics/httpstream"
)

// maxAsked bounds the requests of a connection that wait for their responses.
// Those of a client that pipelines more are not followed any longer.
const maxAsked = 10_000

// asked is what the rewriting of a response needs of its request.
type asked struct{ method, host string }

// queue holds the requests of a connection that have no response yet.
type queue struct {
	mu   sync.Mutex
	list []asked
	lost bool // there were too many
}

// push adds a request, if the bridge rewrites.
func (q *queue) push(b *Bridge, h *httpstream.Head) {
	if !b.config.TLS.RewriteLocation {
		return
	}
	host, _ := h.Get("Host")
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.lost = q.lost || len(q.list) >= maxAsked; !q.lost {
		q.list = append(q.list, asked{h.Method(), host})
	}
}

func (q *queue) front() (asked, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.list) == 0 || q.lost {
		return asked{}, false
	}
	return q.list[0], true
}

func (q *queue) pop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.list) > 0 {
		q.list = q.list[1:]
	}
}

// responses passes on what the service sends, with the Location headers that lead
// to itself rewritten.
func (b *Bridge) responses(to io.Writer, from io.Reader, requests *queue) {
	parser := httpstream.NewResponseParser(func() string {
		request, _ := requests.front()
		return request.method
	})
	passOn(to, from, parser, func(h *httpstream.Head) { b.rewrite(h, requests) })
}

// rewrite edits the head of a response to the oldest request.
func (b *Bridge) rewrite(h *httpstream.Head, requests *queue) {
	request, known := requests.front()
	if status := h.Status(); !known || status < http.StatusOK {
		return
	}
	requests.pop()
	value, has := h.Get("Location")
	if rewritten, ok := b.location(value, request.host); has && ok {
		h.Set("Location", rewritten)
	}
}

// location is a Location of the upstream as one of the proxy; false if it leads
// elsewhere.
func (b *Bridge) location(value, host string) (string, bool) {
	u, err := url.Parse(value)
	if err != nil || !strings.EqualFold(u.Scheme, "https") || u.User != nil || host == "" {
		return "", false
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	if !strings.EqualFold(net.JoinHostPort(u.Hostname(), port), b.address) {
		return "", false
	}
	_, rest, _ := strings.Cut(value, "://")
	if path := strings.IndexAny(rest, "/?#"); path >= 0 {
		return "http://" + host + rest[path:], true
	}
	return "http://" + host, true
}
