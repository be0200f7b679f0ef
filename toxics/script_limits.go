package toxics

import (
	"regexp"
	"slices"
	"strings"
)

// boundSource is the JavaScript that bounds functions. Built-in functions cannot be
// interrupted, so what one call of them may make is bounded: by characters of text,
// and by elements where each takes far more than a character.
//
// Most of them make no more than a few times what they are given, and scripts get
// nothing big but by degrees, which can be interrupted. The others multiply: a text by
// a number, what one array holds many times over, matches by what replaces them.
const boundSource = `const characters = 1048576, elements = 65536;
const call = Reflect.apply, is = Array.isArray;
function check(name, size, most) {
	if (size > most) throw new RangeError(name + ' may make ' + most + ' at most');
}
function bound(owner, name, size, most = characters) {
	const own = owner[name];
	if (own === undefined) return;
	owner[name] = function () {
		check(String(name), size(this, arguments), most);
		return call(own, this, arguments);
	};
}
function made(name, size) {
	const own = globalThis[name];
	const made = function () {
		check(name, size(arguments), elements);
		if (!new.target) return call(own, this, arguments);
		return Reflect.construct(own, arguments, new.target === made ? own : new.target);
	};
	made.prototype = own.prototype;
	globalThis[name] = Object.setPrototypeOf(made, own);
}
const long = (v) => v == null ? 0 : typeof v === 'object' ? v.length || 1 : String(v).length;
function total(list, between) {
	let n = 0;
	for (let i = 0; i < list.length && n <= characters; i++) {
		n += between + (is(list[i]) ? total(list[i], 1) : long(list[i]));
	}
	return n;
}
function count(list, depth) {
	let n = 0;
	for (let i = 0; i < list.length && n <= characters; i++) {
		if (depth > 1 && is(list[i])) n += count(list[i], depth - 1);
		else n += depth > 0 && is(list[i]) ? list[i].length : 1;
	}
	return n;
}
// What JSON makes of a value, at the least: characters without indentation, lines, and
// the sum of their depths. What is there many times over is looked at once.
function weigh(v, known) {
	if (known.has(v)) return known.get(v);
	const w = {size: 2, lines: 0, depths: 0}, keys = Object.keys(v);
	known.set(v, w);
	if (is(v)) w.size += 5 * (v.length - keys.length);
	for (const key of keys) {
		w.size += is(v) ? 1 : key.length + 4;
		w.lines++;
		w.depths++;
		const inner = v[key];
		if (inner === null || typeof inner !== 'object') {
			w.size += long(inner);
			continue;
		}
		const one = weigh(inner, known);
		w.size += one.size;
		w.lines += one.lines;
		w.depths += one.depths + one.lines;
	}
	return w;
}
function asJSON(v, indent) {
	if (v === null || typeof v !== 'object') return long(v);
	const w = weigh(v, new Known());
	return w.size + w.depths * Math.min(10, indent);
}
function found(text, what, most) {
	let n = 0;
	for (let i = 0; n <= most && (i = text.indexOf(what, i)) >= 0; i += what.length) n++;
	return n;
}
function replaced(text, pattern, by) {
	text = String(text);
	if (typeof by === 'function') return text.length;
	by = String(by);
	const around = (call(match, by, [/\$[\x60']/g]) || []).length;
	const each = by.length + around * text.length;
	if (text.length + (text.length + 1) * each <= characters) return 0;
	let n = 1;
	if (pattern instanceof RegExp) {
		if (pattern.global) n = (call(match, text, [pattern]) || []).length;
	} else {
		n = String(pattern) === '' ? text.length + 1 :
			found(text, String(pattern), (characters - text.length) / Math.max(1, each));
	}
	return text.length * (1 + by.split('$').length - 1) + n * each;
}
const match = String.prototype.match, Known = Map;
`

// limits are the functions that are bounded, each by the words that a script which
// uses it has.
var limits = []struct { //nolint:gochecknoglobals // a table
	words  []string
	source string
}{
	{[]string{"repeat"}, `bound(String.prototype, 'repeat', (s, a) => s.length * a[0]);`},
	{[]string{"padStart"}, `bound(String.prototype, 'padStart', (s, a) => a[0]);`},
	{[]string{"padEnd"}, `bound(String.prototype, 'padEnd', (s, a) => a[0]);`},
	{[]string{"split"}, `bound(String.prototype, 'split',
		(s, a) => a[0] instanceof RegExp ? 4 * long(s) : long(s));`},
	{[]string{"match"}, `bound(String.prototype, 'match', long);`},
	{[]string{"matchAll"}, `bound(String.prototype, 'matchAll', long, elements);`},
	{[]string{"normalize"}, `bound(String.prototype, 'normalize', long);`},
	{[]string{"replace"}, `bound(String.prototype, 'replace', (s, a) => replaced(s, a[0], a[1]));`},
	{
		[]string{"replaceAll"},
		`bound(String.prototype, 'replaceAll', (s, a) => replaced(s, a[0], a[1]));`,
	},
	{[]string{"raw"}, `bound(String, 'raw', (_, a) =>
		check('raw', a[0].raw.length, elements) || total(a[0].raw, 0) + total(a, 0));`},
	{[]string{"concat"}, `bound(String.prototype, 'concat', (s, a) => long(s) + total(a, 0));
		bound(Array.prototype, 'concat', (l, a) => l.length + count(a, 1));`},
	{[]string{"flat"}, `bound(Array.prototype, 'flat', (l, a) => count(l, a.length ? a[0] : 1));`},
	{[]string{"fill"}, `bound(Array.prototype, 'fill', (l) => l.length, elements);`},
	{
		[]string{"join", "String", "Array", "fill", "concat"},
		`bound(Array.prototype, 'join', (l, a) => check('join', l.length, characters) ||
			total(l, a.length ? long(a[0]) : 1));`,
	},
	{[]string{"from"}, `bound(Array, 'from', (_, a) => long(a[0]), elements);`},
	{
		[]string{"Array"},
		`made('Array', (a) => a.length === 1 && typeof a[0] === 'number' ? a[0] : a.length);`,
	},
	{[]string{"Map"}, `made('Map', (a) => long(a[0]));`},
	{[]string{"Set"}, `made('Set', (a) => long(a[0]));`},
	{[]string{"apply"}, `bound(Function.prototype, 'apply', (_, a) => long(a[1]), elements);
		bound(Reflect, 'apply', (_, a) => long(a[2]), elements);`},
	{[]string{"Object"}, `for (const name of ['keys', 'values', 'entries', 'getOwnPropertyNames',
		'getOwnPropertyDescriptors']) bound(Object, name, (_, a) => long(a[0]), elements);
		bound(Object, 'assign', (_, a) => total(a, 0), elements);`},
	{[]string{"stringify"}, `bound(JSON, 'stringify', (_, a) =>
		asJSON(a[0], typeof a[2] === 'string' ? a[2].length : Number(a[2]) || 0));`},
	{[]string{"parse"}, `bound(JSON, 'parse', (_, a) => check('parse', long(a[0]), characters) ||
		found(String(a[0]), '[', elements) + found(String(a[0]), '{', elements), elements);`},
	{[]string{"asUintN", "asIntN"}, `bound(BigInt, 'asUintN', (_, a) => a[0]);
		bound(BigInt, 'asIntN', (_, a) => a[0]);`},
	{[]string{"encodeURI", "escape"}, `for (const name of ['encodeURI', 'encodeURIComponent',
		'escape']) bound(globalThis, name, (_, a) => long(a[0]));`},
}

// longLists bounds what takes the length of its object for granted, for scripts that
// write one. An array of a thousand million elements takes no memory as long as it has
// none of them; what reads it makes them.
const longLists = `const names = Object.getOwnPropertyNames(Array.prototype);
for (const name of [...names, Symbol.iterator]) {
	if (typeof Array.prototype[name] === 'function' && name !== 'constructor') {
		bound(Array.prototype, name, (l) => l.length);
	}
}
`

var writesLength = regexp.MustCompile(`\blength\b['"]?\s*(=[^=]|:)`)

// byteArrays are taken away: nothing that a script may return holds bytes.
var byteArrays = []string{ //nolint:gochecknoglobals // a table
	"ArrayBuffer", "Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array",
	"Int32Array", "Uint32Array", "Float32Array", "Float64Array", "BigInt64Array",
	"BigUint64Array",
}

// scriptLimits is JavaScript that runs before a script, on every connection. It
// bounds functions and takes the arrays of bytes away, as far as the script names
// them: doing it for all of them takes more than the script. It is for scripts that go
// wrong, and not for those that are out to harm. Empty: there is nothing to do.
func scriptLimits(source string) string {
	var out strings.Builder
	for _, one := range limits {
		if slices.ContainsFunc(one.words, func(word string) bool {
			return strings.Contains(source, word)
		}) {
			out.WriteString(one.source + "\n")
		}
	}
	if writesLength.MatchString(source) {
		out.WriteString(longLists)
	}
	for _, name := range byteArrays {
		if strings.Contains(source, name) {
			out.WriteString("delete globalThis." + name + ";\n")
		}
	}
	if out.Len() == 0 {
		return ""
	}
	return "(function () {\n" + boundSource + out.String() + "})();\n"
}
