// Package continuity is the root that xk6 imports; the extension lives in ./extension.
package continuity

import _ "github.com/xk6-continuity/xk6-continuity/extension" // registers k6/x/continuity
