// The main scenario: shoppers browse, fill a cart and check out, while a fault
// plan takes the gateway through a baseline, 503s, latency, both, and recovery.
//
//   k6 x continuity demo &
//   k6 run scripts/checkout.js
import { check, sleep } from 'k6';
import { Client, configure, toxiproxy } from 'k6/x/continuity';

const upstream = __ENV.UPSTREAM || '127.0.0.1:8080';
const vus = Number(__ENV.VUS || 20);

configure({
  labels: { scenario: 'checkout' },
  settle: '10s',
});

// A toxiproxy elsewhere (K6_CONTINUITY_TOXIPROXY) has to be told where to listen.
const shop = toxiproxy.proxy('shop', { upstream, listen: __ENV.PROXY_LISTEN });
toxiproxy.plan(open(__ENV.PLAN || '../toxics/plans/checkout.json'));

const http = new Client({
  service: 'gateway',
  retry: { attempts: 3, methods: ['GET', 'POST'], backoff: { initial: '50ms', max: '500ms' } },
});

export const options = {
  scenarios: {
    checkout: { executor: 'constant-vus', vus, duration: __ENV.DURATION || '50s' },
  },
  thresholds: {
    trace_continuity: ['rate>0.999'],
  },
  summaryTrendStats: ['med', 'p(95)', 'p(99)', 'max'],
};

export default function () {
  const list = http.get(`${shop.url}/products`, { tags: { name: 'GET /products' } });
  check(list, { 'products listed': (r) => r.status === 200 });

  const id = 1 + (__ITER % 8);
  http.get(`${shop.url}/products/${id}`, { tags: { name: 'GET /products/{id}' } });

  const headers = { 'Content-Type': 'application/json' };
  const body = JSON.stringify({ product: id, quantity: 1 });
  http.post(`${shop.url}/cart`, body, { headers, tags: { name: 'POST /cart' } });

  const order = http.post(`${shop.url}/checkout`, body, { headers, tags: { name: 'POST /checkout' } });
  check(order, { 'order placed': (r) => r.status === 200 || r.status === 201 });
  sleep(0.2);
}
