package toxics

import (
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	chunkedHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	markedHead  = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" +
		"X-Toxic: http_body; mode=truncate; name=x\r\n\r\n"
	fiveBytes = "5\r\nhello\r\n"
	lastChunk = "0\r\n\r\n"
)

// asked is a wire whose service has a request and is about to answer it.
func asked(t *testing.T, patience time.Duration, attributes string) *wire {
	t.Helper()
	w := newWire(t, toxicSpec{"http_body", attributes})
	half, ok := w.responses.State.(*responses)
	require.True(t, ok)
	half.patience = patience
	w.start()
	t.Cleanup(w.stop)
	w.in <- &stream.StreamChunk{Data: []byte("GET /hit/1 HTTP/1.1\r\nHost: a\r\n\r\n")}
	<-w.out
	return w
}

// answers is what the service sends next.
func (w *wire) answers(text string) {
	w.back <- &stream.StreamChunk{Data: []byte(text), Timestamp: time.Now()}
}

// reads is what the client has got when the output has so many bytes.
func (w *wire) reads(n int) string {
	var got strings.Builder
	for got.Len() < n {
		chunk := <-w.sent
		if chunk == nil {
			break
		}
		got.Write(chunk.Data)
	}
	return got.String()
}

// holdsBack reports whether nothing is on its way to the client: the half takes
// what comes and waits for more.
func (w *wire) holdsBack() bool {
	select {
	case <-w.sent:
		return false
	case w.back <- &stream.StreamChunk{}:
		return true
	}
}

func (w *wire) counts() Counts { return w.hub.Counters()[0].Counts }

// TestHeadsWaitForTheByteThatDecides: the head of a body whose length is not known
// goes out with the byte that the cut hits, or with the end of the body.
func TestHeadsWaitForTheByteThatDecides(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		pieces []string
		want   string
		counts Counts
	}{
		{
			"reached in the second chunk",
			[]string{chunkedHead, fiveBytes, "5\r\nw"},
			markedHead + fiveBytes + "5\r\n",
			Counts{Seen: 1, Selected: 1, Injected: 1, Marked: 1},
		},
		{
			"ended before",
			[]string{chunkedHead, fiveBytes, lastChunk},
			chunkedHead + fiveBytes + lastChunk,
			Counts{Seen: 1, Selected: 1},
		},
		{
			"turned into something else",
			[]string{chunkedHead, fiveBytes, "nonsense\r\n"},
			chunkedHead + fiveBytes + "nonsense\r\n",
			Counts{Seen: 1, Selected: 1, PassedThrough: 1},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := asked(t, time.Hour, `{"bytes":5}`)
			for i, piece := range c.pieces {
				w.answers(piece)
				if i < len(c.pieces)-1 {
					require.True(t, w.holdsBack(), piece)
				}
			}
			assert.Equal(t, c.want, w.reads(len(c.want)))
			assert.Equal(t, c.counts, w.counts())
		})
	}
}

// TestBodyThatEndsWithItsConnection is not cut either when it is as long as what
// passes.
func TestBodyThatEndsWithItsConnection(t *testing.T) {
	t.Parallel()
	for bytes, want := range map[string]Counts{
		`{"bytes":4}`: {Seen: 1, Selected: 1, Injected: 1, Marked: 1},
		`{"bytes":5}`: {Seen: 1, Selected: 1},
	} {
		w := newWire(t, toxicSpec{"http_body", bytes})
		w.start()
		w.in <- &stream.StreamChunk{Data: []byte("GET /hit/1 HTTP/1.1\r\nHost: a\r\n\r\n")}
		<-w.out
		go func() {
			w.answers("HTTP/1.1 200 OK\r\n\r\nhello")
			close(w.back)
		}()
		got := w.reads(1 << 20)
		assert.Equal(t, want.Marked == 0, strings.HasSuffix(got, "\r\n\r\nhello"), got)
		close(w.in)
		for range w.out {
			continue
		}
		assert.Equal(t, want, w.counts())
	}
}

// TestStreamsDoNotWaitForEver: at a bound the head goes out with the mark. The cut
// takes place when it comes, and a body that ends before it is counted.
func TestStreamsDoNotWaitForEver(t *testing.T) {
	t.Parallel()
	long := "10000\r\n" + strings.Repeat("x", 65536) + "\r\n"
	for _, c := range []struct {
		name     string
		patience time.Duration
		first    string
	}{
		{"time", time.Millisecond, fiveBytes},
		{"bytes", time.Hour, long},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := asked(t, c.patience, `{"bytes":70000}`)
			w.answers(chunkedHead + c.first)
			require.Equal(t, markedHead+c.first, w.reads(len(markedHead+c.first)))
			assert.Equal(t, Counts{Seen: 1, Selected: 1, Marked: 1}, w.counts(), "under way")
			w.answers(lastChunk)
			require.Equal(t, lastChunk, w.reads(len(lastChunk)))
			assert.Equal(t, Counts{Seen: 1, Selected: 1, Marked: 1, Unreached: 1}, w.counts())
		})
	}
	w := asked(t, time.Millisecond, `{"bytes":9}`)
	w.answers(chunkedHead + fiveBytes)
	require.Equal(t, markedHead+fiveBytes, w.reads(len(markedHead+fiveBytes)))
	w.answers(fiveBytes)
	require.Equal(t, "5\r\nhell", w.reads(1<<20), "it ends there")
	assert.Equal(t, Counts{Seen: 1, Selected: 1, Injected: 1, Marked: 1}, w.counts())
}

// TestHeldBytesPassWhenTheHalfIsTakenOut, and the cut does not take place.
func TestHeldBytesPassWhenTheHalfIsTakenOut(t *testing.T) {
	t.Parallel()
	w := asked(t, time.Hour, `{"bytes":9}`)
	w.answers(chunkedHead + fiveBytes)
	require.True(t, w.holdsBack())
	require.True(t, w.responses.InterruptToxic())
	go (&ResponseHalf{}).Cleanup(w.responses)
	assert.Equal(t, chunkedHead+fiveBytes, w.reads(len(chunkedHead+fiveBytes)))
	go w.run(w.responses, &ResponseHalf{}) // for the end of the test
}

// TestServiceThatStopsShort says a length, keeps it not, and so the cut that the
// head announced does not take place.
func TestServiceThatStopsShort(t *testing.T) {
	t.Parallel()
	w := newWire(t, toxicSpec{"http_body", `{"bytes":9}`})
	w.start()
	w.in <- &stream.StreamChunk{Data: []byte("GET /hit/1 HTTP/1.1\r\nHost: a\r\n\r\n")}
	<-w.out
	go func() {
		w.answers("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
		close(w.back)
	}()
	assert.Contains(t, w.reads(1<<20), "X-Toxic")
	close(w.in)
	for range w.out {
		continue
	}
	assert.Equal(t, Counts{Seen: 1, Selected: 1, Marked: 1, Unreached: 1}, w.counts())
}

// TestFaultsWithoutAResponse are counted: the service has gone, or another toxic
// resets the connection, before there is a head to mark; and so are those of
// requests that a client sends behind the end of its connection.
func TestFaultsWithoutAResponse(t *testing.T) {
	t.Parallel()
	const all = 3 * maxQueue // more than the queue takes
	w := newWire(t, toxicSpec{"http_header", `{"set":{"X-A":"b"}}`},
		toxicSpec{"http_body", `{"limit":1}`})
	w.start()
	get := "GET /hit/1 HTTP/1.1\r\nHost: a\r\n\r\n"
	within(t, func() {
		go func() {
			for chunk := range w.sent {
				_ = chunk
			}
		}()
		go func() {
			w.in <- &stream.StreamChunk{Data: []byte(strings.Repeat(get, all))}
			close(w.in)
		}()
		<-w.out
		w.answers("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello") // cut at once
		for range w.out {
			continue
		}
		close(w.back)
	})
	assert.Equal(t, Counts{
		Seen: all, Selected: all, Injected: all, Marked: 1, Unmarked: all - 1,
	}, w.counts())
}
