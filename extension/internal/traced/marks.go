package traced

import (
	"strings"
	"sync"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/clientspan"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// toxicHeader is what our toxics put on every response that they made or
// changed: `<type>; mode=<mode>; name=<name>`.
const toxicHeader = "X-Toxic"

// maxMarks bounds the interned marks; there are as many as toxics, usually.
const maxMarks = 1024

// markCache interns the parsed X-Toxic headers.
type markCache struct {
	mu    sync.RWMutex
	marks map[string]*span.Marks
}

// parse returns the marks of a response; nil for none.
func (c *markCache) parse(values []string) *span.Marks {
	if len(values) == 0 {
		return nil
	}
	key := values[0]
	if len(values) > 1 {
		key = strings.Join(values, ",")
	}
	c.mu.RLock()
	found := c.marks[key]
	c.mu.RUnlock()
	if found != nil {
		return found
	}
	marks := &span.Marks{}
	for value := range strings.SplitSeq(key, ",") {
		if mark := clientspan.ParseMark(value); mark.Type != "" {
			marks.List = append(marks.List, mark)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.marks == nil {
		c.marks = make(map[string]*span.Marks)
	}
	if len(c.marks) < maxMarks {
		c.marks[key] = marks
	}
	return marks
}
