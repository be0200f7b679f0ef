export const options = { vus: 1, iterations: 1, rps: 20, setupTimeout: '30s' };

// No faster than rps allows; a slow machine may take any time.
function paced(requests, send) {
  const began = Date.now();
  send();
  return Date.now() - began >= (requests - 2) * 1000 / 20;
}

const cases = {
  'rps': () => paced(8, () => { for (let n = 0; n < 8; n += 1) http.get(`${server}/get`); }),
  'rps of a batch': () => paced(8, () => http.batch(Array(8).fill(`${server}/get`))),
  'rps of redirects': () => paced(8, () => { for (let n = 0; n < 8; n += 1) http.get(`${server}/redirect/1`); }),
  'rps of asyncRequest': async () => {
    const began = Date.now();
    await Promise.all(Array(8).fill(0).map(() => http.asyncRequest('GET', `${server}/get`)));
    return Date.now() - began >= 300;
  },
};
