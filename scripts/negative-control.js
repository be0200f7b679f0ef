// The negative control: a toxic takes `traceparent` off a seeded share of the
// requests. The checker must find exactly those and no other, or the run fails.
//
//   k6 x continuity demo &
//   SEED=1 k6 run scripts/negative-control.js
import { Client, configure, toxiproxy } from 'k6/x/continuity';

const upstream = __ENV.UPSTREAM || '127.0.0.1:8080';
const share = Number(__ENV.SHARE || 0.1);
const seed = Number(__ENV.SEED || 1);

configure({
  labels: { scenario: 'negative-control', seed },
});

// A toxiproxy elsewhere (K6_CONTINUITY_TOXIPROXY) has to be told where to listen.
const shop = toxiproxy.proxy('shop', { upstream, listen: __ENV.PROXY_LISTEN });
const plan = JSON.parse(open('../toxics/plans/negative-control.json'));
for (const phase of plan.phases) {
  for (const toxic of phase.toxics) {
    toxic.attributes.probability = share;
    toxic.attributes.seed = seed;
  }
}
toxiproxy.plan(plan);

const http = new Client({ service: 'gateway' });

export const options = {
  scenarios: {
    control: { executor: 'constant-vus', vus: Number(__ENV.VUS || 20), duration: __ENV.DURATION || '10s' },
  },
  // 1 for every attempt whose verdict agrees with what the toxics say they did.
  thresholds: { trace_control: ['rate==1'] },
};

export default function () {
  http.get(`${shop.url}/products`, { tags: { name: 'GET /products' } });
}
