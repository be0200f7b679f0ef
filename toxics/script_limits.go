package toxics

import "strings"

// maxMade bounds what one call of a built-in function may make: characters of a
// string, elements of an array. Built-in functions cannot be interrupted.
const maxMade = "1048576"

// boundSource is the JavaScript that bounds a function.
const boundSource = `function bound(owner, name, size) {
	const own = owner[name];
	owner[name] = function (a, b) {
		if (size(this, a) > most) {
			throw new RangeError(name + ' may make ' + most + ' at most');
		}
		return own.call(this, a, b);
	};
}
`

// scriptLimits is JavaScript that runs before a script, on every connection. It
// bounds the functions that make something big at once and takes the arrays of
// bytes away, as far as the script names them: doing it for all of them takes more
// than the script. It is for scripts that go wrong, and not for those that are out
// to harm. Empty: there is nothing to do.
func scriptLimits(source string) string {
	var out strings.Builder
	for _, one := range [][2]string{
		{"repeat", "bound(String.prototype, 'repeat', (s, n) => s.length * n);"},
		{"padStart", "bound(String.prototype, 'padStart', (s, n) => n);"},
		{"padEnd", "bound(String.prototype, 'padEnd', (s, n) => n);"},
		{"fill", "bound(Array.prototype, 'fill', (a) => a.length);"},
		{"join", "bound(Array.prototype, 'join', (a) => a.length);"},
		{"from", "bound(Array, 'from', (_, a) => a.length);"},
	} {
		if strings.Contains(source, one[0]) {
			out.WriteString(one[1] + "\n")
		}
	}
	for _, name := range []string{
		"ArrayBuffer", "Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array",
		"Int32Array", "Uint32Array", "Float32Array", "Float64Array", "BigInt64Array",
		"BigUint64Array",
	} {
		if strings.Contains(source, name) {
			out.WriteString("delete globalThis." + name + ";\n")
		}
	}
	if out.Len() == 0 {
		return ""
	}
	return "(function () {\nconst most = " + maxMade + ";\n" + boundSource + out.String() +
		"})();\n"
}
