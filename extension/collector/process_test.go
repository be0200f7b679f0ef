package collector

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// process is a program that was started and is stopped by SIGTERM.
type process struct {
	cmd    *exec.Cmd
	output *watcher
	ended  chan error
	once   sync.Once
}

// watcher keeps what a process prints and tells when a word was there.
type watcher struct {
	mu    sync.Mutex
	text  bytes.Buffer
	word  string
	ready chan struct{}
}

func (w *watcher) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	if w.word != "" && strings.Contains(w.text.String(), w.word) {
		w.word = ""
		close(w.ready)
	}
	return len(p), nil
}

// start starts a program and waits until it has printed a word, if there is one.
func start(t *testing.T, name string, env []string, ready string, args ...string) *process {
	t.Helper()
	p := &process{
		cmd: exec.CommandContext(context.WithoutCancel(t.Context()), name, args...), ended: make(chan error, 1),
		output: &watcher{word: ready, ready: make(chan struct{})},
	}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	require.NoError(t, p.cmd.Start())
	go func() { p.ended <- p.cmd.Wait() }()
	t.Cleanup(func() { p.stop(t) })
	if ready == "" {
		return p
	}
	select {
	case <-p.output.ready:
	case err := <-p.ended:
		p.ended <- err
		require.Fail(t, "ended early", "%s: %v\n%s", name, err, p.output.text.String())
	case <-time.After(time.Minute):
		require.Fail(t, "not ready", "%s\n%s", name, p.output.text.String())
	}
	return p
}

// wait waits for the process to end by itself.
func (p *process) wait(t *testing.T) {
	t.Helper()
	p.once.Do(func() {
		select {
		case err := <-p.ended:
			require.NoError(t, err, p.output.text.String())
		case <-time.After(2 * time.Minute):
			_ = p.cmd.Process.Kill()
			require.Fail(t, "did not end", p.output.text.String())
		}
	})
}

// kill ends the process as a crash does.
func (p *process) kill(t *testing.T) {
	t.Helper()
	p.once.Do(func() {
		require.NoError(t, p.cmd.Process.Kill())
		<-p.ended
	})
}

func (p *process) stop(t *testing.T) {
	t.Helper()
	p.once.Do(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-p.ended:
			assert.NoError(t, err, p.output.text.String()) //nolint:testifylint // cleanup goes on
		case <-time.After(30 * time.Second):
			_ = p.cmd.Process.Kill()
			assert.Fail(t, "did not stop", p.output.text.String())
		}
	})
}
