package toxics

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestScriptsMakeNothingHuge are calls of built-in functions each of which took
// more than 256 MiB, or all that there was.
func TestScriptsMakeNothingHuge(t *testing.T) {
	t.Parallel()
	const many = `const x = "x".repeat(1e6), list = new Array(1e3).fill(x); `
	for source, want := range map[string]string{
		`"x".repeat(1e9)`:                                                         "repeat may make 1048576 at most",
		`"x".padStart(1e9)`:                                                       "padStart may make 1048576 at most",
		`"x".padEnd(1e9, "ab")`:                                                   "padEnd may make 1048576 at most",
		`new Array(1e9).fill(0)`:                                                  "Array may make 65536 at most",
		`Array(1e9).map(x => x)`:                                                  "Array may make 65536 at most",
		`[...new Array(1e9)]`:                                                     "Array may make 65536 at most",
		`const a = []; a.length = 1e9; a.fill(0)`:                                 "fill may make 1048576 at most",
		`const a = []; a.length = 1e9; a.sort()`:                                  "sort may make 1048576 at most",
		`const a = []; a.length = 1e9; [...a]`:                                    "Symbol(Symbol.iterator) may make 1048576 at most",
		`const a = []; a.length = 1e9; return {body: a.join("x")}`:                "join may make 1048576 at most",
		`const a = []; a.length = 1e9; JSON.stringify(a)`:                         "stringify may make 1048576 at most",
		many + `list.join("")`:                                                    "join may make 1048576 at most",
		many + `"" + list`:                                                        "join may make 1048576 at most",
		many + `"".concat(...list)`:                                               "concat may make 1048576 at most",
		many + `String.raw({raw: list})`:                                          "raw may make 1048576 at most",
		`String.raw({raw: {length: 1e9}})`:                                        "raw may make 65536 at most",
		`const a = new Array(6e4).fill(0); new Array(100).fill(a).flat()`:         "flat may make 1048576 at most",
		`const a = new Array(6e4).fill(0); [].concat(...new Array(100).fill(a))`:  "concat may make 1048576 at most",
		many + `JSON.stringify(list)`:                                             "stringify may make 1048576 at most",
		`let a = [1]; for (let i = 0; i < 30; i++) a = [a, a]; JSON.stringify(a)`: "stringify may make 1048576 at most",
		`let a = [1]; for (let i = 0; i < 500; i++) a = [a, a]; JSON.stringify(a, null, 10)`:      "stringify may make 1048576 at most",
		`let a = [1]; for (let i = 0; i < 16; i++) a = [a, a]; JSON.stringify(a, null, "      ")`: "stringify may make 1048576 at most",
		`JSON.parse("[".repeat(1e6))`:                                              "parse may make 65536 at most",
		`let s = "1"; while (s.length < 2e6) s += s; JSON.parse(s)`:                "parse may make 1048576 at most",
		`"x".repeat(1e6).replaceAll("x", "yy")`:                                    "replaceAll may make 1048576 at most",
		`"x".repeat(1e6).replaceAll("", "yy")`:                                     "replaceAll may make 1048576 at most",
		`"x".repeat(1e4).replace(/x/g, "y".repeat(200))`:                           "replace may make 1048576 at most",
		"\"x\".repeat(1e5).replace(/x/g, \"$`\")":                                  "replace may make 1048576 at most",
		`"x".repeat(1e5).replace(/x/g, "$'")`:                                      "replace may make 1048576 at most",
		`"x".repeat(1e6).replace(/x+/, "$&$&")`:                                    "replace may make 1048576 at most",
		`let s = "x"; while (s.length < 2e6) s += s; s.split("")`:                  "split may make 1048576 at most",
		`let s = "x"; while (s.length < 2e6) s += s; s.match(/x/g)`:                "match may make 1048576 at most",
		`let s = "x"; while (s.length < 2e6) s += s; s.normalize()`:                "normalize may make 1048576 at most",
		`let s = "é"; while (s.length < 2e6) s += s; encodeURIComponent(s)`:        "encodeURIComponent may make 1048576 at most",
		`[..."x".repeat(1e6).matchAll(/x/g)]`:                                      "matchAll may make 65536 at most",
		`Object.entries("x".repeat(1e6))`:                                          "entries may make 65536 at most",
		`Object.assign({}, "x".repeat(1e6))`:                                       "assign may make 65536 at most",
		`Math.max.apply(null, {length: 1e8})`:                                      "apply may make 65536 at most",
		`Reflect.apply(Math.max, null, {length: 1e8})`:                             "apply may make 65536 at most",
		`let a = []; for (let i = 0; i < 1e5; i++) a.push([i, i]); new Map(a)`:     "Map may make 65536 at most",
		`let a = []; for (let i = 0; i < 1e5; i++) a.push(i); new Set(a)`:          "Set may make 65536 at most",
		`Array.from({length: 1e9})`:                                                "from may make 65536 at most",
		`BigInt.asUintN(68719476736, BigInt(-1))`:                                  "asUintN may make 1048576 at most",
		`BigInt.asIntN(68719476736, BigInt(-1))`:                                   "asIntN may make 1048576 at most",
		`let a = 1; for (let i = 0; i < 1e5; i++) a = {a}; return {body: a}`:       "must return an object whose fields are flat",
		`let a = [1]; for (let i = 0; i < 30; i++) a = [a, a]; return {remove: a}`: "must return an object whose fields are flat",
		`"x".repeat(3e5).split(/(x)(?=x)/)`:                                        "split may make 1048576 at most",
		`new Uint8Array(1e12)`:                                                     "Uint8Array is not defined",
	} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			_, toxic := scripted(t, "function onRequest() { "+source+" }", `,"limit":1`)
			assert.Equal(t, uint64(1), toxic.Counts.Errors)
			assert.Contains(t, toxic.LastError, want)
		})
	}
}

// TestBoundedFunctionsWork as they do without a bound.
func TestBoundedFunctionsWork(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		`"ab".repeat(2) + "x".padStart(3, "-") + "x".padEnd(3)`:                                                         "abab--xx  ",
		`new Array(3).fill(1).join() + Array(1, 2).join("-")`:                                                           "1,1,11-2",
		`Array.from({length: 2}, (_, i) => i) + [] + Array.of(7)`:                                                       "0,17",
		`[new Array(1) instanceof Array, Array.isArray(Array(2)), [].concat([1, [2]], 3).length]`:                       "true,true,3",
		`[1, [2, [3, [4]]]].flat().length + [1, [2, [3, [4]]]].flat(9).join("")`:                                        "31234",
		`"a-b-c".replace("-", "+") + "a-b-c".replaceAll("-", "$$") + "abc".replace(/b/g, (m) => m + m)`:                 "a+b-ca$b$cabbc",
		`"x".repeat(2e5).replace(/y/g, "y".repeat(100)).length`:                                                         "200000",
		`"xy".repeat(2e5).replaceAll("xy", "ab").length + "a".replace(/(a)/, "$1$1")`:                                   "400000aa",
		`"a,b".split(",").length + "aXbX".match(/X/g).join("") + [..."aXbX".matchAll(/X/g)].length`:                     "2XX2",
		`JSON.stringify({a: [1, "b", null, {c: [undefined]}]}) + JSON.stringify(JSON.parse("[1,[2]]"), null, 1).length`: `{"a":[1,"b",null,{"c":[null]}]}17`,
		`JSON.stringify(new Array(6e4).fill(12)).length`:                                                                "180001",
		`String.raw({raw: ["a", "b"]}, 1) + "a".concat("b", 1)`:                                                         "a1bab1",
		`Math.max.apply(null, [1, 3]) + Reflect.apply(Math.min, null, [1, 3])`:                                          "4",
		`new Map([[1, 2]]).get(1) + new Set([1, 1]).size + Object.keys({a: 1}).length`:                                  "4",
		`BigInt.asUintN(8, BigInt(257)) + "" + encodeURIComponent("é")`:                                                 "1%C3%A9",
		`const a = [1, 2]; a.length = 1; return {status: 500, body: a.concat(a.map(x => x + 1)).join("")}; ""`:          "12",
	} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			body := "return {status: 500, body: String(" + source + ")};"
			if source[0] == 'c' {
				body = source
			}
			client, toxic := scripted(t, "function onRequest() { "+body+" }", `,"limit":1`)
			assert.Empty(t, toxic.LastError)
			assert.Equal(t, "500 "+want+" [http_script; mode=abort; name=x]", client[1])
		})
	}
}

// TestBigPowersAreRefused, and not what looks like them.
func TestBigPowersAreRefused(t *testing.T) {
	t.Parallel()
	for source, refused := range map[string]bool{
		`return {delay: Number(2n ** 3n)}`:                        true,
		`let n = 1n; n <<= 3n`:                                    true,
		`const f = { g: [() => { let x = BigInt(2); x **= x }] }`: true,
		`return {delay: Number(2n * 3n)}`:                         false,
		`return {delay: 2 ** 3 + (1 << 2)}`:                       false,
		`/** 2n << 1n */ return {body: "2n ** 3n"}`:               false,
		`/** n << 1 */ return {delay: Number(BigInt(7) % 2n)}`:    false,
	} {
		f := &scriptFault{Script: "function onRequest() { " + source + " }", Timeout: maxTimeout}
		err := f.validate()
		if refused {
			require.ErrorIs(t, err, errBigPower, source)
		} else {
			require.NoError(t, err, source)
		}
	}
}

// TestScriptReadsNoFiles: not even one that it names as its source map, itself or in
// what it evaluates.
func TestScriptReadsNoFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "map")
	require.NoError(t, os.WriteFile(path,
		[]byte(`{"version":3,"sources":["read.js"],"names":[],"mappings":"AAAA"}`), 0o600))
	named := "\n//# sourceMappingURL=file://" + path
	for _, source := range []string{
		`throw new Error("no")` + named,
		"eval(`throw new Error('no')" + named + "\n`)",
	} {
		f := &scriptFault{Script: source, Timeout: maxTimeout}
		err := f.validate()
		require.ErrorContains(t, err, "Error: no at ")
		require.NotContains(t, err.Error(), "read.js")
	}
}
