// The whole life of leases with the SDK over gRPC and RPC, as its README shows it: certificate, deployment,
// bids, lease, manifest by mutual TLS and by tokens, status, page, logs, events, shell, update, money, close.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { JwtTokenManager, certificateManager, msg, transaction } from "@akashnetwork/chain-sdk";
import { toBase64 } from "@cosmjs/encoding";
import { BasicAllowance } from "@akashnetwork/chain-sdk/private-types/cosmos.v1beta1";
import { DepositAuthorization, DepositAuthorization_Scope } from "@akashnetwork/chain-sdk/private-types/akash.v1";
import { address, amino, build, check, direct, fromBalance, fromGrant, grpcSDK, json, main, market, nextDseq, rawSign, request, step, text, uact, uakt, until } from "./lib.mjs";
import { checkProvider, exec, gatewayOf, leaseStatus, page, putManifest, shellURL, socket } from "./provider.mjs";

const act = async (sdk, who) => BigInt((await sdk.cosmos.bank.v1beta1.getBalance({ address: who, denom: "uact" })).balance.amount);
const akt = async (sdk, who) => BigInt((await sdk.cosmos.bank.v1beta1.getBalance({ address: who, denom: "uakt" })).balance.amount);

await main(async () => {
  const owner = address("tenant");
  const wallet = await direct("tenant");
  const sdk = grpcSDK(wallet);
  const { deployment: { v1beta4: deployments }, market: { v1beta5: markets }, cert: { v1: certs }, escrow: { v1: escrow } } = sdk.akash;

  await check("versions: RPC method akash and REST agree, and offer v1beta4", async () => {
    const rpc = json(await request("POST", market.node, { body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "akash", params: {} }) })).result;
    const rest = json(await request("GET", `${market.rest}/akash/discovery/v1/info`));
    for (const info of [rpc, rest.info ?? rest]) {
      assert.equal(info.client_info.api_version, "v1beta3");
      const newest = info.client_info.supported_versions?.[0] ?? info.supported_versions?.[0];
      assert.equal(newest.api_version ?? newest.apiVersion, "v1beta4", JSON.stringify(info));
    }
    const { nodeInfo } = await sdk.cosmos.base.tendermint.v1beta1.getNodeInfo({}).then((r) => ({ nodeInfo: r.defaultNodeInfo }));
    assert.equal(nodeInfo.network, market.chainId);
  });

  await check("balances of both coins", async () => {
    const { balances } = await sdk.cosmos.bank.v1beta1.getAllBalances({ address: owner });
    assert.deepEqual(balances.map((b) => b.denom), ["uact", "uakt"]);
  });

  const web = await step("SDL: the SDK's hash is ours, for each example", async () => {
    for (const file of [market.web, market.twoServices]) {
      const ours = JSON.parse(execFileSync(market.bin, ["sdl", "check", file, "-o", "json"]).toString());
      const theirs = await build(readFileSync(file, "utf8"));
      assert.equal(Buffer.from(theirs.hash).toString("hex"), ours.hash, file);
    }
    return build(readFileSync(market.web, "utf8"));
  });

  const pem = await step("certificate: create, and the chain has it", async () => {
    const pem = await certificateManager.generatePEM(owner);
    await certs.createCertificate({ owner, cert: Buffer.from(pem.cert), pubkey: Buffer.from(pem.publicKey) });
    const { certificates } = await certs.getCertificates({ filter: { owner, state: "valid" } });
    assert.equal(certificates.length, 1);
    assert.equal(Buffer.from(certificates[0].certificate.cert).toString(), pem.cert);
    assert.equal(certificates[0].serial, BigInt(`0x${(await certificateManager.parsePem(pem.cert)).hSerial}`).toString());
    return pem;
  });
  // README: the client's certificate and key, nothing else.
  const mtls = { cert: pem.cert, key: pem.privateKey };

  // lease makes a deployment and a lease for each of its groups, and returns its number.
  const open = async (b, deposit = 5_000_000) => {
    const dseq = nextDseq();
    await deployments.createDeployment({ id: { owner, dseq }, groups: b.groupSpecs, hash: b.hash, deposit: { amount: uact(deposit), sources: [fromBalance] } });
    return dseq;
  };
  const bidsOf = (dseq, n) => until("bids", async () => {
    const { bids } = await markets.getBids({ filters: { owner, dseq, state: "open" } });
    return bids.length >= n && bids;
  });
  const uris = (gateway, dseq, auth, gseq = 1) => until("the services have addresses", async () => {
    const r = await leaseStatus(gateway, dseq, auth, gseq);
    const s = r.status === 200 && json(r).services;
    return s && Object.values(s).every((x) => x.available === x.total && x.total > 0) && Object.values(s).flatMap((x) => x.uris ?? []);
  });

  const before = await act(sdk, owner);
  const dseq = await step("createDeployment, and the chain has what was sent", async () => {
    const dseq = await open(web);
    const d = await deployments.getDeployment({ id: { owner, dseq } });
    assert.equal(text(d.deployment.id.dseq), String(dseq));
    assert.equal(Buffer.from(d.deployment.hash).toString("hex"), Buffer.from(web.hash).toString("hex"));
    assert.equal(d.groups.length, 1);
    assert.equal(d.groups[0].groupSpec.name, web.groupSpecs[0].name);
    assert.equal(Math.trunc(Number(d.escrowAccount.state.funds.find((f) => f.denom === "uact").amount)), 5_000_000);
    return dseq;
  });

  const bid = await step("bids", async () => {
    const [b] = await bidsOf(dseq, 1);
    assert.equal(b.bid.id.provider, market.provider);
    assert.ok(Number(b.bid.price.amount) > 0, "a price");
    assert.equal(b.escrowAccount.id.scope, 2);
    return b.bid;
  });

  await step("createLease, getLeases", async () => {
    await markets.createLease({ bidId: bid.id });
    const { leases } = await markets.getLeases({ filters: { owner, dseq, state: "active" } });
    assert.equal(leases.length, 1);
    assert.equal(leases[0].lease.id.provider, market.provider);
    assert.equal(Number(leases[0].escrowPayment.state.rate.amount), Number(bid.price.amount));
  });

  const gateway = await step("the provider's record, and its certificate is the chain's", async () => {
    const gateway = await gatewayOf(sdk, market.provider);
    const r = await request("GET", `${gateway}/version`);
    assert.equal(r.status, 200);
    await checkProvider(sdk, market.provider, r.peer);
    return gateway;
  });

  const uri = await step("manifest by mutual TLS, status until it runs", async () => {
    const r = await putManifest(gateway, dseq, web.manifest, mtls);
    assert.equal(r.status, 200, r.body);
    assert.equal(r.body, "");
    const [u] = await uris(gateway, dseq, mtls);
    return u;
  });

  await step("the page answers 200", () => until("200", async () => {
    const r = await page(uri);
    return r.status === 200 && r.body === "Hello from akash";
  }));

  const tokens = {};
  await step("tokens: ES256KADR36 of an amino wallet, ES256K of a key", async () => {
    const now = Math.floor(Date.now() / 1000);
    const claims = { version: "v1", iss: owner, iat: now, nbf: now, exp: now + 900, leases: { access: "full" } };
    tokens.adr36 = await new JwtTokenManager(await amino("tenant")).generateToken(claims);
    tokens.es256k = await new JwtTokenManager({
      algorithm: "ES256K",
      signArbitrary: async (_, data) => {
        const sig = await rawSign("tenant", data);
        return { pub_key: { type: "tendermint/PubKeySecp256k1", value: toBase64((await wallet.getAccounts())[0].pubkey) }, signature: toBase64(sig) };
      },
    }).generateToken(claims);
    for (const [alg, token] of Object.entries({ ES256KADR36: tokens.adr36, ES256K: tokens.es256k })) {
      assert.equal(JSON.parse(Buffer.from(token.split(".")[0], "base64url")).alg, alg);
    }
  });

  for (const [name, auth] of Object.entries({ "mutual TLS": mtls, ES256K: { token: tokens.es256k }, ES256KADR36: { token: tokens.adr36 } })) {
    await check(`${name}: status, logs, events, shell`, async () => {
      const status = json(await leaseStatus(gateway, dseq, auth));
      assert.equal(status.services.web.name, "web");
      assert.equal(status.services.web.available, 1);

      const logs = await socket(`${gateway}/lease/${dseq}/1/1/logs?follow=false&tail=100`, auth);
      await logs.closed;
      const lines = logs.frames.map((f) => JSON.parse(f.data));
      assert.ok(lines.some((l) => l.message === "listening, Hello from akash" && l.name.startsWith("web")), JSON.stringify(lines));

      const events = await socket(`${gateway}/lease/${dseq}/1/1/kubeevents?follow=false`, auth);
      const { code } = await events.closed;
      assert.equal(code, 1000);
      const e = events.frames.map((f) => JSON.parse(f.data));
      assert.ok(e.length > 0 && e.every((x) => x.type && x.reason && x.note && x.object.kind), JSON.stringify(e));

      const sh = await exec(shellURL(gateway, dseq, "web", ["/app", "exit", "7"]), auth);
      assert.deepEqual([sh.stdout, sh.end], ["about to end with 7\n", { exit_code: 7 }]);
    });
  }

  await check("updateDeployment and the new manifest: the new page is served, the old hash is refused", async () => {
    const next = await build(readFileSync(market.web, "utf8").replace("Hello from akash", "Hello after the update"));
    const early = await putManifest(gateway, dseq, next.manifest, { token: tokens.es256k });
    assert.equal(early.status, 422, early.body);
    await deployments.updateDeployment({ id: { owner, dseq }, hash: next.hash });
    const r = await putManifest(gateway, dseq, next.manifest, { token: tokens.es256k });
    assert.equal(r.status, 200, r.body);
    await until("the new page", async () => (await page(uri)).body === "Hello after the update");
  });

  await check("accountDeposit by another's account; both get theirs back at the end", async () => {
    const friend = grpcSDK(await direct("friend"));
    const had = await act(sdk, address("friend"));
    await friend.akash.escrow.v1.accountDeposit({ signer: address("friend"), id: { scope: 1, xid: `${owner}/${dseq}` }, deposit: { amount: uact(1_000_000), sources: [fromBalance] } });
    const { accounts } = await escrow.getAccounts({ state: "open", xid: `${owner}/${dseq}` });
    assert.equal(accounts.length, 1);
    assert.deepEqual(accounts[0].state.deposits.map((d) => d.owner), [owner, address("friend")]);
    assert.equal(await act(sdk, address("friend")), had - 1_000_000n);
    await deployments.closeDeployment({ id: { owner, dseq } });
    const d = await deployments.getDeployment({ id: { owner, dseq } });
    assert.equal(d.deployment.state, 2, "closed");
    const { leases } = await markets.getLeases({ filters: { owner, dseq } });
    const paid = BigInt(leases[0].escrowPayment.state.withdrawn.amount.split(".")[0]);
    assert.ok(paid > 0n, "the lease cost something");
    assert.equal(leases[0].lease.state, 3, "closed");
    assert.equal(await act(sdk, owner), before - paid, "the tenant paid what the lease withdrew");
    assert.equal(await act(sdk, address("friend")), had, "the friend's deposit came back whole");
    await until("the page is gone", async () => (await page(uri)).status !== 200);
    return `paid ${paid} uact`;
  });

  await check("two groups: both leases in one transaction, manifest by ES256KADR36", async () => {
    const two = await build(readFileSync(market.twoGroups, "utf8"));
    const dseq = await open(two);
    const bids = await bidsOf(dseq, 2);
    assert.deepEqual(bids.map((b) => b.bid.id.gseq).sort(), [1, 2]);
    const tx = await transaction(sdk, bids.map((b) => msg(markets.createLease, { bidId: b.bid.id })), { memo: "two at once" });
    assert.equal(tx.code, 0);
    const { leases } = await markets.getLeases({ filters: { owner, dseq, state: "active" } });
    assert.equal(leases.length, 2);
    const r = await putManifest(gateway, dseq, two.manifest, { token: tokens.adr36 });
    assert.equal(r.status, 200, r.body);
    for (const gseq of [1, 2]) {
      const [u] = await uris(gateway, dseq, { token: tokens.adr36 }, gseq);
      await until(`the page of group ${gseq}`, async () => (await page(u)).status === 200);
    }
    await deployments.closeGroup({ id: { owner, dseq, gseq: 2 } });
    const left = await markets.getLeases({ filters: { owner, dseq, state: "active" } });
    assert.deepEqual(left.leases.map((l) => l.lease.id.gseq), [1]);
    await deployments.closeDeployment({ id: { owner, dseq } });
  });

  await check("deposit out of another's authz grant; it is given back to the grant", async () => {
    const granter = grpcSDK(await direct("friend"));
    const spendLimit = uact(3_000_000);
    await granter.cosmos.authz.v1beta1.grant({
      granter: address("friend"), grantee: owner,
      grant: {
        authorization: { typeUrl: "/akash.escrow.v1.DepositAuthorization", value: DepositAuthorization.encode(DepositAuthorization.fromPartial({ spendLimit, scopes: [DepositAuthorization_Scope.deployment] })).finish() },
        expiration: new Date(Date.now() + 3_600_000),
      },
    });
    const limit = async () => {
      const { grants } = await sdk.cosmos.authz.v1beta1.getGrants({ granter: address("friend"), grantee: owner, msgTypeUrl: "/akash.escrow.v1.MsgAccountDeposit" });
      assert.equal(grants.length, 1);
      const a = grants[0].authorization;
      assert.equal(a.typeUrl, "/akash.escrow.v1.DepositAuthorization");
      return DepositAuthorization.decode(a.value).spendLimit.amount;
    };
    assert.equal(await limit(), "3000000");
    const [mine, theirs] = [await act(sdk, owner), await act(sdk, address("friend"))];
    const dseq = nextDseq();
    await deployments.createDeployment({ id: { owner, dseq }, groups: web.groupSpecs, hash: web.hash, deposit: { amount: uact(2_000_000), sources: [fromGrant, fromBalance] } });
    assert.equal(await limit(), "1000000");
    assert.equal(await act(sdk, owner), mine, "the tenant paid nothing");
    assert.equal(await act(sdk, address("friend")), theirs - 2_000_000n);
    await bidsOf(dseq, 1); // one that comes after the simulation of the close makes it dearer
    await deployments.closeDeployment({ id: { owner, dseq } });
    assert.equal(await limit(), "3000000", "the grant is whole again");
    assert.equal(await act(sdk, address("friend")), theirs);
  });

  await check("fees out of another's allowance", async () => {
    const granter = grpcSDK(await direct("friend"));
    await granter.cosmos.feegrant.v1beta1.grantAllowance({
      granter: address("friend"), grantee: owner,
      allowance: { typeUrl: "/cosmos.feegrant.v1beta1.BasicAllowance", value: BasicAllowance.encode(BasicAllowance.fromPartial({ spendLimit: [uakt(1_000_000)] })).finish() },
    });
    const [mine, theirs] = [await akt(sdk, owner), await akt(sdk, address("friend"))];
    await sdk.cosmos.bank.v1beta1.send({ fromAddress: owner, toAddress: address("friend"), amount: [uakt(1)] }, { fee: { granter: address("friend") } });
    assert.equal(await akt(sdk, owner), mine - 1n, "only what was sent");
    assert.ok((await akt(sdk, address("friend"))) < theirs + 1n, "the friend paid the fee");
  });

  await check("certificate revoked: the chain says so and the gateway refuses it", async () => {
    const serial = BigInt(`0x${(await certificateManager.parsePem(pem.cert)).hSerial}`).toString();
    await certs.revokeCertificate({ id: { owner, serial } });
    const { certificates } = await certs.getCertificates({ filter: { owner, state: "revoked" } });
    assert.equal(certificates.length, 1);
    await until("it is refused", async () => {
      try {
        return (await leaseStatus(gateway, dseq, mtls)).status === 401;
      } catch {
        return true; // already by TLS
      }
    });
  });
});
