package collector

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/consumer"
)

// Type is the connector's name in a Collector's configuration.
const Type = "continuity"

// NewFactory returns the factory of the connector: traces in, metrics out.
func NewFactory() connector.Factory {
	return connector.NewFactory(component.MustNewType(Type), createDefaultConfig,
		connector.WithTracesToMetrics(create, component.StabilityLevelDevelopment))
}

func create(
	_ context.Context, set connector.Settings, config component.Config, next consumer.Metrics,
) (connector.Traces, error) {
	c, ok := config.(*Config)
	if !ok {
		return nil, fmt.Errorf("configuring the continuity connector: want *Config, got %T", config)
	}
	return newJudge(set.TelemetrySettings, *c, next), nil
}
