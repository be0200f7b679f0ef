package extension

import (
	"go.k6.io/k6/v2/js/modules"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/module"
)

func init() { //nolint:gochecknoinits // k6 registers extensions from init functions
	modules.Register(module.Name, module.New())
}
