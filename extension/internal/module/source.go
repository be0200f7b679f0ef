package module

import "fmt"

// openSource opens a source of spans other than the embedded receiver.
func (r *run) openSource() error {
	switch r.settings.source {
	case "none":
		return nil
	default:
		return fmt.Errorf(`configure.source must be "otlp", "jaeger=URL", "tempo=URL", "file=GLOB" or "none", got %q`,
			r.settings.source)
	}
}
