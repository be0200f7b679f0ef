// A few seconds with one VU and no services: the load calls its own toxiproxy,
// whose toxic answers every request. It shows that the extension works.
import { check } from 'k6';
import { Client, configure, toxiproxy } from 'k6/x/continuity';

configure({ source: 'none', html: false });

const nowhere = toxiproxy.proxy('nowhere', { upstream: '127.0.0.1:9' });
const http = new Client({ retry: { attempts: 2, backoff: { initial: '10ms' } } });

export const options = { vus: 1, iterations: 5, thresholds: { checks: ['rate==1'] } };

export default function () {
  const response = http.get(`${nowhere.url}/`, { timeout: '2s' });
  check(response, {
    'the upstream is down': (r) => r.status === 0,
    'the request was retried': (r) => r.trace?.attempts === 2,
    'the trace has an id': (r) => /^[0-9a-f]{32}$/.test(r.trace?.traceId ?? ''),
  });
}
