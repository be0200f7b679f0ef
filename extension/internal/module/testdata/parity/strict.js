export const options = {
  vus: 1, iterations: 1, throw: true, discardResponseBodies: true, userAgent: 'own/1', maxRedirects: 2,
  noConnectionReuse: true, batch: 2, batchPerHost: 1, httpDebug: 'full', systemTags: [
    'proto', 'subproto', 'status', 'method', 'url', 'name', 'group', 'check', 'error', 'error_code',
    'tls_version', 'scenario', 'service', 'expected_response', 'iter', 'vu', 'ocsp_status', 'ip'],
  rps: 200,
};

const cases = {
  'throw: refused': () => http.get('http://127.0.0.1:1/'),
  'throw: invalid URL': () => http.get('http://[::1/'),
  'throw: invalid params': () => http.get(`${server}/get`, { responseType: 'json' }),
  'throw: batch': () => http.batch([`${server}/get`, 'http://127.0.0.1:1/']),
  'throw: batch with an invalid URL': () => http.batch([`${server}/get`, 'http://[::1/']),
  'throw: asyncRequest': () => http.asyncRequest('GET', 'http://127.0.0.1:1/'),
  'throw: asyncRequest, invalid URL': () => http.asyncRequest('GET', 'http://[::1/'),
  'discardResponseBodies': () => http.get(`${server}/get`),
  'discardResponseBodies, but text': () => http.get(`${server}/get`, { responseType: 'text' }),
  'maxRedirects': () => http.get(`${server}/redirect/3`),
  'noConnectionReuse': () => [1, 2].map((n) => http.get(`${server}/get?n=${n}`).timings.connecting > 0),
  'batchPerHost': () => http.batch([1, 2, 3, 4].map((n) => `${server}/get?n=${n}`)),
  'http-debug of a batch': () => http.batch([['POST', `${server}/post`, 'x'], `${server}/status/201`]),
};
