// Package shop is the demo: three HTTP services, gateway, inventory and
// pricing, each with an OpenTelemetry SDK of its own, as three processes would
// have. The gateway calls the other two. Shares of the requests can fail, slow
// down, lose the trace context, lose their SERVER span or be handled twice; the
// same seed makes the same choices for the same sequence of requests.
package shop
