package traced

import (
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"
)

// inOnePiece is set to an hour where the number of requests matters: what is
// queued is sent at shutdown.
const inOnePiece = "OTEL_BSP_SCHEDULE_DELAY"

// request1 is the only request that the collector got.
func (c *collector) request1(tb testing.TB) *coltracepb.ExportTraceServiceRequest {
	tb.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	require.Len(tb, c.requests, 1)
	return c.requests[0]
}

func TestExportSendsHeadersAndGzip(t *testing.T) {
	t.Parallel()
	for _, compression := range []string{"", "none", "gzip"} {
		t.Run("compression "+compression, func(t *testing.T) {
			t.Parallel()
			c := newCollector(t, nil)
			e := newExporting(t, to(c.address,
				"OTEL_EXPORTER_OTLP_HEADERS", "X-Scope-OrgID=shop, authorization=Basic%20dTpw",
				"OTEL_EXPORTER_OTLP_COMPRESSION", compression, inOnePiece, "3600000"))
			e.burst(3)
			e.shutdown()
			c.request1(t)
			assert.Equal(t, []string{"shop"}, c.metadata[0]["x-scope-orgid"])
			assert.Equal(t, []string{"Basic dTpw"}, c.metadata[0]["authorization"])
			if compression == "gzip" {
				assert.Equal(t, []string{"gzip"}, c.encodings)
			} else {
				assert.Equal(t, []string{""}, c.encodings)
			}
			assert.Empty(t, e.told())
		})
	}
}

func values(list []*commonpb.KeyValue) map[string]string {
	out := make(map[string]string, len(list))
	for _, kv := range list {
		out[kv.GetKey()] = kv.GetValue().GetStringValue()
	}
	return out
}

func TestExportedSpansSayWhatTheyAre(t *testing.T) {
	t.Parallel()
	c, server := newCollector(t, nil), newEcho(t)
	e := newExporting(t, to(c.address,
		inOnePiece, "3600000", "OTEL_SERVICE_NAME", "load", "OTEL_RESOURCE_ATTRIBUTES", "service.name=other,team=a%2Cb"))
	client, err := NewClient(e.Provider, ClientConfig{Continue: true}, &sinkLog{})
	require.NoError(t, err)
	what := operation("GET", server.URL)
	what.Traceparent, what.Tracestate = "00-"+scriptTrace+"-"+scriptSpan+"-01", "foo=1"
	op := client.Start(t.Context(), what)
	r := &rig{tb: t, base: newBase(t)}
	require.NoError(t, r.through(op, request(t, "GET", server.URL)))
	op.End(nil)
	e.shutdown()

	resource := c.request1(t).GetResourceSpans()[0]
	attributes := values(resource.GetResource().GetAttributes())
	assert.Equal(t, "load", attributes["service.name"], "OTEL_SERVICE_NAME wins")
	assert.Equal(t, "2.2.0", attributes["service.version"])
	assert.Equal(t, "a,b", attributes["team"])
	assert.Equal(t, "opentelemetry", attributes["telemetry.sdk.name"])
	assert.Equal(t, "go", attributes["telemetry.sdk.language"])
	scope := resource.GetScopeSpans()[0]
	assert.Equal(t, "github.com/xk6-continuity/xk6-continuity", scope.GetScope().GetName())
	assert.Equal(t, "1.2.3", scope.GetScope().GetVersion())
	assert.Equal(t, "https://opentelemetry.io/schemas/1.43.0", scope.GetSchemaUrl())

	byKind := make(map[tracepb.Span_SpanKind]*tracepb.Span)
	for _, s := range spansOf(c.request1(t)) {
		byKind[s.GetKind()] = s
	}
	require.Len(t, byKind, 2)
	root, attempt := byKind[tracepb.Span_SPAN_KIND_INTERNAL], byKind[tracepb.Span_SPAN_KIND_CLIENT]
	assert.Equal(t, uint32(0x301), root.GetFlags(), "known, remote, sampled")
	assert.Equal(t, uint32(0x101), attempt.GetFlags(), "known, not remote, sampled")
	assert.Equal(t, root.GetSpanId(), attempt.GetParentSpanId())
	assert.Equal(t, "foo=1", attempt.GetTraceState())
	last := op.LastSpanID()
	assert.Equal(t, last[:], attempt.GetSpanId())
}

// authority issues certificates for loopback.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	dir         string
}

func newAuthority(tb testing.TB) *authority {
	tb.Helper()
	a := &authority{dir: tb.TempDir()}
	var err error
	a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(tb, err)
	a.certificate = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, a.certificate, a.certificate, &a.key.PublicKey, a.key)
	require.NoError(tb, err)
	a.certificate, err = x509.ParseCertificate(der)
	require.NoError(tb, err)
	a.write(tb, "ca.pem", "CERTIFICATE", der)
	return a
}

func (a *authority) write(tb testing.TB, name, kind string, der []byte) {
	tb.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	require.NoError(tb, os.WriteFile(a.path(name), text, 0o600))
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

// issue writes NAME.pem and NAME.key and returns them.
func (a *authority) issue(tb testing.TB, name string) tls.Certificate {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(tb, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.certificate, &key.PublicKey, a.key)
	require.NoError(tb, err)
	a.write(tb, name+".pem", "CERTIFICATE", der)
	keyDER, err := x509.MarshalECPrivateKey(key)
	require.NoError(tb, err)
	a.write(tb, name+".key", "EC PRIVATE KEY", keyDER)
	pair, err := tls.LoadX509KeyPair(a.path(name+".pem"), a.path(name+".key"))
	require.NoError(tb, err)
	return pair
}

// pool trusts the authority.
func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

func TestExportOverTLSWithAClientCertificate(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	server := credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{a.issue(t, "server")}, MinVersion: tls.VersionTLS12,
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: a.pool(),
	})
	a.issue(t, "client")
	full := map[string]string{
		"OTEL_EXPORTER_OTLP_CERTIFICATE":        a.path("ca.pem"),
		"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": a.path("client.pem"),
		"OTEL_EXPORTER_OTLP_CLIENT_KEY":         a.path("client.key"),
		"OTEL_EXPORTER_OTLP_TIMEOUT":            "300",
	}
	for _, tt := range []struct {
		name, scheme, without, insecure string
		exported                        uint64
	}{
		{"a schemeless endpoint means TLS", "", "", "", 5},
		{"an https endpoint", "https://", "", "", 5},
		{"INSECURE does not count with a scheme", "https://", "", "true", 5},
		{"without the client certificate", "", "CLIENT", "", 0},
		{"without the authority", "", "OTLP_CERTIFICATE", "", 0},
		{"a schemeless endpoint with INSECURE is plain", "", "", "true", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var names sync.Map
			c := newCollector(t, func(ctx context.Context, _, _ int) (*coltracepb.ExportTraceServiceResponse, error) {
				p, _ := peer.FromContext(ctx)
				info := p.AuthInfo.(credentials.TLSInfo)
				names.Store(info.State.PeerCertificates[0].Subject.CommonName, true)
				return &coltracepb.ExportTraceServiceResponse{}, nil
			}, grpc.Creds(server))
			env := map[string]string{
				"OTEL_EXPORTER_OTLP_ENDPOINT": tt.scheme + c.address, "OTEL_EXPORTER_OTLP_INSECURE": tt.insecure,
			}
			for name, value := range full {
				if tt.without == "CLIENT" && filepath.Base(value)[:2] == "cl" ||
					tt.without == "OTLP_CERTIFICATE" && filepath.Base(value) == "ca.pem" {
					continue
				}
				env[name] = value
			}
			if tt.exported > 0 {
				delete(env, "OTEL_EXPORTER_OTLP_TIMEOUT")
			}
			e := newExporting(t, env)
			e.burst(5)
			e.shutdown()
			l := e.identity()
			assert.Equal(t, tt.exported, l.Exported)
			assert.Equal(t, 5-tt.exported, l.Failed)
			_, known := names.Load("client")
			assert.Equal(t, tt.exported > 0, known, "the collector knows who sends")
		})
	}
}

func TestExportOverHTTP(t *testing.T) {
	t.Parallel()
	for name, variable := range map[string]string{
		"/v1/traces": "OTEL_EXPORTER_OTLP_ENDPOINT", "/own/path": "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
	} {
		t.Run(variable, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var got []string
			calls, accepted := 0, 0
			server := serve(t, func(w http.ResponseWriter, req *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				calls++
				got = append(got, req.URL.Path, req.Header.Get("X-Key"), req.Header.Get("Content-Encoding"))
				if calls == 1 {
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				unzipped, err := gzip.NewReader(req.Body)
				assert.NoError(t, err)
				body, err := io.ReadAll(unzipped)
				assert.NoError(t, err)
				exported := &coltracepb.ExportTraceServiceRequest{}
				assert.NoError(t, proto.Unmarshal(body, exported))
				accepted += len(spansOf(exported)) - 2
				answer, err := proto.Marshal(&coltracepb.ExportTraceServiceResponse{
					PartialSuccess: &coltracepb.ExportTracePartialSuccess{RejectedSpans: 2, ErrorMessage: "two"},
				})
				assert.NoError(t, err)
				w.Header().Set("Content-Type", "application/x-protobuf")
				_, _ = w.Write(answer)
			})
			endpoint := server.URL
			if variable == "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" {
				endpoint += name
			}
			e := newExporting(t, map[string]string{
				variable: endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
				"OTEL_EXPORTER_OTLP_TRACES_HEADERS": "x-key=k", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
				inOnePiece: "3600000",
			})
			e.burst(10)
			e.shutdown()
			l := e.identity()
			assert.Equal(t, uint64(8), l.Exported)
			assert.Equal(t, uint64(2), l.Failed)
			assert.Equal(t, 8, accepted)
			assert.Equal(t, []string{name, "k", "gzip", name, "k", "gzip"}, got)
			require.Len(t, e.told(), 1)
			assert.Contains(t, e.told()[0], "rejected 2 of 10 spans: two")
		})
	}
}
