package server

import (
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
	"github.com/rs/zerolog/hlog"
)

const (
	// apiTimeout is how long toxiproxy lets a call of its API take.
	apiTimeout = 25 * time.Second
	// maxRequest bounds the body of a call.
	maxRequest = 16 << 20
)

// handler returns what a call is answered with: a value for JSON, or nothing.
type handler func(*http.Request) (any, error)

// proxyHandler is the handler of a call about one proxy, whose lock it holds.
type proxyHandler func(*http.Request, *entry) (any, error)

// onProxy finds the proxy that a call is about and holds its lock.
func (s *Server) onProxy(handle proxyHandler) handler {
	return func(r *http.Request) (any, error) {
		e, err := s.entry(r.PathValue("proxy"))
		if err != nil {
			return nil, err
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		return handle(r, e)
	}
}

// Handler is the API.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	route := func(pattern string, status int, handle handler) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
			body, err := handle(r)
			answer(w, status, body, err)
		})
	}
	proxy := func(pattern string, status int, handle proxyHandler) {
		route(pattern, status, s.onProxy(handle))
	}
	route("POST /reset", http.StatusNoContent, s.reset)
	route("GET /proxies", http.StatusOK, s.listProxies)
	route("POST /proxies", http.StatusCreated, s.createProxy)
	mux.HandleFunc("POST /populate", s.populate)
	proxy("GET /proxies/{proxy}", http.StatusOK, s.showProxy)
	proxy("POST /proxies/{proxy}", http.StatusOK, s.updateProxy)
	proxy("PATCH /proxies/{proxy}", http.StatusOK, s.updateProxy)
	proxy("DELETE /proxies/{proxy}", http.StatusNoContent, s.deleteProxy)
	proxy("GET /proxies/{proxy}/toxics", http.StatusOK, s.listToxics)
	proxy("POST /proxies/{proxy}/toxics", http.StatusOK, s.createToxic)
	proxy("GET /proxies/{proxy}/toxics/{toxic}", http.StatusOK, s.showToxic)
	proxy("POST /proxies/{proxy}/toxics/{toxic}", http.StatusOK, s.updateToxic)
	proxy("PATCH /proxies/{proxy}/toxics/{toxic}", http.StatusOK, s.updateToxic)
	proxy("DELETE /proxies/{proxy}/toxics/{toxic}", http.StatusNoContent, s.deleteToxic)
	route("GET /counts", http.StatusOK, s.listCounts)
	mux.HandleFunc("GET /version", s.api.Version)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}))
	return s.middleware(mux)
}

// middleware is what toxiproxy puts around its API: a log line per call, a
// request id, a time limit, and no answer to browsers, whose scripts must not
// reach an API on the loopback interface.
func (s *Server) middleware(next http.Handler) http.Handler {
	next = http.TimeoutHandler(next, apiTimeout, "")
	next = refuseBrowsers(next)
	next = hlog.AccessHandler(func(r *http.Request, status, size int, took time.Duration) {
		zerolog.Ctx(r.Context()).Debug().
			Str("client", r.RemoteAddr).Str("method", r.Method).Stringer("url", r.URL).
			Int("status", status).Int("size", size).Dur("duration", took).Msg("API call")
	})(next)
	next = hlog.RequestIDHandler("request_id", "X-Toxiproxy-Request-Id")(next)
	return hlog.NewHandler(*s.api.Logger)(next)
}

func refuseBrowsers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.UserAgent(), "Mozilla/") {
			http.Error(w, "User agent not allowed", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
