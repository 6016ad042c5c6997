// Makes one new wallet for each name given and prints them as JSON.
import "./lib.mjs";
import { DirectSecp256k1HdWallet } from "@cosmjs/proto-signing";

const wallets = {};
for (const name of process.argv.slice(2)) {
  const w = await DirectSecp256k1HdWallet.generate(12, { prefix: "akash" });
  wallets[name] = { mnemonic: w.mnemonic, address: (await w.getAccounts())[0].address };
}
console.log(JSON.stringify(wallets));
