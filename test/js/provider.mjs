// How a tenant talks to a provider's gateway: over HTTPS and over WebSockets by the ws package.
import WebSocket from "ws";
import { market, request } from "./lib.mjs";

// gatewayOf is the provider's address as its record on the chain says.
export async function gatewayOf(sdk, owner) {
  const { provider } = await sdk.akash.provider.v1beta4.getProvider({ owner });
  return provider.hostUri;
}

// checkProvider compares the certificate that a gateway showed with those that the chain has of it.
export async function checkProvider(sdk, owner, peer) {
  const serial = BigInt(`0x${peer.serialNumber}`).toString();
  const { certificates } = await sdk.akash.cert.v1.getCertificates({ filter: { owner, serial, state: "valid" }, pagination: { limit: 10 } });
  const onChain = certificates.map((c) => Buffer.from(c.certificate.cert).toString().replace(/\s/g, ""));
  if (!onChain.includes(peer.toString().replace(/\s/g, ""))) throw new Error(`the gateway's certificate ${serial} isn't the chain's (${certificates.length} there)`);
}

export function putManifest(gateway, dseq, manifest, auth) {
  return request("PUT", `${gateway}/deployment/${dseq}/manifest`, { ...auth, body: manifest });
}

export function leaseStatus(gateway, dseq, auth, gseq = 1, oseq = 1) {
  return request("GET", `${gateway}/lease/${dseq}/${gseq}/${oseq}/status`, auth);
}

// page asks the ingress for a name that the provider gave to a service.
export function page(uri) {
  const port = new URL(market.ingress).port;
  return request("GET", `http://${uri.includes(":") ? uri : `${uri}:${port}`}/`);
}

// socket opens a stream of a gateway. It resolves to { frames, closed, send, ws }: frames is what came so
// far as { binary, data }, closed a promise of { code, reason }. An answer other than 101 rejects with its status.
export function socket(url, { token, cert, key, servername } = {}) {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(url.replace(/^http/, "ws"), {
      headers: token ? { authorization: `Bearer ${token}` } : {}, cert, key, servername, rejectUnauthorized: false, handshakeTimeout: 15_000,
    });
    const s = { frames: [], pings: 0, ws, send: (b) => ws.send(b) };
    s.closed = new Promise((done) => ws.on("close", (code, reason) => done({ code, reason: reason.toString() })));
    ws.on("message", (data, binary) => s.frames.push({ binary, data }));
    ws.on("ping", () => s.pings++);
    ws.on("unexpected-response", (_, res) => {
      let body = "";
      res.on("data", (d) => (body += d));
      res.on("end", () => {
        const e = new Error(`${res.statusCode} ${body.trim()}`);
        e.status = res.statusCode;
        reject(e);
      });
    });
    ws.on("open", () => resolve(s));
    ws.on("error", reject);
  });
}

// shellURL is where a command of a service is run.
export function shellURL(gateway, dseq, service, cmd, { tty = false, stdin = false, pod = 0, gseq = 1, oseq = 1 } = {}) {
  const q = new URLSearchParams({ service, podIndex: String(pod), tty: tty ? "1" : "0", stdin: stdin ? "1" : "0" });
  cmd.forEach((c, i) => q.set(`cmd${i}`, c));
  return `${gateway}/lease/${dseq}/${gseq}/${oseq}/shell?${q}`;
}

export const stdout = 100, stderr = 101, result = 102, failure = 103, stdin = 104, resize = 105;

// output is what a shell wrote so far to one of its streams.
export const output = (s, code) => Buffer.concat(s.frames.filter((f) => f.data[0] === code).map((f) => f.data.subarray(1))).toString();

// exec runs a command to its end and returns { stdout, stderr, end, closed }; input is written first.
export async function exec(url, auth, input) {
  const s = await socket(url, auth);
  if (input) s.send(Buffer.concat([Buffer.from([stdin]), Buffer.from(input)]));
  const closed = await s.closed;
  if (s.frames.some((f) => !f.binary)) throw new Error("a shell's frame is text");
  const last = s.frames.at(-1);
  return { stdout: output(s, stdout), stderr: output(s, stderr), last: last?.data[0], end: last?.data[0] === result ? JSON.parse(last.data.subarray(1)) : undefined, closed };
}
