package faults_test

import (
	"testing"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	zerolog.SetGlobalLevel(zerolog.ErrorLevel) // toxiproxy's bandwidth logs to the global logger
	goleak.VerifyTestMain(m)
}
