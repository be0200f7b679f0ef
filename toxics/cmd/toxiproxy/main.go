// Command toxiproxy is toxiproxy's server with the HTTP toxics built in. It
// has toxiproxy's flags, configuration file and API; see package server for
// what it adds.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/xk6-continuity/xk6-continuity/toxics/server"
)

func main() {
	toxiproxy.Version = libraryVersion()
	zerolog.TimestampFunc = func() time.Time { return time.Now().UTC() }
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// options are the flags of toxiproxy's own server.
type options struct {
	host, port, config           string
	seed                         uint64
	seeded                       bool
	proxyMetrics, runtimeMetrics bool
	version, health              bool
}

func parse(args []string, usage io.Writer) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("toxiproxy", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.StringVar(&o.host, "host", "localhost", "Host for toxiproxy's API to listen on")
	flags.StringVar(&o.port, "port", "8474", "Port for toxiproxy's API to listen on")
	flags.StringVar(&o.config, "config", "", "JSON file containing proxies to create on startup")
	flags.Uint64Var(&o.seed, "seed", 0, "Seed of HTTP toxics that have none of their own")
	flags.BoolVar(&o.runtimeMetrics, "runtime-metrics", false,
		`enable runtime-related prometheus metrics (default "false")`)
	flags.BoolVar(&o.proxyMetrics, "proxy-metrics", false,
		`enable toxiproxy-specific prometheus metrics (default "false")`)
	flags.BoolVar(&o.version, "version", false, `print the version (default "false")`)
	flags.BoolVar(&o.health, "healthcheck", false,
		`ask the server of -host and -port if it is up, and exit (default "false")`)
	if err := flags.Parse(args); err != nil {
		return nil, err //nolint:wrapcheck // the flag package names the flag
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("arguments must be flags, got %q", flags.Arg(0))
	}
	flags.Visit(func(f *flag.Flag) { o.seeded = o.seeded || f.Name == "seed" })
	return o, nil
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args, out)
	if err != nil {
		return err
	}
	if o.version {
		_, err := fmt.Fprintf(out, "toxiproxy-server version %s with HTTP toxics\n",
			toxiproxy.Version)
		return err //nolint:wrapcheck // nothing to add about standard output
	}
	if o.health {
		return healthcheck(ctx, o)
	}
	logger, err := newLogger(out)
	if err != nil {
		return err
	}
	config := server.Config{
		Logger: logger, ProxyMetrics: o.proxyMetrics, RuntimeMetrics: o.runtimeMetrics,
	}
	if o.seeded {
		config.Seed = &o.seed
	}
	s, err := server.New(config)
	if err != nil {
		return err //nolint:wrapcheck // says what it was doing
	}
	defer s.Close()
	if err := populate(ctx, s, o.config, logger); err != nil {
		return err
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", net.JoinHostPort(o.host, o.port))
	if err != nil {
		return fmt.Errorf("listening on -host %s -port %s: %w", o.host, o.port, err)
	}
	logger.Info().Str("version", toxiproxy.Version).Stringer("address", listener.Addr()).
		Msg("Starting Toxiproxy HTTP server")
	return s.Serve(ctx, listener) //nolint:wrapcheck // says what it was doing
}

// populate reads the file of -config. A file that cannot be used ends the
// server: a test against proxies that are not there would prove nothing.
func populate(
	ctx context.Context, s *server.Server, name string, logger zerolog.Logger,
) error {
	if name == "" {
		return nil
	}
	file, err := os.Open(name) //nolint:gosec // the file that the user named
	if err != nil {
		return fmt.Errorf("reading -config: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	proxies, err := s.Populate(ctx, file)
	if err != nil {
		return fmt.Errorf("reading -config %s: %w", name, err)
	}
	logger.Info().Int("proxies", len(proxies)).Msg("Populated proxies from file")
	return nil
}

func newLogger(out io.Writer) (zerolog.Logger, error) {
	level := zerolog.TraceLevel
	if name, ok := os.LookupEnv("LOG_LEVEL"); ok {
		parsed, err := zerolog.ParseLevel(strings.ToLower(name))
		if err != nil {
			return zerolog.Nop(), fmt.Errorf(
				"LOG_LEVEL must be trace, debug, info, warn, error or disabled, got %q", name)
		}
		level = parsed
	}
	return zerolog.New(out).Level(level).With().Timestamp().Logger(), nil
}

// libraryVersion is the version of the toxiproxy that is built in.
func libraryVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "github.com/Shopify/toxiproxy/v2" {
				return strings.TrimPrefix(module.Version, "v")
			}
		}
	}
	return toxiproxy.Version
}
