package cli

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/report"
)

// The modules whose versions matter.
const (
	extensionModule = "github.com/xk6-continuity/xk6-continuity"
	k6Module        = "go.k6.io/k6/v2"
)

func (e *edge) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of the extension, of k6 and of the report schema",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(e.gs.Stdout, "xk6-continuity %s, k6 %s, report schema %d\n",
				moduleVersion(extensionModule), moduleVersion(k6Module), report.SchemaVersion)
			return err
		},
	}
}

// moduleVersion is the version of a module in this binary; "(devel)" for a
// module built from a directory.
func moduleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if info.Main.Path == path {
		return info.Main.Version
	}
	for _, dep := range info.Deps {
		switch {
		case dep.Path != path:
		case dep.Replace != nil:
			return "(devel)"
		default:
			return dep.Version
		}
	}
	return "unknown"
}
