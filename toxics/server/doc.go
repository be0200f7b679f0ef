// Package server is toxiproxy's HTTP API with the HTTP toxics built in.
//
// Its API, its configuration file and its defaults are toxiproxy's own
// (https://github.com/Shopify/toxiproxy#http-api), so toxiproxy's command line
// and any of its clients drive it. What it adds:
//
//   - Every proxy, however it is made, has a [toxics.Hub] before its first
//     connection. The hub's two halves are never shown and cannot be named.
//   - The types of [toxics.Types] are accepted beside toxiproxy's own:
//     POST /proxies/{proxy}/toxics with {"type", "name", "attributes"}. The stream
//     is kept and shown, and means nothing: these toxics see both directions. The
//     toxicity must be 1; the attribute probability takes its place. An update
//     keeps the attributes that it does not name, as toxiproxy does.
//   - An upstream may be https://host[:port]: the proxy takes plain HTTP and speaks
//     verified TLS to the service, through a [bridge.Bridge]. How is in "tls" of the
//     proxy: {"ca", "client_cert", "client_key", "rewrite_location"}, see
//     [bridge.TLS]. Where it could not be reached, the proxy's JSON has
//     "upstream_errors": {"count", "last"}.
//   - Their JSON has an object "counts": {"seen", "selected", "injected", "marked",
//     "passed_through", "unpaired"}, and where there are some "unreached", "unmarked"
//     and "errors" of scripts; see [toxics.Counts].
//   - GET /counts lists the counters of every HTTP toxic, with those that were
//     removed; nothing that happened is missing from it.
//   - GET /metrics is always there, with toxiproxy_http_* counters per toxic.
//
// The command line client has only numbers and strings for values, so an
// attribute that is an object, an array or a boolean may be given as a string
// that holds its JSON.
package server
