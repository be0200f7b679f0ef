export const options = {
  vus: 1, iterations: 1, hosts: { 'named.test': __ENV.SERVER_ADDRESS, '*.wild.test': __ENV.SERVER_ADDRESS },
  dns: { ttl: '1s', select: 'first', policy: 'preferIPv4' }, blacklistIPs: ['10.0.0.0/8'],
  blockHostnames: ['blocked.test'], insecureSkipTLSVerify: true, tlsVersion: { min: 'tls1.2', max: 'tls1.3' },
  tlsAuth: [{ cert: open('client.pem'), key: open('client-key.pem') }], noVUConnectionReuse: true,
  httpDebug: 'headers',
};

const cases = {
  'hosts': () => http.get('http://named.test/get'),
  'hosts with a wildcard': () => http.get('http://a.wild.test/get'),
  'blockHostnames': () => http.get('http://blocked.test/'),
  'blacklistIPs': () => http.get('http://10.1.2.3/'),
  'TLS': () => http.get(`${tls}/get`),
  'tlsAuth': () => http.get(`${tls}/client-certificate`),
  'HTTP/2': () => http.get(`${h2}/get`),
  'HTTP/2 batch': () => http.batch([1, 2, 3].map((n) => `${h2}/get?n=${n}`)),
  'HTTP/2 post': () => http.post(`${h2}/post`, 'x'.repeat(1000)),
  'HTTP/2 redirects': () => http.get(`${h2}/redirect/2`),
  'HTTP/2 async': () => Promise.all([1, 2].map((n) => http.asyncRequest('GET', `${h2}/get?n=${n}`))),
  'TLS to a plain server': () => http.get(server.replace('http:', 'https:')),
};
