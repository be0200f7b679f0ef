export const options = { vus: 1, iterations: 2, noCookiesReset: true };

const cases = {
  'unknown certificate authority': () => http.get(`${tls}/get`),
  'noCookiesReset': () => [http.get(`${server}/cookies`), http.get(`${server}/cookies/set?kept=yes`)],
};
