export const options = { vus: 1, iterations: 1 };
const bytes = open('upload.bin', 'b');

// What the FormData polyfill of k6's documentation makes: text and bytes in one ArrayBuffer.
function formData() {
  const text = (s) => Array.from(s, (c) => c.charCodeAt(0));
  return new Uint8Array([
    ...text('--xx\r\nContent-Disposition: form-data; name="t"\r\n\r\nvalue\r\n'),
    ...text('--xx\r\nContent-Disposition: form-data; name="f"; filename="f.bin"\r\n'),
    ...text('Content-Type: application/octet-stream\r\n\r\n'), ...new Uint8Array(bytes),
    ...text('\r\n--xx--\r\n'),
  ]).buffer;
}

const cases = {
  'get': () => http.get(`${server}/get?a=1`),
  'get with a URL to be escaped': () => http.get(`${server}/anything/ä b?q=x y`),
  'head': () => http.head(`${server}/headers`),
  'post text': () => http.post(`${server}/post`, 'hello'),
  'post form': () => http.post(`${server}/post`, { a: 'x y', b: 2 }),
  'post form with arrays': () => http.post(`${server}/post`, { a: ['1', '2'] }),
  'post ArrayBuffer': () => http.post(`${server}/post`, new Uint8Array([1, 2, 3]).buffer),
  'post null': () => http.post(`${server}/post`, null),
  'post an unknown body': () => http.post(`${server}/post`, 7),
  'put': () => http.put(`${server}/put`, 'body', { headers: { 'Content-Type': 'text/plain' } }),
  'patch': () => http.patch(`${server}/patch`, 'body'),
  'del': () => http.del(`${server}/delete`, 'body'),
  'options': () => http.options(`${server}/anything`, null),
  'request': () => http.request('PROPFIND', `${server}/anything`, 'x'),
  'request in lower case': () => http.request('get', `${server}/anything`),
  'get with three arguments': () => http.get(`${server}/get`, {}, {}),
  'no URL': () => http.get(),
  'null URL': () => http.get(null),
  'invalid URL': () => http.get('http://[::1/'),
  'unsupported scheme': () => http.get('ftp://127.0.0.1/'),
  'connection refused': () => http.get('http://127.0.0.1:1/'),
  'name not found': () => http.get('http://name.invalid/'),
  'asyncRequest': () => http.asyncRequest('POST', `${server}/post`, 'async'),
  'asyncRequest, many': () => Promise.all(
    [1, 2, 3].map((n) => http.asyncRequest('GET', `${server}/get?n=${n}`))),
  'asyncRequest, invalid URL': () => http.asyncRequest('GET', 'http://[::1/'),
  'asyncRequest, refused': () => http.asyncRequest('GET', 'http://127.0.0.1:1/'),
  'asyncRequest, throw': () => http.asyncRequest('GET', 'http://127.0.0.1:1/', null, { throw: true }),
  'batch of an array': () => http.batch([
    `${server}/get?n=0`, ['GET', `${server}/get?n=1`],
    ['POST', `${server}/post`, 'x', { headers: { A: 'b' }, tags: { entry: 'two' } }],
    { method: 'put', url: `${server}/put`, body: 'y' },
    { url: `${server}/redirect/2` }, http.url`${server}/get?n=${5}`,
  ]),
  'batch of an object': () => http.batch({
    one: `${server}/get?n=1`, two: ['DELETE', `${server}/delete`],
    three: { method: 'POST', url: `${server}/post`, body: { f: 'v' } },
  }),
  'batch with failures': () => http.batch([
    `${server}/status/500`, 'http://127.0.0.1:1/', `${server}/get`]),
  'batch with an invalid URL': () => http.batch([`${server}/get`, 'http://[::1/', `${server}/get`]),
  'batch object with an invalid URL': () => http.batch({ bad: 'http://[::1/' }),
  'batch entry without URL': () => http.batch({ bad: { method: 'GET' } }),
  'batch entry of one element': () => http.batch([['GET']]),
  'batch entry with a wrong method': () => http.batch([[1, `${server}/get`]]),
  'batch of nothing': () => http.batch([]),
  'batch without an argument': () => http.batch(),
  'batch of two arguments': () => http.batch([], []),
  'batch of a string': () => http.batch('x'),
  'batch with the same URL value twice': () => {
    const url = http.url`${server}/get?n=${1}`;
    return http.batch([url, url]);
  },
  'batch with a cookie jar': () => {
    const jar = new http.CookieJar();
    jar.set(server, 'own', 'jar');
    return http.batch([['GET', `${server}/cookies`, null, { jar }], `${server}/cookies`]);
  },
  'batch with binary and no bodies': () => http.batch([
    ['GET', `${server}/bytes/16`, null, { responseType: 'binary' }],
    ['GET', `${server}/bytes/16`, null, { responseType: 'none' }]]),
  'batch with digest': () => http.batch([
    ['GET', server.replace('//', '//user:pass@') + '/digest-auth/auth/user/pass', null, { auth: 'digest' }],
    `${server}/get`]),
  'batch with NTLM': () => http.batch([
    ['GET', server.replace('//', '//user:pass@') + '/ntlm', null, { auth: 'ntlm', headers: { A: 'b' } }],
    ['GET', server.replace('//', '//user:pass@') + '/ntlm', null, { auth: 'ntlm' }], `${server}/get`]),
  'batch with responseCallback': () => http.batch([
    ['GET', `${server}/status/404`, null, { responseCallback: http.expectedStatuses(404) }]]),
  'url template': () => http.get(http.url`${server}/anything/${1}/${2}`),
  'url template and name tag': () => http.get(http.url`${server}/anything/${1}`, { tags: { name: 'own' } }),
  'file': () => http.post(`${server}/post`, { f: http.file('content', 'a.txt', 'text/plain') }),
  'file of bytes': () => http.post(`${server}/post`, { f: http.file(bytes, 'b.bin'), g: 'field' }),
  'multipart by hand': () => http.post(`${server}/post`,
    '--xx\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--xx--\r\n',
    { headers: { 'Content-Type': 'multipart/form-data; boundary=xx' } }),
  'FormData polyfill': () => http.post(`${server}/post`, formData(),
    { headers: { 'Content-Type': 'multipart/form-data; boundary=xx' } }),
  'multipart in a batch': () => http.batch([1, 2].map((n) => ['POST', `${server}/post`,
    { f: http.file(bytes, `${n}.bin`, 'application/octet-stream'), n: String(n) }])),
  'file, asyncRequest': () => http.asyncRequest('POST', `${server}/post`, { f: http.file(bytes, 'b.bin') }),
  'headers': () => http.get(`${server}/headers`, { headers: { 'X-A': 'b', Host: 'other.example' } }),
  'own User-Agent': () => http.get(`${server}/headers`, { headers: { 'User-Agent': 'mine/1' } }),
  'wrong Content-Length': () => http.post(`${server}/post`, 'abc', { headers: { 'Content-Length': '9' } }),
  'cookies': () => http.get(`${server}/cookies`, { cookies: { a: '1', b: { value: '2', replace: true } } }),
  'cookies set by the server': () => http.get(`${server}/cookies/set?x=y`),
  'cookies sent again': () => http.get(`${server}/cookies`),
  'cookies without redirect': () => http.get(`${server}/cookies/set?x=z`, { redirects: 0 }),
  'cookie jar of the VU': () => {
    http.cookieJar().set(server, 'jarred', 'yes');
    return [http.get(`${server}/cookies`), http.cookieJar().cookiesForURL(server)];
  },
  'cookie jar of one\'s own': () => {
    const jar = new http.CookieJar();
    jar.set(server, 'k', 'v');
    return [http.get(`${server}/cookies`, { jar }), http.get(`${server}/cookies`)];
  },
  'cookie jar cleared': () => {
    http.cookieJar().clear(server);
    return http.get(`${server}/cookies`);
  },
  'cookie deleted from a jar': () => {
    const jar = new http.CookieJar();
    jar.set(server, 'a', '1', { path: '/cookies', max_age: 600 });
    jar.set(server, 'b', '2');
    jar.delete(server, 'b');
    return [http.get(`${server}/cookies`, { jar }), http.get(`${server}/get`, { jar })];
  },
  'cookies of a batch, in order': () => {
    const jar = new http.CookieJar();
    http.get(`${server}/cookies/set?x=1`, { jar });
    return http.batch([['GET', `${server}/cookies`, null, { jar }], ['GET', `${server}/cookies`]]);
  },
  'basic auth': () => http.get(server.replace('//', '//user:pass@') + '/basic-auth/user/pass'),
  'digest': () => http.get(
    server.replace('//', '//user:pass@') + '/digest-auth/auth/user/pass', { auth: 'digest' }),
  'digest, wrong password': () => http.get(
    server.replace('//', '//user:no@') + '/digest-auth/auth/user/pass', { auth: 'digest' }),
  'NTLM': () => http.get(server.replace('//', '//user:pass@') + '/ntlm', { auth: 'ntlm' }),
  'NTLM with a body': () => http.post(server.replace('//', '//user:pass@') + '/ntlm', 'b', { auth: 'ntlm' }),
  'redirects': () => http.get(`${server}/redirect/3`),
  'redirects, absolute': () => http.get(`${server}/absolute-redirect/2`),
  'redirect of a post': () => http.post(`${server}/redirect-to?url=/anything&status_code=307`, 'body'),
  'redirect of a post to get': () => http.post(`${server}/redirect-to?url=/anything&status_code=302`, 'body'),
  'too many redirects': () => http.get(`${server}/redirect/11`),
  'redirects: 0': () => http.get(`${server}/redirect/1`, { redirects: 0 }),
  'redirects: 1 of 2': () => http.get(`${server}/redirect/2`, { redirects: 1 }),
  'timeout': () => http.get(`${server}/delay/10`, { timeout: 50 }),
  'timeout as text': () => http.get(`${server}/delay/10`, { timeout: '50ms' }),
  'timeout, invalid': () => http.get(`${server}/get`, { timeout: 'soon' }),
  'timeout, thrown': () => http.get(`${server}/delay/10`, { timeout: 50, throw: true }),
  'timeout in a batch': () => http.batch([
    ['GET', `${server}/delay/10`, null, { timeout: 50 }], `${server}/get`]),
  'timeout, asyncRequest': () => http.asyncRequest('GET', `${server}/delay/10`, null, { timeout: 50 }),
  'timeout in the body': () => http.get(`${server}/drip?duration=10&numbytes=4&delay=0`, { timeout: 300 }),
  'truncated body': () => http.get(`${server}/truncated`),
  'dropped connection': () => http.post(`${server}/dropped`, 'x'),
  'responseType text': () => http.get(`${server}/get`, { responseType: 'text' }),
  'responseType binary': () => http.get(`${server}/bytes/32?seed=1`, { responseType: 'binary' }),
  'responseType none': () => http.get(`${server}/get`, { responseType: 'none' }),
  'responseType, invalid': () => http.get(`${server}/get`, { responseType: 'json' }),
  'compression gzip': () => http.post(`${server}/post`, 'x'.repeat(300), { compression: 'gzip' }),
  'compression of several': () => http.post(`${server}/length`, 'x'.repeat(300), { compression: 'gzip, deflate' }),
  'compression br': () => http.post(`${server}/length`, 'x'.repeat(300), { compression: 'br' }),
  'compression zstd': () => http.post(`${server}/length`, 'x'.repeat(300), { compression: 'zstd' }),
  'compression deflate': () => http.post(`${server}/length`, 'x'.repeat(300), { compression: 'deflate' }),
  'compression of bytes': () => http.post(`${server}/echo`, new Uint8Array(300).buffer, { compression: 'br' }),
  'br response': () => http.post(`${server}/echo`, 'x'.repeat(300), { compression: 'br' }),
  'zstd response': () => http.post(`${server}/echo`, 'x'.repeat(300), { compression: 'zstd' }),
  'compressed response, binary': () => http.post(
    `${server}/echo`, 'x'.repeat(300), { compression: 'gzip', responseType: 'binary' }),
  'compression, invalid': () => http.post(`${server}/post`, 'x', { compression: 'lzma' }),
  'gzip response': () => http.get(`${server}/gzip`),
  'deflate response': () => http.get(`${server}/deflate`),
  'status 404': () => http.get(`${server}/status/404`),
  'status 500': () => http.get(`${server}/status/500`),
  'expectedStatuses': () => http.get(`${server}/status/404`, {
    responseCallback: http.expectedStatuses(404, { min: 500, max: 599 }) }),
  'expectedStatuses, invalid': () => http.expectedStatuses('x'),
  'responseCallback null': () => http.get(`${server}/status/404`, { responseCallback: null }),
  'responseCallback, invalid': () => http.get(`${server}/get`, { responseCallback: () => true }),
  'setResponseCallback': () => {
    http.setResponseCallback(http.expectedStatuses(418));
    const out = [http.get(`${server}/status/418`), http.get(`${server}/get`)];
    http.setResponseCallback(http.expectedStatuses({ min: 200, max: 399 }));
    return out;
  },
  'tags': () => http.get(`${server}/get`, { tags: { own: 'tag', name: 'named' } }),
  'tags of a group': () => group('outer', () => group('inner', () => http.get(`${server}/get`))),
  'tags of a batch': () => http.batch([
    ['GET', `${server}/get?n=1`, null, { tags: { name: 'both' } }],
    ['GET', http.url`${server}/get?n=${2}`, null, { tags: { own: '2' } }]]),
  'tags, invalid': () => http.get(`${server}/get`, { tags: { own: { nested: 1 } } }),
  'throw on an invalid URL': () => http.get('http://[::1/', { throw: true }),
  'throw on refusal': () => http.get('http://127.0.0.1:1/', { throw: true }),
  'null params': () => http.get(`${server}/get`, null),
  'null fields': () => http.get(`${server}/get`, { headers: null, cookies: null, tags: null, jar: null }),
  'html': () => http.get(`${server}/page`).html('title').text(),
  'html, no selector': () => http.get(`${server}/page`).html().find('a').attr('href'),
  'json': () => http.get(`${server}/get?a=1`).json().args,
  'json with a selector': () => http.get(`${server}/get?a=1`).json('args.a'),
  'json, invalid': () => http.get(`${server}/page`).json(),
  'json of nothing': () => http.get('http://127.0.0.1:1/').json(),
  'submitForm': () => http.get(`${server}/page`).submitForm(),
  'submitForm with fields': () => http.get(`${server}/page`).submitForm({
    formSelector: 'form', submitSelector: '[name=go]', fields: { a: '9' }, params: { headers: { X: 'y' } } }),
  'submitForm, no form': () => http.get(`${server}/page`).submitForm({ formSelector: '#none' }),
  'submitForm after clickLink': () => http.get(`${server}/page`).clickLink({ selector: '#self' }).submitForm(),
  'clickLink': () => http.get(`${server}/page`).clickLink(),
  'clickLink with params': () => http.get(`${server}/page`).clickLink({
    selector: 'a:nth-child(1)', params: { tags: { name: 'clicked' } } }),
  'clickLink, no link': () => http.get(`${server}/page`).clickLink({ selector: '#none' }),
  'keys of the response': () => Object.keys(http.get(`${server}/get`)).filter((k) => k !== 'trace').sort(),
  'for…in of the response': () => {
    const names = [];
    for (const name in http.get(`${server}/get`)) if (name !== 'trace') names.push(name);
    return names.sort();
  },
  'JSON.stringify of the response': () => {
    const plain = JSON.parse(JSON.stringify(http.get(`${server}/status/200`)));
    delete plain.trace;
    return Object.keys(plain).sort().map((key) => [key, typeof plain[key]]);
  },
  'response given to check': () => check(http.get(`${server}/get`), { ok: (r) => r.status === 200 }),
  'response changed by the script': () => {
    const res = http.get(`${server}/get`);
    try { res.status = 7; } catch (error) { return String(error); }
    return res.status;
  },
  'spread of the response': () => Object.keys({ ...http.get(`${server}/get`) }).filter((k) => k !== 'trace').sort(),
  'exports': () => Object.keys(http).sort(),
  'constants': () => Object.keys(http).filter((k) => typeof http[k] === 'string').sort().map((k) => [k, http[k]]),
  'params are not changed': () => {
    const params = Object.freeze({ headers: Object.freeze({ a: 'b' }), tags: Object.freeze({ t: '1' }) });
    http.get(`${server}/get`, params);
    http.batch([['GET', `${server}/get`, null, params]]);
    return JSON.stringify(params);
  },
};
