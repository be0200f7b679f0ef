package tracecontext_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/tracecontext"
)

// header is one header field as a request carries it.
type header struct{ name, value string }

const (
	traceID = "12345678901234567890123456789012"
	spanID  = "1234567890123456"
	valid   = "00-" + traceID + "-" + spanID + "-01"
)

func traceparent(value string) header { return header{"traceparent", value} }

func tracestate(value string) header { return header{"tracestate", value} }

// w3cCase is what one request of the W3C test suite carries, and what it asks
// for (https://github.com/w3c/trace-context/blob/main/test/test.py).
type w3cCase struct {
	name    string // of the suite's test
	headers []header
	kept    bool   // the trace goes on; else it is restarted
	state   string // the tracestate that goes on
}

// members makes tracestate members key01=01 to keyNN=NN.
func members(from, to int) string {
	var out []string
	for i := from; i <= to; i++ {
		out = append(out, fmt.Sprintf("bar%02d=%02d", i, i))
	}
	return strings.Join(out, ",")
}

func traceparentCases() []w3cCase {
	one := func(name, value string, kept bool) w3cCase {
		return w3cCase{name: name, headers: []header{traceparent(value)}, kept: kept}
	}
	return []w3cCase{
		{name: "both_traceparent_and_tracestate_missing"},
		one("traceparent_included_tracestate_missing", valid, true),
		{name: "traceparent_duplicated", headers: []header{
			traceparent("00-12345678901234567890123456789011-" + spanID + "-01"), traceparent(valid),
		}},
		{name: "traceparent_header_name: dash", headers: []header{{"trace-parent", valid}}},
		{name: "traceparent_header_name: dot", headers: []header{{"trace.parent", valid}}},
		{name: "traceparent_header_name_valid_casing", headers: []header{{"TraceParent", valid}}, kept: true},
		{name: "traceparent_header_name_valid_casing", headers: []header{{"TrAcEpArEnT", valid}}, kept: true},
		{name: "traceparent_header_name_valid_casing", headers: []header{{"TRACEPARENT", valid}}, kept: true},
		one("traceparent_version_0x00: extra character", valid+".", false),
		one("traceparent_version_0x00: extra field", valid+"-what-the-future-will-be-like", false),
		one("traceparent_version_0xcc", "cc"+valid[2:], true),
		one("traceparent_version_0xcc: extra field", "cc"+valid[2:]+"-what-the-future-will-be-like", true),
		one("traceparent_version_0xcc: no dash", "cc"+valid[2:]+".what-the-future-will-be-like", false),
		one("traceparent_version_0xff", "ff"+valid[2:], false),
		one("traceparent_version_illegal_characters: first", ".0"+valid[2:], false),
		one("traceparent_version_illegal_characters: second", "0."+valid[2:], false),
		one("traceparent_version_too_long: 3", "000"+valid[2:], false),
		one("traceparent_version_too_long: 4", "0000"+valid[2:], false),
		one("traceparent_version_too_short", valid[1:], false),
		one("traceparent_trace_id_all_zero", "00-"+strings.Repeat("0", 32)+"-"+spanID+"-01", false),
		one("traceparent_trace_id_illegal_characters: first", "00-."+traceID[1:]+"-"+spanID+"-01", false),
		one("traceparent_trace_id_illegal_characters: last", "00-"+traceID[:31]+".-"+spanID+"-01", false),
		one("traceparent_trace_id_too_long", "00-"+traceID+"3-"+spanID+"-01", false),
		one("traceparent_trace_id_too_short", "00-"+traceID[:31]+"-"+spanID+"-01", false),
		one("traceparent_parent_id_all_zero", "00-"+traceID+"-0000000000000000-01", false),
		one("traceparent_parent_id_illegal_characters: first", "00-"+traceID+"-."+spanID[1:]+"-01", false),
		one("traceparent_parent_id_illegal_characters: last", "00-"+traceID+"-"+spanID[:15]+".-01", false),
		one("traceparent_parent_id_too_long", "00-"+traceID+"-"+spanID+"7-01", false),
		one("traceparent_parent_id_too_short", "00-"+traceID+"-"+spanID[:15]+"-01", false),
		one("traceparent_trace_flags_illegal_characters: first", valid[:53]+".0", false),
		one("traceparent_trace_flags_illegal_characters: second", valid[:53]+"0.", false),
		one("traceparent_trace_flags_too_long", valid[:53]+"001", false),
		one("traceparent_trace_flags_too_short", valid[:53]+"1", false),
		one("traceparent_ows_handling: space before", " "+valid, true),
		one("traceparent_ows_handling: tab before", "\t"+valid, true),
		one("traceparent_ows_handling: space behind", valid+" ", true),
		one("traceparent_ows_handling: tab behind", valid+"\t", true),
		one("traceparent_ows_handling: both", "\t "+valid+" \t", true),
		one("upper case trace id", "00-ABCDEF78901234567890123456789012-"+spanID+"-01", false),
		one("upper case parent id", "00-"+traceID+"-ABCDEF7890123456-01", false),
		one("upper case flags", valid[:53]+"0A", false),
		one("random flag", valid[:53]+"03", true),
		one("unknown flags", valid[:53]+"ff", true),
		one("empty", "", false),
	}
}

func tracestateCases() []w3cCase {
	with := func(name, state string, values ...string) w3cCase {
		c := w3cCase{name: name, kept: true, state: state, headers: []header{traceparent(valid)}}
		for _, value := range values {
			c.headers = append(c.headers, tracestate(value))
		}
		return c
	}
	simple := "abcdefghijklmnopqrstuvwxyz0123456789_-*/"
	var all []byte
	for c := byte(' '); c <= '~'; c++ {
		if c != ',' && c != '=' {
			all = append(all, c)
		}
	}
	value := string(all)
	return []w3cCase{
		{name: "tracestate_included_traceparent_missing", headers: []header{tracestate("foo=1")}},
		{name: "tracestate with an invalid traceparent", headers: []header{
			traceparent("ff" + valid[2:]), tracestate("foo=1"),
		}},
		with("tracestate_included_traceparent_included", "foo=1,bar=2", "foo=1,bar=2"),
		{name: "tracestate_header_name: dash", kept: true, headers: []header{
			traceparent(valid), {"trace-state", "foo=1"},
		}},
		{name: "tracestate_header_name: dot", kept: true, headers: []header{
			traceparent(valid), {"trace.state", "foo=1"},
		}},
		{name: "tracestate_header_name_valid_casing", kept: true, state: "foo=1", headers: []header{
			traceparent(valid), {"TrAcEsTaTe", "foo=1"},
		}},
		with("tracestate_empty_header", "", ""),
		with("tracestate_empty_header: behind", "foo=1", "foo=1", ""),
		with("tracestate_empty_header: before", "foo=1", "", "foo=1"),
		with("tracestate_multiple_headers_different_keys", "foo=1,bar=2,rojo=1,congo=2,baz=3",
			"foo=1,bar=2", "rojo=1,congo=2", "baz=3"),
		with("tracestate_duplicated_keys: same", "", "foo=1,foo=1"),
		with("tracestate_duplicated_keys: other", "", "foo=1,foo=2"),
		with("tracestate_duplicated_keys: two headers", "", "foo=1", "foo=2"),
		with("tracestate_all_allowed_characters", simple+"="+value, simple+"="+value),
		with("tracestate_all_allowed_characters: vendor", simple+"@a-z0-9_-*/="+value,
			simple+"@a-z0-9_-*/="+value),
		with("tracestate_ows_handling: between", "foo=1,bar=2,baz=3", "foo=1 \t , \t bar=2, \t baz=3"),
		with("tracestate_ows_handling: tabs", "foo=1,bar=2,baz=3", "foo=1\t \t,\t \tbar=2,\t \tbaz=3"),
		with("tracestate_ows_handling: around", "foo=1", "\t foo=1 \t"),
		with("tracestate_key_illegal_characters: space", "", "foo =1"),
		with("tracestate_key_illegal_characters: upper case", "", "FOO=1"),
		with("tracestate_key_illegal_characters: dot", "", "foo.bar=1"),
		with("tracestate_key_illegal_vendor_format: no system", "", "foo@=1,bar=2"),
		with("tracestate_key_illegal_vendor_format: no tenant", "", "@foo=1,bar=2"),
		with("tracestate_key_illegal_vendor_format: double", "", "foo@@bar=1,bar=2"),
		with("tracestate_key_illegal_vendor_format: three", "", "foo@bar@baz=1,bar=2"),
		with("tracestate_member_count_limit: 32", members(1, 32), members(1, 20), members(21, 32)),
		with("tracestate_member_count_limit: 33", "", members(1, 20), members(21, 33)),
		with("tracestate_key_length_limit: 256", "foo=1,"+strings.Repeat("z", 256)+"=1",
			"foo=1", strings.Repeat("z", 256)+"=1"),
		with("tracestate_key_length_limit: 257", "", "foo=1", strings.Repeat("z", 257)+"=1"),
		with("tracestate_key_length_limit: 241@14",
			"foo=1,"+strings.Repeat("t", 241)+"@"+strings.Repeat("v", 14)+"=1",
			"foo=1", strings.Repeat("t", 241)+"@"+strings.Repeat("v", 14)+"=1"),
		with("tracestate_key_length_limit: 242@1", "", "foo=1", strings.Repeat("t", 242)+"@v=1"),
		with("tracestate_key_length_limit: 1@15", "", "foo=1", "t@"+strings.Repeat("v", 15)+"=1"),
		with("tracestate_value_illegal_characters: equals", "", "foo=bar=baz"),
		with("tracestate_value_illegal_characters: empty", "", "foo=,bar=3"),
		with("a digit starts a tenant", "1a@b=1", "1a@b=1"),
		with("a digit starts no simple key", "", "1a=1"),
		with("a value of 256 characters", "a="+strings.Repeat("v", 256), "a="+strings.Repeat("v", 256)),
		with("a value of 257 characters", "", "a="+strings.Repeat("v", 257)),
		with("no equals sign", "", "foo"),
	}
}

func TestExtractByTheW3CTestSuite(t *testing.T) {
	t.Parallel()
	for _, tt := range append(traceparentCases(), tracestateCases()...) {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := make(http.Header)
			for _, field := range tt.headers {
				h.Add(field.name, field.value)
			}
			parent, state, err := tracecontext.Extract(h.Values("traceparent"), h.Values("tracestate"))
			assert.Equal(t, tt.state, state)
			if !tt.kept {
				assert.Zero(t, parent, "the trace is restarted")
				assert.Equal(t, len(h.Values("traceparent")) > 0, err != nil,
					"what was there and is not used is told")
				return
			}
			assert.Equal(t, traceID, parent.TraceID.String())
			assert.Equal(t, spanID, parent.SpanID.String())
			given := strings.Join(h.Values("tracestate"), "")
			assert.Equal(t, given != "" && tt.state == "", err != nil,
				"a tracestate that is not sent on is told")
		})
	}
}

func TestFlagsDecideSampling(t *testing.T) {
	t.Parallel()
	for flags, sampled := range map[string]bool{
		"00": false, "01": true, "02": false, "03": true, "fe": false, "ff": true,
	} {
		parsed, err := tracecontext.ParseTraceparent(valid[:53] + flags)
		require.NoError(t, err)
		assert.Equal(t, sampled, parsed.Sampled(), flags)
		assert.Equal(t, valid[:53]+flags, parsed.String())
	}
}

func TestTraceparentErrorsNameTheValue(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"bogus":                                  "want version-traceid-parentid-flags",
		"ff" + valid[2:]:                         "version ff is forbidden",
		valid + "-x":                             "version 00 ends behind the flags",
		"01" + valid[2:] + "x":                   "no dash behind the flags",
		"00-" + traceID + "-0000000000000000-01": "an id is zero",
		strings.ToUpper("0a") + valid[2:]:        "lower-case",
	} {
		_, err := tracecontext.ParseTraceparent(value)
		require.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, value)
	}
}
