// cosmjs alone: queries, sends, searches, simulation, subscriptions, races for a sequence, readable failures.
import assert from "node:assert/strict";
import { GasPrice, SigningStargateClient, StargateClient, calculateFee } from "@cosmjs/stargate";
import { Comet38Client, connectComet, WebsocketClient } from "@cosmjs/tendermint-rpc";
import { TxRaw } from "cosmjs-types/cosmos/tx/v1beta1/tx.js";
import { address, amino, check, direct, fails, main, market, step, uakt, until } from "./lib.mjs";

await main(async () => {
  const from = address("plain"), to = address("poor");
  const options = { gasPrice: GasPrice.fromString("0.025uakt"), broadcastPollIntervalMs: 100 };
  const signing = await step("connects, with the codec of CometBFT 0.38", async () => {
    const comet = await connectComet(market.node);
    assert.ok(comet instanceof Comet38Client, comet.constructor.name);
    return SigningStargateClient.connectWithSigner(market.node, await direct("plain"), options);
  });
  const read = await StargateClient.connect(market.node);

  await check("chain id, height, account, balances, block", async () => {
    assert.equal(await read.getChainId(), market.chainId);
    assert.ok((await read.getHeight()) > 1);
    assert.equal((await read.getAccount(from)).address, from);
    assert.equal((await read.getBalance(from, "uact")).amount, "1000000000");
    assert.equal((await read.getAllBalances(from)).length, 2);
    assert.equal((await read.getBlock(2)).header.height, 2);
    assert.equal(await read.getAccount(address("nobody")), null);
  });

  const sent = await step("sendTokens with gas found by simulation", async () => {
    const before = Number((await read.getBalance(to, "uakt")).amount);
    const r = await signing.sendTokens(from, to, [uakt(12_345)], "auto", "a memo");
    assert.equal(r.code, 0, r.rawLog);
    assert.ok(r.gasUsed <= r.gasWanted);
    assert.equal((await read.getBalance(to, "uakt")).amount, String(before + 12_345));
    return r;
  });
  await check("getTx and searchTx find it", async () => {
    const tx = await read.getTx(sent.transactionHash);
    assert.deepEqual([tx.height, tx.code, tx.hash], [sent.height, 0, sent.transactionHash]);
    assert.ok(tx.events.some((e) => e.type === "transfer" && e.attributes.some((a) => a.key === "recipient" && a.value === to)));
    for (const q of [[{ key: "transfer.recipient", value: to }], `tx.height=${sent.height}`, `message.sender='${from}'`]) {
      assert.ok((await read.searchTx(q)).some((t) => t.hash === sent.transactionHash), JSON.stringify(q));
    }
    assert.equal(await read.getTx("0".repeat(64)), null);
  });
  await check("amino signer: the same send", async () => {
    const c = await SigningStargateClient.connectWithSigner(market.node, await amino("plain"), options);
    assert.equal((await c.sendTokens(from, to, [uakt(1)], "auto")).code, 0);
  });

  await check("WebSocket: NewBlock and Tx are heard", async () => {
    const ws = new WebsocketClient(market.node.replace(/^http/, "ws"), (e) => { throw e; });
    const comet = Comet38Client.create(ws);
    const heights = [], hashes = [];
    const subs = [comet.subscribeNewBlock().subscribe({ next: (b) => heights.push(b.header.height) }),
      comet.subscribeTx(`transfer.recipient='${to}'`).subscribe({ next: (t) => hashes.push(Buffer.from(t.hash).toString("hex").toUpperCase()) })];
    await until("a block", () => heights.length > 0);
    const r = await signing.sendTokens(from, to, [uakt(2)], "auto");
    await until("the transaction", () => hashes.includes(r.transactionHash));
    await until("three blocks", () => heights.length >= 3);
    assert.deepEqual(heights, heights.map((_, i) => heights[0] + i), "every block, in order");
    subs.forEach((s) => s.unsubscribe());
    comet.disconnect();
  });

  const fee = calculateFee(100_000, options.gasPrice);
  await check("two sends at once: one is refused for its sequence, and sent again it is taken", async () => {
    const msg = { typeUrl: "/cosmos.bank.v1beta1.MsgSend", value: { fromAddress: from, toAddress: to, amount: [uakt(3)] } };
    const before = BigInt((await read.getBalance(to, "uakt")).amount);
    const results = await Promise.allSettled([signing.signAndBroadcast(from, [msg], fee, "one"), signing.signAndBroadcast(from, [msg], fee, "two")]);
    const bad = results.filter((r) => r.status === "rejected");
    for (const r of bad) {
      assert.deepEqual([r.reason.code, r.reason.codespace], [32, "sdk"], String(r.reason));
      assert.match(r.reason.log, /account sequence mismatch, expected \d+, got \d+/);
      assert.equal((await signing.signAndBroadcast(from, [msg], fee, "again")).code, 0);
    }
    assert.equal(BigInt((await read.getBalance(to, "uakt")).amount), before + 6n);
    return `${bad.length} refused`;
  });
  await check("several of one account in the mempool, by explicit sequences", async () => {
    const { accountNumber, sequence } = await signing.getSequence(from);
    const msg = { typeUrl: "/cosmos.bank.v1beta1.MsgSend", value: { fromAddress: from, toAddress: to, amount: [uakt(1)] } };
    const hashes = [];
    for (let i = 0; i < 5; i++) {
      const raw = await signing.sign(from, [msg], fee, "", { accountNumber, sequence: sequence + i, chainId: market.chainId });
      hashes.push(await signing.broadcastTxSync(TxRaw.encode(raw).finish()));
    }
    await until("all in blocks", async () => (await Promise.all(hashes.map((h) => read.getTx(h)))).every((t) => t?.code === 0));
  });

  await check("a failing transaction: code and log are readable", async () => {
    const msg = { typeUrl: "/cosmos.bank.v1beta1.MsgSend", value: { fromAddress: from, toAddress: to, amount: [uakt("999999999999999")] } };
    const r = await signing.signAndBroadcast(from, [msg], fee);
    assert.equal(r.code, 5);
    assert.match(r.rawLog, /insufficient funds/);
    assert.match((await fails(() => signing.simulate(from, [msg], ""))).message, /insufficient funds/);
  });
  await check("too little gas is code 11", async () => {
    const msg = { typeUrl: "/cosmos.bank.v1beta1.MsgSend", value: { fromAddress: from, toAddress: to, amount: [uakt(1)] } };
    const e = await signing.signAndBroadcast(from, [msg], { amount: [uakt(5000)], gas: "20000" }).then((r) => r, (x) => x);
    assert.equal(e.code, 11, String(e));
  });
  await check("no fee is code 13, another chain's signature code 4", async () => {
    const msg = { typeUrl: "/cosmos.bank.v1beta1.MsgSend", value: { fromAddress: from, toAddress: to, amount: [uakt(1)] } };
    const e = await fails(() => signing.signAndBroadcast(from, [msg], { amount: [], gas: "100000" }));
    assert.deepEqual([e.code, e.codespace], [13, "sdk"]);
    const { accountNumber, sequence } = await signing.getSequence(from);
    const raw = await signing.sign(from, [msg], fee, "", { accountNumber, sequence, chainId: "another-1" });
    const f = await fails(() => signing.broadcastTxSync(TxRaw.encode(raw).finish()));
    assert.deepEqual([f.code, f.codespace], [4, "sdk"]);
  });
});
