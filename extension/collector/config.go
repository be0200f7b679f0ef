package collector

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
)

// Config is what a Collector's user sets.
type Config struct {
	// Directory is where partial reports go; it is made if it is not there.
	Directory string `mapstructure:"directory"`
	// Instance names this shard in the files' names; by default the host's name.
	Instance string `mapstructure:"instance"`
	// Window is how much time one partial report covers.
	Window time.Duration `mapstructure:"window"`
	// Settle is how long after its last attempt has come a trace waits for its
	// spans, and how long a span waits for its attempt. It has to be longer than
	// the batch delays of the services and of the load.
	Settle time.Duration `mapstructure:"settle"`
	// Linger is how long a complete trace waits for more.
	Linger time.Duration `mapstructure:"linger"`
	// MaxTraces bounds the traces of the load that are open.
	MaxTraces int `mapstructure:"max_traces"`
	// MaxWaiting bounds the spans that wait for an attempt.
	MaxWaiting int `mapstructure:"max_waiting"`
	// Expect lists services that must appear, connected, in every trace.
	Expect []string `mapstructure:"expect"`
	// ClientService is the load's service.name; by default the load is the spans
	// of k6/x/continuity.
	ClientService string `mapstructure:"client_service"`
	// Shards is how many Collectors share the load behind a balancer; 0 when that
	// is not known. Merge then notices one of which there is no report at all.
	Shards int `mapstructure:"shards"`
	// Labels are put into every report. With testid, parts are merged as one run.
	Labels map[string]string `mapstructure:"labels"`
}

func createDefaultConfig() component.Config {
	return &Config{
		Window: time.Minute, Settle: 15 * time.Second, Linger: time.Second,
		MaxTraces: 200_000, MaxWaiting: 1_000_000,
	}
}

// The bounds of options.
const (
	minWindow = time.Second
	maxWindow = 24 * time.Hour
	maxSettle = time.Hour
	maxHeld   = 100_000_000
	maxShards = 10_000
)

// Validate implements the Collector's configuration check.
func (c *Config) Validate() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Directory == "" {
		fail("directory must be set: it is where partial reports are written")
	}
	if strings.ContainsAny(c.Instance, `/\`) {
		fail("instance must be a part of a file name, without slashes, got %q", c.Instance)
	}
	if c.Window < minWindow || c.Window > maxWindow {
		fail("window must be between %s and %s, got %s", minWindow, maxWindow, c.Window)
	}
	if c.Settle <= 0 || c.Settle > maxSettle {
		fail("settle must be above 0 and at most %s, got %s", maxSettle, c.Settle)
	}
	if c.Linger <= 0 || c.Linger > c.Settle {
		fail("linger must be above 0 and at most settle (%s), got %s", c.Settle, c.Linger)
	}
	if c.MaxTraces < 1 || c.MaxTraces > maxHeld {
		fail("max_traces must be between 1 and %d, got %d", maxHeld, c.MaxTraces)
	}
	if c.MaxWaiting < 1 || c.MaxWaiting > maxHeld {
		fail("max_waiting must be between 1 and %d, got %d", maxHeld, c.MaxWaiting)
	}
	if c.Shards < 0 || c.Shards > maxShards {
		fail("shards must be between 0 (not known) and %d, got %d", maxShards, c.Shards)
	}
	for i, service := range c.Expect {
		if service == "" {
			fail(`expect[%d] must name a service, got ""`, i)
		}
	}
	return errors.Join(errs...)
}
