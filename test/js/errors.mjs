// What is refused comes back as the code that the protocol has for it: over gRPC, over REST as status and JSON,
// and for transactions as codespace and code.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createChainNodeWebSDK } from "@akashnetwork/chain-sdk/web";
import { address, build, check, direct, fails, fromBalance, grpcSDK, json, main, market, nextDseq, request, uact, uakt } from "./lib.mjs";

const InvalidArgument = 3, NotFound = 5;

await main(async () => {
  const owner = address("errors"), nobody = address("poor");
  const sdk = grpcSDK(await direct("errors"));
  const rest = createChainNodeWebSDK({ query: { baseUrl: market.rest } });
  const lease = { owner, dseq: 1, gseq: 1, oseq: 1, provider: market.provider };

  for (const [name, ask, code, path] of [
    ["deployment that isn't there", (s) => s.akash.deployment.v1beta4.getDeployment({ id: { owner, dseq: 1 } }), NotFound, `/akash/deployment/v1beta4/deployments/info?id.owner=${owner}&id.dseq=1`],
    ["group that isn't there", (s) => s.akash.deployment.v1beta4.getGroup({ id: { owner, dseq: 1, gseq: 1 } }), NotFound, `/akash/deployment/v1beta4/groups/info?id.owner=${owner}&id.dseq=1&id.gseq=1`],
    ["order that isn't there", (s) => s.akash.market.v1beta5.getOrder({ id: { owner, dseq: 1, gseq: 1, oseq: 1 } }), NotFound],
    ["bid that isn't there", (s) => s.akash.market.v1beta5.getBid({ id: lease }), NotFound],
    ["lease that isn't there", (s) => s.akash.market.v1beta5.getLease({ id: lease }), NotFound],
    ["provider that isn't there", (s) => s.akash.provider.v1beta4.getProvider({ owner: nobody }), NotFound, `/akash/provider/v1beta4/providers/${nobody}`],
    ["account that isn't there", (s) => s.cosmos.auth.v1beta1.getAccount({ address: address("nobody") }), NotFound],
    ["transaction that isn't there", (s) => s.cosmos.tx.v1beta1.getTx({ hash: "0".repeat(64) }), NotFound],
    ["an address that is none", (s) => s.akash.deployment.v1beta4.getDeployment({ id: { owner: "akash1none", dseq: 1 } }), InvalidArgument],
    ["a state that is none", (s) => s.akash.deployment.v1beta4.getDeployments({ filters: { owner, state: "sleeping" } }), InvalidArgument, `/akash/deployment/v1beta4/deployments/list?filters.state=sleeping`],
    ["an offset without a state", (s) => s.akash.deployment.v1beta4.getDeployments({ pagination: { offset: 1, limit: 1 } }), InvalidArgument],
    ["a page key that is none", (s) => s.akash.market.v1beta5.getOrders({ pagination: { key: Uint8Array.of(1, 2, 3) } }), InvalidArgument],
    ["certificates of an address that is none", (s) => s.akash.cert.v1.getCertificates({ filter: { owner: "akash1none", serial: "", state: "" } }), InvalidArgument],
  ]) {
    await check(`query: ${name}`, async () => {
      const g = await fails(() => ask(sdk));
      assert.equal(g.code, code, `gRPC: ${g}`);
      const r = await fails(() => ask(rest));
      assert.equal(r.code, code, `REST: ${r}`);
      if (path) {
        const raw = await request("GET", market.rest + path);
        assert.equal(raw.status, code === NotFound ? 404 : 400, raw.body);
        assert.equal(json(raw).code, code);
      }
      return g.message.replace(/^(\[\w+\] )+/, "").slice(0, 90);
    });
  }

  const web = await build(readFileSync(market.web, "utf8").replace("units: 0.25", "units: 0.02").replace("    anywhere:\n      pricing:", "    anywhere:\n      attributes: {nobody: has-this}\n      pricing:"));
  const d = sdk.akash.deployment.v1beta4, m = sdk.akash.market.v1beta5;
  const id = { owner, dseq: nextDseq() };
  const good = { id, groups: web.groupSpecs, hash: web.hash, deposit: { amount: uact(600_000), sources: [fromBalance] } };
  const other = () => ({ ...good, id: { owner, dseq: nextDseq() } });
  await d.createDeployment(good);
  const closed = other();
  await d.createDeployment(closed);
  await d.closeDeployment({ id: closed.id });
  const pricedIn = (denom) => web.groupSpecs.map((g) => ({ ...g, resources: g.resources.map((r) => ({ ...r, price: { ...r.price, denom } })) }));

  for (const [name, send, codespace, code] of [
    ["deployment that exists", (o) => d.createDeployment(good, o), "deployment", 3],
    ["update of none", (o) => d.updateDeployment({ id: { owner, dseq: 1 }, hash: web.hash }, o), "deployment", 4],
    ["update of one that is closed", (o) => d.updateDeployment({ id: closed.id, hash: Uint8Array.from(web.hash, (b) => b ^ 1) }, o), "deployment", 5],
    ["close of one that is closed", (o) => d.closeDeployment({ id: closed.id }, o), "deployment", 5],
    ["no groups", (o) => d.createDeployment({ ...other(), groups: [] }, o), "deployment", 7],
    ["no hash", (o) => d.createDeployment({ ...other(), hash: new Uint8Array() }, o), "deployment", 9],
    ["a short hash", (o) => d.createDeployment({ ...other(), hash: Uint8Array.of(1) }, o), "deployment", 10],
    ["too small a deposit", (o) => d.createDeployment({ ...other(), deposit: { amount: uact(1), sources: [fromBalance] } }, o), "deployment", 20],
    ["more than there is", (o) => d.createDeployment({ ...other(), deposit: { amount: uact("900000000000"), sources: [fromBalance] } }, o), "escrow", 16],
    ["group that isn't there", (o) => d.closeGroup({ id: { ...id, gseq: 9 } }, o), "deployment", 14],
    ["group that is open is started", (o) => d.startGroup({ id: { ...id, gseq: 1 } }, o), "deployment", 16],
    ["lease of a bid that isn't there", (o) => m.createLease({ bidId: { ...lease, dseq: id.dseq } }, o), "market", 18],
    ["bid on one's own order", (o) => m.createBid({ id: { ...id, gseq: 1, oseq: 1, provider: owner, bseq: 0 }, price: { denom: "uact", amount: "1" }, deposit: { amount: uact(500_000), sources: [fromBalance] }, resourcesOffer: [] }, o), "market", 2],
    ["provider without https", (o) => sdk.akash.provider.v1beta4.createProvider({ owner, hostUri: "http://a.example", attributes: [], info: { email: "", website: "" } }, o), "provider", 1],
    ["update of a provider that isn't there", (o) => sdk.akash.provider.v1beta4.updateProvider({ owner, hostUri: "https://a.example:8443", attributes: [], info: { email: "", website: "" } }, o), "provider", 3],
    ["certificate that is none", (o) => sdk.akash.cert.v1.createCertificate({ owner, cert: Buffer.from("x"), pubkey: Buffer.from("y") }, o), "cert", 6],
    ["revoke of a certificate that isn't there", (o) => sdk.akash.cert.v1.revokeCertificate({ id: { owner, serial: "1" } }, o), "cert", 1],
    ["deposit to an account that isn't there", (o) => sdk.akash.escrow.v1.accountDeposit({ signer: owner, id: { scope: 1, xid: `${owner}/1` }, deposit: { amount: uact(1), sources: [fromBalance] } }, o), "escrow", 3],
    ["price in another coin than the deposit", (o) => d.createDeployment({ ...other(), groups: pricedIn("uakt") }, o), "deployment"],
  ]) {
    await check(`transaction: ${name}`, async () => {
      // Found by the simulation, in words.
      const sim = await fails(() => send());
      // With a fee it goes to the node without one: refused at once, or in a block.
      const e = await fails(() => send({ fee: { gas: "600000", amount: [uakt(15_000)] } }));
      let got = { codespace: e.codespace, code: e.code, log: e.log };
      if (e.txResponse) {
        const { txResponse } = await sdk.cosmos.tx.v1beta1.getTx({ hash: e.txResponse.transactionHash });
        got = { codespace: txResponse.codespace, code: txResponse.code, log: txResponse.rawLog };
      }
      assert.equal(got.codespace, codespace, JSON.stringify(got) + sim);
      if (code) assert.equal(got.code, code, JSON.stringify(got));
      return `${got.codespace} ${got.code}: ${(got.log ?? "").slice(-70)}`;
    });
  }
  await check("the rest is closed", () => d.closeDeployment({ id }));
});
