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

  /** Which operations are sampled. Default: `OTEL_TRACES_SAMPLER`, else everything. */
  export type Sampling =
    | number
    | 'always_on' | 'always_off'
    | 'parentbased_always_on' | 'parentbased_always_off'
    | { sampler: string; ratio?: number };

  /** How failed requests are sent again. A number is short for `{attempts}`. */
  export interface Retry {
    /** Sends in total, the first one included: 1 to 20. Default 1. */
    attempts?: number;
    /** Statuses that are sent again. Default `[502, 503, 504, 429]`. */
    statuses?: number[];
    /** Whether transport errors are sent again. Default true. */
    errors?: boolean;
    /** Methods that may be sent again. Default: the idempotent ones of RFC 9110. */
    methods?: string[];
    backoff?: {
      /** Wait before the second attempt. Default `100ms`. */
      initial?: Duration;
      /** Growth from wait to wait, 1 or more. Default 2. */
      multiplier?: number;
      /** Longest wait. Default `5s`. */
      max?: Duration;
      /** Random share of a wait that is taken off or added, 0 to 1. Default 0.2. */
      jitter?: number;
    };
    /** Whether a `Retry-After` header (seconds or a date) sets the wait. Default true. */
    respectRetryAfter?: boolean;
  }

  /** A span as hooks and `span()` see it. */
  export interface Span {
    /** 32 hexadecimal digits. */
    readonly traceId: string;
    /** 16 hexadecimal digits. */
    readonly spanId: string;
    setAttribute(key: string, value: AttributeValue): void;
    setAttributes(attributes: Attributes): void;
    addEvent(name: string, attributes?: Attributes): void;
    updateName(name: string): void;
  }

  export type AttributeValue = string | number | boolean | string[] | number[] | boolean[];
  export interface Attributes { [key: string]: AttributeValue }

  /** What a request hook is told of the attempt that is about to be sent. */
  export interface HookRequest {
    readonly method: string;
    readonly url: string;
    /** 1 for the first attempt. */
    readonly attempt: number;
  }

  /** What can be set per client, and per request under `params.trace`. */
  export interface TraceOptions {
    /** `service.peer.name` of the client spans. */
    service?: string;
    /** `url.template` of the client spans, and a part of their name. */
    template?: string;
    /** Default: `OTEL_PROPAGATORS`, else `['tracecontext', 'baggage']`. */
    propagators?: Propagator[];
    sampling?: Sampling;
    retry?: number | Retry;
    /** Runs before every attempt. An error in it is counted and never changes the request. */
    requestHook?: (span: Span, request: HookRequest) => void;
    /** Runs after every attempt, before its span ends. */
    responseHook?: (span: Span, response: RefinedResponse<ResponseType | undefined>) => void;
    /** Rewrites the URL that is recorded as `url.full`; the request is not changed. */
    urlFilter?: (url: string) => string;
    captureHeaders?: {
      /** Request headers to record, case-insensitive names or patterns. */
      request?: string[];
      /** Response headers to record. */
      response?: string[];
      /** Of those, the headers whose values are recorded as `[REDACTED]`. */
      sanitize?: string[];
    };
    /** Regular expressions; a URL that one of them finds is outside tracing. */
    excludedURLs?: string[];
    /** `'off'` keeps the `continuity/<trace id>-<span id>` suffix off the User-Agent. Default `'user-agent'`. */
    correlate?: 'user-agent' | 'off';
    /** Records blocked, connecting, TLS, sending and waiting times as span attributes. Default false. */
    timings?: boolean;
    /** W3C baggage members sent with every request. */
    baggage?: { [key: string]: string };
    /** Whether a `traceparent` set by the script becomes the parent. Default false: it is overwritten. */
    continue?: boolean;
  }

  export interface ClientOptions extends TraceOptions {
    /** `'request'`: a trace per request. `'iteration'`: one trace per iteration. Default `'request'`. */
    scope?: 'request' | 'iteration';
  }

  /** The identity of the attempt that produced a response. */
  export interface ResponseTrace {
    readonly traceId: string;
    readonly spanId: string;
    /** Sends by the retry policy, 1 or more. */
    readonly attempts: number;
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

  /** Drop-in for `k6/http`: switching a script is one import line. */
  const http: TracedHTTP;
  export default http;

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

  /** Makes the plain `k6/http` of this VU traced, with the given options. */
  export function instrument(options?: TraceOptions): void;
  /** Undoes `instrument()`. */
  export function uninstrument(): void;

  /**
   * An application span around `fn`; requests inside it join its trace. An
   * async function keeps it across `await`.
   *
   * @example
   * import http, { span } from 'k6/x/continuity';
   *
   * export default function () {
   *   span('buy', { 'shop.cart': 3 }, () => {
   *     http.get('http://127.0.0.1:8080/products');
   *   });
   * }
   */
  export function span<T>(name: string, fn: (span: Span) => T): T;
  export function span<T>(name: string, attributes: Attributes | null | undefined, fn: (span: Span) => T): T;

  /** What all VUs share. Each option also has an environment variable, which wins. */
  export interface Configuration {
    /**
     * Where SERVER spans come from: `'otlp'` (default), `'jaeger=URL'`,
     * `'tempo=URL'`, `'file=GLOB'` or `'none'`. `K6_CONTINUITY_SOURCE`
     */
    source?: string;
    listen?: {
      /** OTLP/gRPC address, `''` for off. Default `127.0.0.1:4317`. `K6_CONTINUITY_LISTEN_GRPC` */
      grpc?: string;
      /** OTLP/HTTP address, `''` for off. Default `127.0.0.1:4318`. `K6_CONTINUITY_LISTEN_HTTP` */
      http?: string;
      /** Must be true to listen on anything but loopback. Default false. */
      allowRemote?: boolean;
      /** PEM files; both for TLS. */
      tlsCert?: string;
      tlsKey?: string;
      /** Bearer token that senders must present. */
      token?: string;
    };
    /** How long after its last attempt a trace may still receive spans. Default `10s`. `K6_CONTINUITY_SETTLE` */
    settle?: Duration;
    /** How long a complete trace stays open for duplicates. Default `500ms`. */
    linger?: Duration;
    /** Open traces at most; beyond it the oldest is judged early as undecided. Default 200000. */
    maxTraces?: number;
    /** Share of the traces that are asked for from `jaeger=` and `tempo=`, above 0 to 1. Default 1. */
    sample?: number;
    /** Services that must appear, connected, in every trace. */
    expect?: { services?: string[] };
    /** Directory of the reports. Default `results`. `K6_CONTINUITY_RESULTS` */
    results?: string;
    /** Labels of the run. `K6_CONTINUITY_LABELS=name=value,…` */
    labels?: { [name: string]: string | number | boolean };
    /** Whether the HTML report is written. Default true. `K6_CONTINUITY_HTML` */
    html?: boolean;
    /** Trace UI link with `{trace_id}`, such as `http://localhost:16686/trace/{trace_id}`. */
    traceURL?: string;
    /** URL of a toxiproxy server to drive in place of the embedded one. `K6_CONTINUITY_TOXIPROXY` */
    toxiproxy?: string;
  }

  /** Configures the run. Call it in the init context, once. */
  export function configure(options: Configuration): void;

  /** A toxic: one of ours (`http_…`) or one of toxiproxy's own. */
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

  /** A toxic that was added. */
  export interface Toxic {
    readonly name: string;
    /** Changes attributes while traffic runs. */
    update(attributes: { [name: string]: unknown }): void;
    /** Takes the toxic out while traffic runs. */
    remove(): void;
  }

  /** A proxy in front of a service. */
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
    }): Proxy;
    /** Sets the plan of the run: an object, or the text of a plan file. */
    plan(plan: Plan | string): void;
  };
}
