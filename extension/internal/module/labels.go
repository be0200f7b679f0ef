package module

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/grafana/sobek"
	"go.k6.io/k6/v2/lib"
	"go.k6.io/k6/v2/lib/netext/httpext"
	"go.k6.io/k6/v2/metrics"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// maxLabels bounds the label cache; beyond it labels are made per attempt, as
// a script with endless distinct names would otherwise grow it without end.
const maxLabels = 20_000

type labelKey struct {
	base    *metrics.TagSet
	extra   string // params.tags but for name
	phase   string
	name    string
	method  string
	service string
	status  int
	tagged  bool // the name is params.tags.name
}

// labelCache interns the labels of attempts. It is safe for concurrent use.
type labelCache struct {
	mu     sync.RWMutex
	labels map[labelKey]*span.Labels
}

func (c *labelCache) get(key *labelKey) *span.Labels {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.labels[*key]
}

// put keeps the labels and returns them, or those that were put before.
func (c *labelCache) put(key *labelKey, labels *span.Labels) *span.Labels {
	c.mu.Lock()
	defer c.mu.Unlock()
	if before := c.labels[*key]; before != nil {
		return before
	}
	if c.labels == nil {
		c.labels = make(map[labelKey]*span.Labels)
	}
	if len(c.labels) < maxLabels {
		c.labels[*key] = labels
	}
	return labels
}

// labelSource is what a request knows about its labels before it is sent. The
// phase is set again before every attempt, by the goroutine that sends it.
type labelSource struct {
	cache    *labelCache
	base     *metrics.TagSet
	enabled  *metrics.SystemTagSet
	tags     [][2]string // params.tags but for name: names and values
	extra    string      // the same, as part of the cache key
	name     string      // fixed name tag; empty: the URL is the name
	tagged   bool        // the name is params.tags.name
	template string      // url.template, from an http.url literal
	service  string
	phase    string
}

// init reads the tags of one request, as k6 does: VU tags first, then
// params.tags, then the name of an http.url template.
func (s *labelSource) init(
	cache *labelCache, state *lib.State, target sobek.Value, params *sobek.Object, service string,
) {
	current := state.Tags.GetCurrentValues()
	s.cache, s.base, s.service = cache, current.Tags, service
	s.enabled = state.Options.SystemTags
	if _, isObject := target.(*sobek.Object); isObject {
		templated, ok := target.Export().(httpext.URL)
		if ok && templated.Name != templated.Clean() {
			s.name, s.template = templated.Name, templated.Name
		}
	}
	if params != nil {
		s.readTags(params.Get("tags"))
	}
	if s.name == "" {
		s.name, _ = current.Tags.Get(metrics.TagName.String())
	}
}

func (s *labelSource) readTags(value sobek.Value) {
	object, ok := value.(*sobek.Object)
	if !ok {
		return
	}
	for _, name := range object.Keys() {
		value := object.Get(name).String()
		if name == metrics.TagName.String() && value != "" {
			s.name, s.tagged = value, true
			continue
		}
		s.tags = append(s.tags, [2]string{name, value})
	}
	if len(s.tags) == 0 {
		return
	}
	var key []byte
	for _, tag := range s.tags {
		key = strconv.AppendQuote(strconv.AppendQuote(key, tag[0]), tag[1])
	}
	s.extra = string(key)
}

// labels is called once per round trip, on the goroutine that sent it.
func (s *labelSource) labels(req *http.Request, resp *http.Response, _ error) *span.Labels {
	key := labelKey{
		base: s.base, extra: s.extra, phase: s.phase, name: s.name,
		method: req.Method, service: s.service, tagged: s.tagged,
	}
	if key.name == "" {
		key.name = cleanURL(req.URL)
	}
	if resp != nil {
		key.status = resp.StatusCode
	}
	if found := s.cache.get(&key); found != nil {
		return found
	}
	return s.cache.put(&key, s.build(&key))
}

func (s *labelSource) build(key *labelKey) *span.Labels {
	tags := s.base
	for _, tag := range s.tags {
		tags = tags.With(tag[0], tag[1])
	}
	if s.tagged {
		tags = tags.With(metrics.TagName.String(), key.name)
	}
	for _, system := range []struct {
		tag   metrics.SystemTag
		value string
	}{
		{metrics.TagName, key.name},
		{metrics.TagURL, key.name},
		{metrics.TagMethod, key.method},
		{metrics.TagStatus, strconv.Itoa(key.status)},
	} {
		if s.enabled.Has(system.tag) {
			tags = tags.With(system.tag.String(), system.value)
		}
	}
	scenario, _ := s.base.Get(metrics.TagScenario.String())
	group, _ := s.base.Get(metrics.TagGroup.String())
	return &span.Labels{
		Phase: s.phase, Scenario: scenario, Name: key.name, Method: key.method,
		Service: s.service, Group: group, Tags: tags,
	}
}

// cleanURL is k6's name of a request without a template: the URL, with
// credentials masked.
func cleanURL(u *url.URL) string {
	if u.User == nil {
		return u.String()
	}
	return maskUser(*u)
}

func maskUser(u url.URL) string {
	_, hasPassword := u.User.Password()
	u.User = nil
	mask := "****@"
	if hasPassword {
		mask = "****:****@"
	}
	return strings.Replace(u.String(), "://", "://"+mask, 1)
}
