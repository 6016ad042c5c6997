// The SDK's provider client: status once and as a stream, over gRPC.
import assert from "node:assert/strict";
import { createProviderSDK } from "@akashnetwork/chain-sdk";
import { check, main, market, text } from "./lib.mjs";

await main(async () => {
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0"; // the provider's certificate is its own
  const { akash: { provider: { v1: provider } } } = createProviderSDK({ baseUrl: market.providerGRPC });
  await check("getStatus", async () => {
    const s = await provider.getStatus();
    const [node] = s.cluster.inventory.cluster.nodes;
    assert.ok(node.resources.cpu.info.length > 0 && node.resources.cpu.info[0].vcores > 0);
    assert.match(node.resources.memory.quantity.allocatable.string, /^\d+/);
    assert.ok(node.capabilities.storageClasses.includes("default"));
    assert.ok(s.publicHostnames.length > 0);
    assert.ok(Math.abs(s.timestamp - Date.now()) < 60_000, String(s.timestamp));
    return `${s.cluster.leases.active} leases, ${text(s.bidEngine.orders)} orders`;
  });
  await check("streamStatus: the first comes at once, the stream ends when it is left", async () => {
    const from = Date.now();
    for await (const s of await provider.streamStatus()) {
      assert.ok(s.cluster.inventory.cluster.nodes.length > 0);
      assert.ok(Date.now() - from < 5000);
      break;
    }
  });
});
