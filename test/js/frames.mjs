// Logs, events and shells by the frames of the protocol, with the WebSocket client ws: follow, tail, input,
// a terminal and its size, exit codes, and what is refused.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { JwtTokenManager } from "@akashnetwork/chain-sdk";
import { address, amino, build, check, direct, fails, fromBalance, grpcSDK, json, main, market, nextDseq, step, uact, until } from "./lib.mjs";
import { exec, gatewayOf, leaseStatus, output, page, putManifest, resize, result, shellURL, socket, stderr, stdin, stdout } from "./provider.mjs";

const lines = (s) => s.frames.map((f) => JSON.parse(f.data));
const type = (text) => Buffer.concat([Buffer.from([stdin]), Buffer.from(text)]);
const size = (w, h) => Buffer.from([resize, w >> 8, w & 255, h >> 8, h & 255]);
const end = (s) => JSON.parse(s.frames.find((f) => f.data[0] === result).data.subarray(1));

await main(async () => {
  const owner = address("frames");
  const sdk = grpcSDK(await direct("frames"));
  const web = await build(readFileSync(market.web, "utf8").replace("units: 0.25", "units: 0.1"));
  const tokens = new JwtTokenManager(await amino("frames"));
  const token = async (leases) => {
    const now = Math.floor(Date.now() / 1000);
    return { token: await tokens.generateToken({ version: "v1", iss: owner, iat: now, nbf: now, exp: now + 900, leases }) };
  };
  const auth = await token({ access: "full" });
  const { dseq, gateway, uri } = await step("a lease that runs", async () => {
    const dseq = nextDseq();
    await sdk.akash.deployment.v1beta4.createDeployment({ id: { owner, dseq }, groups: web.groupSpecs, hash: web.hash, deposit: { amount: uact(5_000_000), sources: [fromBalance] } });
    const [b] = await until("a bid", async () => {
      const { bids } = await sdk.akash.market.v1beta5.getBids({ filters: { owner, dseq, state: "open" } });
      return bids.length && bids;
    });
    await sdk.akash.market.v1beta5.createLease({ bidId: b.bid.id });
    const gateway = await gatewayOf(sdk, market.provider);
    assert.equal((await putManifest(gateway, dseq, web.manifest, auth)).status, 200);
    const uri = await until("it runs", async () => {
      const r = await leaseStatus(gateway, dseq, auth);
      const s = r.status === 200 && json(r).services.web;
      return s?.available === 1 && s.uris[0];
    });
    await until("the page", async () => (await page(uri)).status === 200);
    return { dseq, gateway, uri };
  });
  const lease = `${gateway}/lease/${dseq}/1/1`;

  await check("logs: text frames of name and message; follow brings new lines as they come; tail", async () => {
    const s = await socket(`${lease}/logs?follow=true&service=web`, auth);
    await until("old lines", () => s.frames.length > 0);
    const n = s.frames.length;
    await page(uri);
    await until("a new line", () => lines(s).slice(n).some((l) => l.message === "GET /"));
    assert.ok(s.frames.every((f) => !f.binary));
    assert.deepEqual(Object.keys(lines(s)[0]).sort(), ["message", "name"]);
    s.ws.close();
    const tail = await socket(`${lease}/logs?follow=false&tail=1`, auth);
    await tail.closed;
    assert.deepEqual(lines(tail).map((l) => l.message), ["GET /"]);
  });
  await check("logs of a service that isn't there, and questions that are none", async () => {
    for (const q of ["service=web,", "tail=x", "tail=-2"]) assert.equal((await fails(() => socket(`${lease}/logs?${q}`, auth))).status, 400, q);
    const s = await socket(`${gateway}/lease/1/1/1/logs`, auth).catch((e) => e);
    if (s.closed) assert.equal((await s.closed).code, 4001);
    else assert.equal(s.status, 404);
  });
  await check("events: follow; each has what clients read; normal end is 1000", async () => {
    const s = await socket(`${lease}/kubeevents?follow=true`, auth);
    await until("events", () => s.frames.length >= 2);
    for (const e of lines(s)) {
      assert.ok(["Normal", "Warning"].includes(e.type) && e.reason && e.note, JSON.stringify(e));
      assert.match(e.object.namespace, /^[0-9a-v]{45}$/);
    }
    s.ws.close();
    const once = await socket(`${lease}/kubeevents?follow=false`, auth);
    assert.equal((await once.closed).code, 1000);
  });

  await check("shell: exit codes 0, 1, 7, 255", async () => {
    for (const code of [0, 1, 7, 255]) {
      const r = await exec(shellURL(gateway, dseq, "web", ["/app", "exit", String(code)]), auth);
      assert.deepEqual([r.end.exit_code, r.stdout, r.closed.code], [code, `about to end with ${code}\n`, 1000]);
    }
  });
  await check("shell: output and errors are apart", async () => {
    const r = await exec(shellURL(gateway, dseq, "web", ["/app", "both"]), auth);
    assert.deepEqual([r.stdout, r.stderr, r.end.exit_code], ["this is output\n", "this is an error\n", 0]);
  });
  await check("shell: 256 KiB of input come back whole", async () => {
    const s = await socket(shellURL(gateway, dseq, "web", ["/app", "cat"], { stdin: true }), auth);
    const sent = Buffer.alloc(256 * 1024, "0123456789abcde\n");
    for (let i = 0; i < sent.length; i += 4096) s.send(type(sent.subarray(i, i + 4096)));
    await until("all of it", () => output(s, stdout).length === sent.length);
    s.send(type("end\n"));
    assert.equal((await s.closed).code, 1000);
    assert.equal(output(s, stdout), `${sent}end\n`);
    assert.equal(output(s, stderr), `copied ${sent.length + 4}\n`);
    assert.deepEqual(end(s), { exit_code: 0 });
  });
  await check("shell: a terminal has the size that is sent, and each new one", async () => {
    const s = await socket(shellURL(gateway, dseq, "web", ["/app", "size"], { tty: true, stdin: true }), auth);
    s.send(size(100, 40));
    await until("the first size", () => output(s, stdout).includes("size 100x40"));
    s.send(size(132, 50));
    await until("the second size", () => output(s, stdout).includes("size 132x50"));
    s.send(type("x\r"));
    assert.equal((await s.closed).code, 1000);
    assert.match(output(s, stdout), /typed\r\n/);
    assert.equal(output(s, stderr), "", "a terminal has one stream");
    assert.deepEqual(end(s), { exit_code: 0 });
  });
  await check("shell: what can't be run says why, as a result", async () => {
    for (const [cmd, service, pod, says] of [
      [["/nothing"], "web", 0, /does not exist/],
      [["/app", "exit", "0"], "other", 0, /no such service exists with that name/],
      [["/app", "exit", "0"], "web", 5, /pod index out of range: valid range is \[0, \d\]/],
    ]) {
      const r = await exec(shellURL(gateway, dseq, service, cmd, { pod }), auth);
      assert.match(r.end?.message ?? String(r.last), says);
    }
    assert.equal((await fails(() => socket(`${lease}/shell?service=web&podIndex=0&tty=0&stdin=0`, auth))).status, 400, "no command");
  });
  await check("shell: a client that leaves ends its command; frames that are none end the session", async () => {
    const s = await socket(shellURL(gateway, dseq, "web", ["/app", "cat"], { stdin: true }), auth);
    s.send("a text frame is ignored");
    s.send(type("hello\n"));
    await until("the echo", () => output(s, stdout) === "hello\n");
    s.send(Buffer.from([99, 1]));
    await s.closed;
  });

  await check("tokens: a scope opens what it names and nothing else", async () => {
    const logs = await token({ access: "scoped", scope: ["logs"] });
    const s = await socket(`${lease}/logs?follow=false`, logs);
    await s.closed;
    assert.ok(s.frames.length > 0);
    assert.equal((await fails(() => socket(shellURL(gateway, dseq, "web", ["/app", "both"]), logs))).status, 401);
    assert.equal((await leaseStatus(gateway, dseq, logs)).status, 401);
    const one = await token({ access: "granular", permissions: [{ provider: market.provider, access: "granular", deployments: [{ dseq, scope: ["shell", "status"], services: ["web"] }] }] });
    assert.equal((await exec(shellURL(gateway, dseq, "web", ["/app", "exit", "3"]), one)).end.exit_code, 3);
    assert.equal((await fails(() => socket(`${lease}/logs`, one))).status, 401);
    const other = await token({ access: "granular", permissions: [{ provider: market.provider, access: "granular", deployments: [{ dseq: dseq + 1, scope: ["status"], services: ["web"] }] }] });
    assert.equal((await leaseStatus(gateway, dseq, other)).status, 401);
  });
  await check("a stream ends when its lease does", async () => {
    const s = await socket(`${lease}/logs?follow=true`, auth);
    await sdk.akash.deployment.v1beta4.closeDeployment({ id: { owner, dseq } });
    await s.closed;
  });
});
