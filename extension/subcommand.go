//go:build !continuity_no_subcommand

package extension

import (
	"go.k6.io/k6/v2/subcommand"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/cli"
)

// `xk6 lint` knows an extension by the first line of `k6 version`, and that is
// the subcommand's: with it, its smoke and types checks skip the JavaScript
// module. The build tag leaves the subcommand out; see `make lint-extension`.
func init() { //nolint:gochecknoinits // k6 registers extensions from init functions
	subcommand.RegisterExtension("continuity", cli.Command)
}
