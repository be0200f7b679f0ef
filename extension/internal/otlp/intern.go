package otlp

import (
	"errors"
	"sync"
	"unicode/utf8"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

const (
	// maxText bounds every retained text, in bytes: a service cannot make the
	// receiver hold more than this per field and descriptor.
	maxText = 256
	// maxTraceState bounds a retained tracestate: the size of a whole W3C list
	// of 32 members, generously.
	maxTraceState = 8 << 10
	// generation is the number of descriptors after which the shared cache
	// starts a new generation; two generations are kept.
	generation = 4096
	// maxLocal bounds a decoder's own view of the shared cache.
	maxLocal = 2048
	// maxPaths bounds the routes that were derived from a concrete path. Paths
	// with ids in them never repeat; beyond this many, a span without a real
	// http.route has no route, rather than a descriptor of its own.
	maxPaths = 2048
	// keySeparator cannot occur in valid UTF-8.
	keySeparator = 0xff
)

// errNotUTF8 means that a text field is not valid UTF-8, which protobuf and
// JSON both demand.
var errNotUTF8 = errors.New("text is not valid UTF-8")

// interner gives equal descriptors one pointer. It is shared by the decoders
// of one receiver and safe for concurrent use. It holds two generations:
// what was not used during a whole generation is forgotten.
type interner struct {
	mu       sync.Mutex
	cur, old map[string]*span.Descriptor
	paths    map[string]struct{}
}

func newInterner() *interner {
	return &interner{
		cur:   make(map[string]*span.Descriptor),
		paths: make(map[string]struct{}),
	}
}

// text is the raw form of a descriptor: slices into the message.
type text struct {
	service, scope, name, method, route []byte
	routeIsPath                         bool // route was derived from a concrete path
}

// get returns the descriptor stored under key, or makes it from t.
func (in *interner) get(key []byte, t *text) (*span.Descriptor, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if d := in.cur[string(key)]; d != nil {
		return d, nil
	}
	d := in.old[string(key)]
	if d == nil {
		if !utf8.Valid(t.service) || !utf8.Valid(t.scope) || !utf8.Valid(t.name) ||
			!utf8.Valid(t.method) || !utf8.Valid(t.route) {
			return nil, errNotUTF8
		}
		d = &span.Descriptor{
			Service: string(t.service),
			Name:    string(t.name),
			Method:  string(t.method),
			Route:   string(t.route),
			Scope:   string(t.scope),
		}
	}
	if len(in.cur) >= generation {
		in.old, in.cur = in.cur, make(map[string]*span.Descriptor, generation)
	}
	in.cur[string(key)] = d
	return d, nil
}

// admitPath reports whether a path may serve as a route: it is known, or
// there is room for one more.
func (in *interner) admitPath(path []byte) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if _, known := in.paths[string(path)]; known {
		return true
	}
	if len(in.paths) >= maxPaths || !utf8.Valid(path) {
		return false
	}
	in.paths[string(path)] = struct{}{}
	return true
}

// localCache is one decoder's view of an interner, used without a lock.
type localCache struct {
	shared *interner
	known  map[string]*span.Descriptor
	paths  map[string]struct{}
	key    []byte
	state  string // the last tracestate: consecutive spans often share it
}

func newLocalCache(shared *interner) localCache {
	return localCache{
		shared: shared,
		known:  make(map[string]*span.Descriptor),
		paths:  make(map[string]struct{}),
	}
}

// descriptor returns the interned form of t. The texts are cut to [maxText]
// bytes first, at a rune boundary.
func (c *localCache) descriptor(t *text) (*span.Descriptor, error) {
	t.service, t.scope, t.name = clip(t.service), clip(t.scope), clip(t.name)
	t.method, t.route = clip(t.method), clip(t.route)
	if t.routeIsPath && !c.knowsPath(t.route) {
		t.route = nil
	}
	key := c.key[:0]
	for _, part := range [...][]byte{t.service, t.scope, t.name, t.method, t.route} {
		key = append(append(key, part...), keySeparator)
	}
	c.key = key
	if d := c.known[string(key)]; d != nil {
		return d, nil
	}
	d, err := c.shared.get(key, t)
	if err != nil {
		return nil, err
	}
	if len(c.known) >= maxLocal {
		clear(c.known)
	}
	c.known[string(key)] = d
	return d, nil
}

func (c *localCache) knowsPath(path []byte) bool {
	if _, ok := c.paths[string(path)]; ok {
		return true
	}
	if !c.shared.admitPath(path) {
		return false
	}
	c.paths[string(path)] = struct{}{}
	return true
}

// traceState returns b as a string, without an allocation when it repeats.
func (c *localCache) traceState(b []byte) (string, error) {
	if len(b) == 0 || string(b) == c.state {
		return c.state[:len(b)], nil
	}
	if !utf8.Valid(b) {
		return "", errNotUTF8
	}
	if len(b) > maxTraceState {
		b = b[:maxTraceState]
	}
	c.state = string(b)
	return c.state, nil
}

// clip cuts b to [maxText] bytes without splitting a rune.
func clip(b []byte) []byte {
	if len(b) <= maxText {
		return b
	}
	n := maxText
	for n > maxText-utf8.UTFMax && !utf8.RuneStart(b[n]) {
		n--
	}
	return b[:n]
}
