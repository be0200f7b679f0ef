package otlp

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// The services of opentelemetry-proto's collector packages.
const (
	traceService   = "opentelemetry.proto.collector.trace.v1.TraceService"
	metricsService = "opentelemetry.proto.collector.metrics.v1.MetricsService"
	logsService    = "opentelemetry.proto.collector.logs.v1.LogsService"
	profileService = "opentelemetry.proto.collector.profiles.v1development.ProfilesService"
)

// frame is a message as bytes. It is what rawCodec reads and writes. A message
// that came in several buffers is put together in one of pool, which unlike
// gRPC's own does not clear what is overwritten anyway.
type frame struct {
	data mem.BufferSlice // of one buffer, when the message came in one
	buf  *[]byte         // else
	pool *sync.Pool      // of *[]byte
}

func (f *frame) bytes() []byte {
	switch {
	case f.buf != nil:
		return *f.buf
	case len(f.data) == 1:
		return f.data[0].ReadOnlyData()
	default:
		return nil
	}
}

// fill takes a message up, in place of the one before.
func (f *frame) fill(data mem.BufferSlice) {
	f.free()
	if len(data) == 1 {
		data.Ref()
		f.data = data
		return
	}
	if f.pool != nil {
		f.buf, _ = f.pool.Get().(*[]byte)
	}
	if f.buf == nil {
		f.buf = new([]byte)
	}
	*f.buf = slices.Grow((*f.buf)[:0], data.Len())[:data.Len()]
	data.CopyTo(*f.buf)
}

func (f *frame) free() {
	f.data.Free()
	f.data = nil
	if f.buf != nil && f.pool != nil && cap(*f.buf) <= keepBuffer {
		f.pool.Put(f.buf)
	}
	f.buf = nil
}

// rawCodec hands messages through as bytes. It is forced upon this server
// only; the process's registered codecs stay as they are.
type rawCodec struct{}

// Name returns the name of the content subtype.
func (rawCodec) Name() string { return "proto" }

// Marshal returns the bytes of a frame.
func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	f, ok := v.(*frame)
	if !ok {
		return nil, errors.New("raw codec: not a frame")
	}
	return mem.BufferSlice{mem.SliceBuffer(f.bytes())}, nil
}

// Unmarshal puts the bytes into a frame.
func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	f, ok := v.(*frame)
	if !ok {
		return errors.New("raw codec: not a frame")
	}
	f.fill(data)
	return nil
}

// stillPacked leaves a gzip message as it is, so that it is unpacked by a
// worker: with a bound on how many are unpacked at a time, and with the bytes
// going to a reused buffer.
type stillPacked struct{}

// Type returns the encoding's name.
func (stillPacked) Type() string { return "gzip" }

// Do returns the packed bytes.
func (stillPacked) Do(r io.Reader) ([]byte, error) {
	sized, ok := r.(interface{ Remaining() int })
	if !ok {
		return io.ReadAll(r)
	}
	b := make([]byte, sized.Remaining())
	_, err := io.ReadFull(r, b)
	return b, err
}

// isGzip recognizes packed bytes. No protobuf message starts like this: it
// would be field 3 with the wire type 7, which does not exist.
func isGzip(b []byte) bool { return len(b) > 1 && b[0] == 0x1f && b[1] == 0x8b }

// serveGRPC starts the gRPC server, if it has an address.
func (r *Receiver) serveGRPC(secure *tls.Config) {
	if r.grpcLn == nil {
		return
	}
	options := []grpc.ServerOption{
		grpc.ForceServerCodecV2(rawCodec{}),
		grpc.RPCDecompressor(stillPacked{}), //nolint:staticcheck // others are process-wide
		grpc.MaxRecvMsgSize(int(r.cfg.MaxBytes)),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.WaitForHandlers(true),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: idleTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{
			MinTime: 5 * time.Second, PermitWithoutStream: true,
		}),
	}
	ln := net.Listener(plainListener{r.grpcLn, r})
	if secure != nil {
		ln = r.grpcLn
		options = append(options, grpc.Creds(credentials.NewTLS(serverTLS(secure, "h2"))))
	}
	r.grpc = grpc.NewServer(options...)
	r.grpc.RegisterService(service(traceService, r.exportTraces), nil)
	for _, name := range []string{metricsService, logsService, profileService} {
		r.grpc.RegisterService(service(name, r.discard(name)), nil)
	}
	r.done.Go(func() {
		if err := r.grpc.Serve(ln); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			r.warn("serve grpc", "listen.grpc stopped: "+err.Error())
		}
	})
}

// service describes a service with the one method Export. It is registered as
// a stream of one message each way, which is the same on the wire: so the
// handler decides when, and how long, to read the request.
func service(name string, export func(grpc.ServerStream) error) *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: name,
		HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{{
			StreamName: "Export",
			Handler:    func(_ any, s grpc.ServerStream) error { return export(s) },
		}},
	}
}

// exportTraces handles TraceService/Export.
func (r *Receiver) exportTraces(s grpc.ServerStream) error {
	r.count.requests.Add(1)
	if err := r.authorizeGRPC(s.Context()); err != nil {
		return err
	}
	if !r.admit(s.Context()) {
		return r.busyGRPC()
	}
	defer r.leave()
	message, err := r.receive(s)
	if err != nil {
		r.count.badRequests.Add(1)
		return err
	}
	defer message.free()
	raw := message.bytes()
	result, err := r.process(s.Context(), payload{raw: raw, packed: isGzip(raw)})
	if err != nil {
		return r.refuseGRPC(err)
	}
	answer := appendPartialSuccess(nil, result)
	return s.SendMsg(&frame{data: mem.BufferSlice{mem.SliceBuffer(answer)}})
}

// receive reads the one message of a stream, within the time limit. When the
// limit is over, returning ends the stream, and with it the pending read.
func (r *Receiver) receive(s grpc.ServerStream) (*frame, error) {
	type received struct {
		message *frame
		err     error
	}
	arrived := make(chan received, 1)
	go func() {
		message := &frame{pool: &r.buffers}
		err := s.RecvMsg(message)
		arrived <- received{message, err}
	}()
	limit := time.NewTimer(r.cfg.receiveTimeout)
	defer limit.Stop()
	select {
	case got := <-arrived:
		return got.message, got.err
	case <-limit.C:
		return nil, status.Errorf(codes.DeadlineExceeded,
			"the request did not arrive within %v", r.cfg.receiveTimeout)
	}
}

// discard answers another signal with success. The message is not read.
func (r *Receiver) discard(name string) func(grpc.ServerStream) error {
	return func(s grpc.ServerStream) error {
		if err := r.authorizeGRPC(s.Context()); err != nil {
			return err
		}
		message, err := r.receive(s)
		if err != nil {
			return err
		}
		message.free()
		r.discarded(name)
		return s.SendMsg(new(frame))
	}
}

// refuseGRPC turns a processing error into a gRPC status.
func (r *Receiver) refuseGRPC(err error) error {
	switch {
	case errors.Is(err, errBusy):
		return r.busyGRPC()
	case errors.Is(err, errTooLarge):
		r.bad(err)
		return status.Error(codes.ResourceExhausted, r.tooLarge())
	default:
		r.bad(err)
		return status.Error(codes.InvalidArgument, err.Error())
	}
}

// busyGRPC asks the sender to try again.
func (r *Receiver) busyGRPC() error {
	r.count.busy.Add(1)
	s := status.New(codes.Unavailable, "the receiver is busy")
	if d, err := s.WithDetails(&errdetails.RetryInfo{
		RetryDelay: durationpb.New(retryAfter),
	}); err == nil {
		s = d
	}
	return s.Err()
}

func (r *Receiver) authorizeGRPC(ctx context.Context) error {
	if r.cfg.Token == "" {
		return nil
	}
	if slices.ContainsFunc(metadata.ValueFromIncomingContext(ctx, "authorization"), r.validToken) {
		return nil
	}
	r.count.unauthorized.Add(1)
	return status.Error(codes.Unauthenticated, unauthorizedMessage)
}

func (r *Receiver) stopGRPC(ctx context.Context) {
	stopped := make(chan struct{})
	go func() {
		r.grpc.GracefulStop()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-ctx.Done():
		r.grpc.Stop()
		<-stopped
	}
}
