// The SDK's web entry over the REST gateway: what it reads is what gRPC says, it can rent and end, and lists
// come whole in pages, forward and backward.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createChainNodeWebSDK, msg, transaction } from "@akashnetwork/chain-sdk/web";
import { address, build, check, client, direct, fromBalance, grpcSDK, json, main, market, nextDseq, request, step, text, uact, until } from "./lib.mjs";

// plain makes answers comparable: 64-bit numbers become digits, bytes become hex, decimals lose their last zeros.
// The web entry of alpha.25 itself can't read three things in REST's JSON, which is the chain's: it takes a
// resource's val, a decimal number, for base64, leaves an Any empty, and a Duration at 0. They are left out here,
// and val is looked at below, in the JSON itself.
const plain = (v) => {
  if (typeof v === "string") return /^\d+\.\d+$/.test(v) ? v.replace(/\.?0+$/, "") : v;
  if (v === null || typeof v !== "object") return v;
  if (v instanceof Uint8Array) return Buffer.from(v).toString("hex");
  if (v instanceof Date) return v.toISOString();
  if ("low" in v && "high" in v) return v.toString();
  if (Array.isArray(v)) return v.map(plain);
  if ("typeUrl" in v || "seconds" in v) return "unread";
  return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, k === "val" ? "unread" : plain(x)]));
};

await main(async () => {
  const owner = address("web");
  const grpc = grpcSDK();
  const sdk = createChainNodeWebSDK({ query: { baseUrl: market.rest }, tx: { signer: client(await direct("web")) } });
  const deployments = sdk.akash.deployment.v1beta4, markets = sdk.akash.market.v1beta5;
  const web = await build(readFileSync(market.web, "utf8").replace("units: 0.25", "units: 0.02")); // there is room for all at once
  const id = (dseq) => ({ owner, dseq });

  await check("a browser's page may ask REST and RPC", async () => {
    for (const url of [`${market.rest}/akash/deployment/v1beta4/params`, `${market.node}/status`]) {
      const r = await request("GET", url, { headers: { origin: "https://console.example" } });
      assert.equal(r.status, 200);
      assert.ok(["*", "https://console.example"].includes(r.headers["access-control-allow-origin"]), `${url} has no access-control-allow-origin`);
    }
    const pre = await request("OPTIONS", market.node, { headers: { origin: "https://console.example", "access-control-request-method": "POST", "access-control-request-headers": "content-type" } });
    assert.ok(pre.status < 300 && /content-type/i.test(pre.headers["access-control-allow-headers"]), `preflight: ${pre.status} ${JSON.stringify(pre.headers)}`);
  });

  const dseqs = await step("seven deployments in one transaction", async () => {
    const dseqs = Array.from({ length: 7 }, nextDseq);
    const tx = await transaction(sdk, dseqs.map((dseq) => msg(deployments.createDeployment, {
      id: id(dseq), groups: web.groupSpecs, hash: web.hash, deposit: { amount: uact(500_000), sources: [fromBalance] } })));
    assert.equal(tx.code, 0);
    return dseqs;
  });

  await step("bids, a lease, and its end", async () => {
    const dseq = dseqs[0];
    // One for each: a bid that comes after the simulation of a close makes it dearer.
    await until("bids", async () => (await markets.getBids({ filters: { owner, state: "open" }, pagination: { limit: 100 } })).bids.length >= 7);
    const { bids } = await markets.getBids({ filters: { owner, dseq, state: "open" } });
    await markets.createLease({ bidId: bids[0].bid.id });
    assert.equal((await markets.getLeases({ filters: { owner, state: "active" } })).leases.length, 1);
    await deployments.closeDeployment({ id: id(dseq) });
    const d = await deployments.getDeployment({ id: id(dseq) });
    assert.deepEqual([d.deployment.state, d.groups[0].state], [2, 4], "closed");
    const { leases } = await markets.getLeases({ filters: { owner, dseq } });
    assert.equal(leases[0].lease.state, 3);
  });
  await step("two more end without a lease", () =>
    transaction(sdk, dseqs.slice(1, 3).map((dseq) => msg(deployments.closeDeployment, { id: id(dseq) }))));

  // Both transports must say the same. Live escrow figures change by the block, so the leased one is closed by now.
  const questions = {
    "deployment": (s) => s.akash.deployment.v1beta4.getDeployment({ id: id(dseqs[0]) }),
    "deployments": (s) => s.akash.deployment.v1beta4.getDeployments({ filters: { owner } }),
    "deployments, closed": (s) => s.akash.deployment.v1beta4.getDeployments({ filters: { owner, state: "closed" } }),
    "deployments, one": (s) => s.akash.deployment.v1beta4.getDeployments({ filters: { owner, dseq: dseqs[1] } }),
    "group": (s) => s.akash.deployment.v1beta4.getGroup({ id: { owner, dseq: dseqs[0], gseq: 1 } }),
    "deployment params": (s) => s.akash.deployment.v1beta4.getParams(),
    "orders": (s) => s.akash.market.v1beta5.getOrders({ filters: { owner } }),
    "order": (s) => s.akash.market.v1beta5.getOrder({ id: { owner, dseq: dseqs[0], gseq: 1, oseq: 1 } }),
    "bids, closed": (s) => s.akash.market.v1beta5.getBids({ filters: { owner, state: "closed" } }),
    "bid": (s) => s.akash.market.v1beta5.getBid({ id: { owner, dseq: dseqs[0], gseq: 1, oseq: 1, provider: market.provider } }),
    "leases": (s) => s.akash.market.v1beta5.getLeases({ filters: { owner } }),
    "leases of the provider": (s) => s.akash.market.v1beta5.getLeases({ filters: { provider: market.provider, owner } }),
    "lease": (s) => s.akash.market.v1beta5.getLease({ id: { owner, dseq: dseqs[0], gseq: 1, oseq: 1, provider: market.provider } }),
    "market params": (s) => s.akash.market.v1beta5.getParams(),
    "escrow accounts": (s) => s.akash.escrow.v1.getAccounts({ state: "closed", xid: `${owner}/${dseqs[0]}` }),
    "escrow payments": (s) => s.akash.escrow.v1.getPayments({ state: "closed", xid: `${owner}/${dseqs[0]}` }),
    "providers": (s) => s.akash.provider.v1beta4.getProviders({}),
    "provider": (s) => s.akash.provider.v1beta4.getProvider({ owner: market.provider }),
    "certificates": (s) => s.akash.cert.v1.getCertificates({ filter: { owner: market.provider } }),
    "attributes that auditors signed": (s) => s.akash.audit.v1.getAllProvidersAttributes({}),
    "balance": (s) => s.cosmos.bank.v1beta1.getBalance({ address: owner, denom: "uact" }),
    "balances": (s) => s.cosmos.bank.v1beta1.getAllBalances({ address: owner }),
    "metadata of coins": (s) => s.cosmos.bank.v1beta1.getDenomsMetadata({}),
    "account": (s) => s.cosmos.auth.v1beta1.getAccountInfo({ address: owner }),
    "validators": (s) => s.cosmos.staking.v1beta1.getValidators({ status: "BOND_STATUS_BONDED" }),
    "staking params": (s) => s.cosmos.staking.v1beta1.getParams(),
    "proposals": (s) => s.cosmos.gov.v1.getProposals({ proposalStatus: 0 }),
    "grants": (s) => s.cosmos.authz.v1beta1.getGranteeGrants({ grantee: owner }),
    "allowances": (s) => s.cosmos.feegrant.v1beta1.getAllowances({ grantee: owner }),
    "mint params": (s) => s.cosmos.mint.v1beta1.getParams(),
    "distribution params": (s) => s.cosmos.distribution.v1beta1.getParams(),
    "block": (s) => s.cosmos.base.tendermint.v1beta1.getBlockByHeight({ height: 2 }),
  };
  for (const [name, ask] of Object.entries(questions)) {
    await check(`REST says what gRPC says: ${name}`, async () => {
      const [a, b] = [plain(await ask(sdk)), plain(await ask(grpc))];
      assert.deepEqual(a, b);
      if (/^(deployment|order|bid|lease)s?(,|$)/.test(name)) assert.ok(Object.values(a)[0]?.length !== 0, "empty");
    });
  }

  // pages walks a list to its end.
  const pages = async (s, filters, limit, reverse) => {
    const seen = [];
    let key = new Uint8Array();
    for (let n = 0; n < 20; n++) {
      const r = await s.akash.deployment.v1beta4.getDeployments({ filters: key.length ? undefined : filters, pagination: { limit, reverse, key } });
      assert.ok(r.deployments.length <= limit);
      seen.push(...r.deployments.map((d) => Number(text(d.deployment.id.dseq))));
      key = r.pagination.nextKey;
      if (!key.length) return seen;
    }
    throw new Error("pages without end");
  };
  for (const [name, s] of [["REST", sdk], ["gRPC", grpc]]) {
    await check(`${name}: pages forward and backward, with and without a state`, async () => {
      for (const [state, want] of [["active", dseqs.slice(3)], ["closed", dseqs.slice(0, 3)]]) {
        for (const limit of [1, 2, 3, 4, 100]) {
          assert.deepEqual(await pages(s, { owner, state }, limit, false), want, `${state} by ${limit}`);
          assert.deepEqual(await pages(s, { owner, state }, limit, true), [...want].reverse(), `${state} by ${limit}, backward`);
        }
      }
      const all = await pages(s, { owner }, 2, false);
      assert.deepEqual([...all].sort(), dseqs);
      const back = await pages(s, { owner }, 2, true);
      assert.deepEqual([...back].sort(), dseqs);
      const total = await s.akash.deployment.v1beta4.getDeployments({ filters: { owner, state: "active" }, pagination: { limit: 1, countTotal: true } });
      assert.equal(text(total.pagination.total), "4");
      const second = await s.akash.deployment.v1beta4.getDeployments({ filters: { owner, state: "active" }, pagination: { offset: 1, limit: 2 } });
      assert.deepEqual(second.deployments.map((d) => Number(text(d.deployment.id.dseq))), dseqs.slice(4, 6));
    });
  }

  await check("the paths that web consoles ask", async () => {
    const get = async (path) => {
      const r = await request("GET", market.rest + path);
      assert.equal(r.status, 200, `${path}: ${r.status} ${r.body}`);
      return json(r);
    };
    const list = await get(`/akash/deployment/v1beta4/deployments/list?filters.owner=${owner}&filters.state=active&pagination.limit=2&pagination.countTotal=true`);
    assert.equal(list.deployments.length, 2);
    assert.equal(typeof list.deployments[0].deployment.id.dseq, "string");
    assert.match(list.deployments[0].escrow_account.state.funds[0].amount, /^\d+\.\d{18}$/);
    const unit = list.deployments[0].groups[0].group_spec.resources[0];
    assert.equal(unit.price.denom, "uact");
    assert.deepEqual([unit.resource.cpu.units.val, unit.resource.memory.quantity.val, unit.resource.gpu.units.val], ["20", "134217728", "0"]);
    const { groups } = await grpc.akash.deployment.v1beta4.getDeployment({ id: id(dseqs[3]) });
    assert.equal(Buffer.from(groups[0].groupSpec.resources[0].resource.cpu.units.val).toString(), "20");
    const info = await get(`/akash/deployment/v1beta4/deployments/info?id.owner=${owner}&id.dseq=${dseqs[0]}`);
    assert.equal(info.deployment.state, "closed");
    assert.equal(Buffer.from(info.deployment.hash, "base64").toString("hex"), Buffer.from(web.hash).toString("hex"));
    const bids = await get(`/akash/market/v1beta5/bids/list?filters.owner=${owner}&filters.dseq=${dseqs[3]}`);
    assert.equal(bids.bids[0]?.bid.state, "open");
    const leases = await get(`/akash/market/v1beta5/leases/list?filters.owner=${owner}&filters.state=closed`);
    assert.equal(leases.leases[0].lease.reason, "lease_closed_owner");
    await get(`/akash/provider/v1beta4/providers/${market.provider}`);
    await get(`/akash/cert/v1/certificates/list?filter.owner=${market.provider}&filter.state=valid`);
    await get(`/cosmos/bank/v1beta1/balances/${owner}`);
    await get("/cosmos/base/tendermint/v1beta1/blocks/latest");
    await get("/cosmos/base/tendermint/v1beta1/node_info");
  });

  await step("all are closed", () => transaction(sdk, dseqs.slice(3).map((dseq) => msg(deployments.closeDeployment, { id: id(dseq) }))));
});
