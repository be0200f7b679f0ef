package toxics

import "fmt"

// bodyFault is http_body: it damages a response body.
type bodyFault struct {
	Mode  string `json:"mode"`  // "truncate" (default): the connection ends; "corrupt": bytes are changed
	Bytes int64  `json:"bytes"` // of the body that pass unharmed
}

func (f *bodyFault) validate() error {
	if f.Bytes < 0 {
		return fmt.Errorf("bytes must be 0 or more, got %d", f.Bytes)
	}
	return oneOf("mode", f.Mode, "truncate", "corrupt")
}

func (f *bodyFault) mode() string { return f.Mode }

func (f *bodyFault) request(x *exchange, r *rule) {
	if x.cut.kind != noCut {
		return
	}
	kind := truncateBody
	if f.Mode == "corrupt" {
		kind = corruptBody
	}
	x.cut = cut{kind: kind, after: f.Bytes, rule: r}
	x.marks = append(x.marks, r.mark(f.Mode))
}
