package toxics

import "fmt"

// resetFault is http_reset: it ends the connection.
type resetFault struct {
	When  string `json:"when"`  // "before" (default), "after" or "body"
	Bytes int64  `json:"bytes"` // of the response body that still pass, for "body"
}

func (f *resetFault) validate() error {
	if f.Bytes < 0 {
		return fmt.Errorf("bytes must be 0 or more, got %d", f.Bytes)
	}
	return oneOf("when", f.When, "before", "after", "body")
}

func (f *resetFault) mode() string { return f.When }

func (f *resetFault) request(x *exchange, r *rule, _ uint64) {
	if x.cut.kind != noCut {
		return
	}
	kind := resetBefore
	switch f.When {
	case "after":
		kind = resetAfterRequest
	case "body":
		kind = resetInBody
	}
	x.cut = cut{kind: kind, after: f.Bytes, rule: r, mode: "body"}
}
