package toxics

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// scripted runs a script on pipelined requests and returns what the client saw
// of those below /hit, and the counts.
func scripted(t *testing.T, source, more string) (client []string, counts Toxic) {
	t.Helper()
	w := newWire(t, spec("http_script", script(source)+more))
	var got seen
	within(t, func() { got = w.talk(pipelined(), nil) })
	toxic, _ := w.hub.Toxic("x")
	return got.client, toxic
}

func untouched() []string {
	return clientSees("200 answer to /hit/2 trailer=2", "200 answer to /hit/4 trailer=4", "200 ",
		"200 answer to /hit/7")
}

// TestScriptsThatFailLetRequestsPass counts them and says what went wrong.
func TestScriptsThatFailLetRequestsPass(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		`function onRequest() { throw new Error("oh") }`:             "Error: oh",
		`function onRequest() { return onRequest() }`:                "",
		`function onRequest() { return 503 }`:                        "must return nothing or an object, got 503",
		`function onRequest() { return {statsu: 503} }`:              `unknown field "statsu"`,
		`function onRequest() { return {status: 99} }`:               "status must be between 200 and 599, got 99",
		`function onRequest() { return {status: 'x'} }`:              "cannot unmarshal string",
		`function onRequest() { return {delay: -1} }`:                "latency must be between 0 and 600000",
		`function onRequest() { return {reset: 'now'} }`:             `reset must be true, "before", "after" or a number`,
		`function onRequest() { return {truncate: -1} }`:             "bytes must be 0 or more, got -1",
		`function onRequest() { return {get status() { throw 1 }} }`: "1",
		`function onRequest() { return {set: {"a b": "c"}} }`:        "set must have header names",
		`function onResponse() { return {delay: 1, status: 1000} }`:  "status must be between",
	} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			letsPass(t, source, "", want)
		})
	}
}

// TestScriptThatNeverEndsLetsRequestsPass in the time that it is given.
func TestScriptThatNeverEndsLetsRequestsPass(t *testing.T) {
	t.Parallel()
	letsPass(t, `function onRequest() { while (true) {} }`, `,"timeout":500`, "took longer than its timeout")
}

// letsPass runs a script that fails at each request.
func letsPass(t *testing.T, source, more, want string) {
	t.Helper()
	client, toxic := scripted(t, source, more)
	assert.Equal(t, untouched(), client)
	assert.Equal(t, uint64(4), toxic.Counts.Errors)
	assert.Equal(t, uint64(4), toxic.Counts.Selected)
	assert.Zero(t, toxic.Counts.Injected)
	assert.Contains(t, toxic.LastError, want)
}

func TestScriptSeesTheRequest(t *testing.T) {
	t.Parallel()
	client, toxic := scripted(t, `function onRequest(req, state) {
		if (Object.keys(req).join() !== "method,target,path,query,traceId,headers") throw "keys";
		if (req.method !== "GET" || req.query === "") return;
		const { host } = req.headers;
		return {status: 418, headers: {A: 1}, body: JSON.stringify([req.target, req.path, req.query,
			host, req.headers.HOST, req.traceId, Object.keys(req.headers), "x" in req.headers, state])};
	}`, "")
	assert.Empty(t, toxic.LastError)
	want := untouched()
	want[1] = `418 ["/hit/2?q=1","/hit/2","q=1","a","a","0af7651916cd43dd8448eb211c80319c",` +
		`["host","traceparent"],false,{}] [http_script; mode=abort; name=x]`
	assert.Equal(t, want, client)
}

// TestScriptStateIsTheConnections counts to four on each of two connections.
func TestScriptStateIsTheConnections(t *testing.T) {
	t.Parallel()
	w := newWire(t, spec("http_script", script(`function onRequest(req, state) {
		(state.seen = state.seen || []).push(req.path);
		if (state.seen.length === 4) return {status: 500, body: state.seen.join(" ")};
	}`)))
	for range 2 {
		l := newLink(w.hub)
		close(l.paired)
		next := newWire(t)
		next.requests.State, next.responses.State = newRequests(l), newResponses(l)
		got := next.talk(pipelined(), nil)
		require.Len(t, got.client, 8)
		assert.Equal(t, "500 /hit/2 /hit/4 /hit/5 /hit/7 [http_script; mode=abort; name=x]",
			got.client[6])
	}
}

// TestScriptDrawsAreSeeded gives the same numbers to the same requests.
func TestScriptDrawsAreSeeded(t *testing.T) {
	t.Parallel()
	const source = `function onRequest() { return {status: 500, body: String(Math.random())} }`
	one, _ := scripted(t, source, `,"seed":1`)
	again, _ := scripted(t, source, `,"seed":1`)
	two, _ := scripted(t, source, `,"seed":2`)
	assert.Equal(t, one, again)
	assert.NotEqual(t, one[1], two[1])
	assert.NotEqual(t, one[1], one[3])
}

// blocked is a run whose first call of block, like any built-in function, cannot
// be interrupted; it lasts until the channel is closed.
func blocked(t *testing.T, f *scriptFault, release chan struct{}) *scriptRun {
	t.Helper()
	run, err := f.start()
	require.NoError(t, err)
	require.NoError(t, run.vm.Set("block", func() { <-release }))
	return run
}

const blocks = `function onRequest() {
	if (typeof block === "function") block();
	return {status: 500};
}`

// TestScriptThatCannotBeInterrupted lets the request pass. The runtime is given
// up, and the next request has a new one.
func TestScriptThatCannotBeInterrupted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // its time is over when it is there, and no sooner
		release := make(chan struct{})
		w := newWire(t, spec("http_script", script(blocks)))
		r := (*w.hub.rules.Load())[0]
		fault, ok := r.fault.(*scriptFault)
		require.True(t, ok)
		half, ok := w.requests.State.(*requests)
		require.True(t, ok)
		half.scripts = map[*rule]*scriptRun{r: blocked(t, fault, release)}
		got := w.talk(pipelined(), nil)
		const aborted = "500  [http_script; mode=abort; name=x]"
		assert.Equal(t, clientSees("200 answer to /hit/2 trailer=2", aborted, aborted, aborted), got.client)
		toxic, _ := w.hub.Toxic("x")
		assert.Equal(t, uint64(1), toxic.Counts.Errors)
		assert.Equal(t, uint64(3), toxic.Counts.Injected)
		assert.Equal(t, "took longer than its timeout and could not be interrupted, such as in a "+
			"regular expression; it starts anew", toxic.LastError)
		assert.Equal(t, int64(1), fault.strays.Load())
		close(release)
		synctest.Wait()
		assert.Zero(t, fault.strays.Load())
	})
}

// TestScriptIsNotCalledBesideManyThatRunOn bounds what a script can hold.
func TestScriptIsNotCalledBesideManyThatRunOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		f := &scriptFault{Script: blocks, Timeout: maxTimeout}
		require.NoError(t, f.validate())
		r := &rule{counts: &counts{}}
		runs := make([]*scriptRun, 0, maxStrays+1)
		for range maxStrays + 1 {
			runs = append(runs, blocked(t, f, release))
		}
		for i, run := range runs[:maxStrays] {
			require.Nil(t, run.call(r, 1, run.onRequest))
			require.Equal(t, uint64(i+1), r.counts.of[eventFailed].Load())
			require.Contains(t, *r.counts.lastError.Load(), "could not be interrupted")
		}
		require.Nil(t, runs[0].call(r, 1, runs[0].onRequest))
		require.Equal(t, errGivenUp.Error(), *r.counts.lastError.Load())
		require.Nil(t, runs[maxStrays].call(r, 1, runs[maxStrays].onRequest))
		require.Equal(t, errStrays.Error(), *r.counts.lastError.Load())
		_, err := f.start()
		require.ErrorIs(t, err, errStrays)
		close(release)
		synctest.Wait()
		require.Zero(t, f.strays.Load())
		run, err := f.start()
		require.NoError(t, err)
		require.Equal(t, 500, run.call(r, 1, run.onRequest).Status)
	})
}

func TestScriptThatTakesMemoryIsEnded(t *testing.T) {
	t.Parallel()
	f := &scriptFault{Timeout: maxTimeout, Script: `function onRequest() {
		for (let all = []; ; ) all.push("x".repeat(1e6) + all.length);
	}`}
	require.NoError(t, f.validate())
	run, err := f.start()
	require.NoError(t, err)
	run.growth, run.limit = 8<<20, time.Minute
	r := &rule{counts: &counts{}}
	require.Nil(t, run.call(r, 1, run.onRequest))
	require.Contains(t, *r.counts.lastError.Load(), "took more than 256 MiB of memory")
}

// TestTakenContextIsWhatTheMarkSays, whatever else a script does to the same exchange:
// attempts are held against it.
func TestTakenContextIsWhatTheMarkSays(t *testing.T) {
	t.Parallel()
	client, toxic := scripted(t, `function onRequest(req) {
		if (req.traceId && req.method === "GET") return {remove: ["traceparent"], delay: 1, corrupt: 0};
	}`, "")
	assert.Empty(t, toxic.LastError)
	const mark = " [http_script; mode=context-removed; name=x]"
	assert.Equal(t, "200 `orvds!un!.ihu.6"+mark, client[6])
	assert.Equal(t, uint64(2), toxic.Counts.Injected)
}
