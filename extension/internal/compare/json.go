package compare

import (
	"encoding/json"
	"io"
)

// WriteJSON writes a comparison as indented JSON, for programs.
func WriteJSON(w io.Writer, c *Comparison) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(c)
}
