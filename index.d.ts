/**
 * Traced HTTP load for k6: an OpenTelemetry CLIENT span and a W3C `traceparent`
 * for every round trip, faults from an embedded toxiproxy, and one verdict per
 * attempt on whether the trace survived in your services.
 *
 * @example
 * import http from 'k6/x/continuity';
 *
 * export default function () {
 *   const res = http.get('http://127.0.0.1:8080/products');
 *   console.log(res.trace?.traceId, res.trace?.attempts);
 * }
 */
declare module 'k6/x/continuity' {
  import k6http, { RefinedResponse, ResponseType, Params, RequestBody } from 'k6/http';

  /** What the `http.url` template literal makes. */
  type HttpURL = ReturnType<typeof k6http.url>;

  /** A duration: a string such as `"500ms"` or `"1m30s"`, or a number of milliseconds. */
  export type Duration = string | number;

  /** Names of propagators; `none` sends no trace header at all. */
  export type Propagator =
    | 'tracecontext' | 'baggage' | 'b3' | 'b3multi' | 'jaeger' | 'xray' | 'none';

  /** The samplers that `OTEL_TRACES_SAMPLER` names. */
  export type Sampler =
    | 'always_on' | 'always_off' | 'traceidratio'
    | 'parentbased_always_on' | 'parentbased_always_off' | 'parentbased_traceidratio';

  /**
   * Which operations are sampled: a ratio from 0 to 1 (of the sampler `traceidratio`), a
   * sampler, or a sampler with its ratio (default 1). Default: `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`, else
   * `parentbased_always_on`, which is everything. An unsampled request carries flag `00`;
   * it has no spans, and no SERVER span is due.
   */
  export type Sampling = number | Sampler | { sampler?: Sampler; ratio?: number };

  /**
   * How failed requests are sent again. Every attempt is a request of its own for k6 (its
   * metrics, its timeout, `rps`) and a client span of its own; the script gets the last
   * attempt's response. A number in place of the object is short for `{attempts}`.
   *
   * @example
   * import { Client } from 'k6/x/continuity';
   *
   * const http = new Client({
   *   retry: { attempts: 5, statuses: [503], backoff: { initial: '50ms', max: '2s' } },
   * });
   *
   * export default function () {
   *   const res = http.get('http://127.0.0.1:8080/products');
   *   console.log(`${res.status} after ${res.trace?.attempts} attempts`);
   * }
   */
  export interface Retry {
    /** Sends in total, the first one included: 1 to 20. Default 1. */
    attempts?: number;
    /** Statuses that are sent again, each 100 to 599. Default `[502, 503, 504, 429]`. */
    statuses?: number[];
    /** Whether transport errors are sent again. Default true. */
    errors?: boolean;
    /**
     * Methods that may be sent again, in upper case. Default: the idempotent ones of
     * RFC 9110, `['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'TRACE']`.
     */
    methods?: string[];
    backoff?: {
      /** Wait before the second attempt, 0 up to `max`. Default `100ms`. */
      initial?: Duration;
      /** Growth from wait to wait, 1 to 100. Default 2. */
      multiplier?: number;
      /** Longest wait, 0 or more. Default `5s`. */
      max?: Duration;
      /** Random share of a wait that is taken off or added, 0 to 1. Default 0.2. */
      jitter?: number;
    };
    /** Whether a `Retry-After` header (seconds or a date) sets the wait, up to an hour. Default true. */
    respectRetryAfter?: boolean;
  }

  /**
   * A span as hooks and `span()` see it. What is set on a span that is not exported, or
   * after it has ended, has no effect.
   *
   * @example
   * import http, { span } from 'k6/x/continuity';
   *
   * export default function () {
   *   span('browse', (s) => {
   *     const res = http.get('http://127.0.0.1:8080/products');
   *     s.setAttribute('shop.bytes', String(res.body).length);
   *     s.addEvent('seen', { 'shop.status': res.status });
   *   });
   * }
   */
  export interface Span {
    /** 32 hexadecimal digits. */
    readonly traceId: string;
    /** 16 hexadecimal digits. */
    readonly spanId: string;
    /** Sets one attribute; an empty key or a value of another type throws. */
    setAttribute(key: string, value: AttributeValue): void;
    /** Sets several attributes, or none if one of them is invalid. */
    setAttributes(attributes: Attributes): void;
    /** Adds an event, at the time of the call. A name that is not a string, or empty, throws. */
    addEvent(name: string, attributes?: Attributes): void;
    /** Renames the span. A name that is not a string, or empty, throws. */
    updateName(name: string): void;
  }

  /** What an attribute can hold; arrays hold values of one type. */
  export type AttributeValue = string | number | boolean | string[] | number[] | boolean[];
  /** Attributes by key; a key is not empty. */
  export interface Attributes { [key: string]: AttributeValue }

  /** What a request hook is told of the attempt that is about to be sent. */
  export interface HookRequest {
    /** As the script wrote it: upper case, but for `http.request()`. */
    readonly method: string;
    /** As the script wrote it, before redirects. */
    readonly url: string;
    /** 1 for the first attempt. */
    readonly attempt: number;
  }

  /**
   * What can be set per client, and per request under `params.trace`, where each option
   * takes the place of the client's. An unknown name, a wrong type or a value out of range
   * throws an error that names the option, and the request is not sent.
   *
   * @example
   * import { Client } from 'k6/x/continuity';
   *
   * const http = new Client({
   *   service: 'gateway',
   *   captureHeaders: { response: ['Server-Timing'] },
   *   requestHook: (span, request) => span.setAttribute('shop.attempt', request.attempt),
   *   responseHook: (span, response) => span.setAttribute('shop.ok', response.status < 400),
   *   urlFilter: (url) => url.replace(/token=[^&]+/, 'token=x'),
   * });
   *
   * export default function () {
   *   http.get('http://127.0.0.1:8080/products?token=1', {
   *     trace: { template: '/products', retry: 3, baggage: { tenant: 'a' } },
   *   });
   * }
   */
  export interface TraceOptions {
    /** `service.peer.name` of the client spans. Default: none. */
    service?: string;
    /**
     * `url.template` of the client spans, and a part of their name, but for the hops of a
     * redirect. Default: what an `http.url` literal says, else none.
     */
    template?: string;
    /** Default: `OTEL_PROPAGATORS`, else `['tracecontext', 'baggage']`. `none` stands alone. */
    propagators?: Propagator[];
    sampling?: Sampling;
    /** Default: sent once. */
    retry?: number | Retry;
    /**
     * Runs on the VU's own thread before every attempt. What it returns is ignored. When it
     * throws, rejects, or nests more than 1000 calls, that is counted, told of once and never
     * changes the request. Requests that it makes have no hooks, those of timers
     * that it sets excepted. Default: none.
     */
    requestHook?: (span: Span, request: HookRequest) => void;
    /**
     * Runs after every attempt that has a response, before its span ends; otherwise as
     * `requestHook`. Default: none.
     */
    responseHook?: (span: Span, response: RefinedResponse<ResponseType | undefined>) => void;
    /**
     * Rewrites the URL that is recorded as `url.full`; the request is not changed. When it
     * throws or returns no string, and for the hops of a redirect, the URL is recorded
     * without its query. k6's `name` tag, which spans and reports have too, is not changed.
     * Default: the URL as it is, with credentials and signatures redacted.
     */
    urlFilter?: (url: string) => string;
    /** Default: `OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_…`, else none. */
    captureHeaders?: {
      /** Names of request headers to record as `http.request.header.<name>`, in any case, as they are sent. */
      request?: string[];
      /** Names of response headers to record as `http.response.header.<name>`, in any case. */
      response?: string[];
      /** Of those, the ones whose values are recorded as `[REDACTED]`: names or regular expressions. */
      sanitize?: string[];
    };
    /**
     * Regular expressions (https://golang.org/s/re2syntax); a URL in which one of them
     * finds something is outside tracing: no header, no span, no verdict. Each hop of a redirect
     * counts for itself. Default: none.
     */
    excludedURLs?: string[];
    /** `'off'` keeps the `continuity/<trace id>-<span id>` suffix off the User-Agent. Default `'user-agent'`. */
    correlate?: 'user-agent' | 'off';
    /**
     * Records times of the connection as span attributes: `continuity.blocked_ms` (waiting for one),
     * `connecting_ms`, `tls_ms` and `waiting_ms` (for the response). What was under way when the
     * request failed has ended then. Default false.
     */
    timings?: boolean;
    /**
     * W3C baggage members sent with every request, behind those of a header that the script
     * sets. At most 64 members and 8192 bytes; values are percent-encoded. Default: none.
     */
    baggage?: { [key: string]: string | number | boolean };
    /**
     * Whether a `traceparent` (and `tracestate`) set by the script becomes the parent. One that
     * is invalid starts a new trace, with a warning. Default false: it is overwritten.
     */
    continue?: boolean;
    /**
     * Whether `traceparent` says that the trace id is random (flags `03` and `02`, of level 2 of
     * the specification). A continued trace says so only if its parent did. Default false:
     * OpenTelemetry for Go before v1.42 takes such a header for invalid.
     */
    randomFlag?: boolean;
  }

  export interface ClientOptions extends TraceOptions {
    /**
     * `'request'`: a trace per request. `'iteration'`: one trace per iteration, for the requests
     * that are in no `span()`. Default `'request'`.
     */
    scope?: 'request' | 'iteration';
  }

  /** The identity of the attempt that produced a response. */
  export interface ResponseTrace {
    /** 32 hexadecimal digits. */
    readonly traceId: string;
    /** 16 hexadecimal digits: the client span of the last round trip. */
    readonly spanId: string;
    /** Sends by the retry policy, 1 to 20. */
    readonly attempts: number;
    /** The sampled flag that was sent. */
    readonly sampled: boolean;
  }

  /** k6's response, with the trace it belongs to; `trace` is null outside tracing. */
  export type TracedResponse<RT extends ResponseType | undefined> =
    RefinedResponse<RT> & { readonly trace: ResponseTrace | null };

  /** k6's request parameters, with options of the client for this request. */
  export type TracedParams<RT extends ResponseType | undefined = undefined> =
    Params & { responseType?: RT; trace?: TraceOptions };

  type Entry = string | HttpURL
    | [string, string | HttpURL, (RequestBody | null)?, (TracedParams | null)?]
    | { method?: string; url: string | HttpURL; body?: RequestBody | null; params?: TracedParams | null };

  /** The functions of `k6/http`, traced. */
  export interface TracedHTTP extends Omit<typeof k6http,
    'get' | 'head' | 'post' | 'put' | 'patch' | 'del' | 'options' | 'request' | 'asyncRequest' | 'batch'> {
    get<RT extends ResponseType | undefined>(
      url: string | HttpURL, params?: TracedParams<RT> | null): TracedResponse<RT>;
    head<RT extends ResponseType | undefined>(
      url: string | HttpURL, params?: TracedParams<RT> | null): TracedResponse<RT>;
    post<RT extends ResponseType | undefined>(
      url: string | HttpURL, body?: RequestBody | null, params?: TracedParams<RT> | null): TracedResponse<RT>;
    put<RT extends ResponseType | undefined>(
      url: string | HttpURL, body?: RequestBody | null, params?: TracedParams<RT> | null): TracedResponse<RT>;
    patch<RT extends ResponseType | undefined>(
      url: string | HttpURL, body?: RequestBody | null, params?: TracedParams<RT> | null): TracedResponse<RT>;
    del<RT extends ResponseType | undefined>(
      url: string | HttpURL, body?: RequestBody | null, params?: TracedParams<RT> | null): TracedResponse<RT>;
    options<RT extends ResponseType | undefined>(
      url: string | HttpURL, body?: RequestBody | null, params?: TracedParams<RT> | null): TracedResponse<RT>;
    request<RT extends ResponseType | undefined>(
      method: string, url: string | HttpURL, body?: RequestBody | null,
      params?: TracedParams<RT> | null): TracedResponse<RT>;
    asyncRequest<RT extends ResponseType | undefined>(
      method: string, url: string | HttpURL, body?: RequestBody | null,
      params?: TracedParams<RT> | null): Promise<TracedResponse<RT>>;
    batch(requests: Entry[]): TracedResponse<ResponseType | undefined>[];
    batch<K extends string>(
      requests: { [key in K]: Entry }): { [key in K]: TracedResponse<ResponseType | undefined> };
  }

  /**
   * Drop-in for `k6/http`: switching a script is one import line. `--http-debug` shows requests
   * as k6 makes them, without the headers that tracing adds.
   */
  const http: TracedHTTP;
  export default http;

  /**
   * All of the default export under its name too, and the types, as `k6/http` has them.
   *
   * @example
   * import { get, expectedStatuses, setResponseCallback } from 'k6/x/continuity';
   *
   * setResponseCallback(expectedStatuses(200));
   *
   * export default function () {
   *   console.log(get('http://127.0.0.1:8080/products').trace?.traceId);
   * }
   */
  export * from 'k6/http';
  export const get: TracedHTTP['get'];
  export const head: TracedHTTP['head'];
  export const post: TracedHTTP['post'];
  export const put: TracedHTTP['put'];
  export const patch: TracedHTTP['patch'];
  export const del: TracedHTTP['del'];
  export const options: TracedHTTP['options'];
  export const request: TracedHTTP['request'];
  export const asyncRequest: TracedHTTP['asyncRequest'];
  export const batch: TracedHTTP['batch'];

  /**
   * A traced client with options of its own. Construct it in the init context.
   *
   * @example
   * import { Client } from 'k6/x/continuity';
   *
   * const http = new Client({ service: 'gateway', retry: 3 });
   *
   * export default function () {
   *   http.get('http://127.0.0.1:8080/products');
   * }
   */
  export class Client {
    constructor(options?: ClientOptions);
  }
  export interface Client extends TracedHTTP {}

  /**
   * Makes the plain `k6/http` of this VU traced, for scripts and libraries that cannot change
   * their import. It replaces the functions of `k6/http`, those of its default export as well
   * as named imports, so that all options hold for `http.get(…)` and the others, which then
   * return `response.trace` too. Requests that do not go through them (functions taken out of
   * the default export before, and all if it is first called in an iteration) are traced by
   * the VU's transport alone: with their spans, headers and verdicts, but without `retry`,
   * hooks, `urlFilter` and `response.trace`. An `asyncRequest` among them joins no `span()`. In
   * `setup()` and `teardown()` they are traced only if it is called there.
   *
   * Call it in the init context. In an iteration only options without `retry`, hooks and
   * `urlFilter` are possible. Calling it again replaces the options. Call it before
   * `setResponseCallback()`: the functions that it puts in place do not know of a callback set before.
   *
   * @example
   * import http from 'k6/http';
   * import { instrument, uninstrument } from 'k6/x/continuity';
   *
   * instrument({ service: 'gateway', retry: 2 });
   *
   * export default function () {
   *   http.get('http://127.0.0.1:8080/products');
   * }
   *
   * export function teardown() {
   *   uninstrument();
   *   http.get('http://127.0.0.1:8080/products'); // plain again
   * }
   */
  export function instrument(options?: ClientOptions): void;
  /** Undoes `instrument()` in this VU, from the next request on. Without it, nothing happens. */
  export function uninstrument(): void;

  /**
   * An application span around `fn`; requests inside it join its trace, whatever their
   * client's `scope`. An async function keeps it across `await` (a timer does not), and its span ends when the
   * promise settles. What `fn` returns or throws is passed on; an error makes the span's status
   * Error. Spans nest, up to 1000 deep. It throws in the init context.
   *
   * @example
   * import http, { span } from 'k6/x/continuity';
   *
   * export default function () {
   *   span('buy', { 'shop.cart': 3 }, () => {
   *     http.get('http://127.0.0.1:8080/products');
   *     span('pay', () => http.post('http://127.0.0.1:8080/orders', 'book'));
   *   });
   * }
   */
  export function span<T>(name: string, fn: (span: Span) => T): T;
  export function span<T>(name: string, attributes: Attributes | null | undefined, fn: (span: Span) => T): T;

  /**
   * What all VUs share. Where an option has an environment variable, the variable wins; one
   * that begins with `K6_CONTINUITY_` and belongs to no option is warned of.
   */
  export interface Configuration {
    /**
     * Where SERVER spans come from: `'otlp'` (default), `'jaeger=URL'`,
     * `'tempo=URL'`, `'file=GLOB'` or `'none'`. `K6_CONTINUITY_SOURCE`; `K6_CONTINUITY_TENANT`
     * is the tenant of a Tempo that has several.
     */
    source?: string;
    listen?: {
      /** OTLP/gRPC address, `''` for off. Default `127.0.0.1:4317`. `K6_CONTINUITY_LISTEN_GRPC` */
      grpc?: string;
      /** OTLP/HTTP address, `''` for off. Default `127.0.0.1:4318`. `K6_CONTINUITY_LISTEN_HTTP` */
      http?: string;
      /** Must be true to listen on anything but loopback. Default false. `K6_CONTINUITY_LISTEN_ALLOW_REMOTE` */
      allowRemote?: boolean;
      /** PEM file of the certificate; with `tlsKey`, for TLS. Default: plain. `K6_CONTINUITY_LISTEN_TLS_CERT` */
      tlsCert?: string;
      /** PEM file of the certificate's key. `K6_CONTINUITY_LISTEN_TLS_KEY` */
      tlsKey?: string;
      /** Bearer token that senders must present. Default: none. `K6_CONTINUITY_LISTEN_TOKEN` */
      token?: string;
    };
    /**
     * How long after its last attempt a trace may still receive spans, above 0 to 20 minutes.
     * Default `10s`. `K6_CONTINUITY_SETTLE`
     */
    settle?: Duration;
    /** How long a complete trace stays open for duplicates, up to `settle`. Default `500ms`. `K6_CONTINUITY_LINGER` */
    linger?: Duration;
    /** Open traces at most, 1 to 50000000; beyond it the oldest is judged early as undecided. Default 200000. */
    maxTraces?: number;
    /** Share of the traces that are asked for from `jaeger=` and `tempo=`, above 0 to 1. Default 1. */
    sample?: number;
    /**
     * Services that must appear, connected, in every trace whose request held and succeeded.
     * Default: none.
     */
    expect?: { services?: string[] };
    /** Directory of the reports. Default `results`. `K6_CONTINUITY_RESULTS` */
    results?: string;
    /** Labels of the run, shown by reports and comparisons. `K6_CONTINUITY_LABELS=name=value,…` adds to them. */
    labels?: { [name: string]: string | number | boolean };
    /** Whether the HTML report is written. Default true. `K6_CONTINUITY_HTML` */
    html?: boolean;
    /**
     * Trace UI link with `{trace_id}`, such as `http://localhost:16686/trace/{trace_id}`.
     * Default: none. `K6_CONTINUITY_TRACE_URL`
     */
    traceURL?: string;
    /** URL of a toxiproxy server to drive in place of the embedded one. `K6_CONTINUITY_TOXIPROXY` */
    toxiproxy?: string;
  }

  /**
   * Configures the run. Call it in the init context, once: every VU runs that code, and
   * different options are an error.
   *
   * @example
   * import http, { configure } from 'k6/x/continuity';
   *
   * configure({
   *   source: 'otlp',
   *   listen: { grpc: '127.0.0.1:4317', http: '127.0.0.1:4318' },
   *   settle: '15s',
   *   expect: { services: ['gateway', 'inventory'] },
   *   labels: { version: __ENV.VERSION || 'dev' },
   *   traceURL: 'http://localhost:16686/trace/{trace_id}',
   * });
   *
   * export default function () {
   *   http.get('http://127.0.0.1:8080/products');
   * }
   */
  export function configure(options: Configuration): void;

  /**
   * A toxic: one of ours (`http_…`) or one of toxiproxy's own.
   *
   * The attribute `script` of an `http_script` is the source of `onRequest(req, state)` or
   * `onResponse(res, req, state)`, which return nothing or a {@link ScriptFault}:
   *
   * @example
   * import http, { toxiproxy } from 'k6/x/continuity';
   *
   * const shop = toxiproxy.proxy('shop', { upstream: '127.0.0.1:8080' });
   *
   * export function setup() {
   *   shop.toxic({ type: 'http_script', attributes: { timeout: 100, script: `
   *     function onRequest(req, state) {
   *       state.n = (state.n || 0) + 1;
   *       if (req.path === '/cart' && state.n % 3 === 0) return { status: 503, delay: 20 };
   *     }` } });
   * }
   *
   * export default function () {
   *   http.get(`${shop.url}/cart`);
   * }
   */
  export interface ToxicOptions {
    type: string;
    /** Default: the type. */
    name?: string;
    /** toxiproxy's own toxics only. Default `downstream`. */
    stream?: 'upstream' | 'downstream';
    /** Share of connections, toxiproxy's own toxics only, 0 to 1. Default 1. */
    toxicity?: number;
    attributes?: { [name: string]: unknown };
  }

  /** What the functions of an `http_script` may return. All fields are optional. */
  export interface ScriptFault {
    /** An answer in place of the service (`onRequest`) or of its answer (`onResponse`). */
    status?: number;
    body?: string | number;
    headers?: { [name: string]: string | number };
    retryAfter?: string | number;
    /** Milliseconds. */
    delay?: number;
    /** `true`, or after so many bytes of the response's body. */
    reset?: boolean | 'before' | 'after' | number;
    /** Bytes of the response's body that pass unharmed. */
    truncate?: number;
    corrupt?: number;
    /** Header lines, of the request or the response. */
    set?: { [name: string]: string | number };
    remove?: string[];
  }

  /** A toxic that was added. */
  export interface Toxic {
    readonly name: string;
    /** Changes attributes while traffic runs. */
    update(attributes: { [name: string]: unknown }): void;
    /** Takes the toxic out while traffic runs. */
    remove(): void;
  }

  /**
   * A proxy in front of a service.
   *
   * @example
   * import http, { toxiproxy } from 'k6/x/continuity';
   *
   * const shop = toxiproxy.proxy('shop', { upstream: '127.0.0.1:8080' });
   *
   * export default function () {
   *   const slow = shop.toxic({ type: 'http_latency', attributes: { latency: 200, every: 2 } });
   *   http.get(`${shop.url}/products`);
   *   slow.update({ latency: 50 });
   *   http.get(`${shop.url}/products`);
   *   slow.remove();
   * }
   */
  export interface Proxy {
    readonly name: string;
    /** What requests use in place of the service's URL. */
    readonly url: string;
    /** `host:port`. */
    readonly address: string;
    toxic(options: ToxicOptions): Toxic;
    /** Closes the connections and refuses new ones. */
    disable(): void;
    enable(): void;
  }

  /** A fault plan: phases in order, on the test's own clock. See `toxics/plans/plan.schema.json`. */
  export interface Plan {
    name: string;
    phases: { name: string; duration: string; toxics?: (ToxicOptions & { proxy: string })[] }[];
  }

  /**
   * Fault injection.
   *
   * @example
   * import { Client, toxiproxy } from 'k6/x/continuity';
   *
   * const shop = toxiproxy.proxy('shop', { upstream: '127.0.0.1:8080' });
   * toxiproxy.plan({ name: 'brownout', phases: [
   *   { name: 'healthy', duration: '10s' },
   *   { name: '503s', duration: '10s', toxics: [
   *     { proxy: 'shop', type: 'http_status', attributes: { status: 503, probability: 0.2 } } ] },
   * ] });
   * const http = new Client({ retry: 3 });
   *
   * export default function () {
   *   http.get(`${shop.url}/products`);
   * }
   */
  export const toxiproxy: {
    /** Makes a proxy. `https://` upstreams are spoken to over verified TLS. */
    proxy(name: string, options: {
      upstream: string;
      /** Default: a free port on loopback. */
      listen?: string;
      /** PEM file with the certificate authorities of an `https://` upstream. */
      caFile?: string;
      /** PEM files of a client certificate for an `https://` upstream. */
      clientCert?: string;
      clientKey?: string;
      /**
       * Turns the Location headers by which an `https://` upstream leads to itself into URLs of
       * the proxy, so that redirects do not lead past the toxics. Default false: a response
       * stays as it is.
       */
      rewriteLocation?: boolean;
    }): Proxy;
    /** Sets the plan of the run: an object, or the text of a plan file. */
    plan(plan: Plan | string): void;
  };
}
