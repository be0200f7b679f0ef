package module

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/grafana/sobek"
	"go.k6.io/k6/v2/js/common"
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
	extra   string
	phase   string
	name    string
	method  string
	service string
	status  int
}

// labelCache interns the labels of attempts. It is safe for concurrent use.
type labelCache struct {
	size   atomic.Int64
	labels sync.Map // labelKey -> *span.Labels
}

// labelSource is what a request knows about its labels before it is sent. The
// phase is set again before every attempt, by the goroutine that sends it.
type labelSource struct {
	cache    *labelCache
	base     *metrics.TagSet
	enabled  *metrics.SystemTagSet
	tags     map[string]string // params.tags
	extra    string            // the same, as part of the cache key
	name     string            // fixed name tag; empty: the URL is the name
	template string            // url.template, from an http.url literal
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
	if params != nil {
		s.readTags(params.Get("tags"))
	}
	if _, isObject := target.(*sobek.Object); isObject {
		templated, ok := target.Export().(httpext.URL)
		if ok && templated.Name != templated.Clean() {
			s.name, s.template = templated.Name, templated.Name
		}
	}
	if name := s.tags["name"]; name != "" {
		s.name = name
	}
	if s.name == "" {
		s.name, _ = current.Tags.Get(metrics.TagName.String())
	}
}

func (s *labelSource) readTags(value sobek.Value) {
	object, ok := value.(*sobek.Object)
	if !ok || common.IsNullish(value) {
		return
	}
	s.tags = make(map[string]string)
	var key strings.Builder
	for _, name := range object.Keys() {
		s.tags[name] = object.Get(name).String()
		key.WriteString(strconv.Quote(name))
		key.WriteString(strconv.Quote(s.tags[name]))
	}
	s.extra = key.String()
}

// labels is called once per round trip, on the goroutine that sent it.
func (s *labelSource) labels(req *http.Request, resp *http.Response, _ error) *span.Labels {
	key := labelKey{
		base: s.base, extra: s.extra, phase: s.phase, name: s.name,
		method: req.Method, service: s.service,
	}
	if key.name == "" {
		key.name = cleanURL(req.URL)
	}
	if resp != nil {
		key.status = resp.StatusCode
	}
	if found, ok := s.cache.labels.Load(key); ok {
		if labels, isLabels := found.(*span.Labels); isLabels {
			return labels
		}
	}
	labels := s.build(key)
	if s.cache.size.Add(1) <= maxLabels {
		s.cache.labels.Store(key, labels)
	}
	return labels
}

func (s *labelSource) build(key labelKey) *span.Labels {
	tags := s.base
	for name, value := range s.tags {
		tags = tags.With(name, value)
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
