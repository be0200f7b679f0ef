package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/shop"
)

// lastService is the service that listens when all the others do.
const lastService = "gateway"

func (e *edge) demoCommand() *cobra.Command {
	var c shop.Config
	var check string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the demo services: gateway, inventory, pricing",
		Long: "Runs three traced HTTP services in this process until it is interrupted. The\n" +
			"gateway calls inventory and pricing. They can fail, slow down, lose the context,\n" +
			"lose spans or handle a request twice, for a share of requests; the same seed makes\n" +
			"the same choices. With --check it starts nothing and asks a service if it is up.",
		Example: "  k6 x continuity demo --endpoint http://127.0.0.1:4318\n" +
			"  k6 x continuity demo --drop-context 0.01 --seed 7\n" +
			"  k6 x continuity demo --check http://127.0.0.1:8080/healthz",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("check") {
				return unusable(shop.Check(e.gs.Ctx, check), "")
			}
			return e.demo(c)
		},
	}
	demoFlags(cmd.Flags(), &c)
	cmd.Flags().StringVar(&check, "check", "",
		"ask this URL once, start nothing; exit code 0 if it answers 200")
	return cmd
}

func demoFlags(f *pflag.FlagSet, c *shop.Config) {
	f.StringVar(&c.Endpoint, "endpoint", "127.0.0.1:4317",
		"where spans go: host:port for OTLP/gRPC, a URL for OTLP/HTTP, empty for nowhere")
	f.StringVar(&c.Gateway, "listen-gateway", "127.0.0.1:8080", "address of the gateway")
	f.StringVar(&c.Inventory, "listen-inventory", "127.0.0.1:8081", "address of inventory")
	f.StringVar(&c.Pricing, "listen-pricing", "127.0.0.1:8082", "address of pricing")
	f.Float64Var(&c.Fail, "fail", 0, "share of requests answered with 503, 0 to 1")
	f.Float64Var(&c.Slow, "slow", 0, "share of requests that are slowed down, 0 to 1")
	f.DurationVar(&c.SlowBy, "slow-by", 200*time.Millisecond, "how long a slow request waits")
	f.Float64Var(&c.DropContext, "drop-context", 0,
		"share of requests whose trace context is ignored, 0 to 1")
	f.Float64Var(&c.DropSpans, "drop-spans", 0,
		"share of requests whose SERVER span is not exported, 0 to 1")
	f.Float64Var(&c.Duplicate, "duplicate", 0,
		"share of requests handled twice, as behind a retrying proxy, 0 to 1")
	f.Uint64Var(&c.Seed, "seed", 1, "seed of the choices")
}

func (e *edge) demo(c shop.Config) error {
	if err := checkDemo(c); err != nil {
		return err
	}
	ctx, stop := e.interruptible()
	defer stop()
	c.Ready = func(service, address string) {
		_, _ = fmt.Fprintf(e.gs.Stdout, "%-9s http://%s\n", service, address)
		if service == lastService {
			_, _ = fmt.Fprintln(e.gs.Stdout, "ready, Ctrl+C stops")
		}
	}
	c.Warn = func(message string) { e.gs.Logger.Warn(message) }
	if err := shop.Run(ctx, c); err != nil && !errors.Is(err, context.Canceled) {
		return unusable(fmt.Errorf("running the demo services: %w", err), "")
	}
	return nil
}

// interruptible returns a context that ends on SIGINT, on SIGTERM and with k6.
func (e *edge) interruptible() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(e.gs.Ctx)
	signals := make(chan os.Signal, 2)
	e.gs.SignalNotify(signals, os.Interrupt, syscall.SIGTERM)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel()
		<-ended
		e.gs.SignalStop(signals)
	}
}

// checkDemo wants shares between 0 and 1 and no negative wait.
func checkDemo(c shop.Config) error {
	for _, share := range []struct {
		option string
		value  float64
	}{
		{"--fail", c.Fail},
		{"--slow", c.Slow},
		{"--drop-context", c.DropContext},
		{"--drop-spans", c.DropSpans},
		{"--duplicate", c.Duplicate},
	} {
		if !(share.value >= 0 && share.value <= 1) { // refuses NaN too
			return unusable(fmt.Errorf("%s must be between 0 and 1, got %v",
				share.option, share.value), "")
		}
	}
	if c.SlowBy < 0 {
		return unusable(fmt.Errorf("--slow-by must not be negative, got %v", c.SlowBy), "")
	}
	return nil
}
