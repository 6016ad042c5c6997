// What all scripts share: the market's addresses, checks that print one line each, wallets, and how to
// ask a provider. Only public interfaces of the published packages are used.
import http from "node:http";
import https from "node:https";
import { webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { Bip39, EnglishMnemonic, Secp256k1, Slip10, Slip10Curve, sha256, stringToPath } from "@cosmjs/crypto";
import { Secp256k1HdWallet } from "@cosmjs/amino";
import { DirectSecp256k1HdWallet } from "@cosmjs/proto-signing";
import { createChainNodeSDK, createStargateClient, generateManifest, generateManifestVersion, manifestToSortedJSON, yaml } from "@akashnetwork/chain-sdk";

globalThis.crypto ??= webcrypto; // Debian 12's node is 18, which hides what the packages use

// { node, grpc, rest, chainId, gateway, providerGRPC, ingress, provider, wallets: {name: {mnemonic, address}}, bin, home, web, twoGroups }
export const market = process.env.AKASH_JS_MARKET ? JSON.parse(readFileSync(process.env.AKASH_JS_MARKET, "utf8")) : undefined;

let failed = 0, passed = 0;
const began = Date.now();

// describe makes any error readable: its class, its code and its message.
export function describe(e) {
  if (!(e instanceof Error)) return String(e);
  const code = e.code === undefined ? "" : ` code ${e.code}`;
  const at = (e.stack ?? "").split("\n").find((l) => l.includes("/test/js/") && !l.includes("node_modules"));
  return `${e.constructor.name}${code}: ${e.message}${e.cause ? ` (${e.cause.message ?? e.cause})` : ""}${at ? `\n     ${at.trim()}` : ""}`;
}

// step runs one check whose result others need: if it fails, the script ends.
export async function step(name, fn) {
  const from = Date.now();
  try {
    const r = await fn();
    passed++;
    console.log(`ok   ${name} (${((Date.now() - from) / 1000).toFixed(2)} s)`);
    return r;
  } catch (e) {
    failed++;
    console.log(`FAIL ${name} (${((Date.now() - from) / 1000).toFixed(2)} s)\n     ${describe(e)}`);
    finish();
  }
}

// check runs one check that stands alone.
export async function check(name, fn) {
  const from = Date.now();
  try {
    const note = await fn();
    passed++;
    console.log(`ok   ${name}${typeof note === "string" ? `: ${note}` : ""} (${((Date.now() - from) / 1000).toFixed(2)} s)`);
  } catch (e) {
    failed++;
    console.log(`FAIL ${name} (${((Date.now() - from) / 1000).toFixed(2)} s)\n     ${describe(e)}`);
  }
}

// finish says how many checks passed and ends the script; open connections don't hold it.
export function finish() {
  console.log(`${passed} passed, ${failed} failed, ${((Date.now() - began) / 1000).toFixed(1)} s, node ${process.version}`);
  process.exit(failed || !passed ? 1 : 0);
}

// main runs a script; an error outside of any check is a failure.
export async function main(fn) {
  const limit = setTimeout(() => {
    console.log("FAIL the script took longer than 120 s");
    process.exit(1);
  }, 120_000);
  limit.unref();
  try {
    await fn();
  } catch (e) {
    failed++;
    console.log(`FAIL outside of any check\n     ${describe(e)}`);
  }
  finish();
}

// until calls fn every 100 ms until it returns something true.
export async function until(what, fn, seconds = 30) {
  const end = Date.now() + seconds * 1000;
  let last;
  for (;;) {
    try {
      const r = await fn();
      if (r) return r;
      last = undefined;
    } catch (e) {
      last = e;
    }
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}${last ? `: ${describe(last)}` : ""}`);
    await new Promise((r) => setTimeout(r, 100));
  }
}

// fails returns what fn throws; not throwing is a failure.
export async function fails(fn) {
  let r;
  try {
    r = await fn();
  } catch (e) {
    return e;
  }
  throw new Error(`it was accepted: ${JSON.stringify(r)?.slice(0, 200)}`);
}

export const direct = (name) => DirectSecp256k1HdWallet.fromMnemonic(market.wallets[name].mnemonic, { prefix: "akash" });
export const amino = (name) => Secp256k1HdWallet.fromMnemonic(market.wallets[name].mnemonic, { prefix: "akash" });
export const address = (name) => market.wallets[name].address;

// grpcSDK is the SDK over gRPC for queries and CometBFT's RPC for transactions.
export function grpcSDK(signer, options = {}) {
  return createChainNodeSDK({ query: { baseUrl: `http://${market.grpc}` }, tx: signer && { signer: client(signer, options) } });
}

// client signs and sends through CometBFT's RPC, as the SDK does it.
export const client = (signer, options = {}) =>
  createStargateClient({ baseUrl: market.node, signer, ...options, stargateOptions: { broadcastPollIntervalMs: 100, ...options.stargateOptions } });

// build makes of an SDL what the chain and the provider are given.
export async function build(sdl) {
  const made = generateManifest(yaml.template(sdl));
  if (!made.ok) throw new Error(JSON.stringify(made.value));
  return { ...made.value, hash: await generateManifestVersion(made.value.groups), manifest: manifestToSortedJSON(made.value.groups) };
}

export const uact = (amount) => ({ denom: "uact", amount: String(amount) });
export const uakt = (amount) => ({ denom: "uakt", amount: String(amount) });
export const fromBalance = 1, fromGrant = 2; // akash.base.deposit.v1.Source

// rawSign signs the SHA-256 of data with a wallet's key, which wallets themselves don't offer: 64 bytes.
export async function rawSign(name, data) {
  const seed = await Bip39.mnemonicToSeed(new EnglishMnemonic(market.wallets[name].mnemonic));
  const { privkey } = Slip10.derivePath(Slip10Curve.Secp256k1, seed, stringToPath("m/44'/118'/0'/0/0"));
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  return (await Secp256k1.createSignature(sha256(bytes), privkey)).toFixedLength().slice(0, 64);
}

let lastDseq = 0;
// nextDseq is a number that no other deployment of this script has.
export function nextDseq() {
  lastDseq = Math.max(lastDseq + 1, Date.now());
  return lastDseq;
}

// request asks a URL and returns { status, headers, body, peer }. auth is { token } or { cert, key } or nothing.
export function request(method, url, { token, cert, key, servername, body, headers = {} } = {}) {
  const u = new URL(url);
  const secure = u.protocol === "https:";
  return new Promise((resolve, reject) => {
    let peer;
    const req = (secure ? https : http).request(
      {
        method, host: u.hostname.endsWith(".localhost") ? "127.0.0.1" : u.hostname, port: u.port, path: u.pathname + u.search,
        headers: { host: u.host, ...(token ? { authorization: `Bearer ${token}` } : {}), ...(body ? { "content-type": "application/json", "content-length": Buffer.byteLength(body) } : {}), ...headers },
        // The provider's certificate is its own; checkProvider compares it with the chain's.
        ...(secure ? { cert, key, servername, rejectUnauthorized: false, agent: false } : {}),
        timeout: 30_000,
      },
      (res) => {
        if (secure) peer = res.socket.getPeerX509Certificate?.();
        const parts = [];
        res.on("data", (p) => parts.push(p));
        res.on("error", reject);
        res.on("end", () => resolve({ status: res.statusCode, headers: res.headers, body: Buffer.concat(parts).toString(), peer }));
      });
    req.on("timeout", () => req.destroy(new Error("no answer within 30 s")));
    req.on("error", reject);
    req.end(body);
  });
}

export const json = (r) => JSON.parse(r.body);
export const text = (v) => v.toString(); // Long, bigint, number: the same digits
