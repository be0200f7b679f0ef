package server

import (
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/xk6-continuity/xk6-continuity/toxics"
)

// ProxyCounters are what one HTTP toxic of one proxy has counted since the
// proxy was made, over all the times that it was in.
type ProxyCounters struct {
	Proxy string `json:"proxy"`
	toxics.Counters
}

// Counts lists the counters of all HTTP toxics that are in or were in, by proxy
// and name.
func (s *Server) Counts() []ProxyCounters {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]ProxyCounters, 0)
	for proxy, e := range s.entries {
		for _, counters := range e.hub.Totals() {
			out = append(out, ProxyCounters{Proxy: proxy.Name, Counters: counters})
		}
	}
	slices.SortFunc(out, func(a, b ProxyCounters) int {
		return strings.Compare(a.Proxy+"\x00"+a.Name+"\x00"+a.Phase,
			b.Proxy+"\x00"+b.Name+"\x00"+b.Phase)
	})
	return out
}

func (s *Server) listCounts(*http.Request) (any, error) { return s.Counts(), nil }

// metrics shows the counters in /metrics.
type metrics Server

// series are the counters of a toxic with their names and help.
func series() []struct {
	name, help string
	value      func(*toxics.Counts) uint64
} {
	return []struct {
		name, help string
		value      func(*toxics.Counts) uint64
	}{
		{
			"seen", "Requests that passed while the toxic was in.",
			func(c *toxics.Counts) uint64 { return c.Seen },
		},
		{
			"selected", "Requests that the toxic's selector chose.",
			func(c *toxics.Counts) uint64 { return c.Selected },
		},
		{
			"injected", "Requests where the fault took place.",
			func(c *toxics.Counts) uint64 { return c.Injected },
		},
		{
			"marked", "Responses that went out with the toxic's X-Toxic mark.",
			func(c *toxics.Counts) uint64 { return c.Marked },
		},
		{
			"unreached", "Marked responses whose body ended before the toxic's cut.",
			func(c *toxics.Counts) uint64 { return c.Unreached },
		},
		{
			"unmarked", "Requests where the fault took place and no response went out.",
			func(c *toxics.Counts) uint64 { return c.Unmarked },
		},
		{
			"errors", "Calls of the toxic's script that failed; their requests passed.",
			func(c *toxics.Counts) uint64 { return c.Errors },
		},
		{
			"passed_through", "Connections of the toxic's proxy that were not HTTP/1.1, " +
				"the same for all toxics of a proxy.",
			func(c *toxics.Counts) uint64 { return c.PassedThrough },
		},
		{
			"unpaired", "Connections of the toxic's proxy whose directions could not be paired, " +
				"the same for all toxics of a proxy.",
			func(c *toxics.Counts) uint64 { return c.Unpaired },
		},
	}
}

func describe(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("toxiproxy_http_toxic_"+name+"_total", help,
		[]string{"proxy", "toxic", "type", "phase"}, nil)
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	for _, one := range series() {
		out <- describe(one.name, one.help)
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	for _, counters := range (*Server)(m).Counts() {
		for _, one := range series() {
			out <- prometheus.MustNewConstMetric(describe(one.name, one.help),
				prometheus.CounterValue, float64(one.value(&counters.Counts)),
				counters.Proxy, counters.Name, counters.Type, counters.Phase)
		}
	}
}
