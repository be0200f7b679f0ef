package cli_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDemoServesUntilItIsInterrupted(t *testing.T) {
	t.Parallel()
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			out, in := io.Pipe()
			signals := make(chan chan<- os.Signal, 1)
			c := console{ctx: t.Context(), dir: t.TempDir(), stdout: in, stderr: io.Discard}
			c.notify = func(to chan<- os.Signal, _ ...os.Signal) { signals <- to }
			code := make(chan int, 1)
			go func() {
				code <- c.run("demo", "--endpoint", "", "--listen-gateway", "127.0.0.1:0",
					"--listen-inventory", "127.0.0.1:0", "--listen-pricing", "127.0.0.1:0")
				_ = in.Close()
			}()
			address := make(map[string]string)
			lines := bufio.NewScanner(out)
			for lines.Scan() && !strings.HasPrefix(lines.Text(), "ready") {
				fields := strings.Fields(lines.Text())
				require.Len(t, fields, 2)
				address[fields[0]] = fields[1]
			}
			require.Len(t, address, 3)
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address["gateway"]+"/", nil)
			require.NoError(t, err)
			response, err := http.DefaultClient.Do(request)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			check := console{ctx: t.Context(), dir: t.TempDir(), stdout: io.Discard, stderr: io.Discard}
			assert.Equal(t, 0, check.run("demo", "--check", address["gateway"]+"/healthz"))
			assert.Equal(t, 2, check.run("demo", "--check", address["gateway"]+"/nowhere"))
			(<-signals) <- signal
			select {
			case got := <-code:
				assert.Equal(t, 0, got)
			case <-time.After(20 * time.Second):
				t.Fatal("the demo did not stop")
			}
		})
	}
}

func TestDemoNamesAPortInUse(t *testing.T) {
	t.Parallel()
	var stderr strings.Builder
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c := console{ctx: ctx, dir: t.TempDir(), stdout: io.Discard, stderr: &stderr}
	code := c.run("demo", "--endpoint", "", "--listen-gateway", "127.0.0.1:0",
		"--listen-inventory", "256.0.0.1:0", "--listen-pricing", "127.0.0.1:0")
	assert.Equal(t, 2, code)
	assert.Contains(t, stderr.String(), "error: running the demo services: listening for inventory on 256.0.0.1:0")
}
