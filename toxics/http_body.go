package toxics

import "fmt"

// bodyFault is http_body: it damages a response body.
type bodyFault struct {
	// Mode is "truncate" (default), which ends the connection, or "corrupt", which
	// changes every byte.
	Mode  string `json:"mode"`
	Bytes int64  `json:"bytes"` // of the body's content that pass unharmed
}

func (f *bodyFault) validate() error {
	if f.Bytes < 0 {
		return fmt.Errorf("bytes must be 0 or more, got %d", f.Bytes)
	}
	return oneOf("mode", f.Mode, "truncate", "corrupt")
}

func (f *bodyFault) mode() string { return f.Mode }

func (f *bodyFault) request(x *exchange, r *rule, _ uint64) {
	if x.cut.kind != noCut {
		return
	}
	kind := truncateBody
	if f.Mode == "corrupt" {
		kind = corruptBody
	}
	x.cut = cut{kind: kind, after: f.Bytes, rule: r, mode: f.Mode}
}
