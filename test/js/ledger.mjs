// Hardware wallets and Keplr sign amino JSON. Every message of ours that a wallet signs, signed that way by
// cosmjs with a converter made of the SDK's published types: a tenant's and a provider's whole life.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { AminoTypes, createBankAminoConverters } from "@cosmjs/stargate";
import * as v1 from "@akashnetwork/chain-sdk/private-types/akash.v1";
import * as v1beta4 from "@akashnetwork/chain-sdk/private-types/akash.v1beta4";
import * as v1beta5 from "@akashnetwork/chain-sdk/private-types/akash.v1beta5";
import { certificateManager } from "@akashnetwork/chain-sdk";
import { address, amino, build, check, fromBalance, grpcSDK, main, market, nextDseq, uact, uakt, until } from "./lib.mjs";

const bytes = (v) => Buffer.from(v).toString("base64");

// amino gives amino JSON of a message: proto field names, nothing that is empty, 64-bit numbers and decimals
// as text, decimals with 18 digits, bytes as base64. spec says which fields are decimals.
function toAmino(v, spec = {}) {
  const out = {};
  for (const [k, x] of Object.entries(v)) {
    const name = k.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
    const y = field(x, spec[k]);
    if (y !== undefined) out[name] = y;
  }
  return out;
}
function field(x, spec) {
  if (x === undefined || x === null || x === "" || x === 0 || x === false) return undefined;
  if (spec === "dec") {
    const [whole, part = ""] = x.split(".");
    return `${whole}.${part.padEnd(18, "0")}`;
  }
  if (x instanceof Uint8Array) return x.length === 0 ? undefined : bytes(x);
  if (typeof x === "object" && "low" in x && "high" in x) return x.isZero() ? undefined : x.toString();
  if (Array.isArray(x)) return x.length === 0 ? undefined : x.map((e) => (typeof e === "object" ? toAmino(e, spec) : e));
  if (typeof x === "object") return toAmino(x, spec);
  return x;
}

const dec = { amount: "dec" };
const groups = { resources: { price: dec } };
const specs = {
  "akash.deployment.v1beta4.MsgCreateDeployment": [v1beta4.MsgCreateDeployment, { groups }],
  "akash.deployment.v1beta4.MsgUpdateDeployment": [v1beta4.MsgUpdateDeployment],
  "akash.deployment.v1beta4.MsgCloseDeployment": [v1beta4.MsgCloseDeployment],
  "akash.deployment.v1beta4.MsgPauseGroup": [v1beta4.MsgPauseGroup],
  "akash.deployment.v1beta4.MsgStartGroup": [v1beta4.MsgStartGroup],
  "akash.deployment.v1beta4.MsgCloseGroup": [v1beta4.MsgCloseGroup],
  "akash.market.v1beta5.MsgCreateLease": [v1beta5.MsgCreateLease],
  "akash.market.v1beta5.MsgCloseLease": [v1beta5.MsgCloseLease],
  "akash.market.v1beta5.MsgCreateBid": [v1beta5.MsgCreateBid, { price: dec }],
  "akash.market.v1beta5.MsgCloseBid": [v1beta5.MsgCloseBid],
  "akash.market.v1beta5.MsgWithdrawLease": [v1beta5.MsgWithdrawLease],
  "akash.escrow.v1.MsgAccountDeposit": [v1.MsgAccountDeposit],
  "akash.cert.v1.MsgCreateCertificate": [v1.MsgCreateCertificate],
  "akash.cert.v1.MsgRevokeCertificate": [v1.MsgRevokeCertificate],
  "akash.provider.v1beta4.MsgCreateProvider": [v1beta4.MsgCreateProvider],
  "akash.provider.v1beta4.MsgUpdateProvider": [v1beta4.MsgUpdateProvider],
  "akash.provider.v1beta4.MsgDeleteProvider": [v1beta4.MsgDeleteProvider],
  "akash.audit.v1.MsgSignProviderAttributes": [v1.MsgSignProviderAttributes],
  "akash.audit.v1.MsgDeleteProviderAttributes": [v1.MsgDeleteProviderAttributes],
};

// legacyName is the name that Akash's own modules register with amino.
const legacyName = (type) => {
  const [, module, , name] = type.split(".");
  if (module === "provider") return `provider/${name}`;
  if (module === "escrow") return "akash-sdk/x/escrow/v1/";
  return `akash-sdk/x/${module}/${name}`;
};

const used = new Set();
const types = (nameOf) => new AminoTypes({ ...createBankAminoConverters(), ...Object.fromEntries(Object.entries(specs).map(([type, [T, spec]]) => {
  let last; // cosmjs makes the message anew out of what was signed; nothing here changes it
  return [`/${type}`, {
    aminoType: nameOf(type),
    toAmino: (m) => {
      used.add(type);
      last = m;
      return toAmino(T.decode(T.encode(m).finish()), spec);
    },
    fromAmino: () => last,
  }];
})) });

await main(async () => {
  const [tenant, seller] = [address("ledger"), address("seller")];
  const as = async (name, nameOf) => grpcSDK(await amino(name), { stargateOptions: { aminoTypes: types(nameOf) } });
  const web = await build(readFileSync(market.web, "utf8").replace("units: 0.25", "units: 0.02").replace("    anywhere:\n      pricing:", "    anywhere:\n      attributes: {ledger: yes-please}\n      pricing:"));

  for (const [names, nameOf] of [["type URLs, as chains since SDK 0.50 have it", (t) => `/${t}`], ["legacy names", legacyName]]) {
    const t = await as("ledger", nameOf), s = await as("seller", nameOf);
    const d = t.akash.deployment.v1beta4, m = t.akash.market.v1beta5, p = s.akash.provider.v1beta4, sm = s.akash.market.v1beta5;

    await check(`${names}: provider create, update, delete`, async () => {
      const info = { owner: seller, hostUri: "https://seller.example:8443", attributes: [{ key: "ledger", value: "yes-please" }], info: { email: "a@b.example", website: "" } };
      await p.createProvider(info);
      await p.updateProvider({ ...info, attributes: [...info.attributes, { key: "more", value: "1" }] });
      assert.equal((await p.getProvider({ owner: seller })).provider.attributes.length, 2);
      await p.deleteProvider({ owner: seller });
      await p.createProvider(info);
    });
    await check(`${names}: certificate create, revoke`, async () => {
      const pem = await certificateManager.generatePEM(tenant);
      await t.akash.cert.v1.createCertificate({ owner: tenant, cert: Buffer.from(pem.cert), pubkey: Buffer.from(pem.publicKey) });
      await t.akash.cert.v1.revokeCertificate({ id: { owner: tenant, serial: BigInt(`0x${(await certificateManager.parsePem(pem.cert)).hSerial}`).toString() } });
    });
    await check(`${names}: auditor's attributes`, async () => {
      await s.akash.audit.v1.signProviderAttributes({ owner: seller, auditor: seller, attributes: [{ key: "ledger", value: "yes-please" }] });
      await s.akash.audit.v1.deleteProviderAttributes({ owner: seller, auditor: seller, keys: ["ledger"] });
    });
    await check(`${names}: deployment, bid, lease, withdraw, deposit, close`, async () => {
      const id = { owner: tenant, dseq: nextDseq() };
      const group = { ...id, gseq: 1 };
      await d.createDeployment({ id, groups: web.groupSpecs, hash: web.hash, deposit: { amount: uact(1_000_000), sources: [fromBalance] } });
      await d.updateDeployment({ id, hash: Uint8Array.from(web.hash, (b) => b ^ 1) });
      await t.akash.escrow.v1.accountDeposit({ signer: tenant, id: { scope: 1, xid: `${tenant}/${id.dseq}` }, deposit: { amount: uact(1), sources: [fromBalance] } });
      await d.pauseGroup({ id: group });
      await d.startGroup({ id: group });
      const bidOf = (oseq) => ({ owner: tenant, dseq: id.dseq, gseq: 1, oseq, provider: seller, bseq: 0 });
      const spec = web.groupSpecs[0].resources[0];
      const bid = (oseq) => sm.createBid({ id: bidOf(oseq), price: { denom: "uact", amount: "12.5" }, deposit: { amount: uact(500_000), sources: [fromBalance] }, resourcesOffer: [{ resources: spec.resource, count: spec.count }] });
      await bid(2);
      await sm.closeBid({ id: bidOf(2), reason: 10002 });
      await d.pauseGroup({ id: group });
      await d.startGroup({ id: group });
      await bid(3);
      await m.createLease({ bidId: bidOf(3) });
      // In the block after the lease nothing is due: a simulation there finds too little gas for the next one.
      const made = Number((await m.getLease({ id: bidOf(3) })).lease.createdAt.toString());
      await until("two blocks are due", async () => Number((await t.cosmos.base.tendermint.v1beta1.getLatestBlock({})).block.header.height.toString()) >= made + 2);
      await sm.withdrawLease({ id: bidOf(3) });
      await m.closeLease({ id: bidOf(3), reason: 1 });
      await d.closeGroup({ id: group });
      await d.closeDeployment({ id });
      assert.equal((await d.getDeployment({ id })).deployment.state, 2);
    });
    await p.deleteProvider({ owner: seller }).catch(() => {});
    await check(`${names}: bank send`, () => t.cosmos.bank.v1beta1.send({ fromAddress: tenant, toAddress: seller, amount: [uakt(1)] }));
  }
  await check("every message of ours was signed", () => assert.deepEqual(Object.keys(specs).filter((t) => !used.has(t)), []));
});
