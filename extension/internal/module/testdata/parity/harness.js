// Runs the cases of one file against one import, and logs what each gave. The
// test puts the import and the cases in place of the two lines that say so.
import http from 'IMPORT';
import exec from 'k6/execution';
import { check, group } from 'k6';

const server = __ENV.SERVER, tls = __ENV.TLS, h2 = __ENV.H2;
const sleepless = () => new Promise((resolve) => setTimeout(resolve, 1));

// What may differ: the time, ports of clients, and what we add on the wire.
function body(value) {
  if (value instanceof ArrayBuffer) return `ArrayBuffer(${value.byteLength})`;
  if (typeof value !== 'string') return value;
  try {
    const parsed = JSON.parse(value);
    if (parsed.headers) {
      delete parsed.headers.Traceparent;
      delete parsed.headers['Content-Length'];
      if (parsed.headers['User-Agent']) {
        parsed.headers['User-Agent'] = parsed.headers['User-Agent'].map(
          (agent) => agent.replace(/ continuity\/[0-9a-f-]+$/, ''));
      }
      if (parsed.headers['Content-Type']) {
        parsed.headers['Content-Type'] = parsed.headers['Content-Type'].map(
          (type) => type.replace(/boundary=.*/, 'boundary=…'));
      }
    }
    if (typeof parsed.data === 'string') {
      parsed.data = parsed.data.replace(/[0-9a-f]{60}/g, '…').split('\r\n').sort().join('\n');
    }
    return parsed;
  } catch (error) {
    return value.slice(0, 500);
  }
}

function describe(res) {
  if (res === null || res === undefined || typeof res.status !== 'number') return res;
  const { Date: _date, 'Content-Length': _length, ...headers } = res.headers;
  for (const name of Object.keys(headers)) headers[name] = headers[name].replace(/(nonce|opaque)=\w+/g, '$1=…');
  const request = JSON.parse(JSON.stringify(res.request || null));
  if (request && request.headers['Content-Type']) {
    request.headers['Content-Type'] = request.headers['Content-Type'].map(
      (type) => type.replace(/boundary=.*/, 'boundary=…'));
    request.body = request.body.replace(/[0-9a-f]{60}/g, '…').split('\r\n').sort().join('\n');
  }
  if (request && request.headers.Cookie) { // k6 takes the cookies of params in any order
    request.headers.Cookie = request.headers.Cookie.map((c) => c.split('; ').sort().join('; '));
  }
  if (request && request.headers.Authorization) {
    request.headers.Authorization = request.headers.Authorization.map((a) => a.split(' ')[0]);
  }
  return {
    status: res.status, text: res.status_text, proto: res.proto, url: res.url,
    error: res.error.replace(/127.0.0.1:\d+->/, ''), code: res.error_code, headers, body: body(res.body), request,
    cookies: Object.keys(res.cookies).sort().map((name) => [name, res.cookies[name].map((c) => c.value)]),
    tls: [res.tls_version, res.tls_cipher_suite, res.ocsp],
    remote: [res.remote_ip, res.remote_port > 0],
    timings: Object.keys(res.timings).sort(),
    positive: res.timings.duration > 0,
  };
}

function describeAll(out) {
  if (Array.isArray(out)) return out.map(describeAll);
  if (out && typeof out === 'object' && typeof out.status !== 'number') {
    return Object.fromEntries(Object.keys(out).sort().map((key) => [key, describeAll(out[key])]));
  }
  return describe(out);
}

//CASES

export default async function () {
  for (const name of Object.keys(cases)) {
    exec.vu.metrics.tags.case = name;
    let out;
    try {
      out = describeAll(await cases[name]());
    } catch (error) {
      out = { thrown: String((error && error.message) || error).replace(/127.0.0.1:\d+->/, '') };
    }
    await sleepless();
    console.log(`RESULT ${JSON.stringify({ name, out })}`);
  }
}
