package appcmd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"cosmossdk.io/math"

	"github.com/cosmos/cosmos-sdk/client/keys"
	"github.com/cosmos/cosmos-sdk/client/tx"
	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	"github.com/cosmos/cosmos-sdk/crypto/keys/ed25519"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	"github.com/akash-supercloud/akash/app"
	appcmd "github.com/akash-supercloud/akash/app/cmd"
	"github.com/akash-supercloud/akash/app/genesis"
	"github.com/akash-supercloud/akash/app/node"
)

func root() *cobra.Command {
	cmd := &cobra.Command{Use: "akash", SilenceErrors: true, SilenceUsage: true}
	for _, name := range []string{"chain-id", "from", "grpc", "keyring-backend", "keyring-dir", "node", "gas-prices", "gas-adjustment"} {
		cmd.PersistentFlags().String(name, "", "as in the program's root")
	}
	cmd.PersistentFlags().StringP("output", "o", "text", "as in the program's root")
	cmd.AddCommand(appcmd.Start(), appcmd.Genesis(), appcmd.Comet(), appcmd.Export(), appcmd.Snapshots(), appcmd.Prune(), appcmd.Rollback(),
		appcmd.Tx(), appcmd.Query(), keys.Commands())
	return cmd
}

// The test binary is also the program under test: some commands leave databases open until they exit.
func TestMain(m *testing.M) {
	if os.Getenv("AKASH_TEST_COMMAND") == "" {
		os.Exit(m.Run())
	}
	cmd := root()
	cmd.SetOut(os.Stdout)
	if err := cmd.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func process(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "AKASH_TEST_COMMAND=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("akash %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

func run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := try(args...)
	if err != nil {
		t.Fatalf("akash %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func try(args ...string) (string, error) {
	var out bytes.Buffer
	cmd := root()
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(io.Discard)
	cmd.SetIn(strings.NewReader(""))
	err := cmd.ExecuteContext(context.Background())
	return out.String(), err
}

// TestNetworkByCommands makes a network with the genesis commands, runs it, and sends coins on it.
func TestNetworkByCommands(t *testing.T) {
	home := t.TempDir()
	enc := app.NewEncoding()
	kr, err := keyring.New(app.Name, keyring.BackendTest, home, nil, enc.Codec)
	if err != nil {
		t.Fatal(err)
	}
	addr := map[string]string{}
	for _, name := range []string{"val", "friend"} {
		k, _, err := kr.NewMnemonic(name, keyring.English, sdk.FullFundraiserPath, "", hd.Secp256k1)
		if err != nil {
			t.Fatal(err)
		}
		a, err := k.GetAddress()
		if err != nil {
			t.Fatal(err)
		}
		addr[name] = a.String()
	}
	h := []string{"--home", home}
	in := func(args ...string) string { return run(t, append(args, h...)...) }
	in("genesis", "init", "me", "--preset", "local", "--chain-id", "cmd-1")
	if _, err := try(append([]string{"genesis", "init", "me"}, h...)...); err == nil {
		t.Error("a second init replaced the genesis")
	}
	in("genesis", "add-account", addr["val"], "2000000000uakt,5000uact")
	in("genesis", "gentx", "val", "1000000000uakt", "--keyring-backend", "test", "--chain-id", "cmd-1")
	if out, want := in("genesis", "collect"), "chain: cmd-1\nvalidators: 1\naccounts: 1\nfile: "+home+"/config/genesis.json\n"; out != want {
		t.Errorf("collect says %q, want %q", out, want)
	}
	var whole struct {
		ChainID  string `json:"chain_id"`
		AppState struct {
			Genutil struct {
				Gentxs []json.RawMessage `json:"gen_txs"`
			} `json:"genutil"`
		} `json:"app_state"`
	}
	if out := in("genesis", "collect", "--output", "json"); json.Unmarshal([]byte(out), &whole) != nil || whole.ChainID != "cmd-1" || len(whole.AppState.Genutil.Gentxs) != 1 {
		t.Errorf("collect as JSON: %.300s", out)
	}
	in("genesis", "validate")

	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan node.Addresses, 1), make(chan error, 1)
	go func() {
		ended <- node.Run(ctx, node.Config{Home: home, RPCAddr: "127.0.0.1:0", GRPCAddr: "127.0.0.1:0", RESTAddr: "127.0.0.1:0", P2PAddr: "127.0.0.1:0",
			Ready: func(a node.Addresses) { ready <- a }})
	}()
	stop := func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	var at node.Addresses
	select {
	case at = <-ready:
	case err := <-ended:
		t.Fatalf("Run: %v", err)
	}
	n := []string{"--node", "tcp://" + at.RPC}
	ask := func(args ...string) string { return run(t, append(append(args, n...), "--output", "json")...) }
	until(t, "the first block", func() bool {
		_, err := try(append([]string{"query", "comet", "block-latest"}, n...)...)
		return err == nil && strings.Contains(ask("query", "bank", "balances", addr["val"]), `"5000"`)
	})
	ask(append([]string{"tx", "bank", "send", "val", addr["friend"], "123uact", "--keyring-backend", "test", "--yes"}, h...)...)
	until(t, "the friend's coins", func() bool {
		return strings.Contains(ask("query", "bank", "balance", addr["friend"], "uact"), `"123"`)
	})
	var acc struct {
		Account struct {
			Value struct {
				Number string `json:"account_number"`
			}
		}
	}
	if err := json.Unmarshal([]byte(ask("query", "auth", "account", addr["friend"])), &acc); err != nil {
		t.Fatal(err)
	}
	if len(acc.Account.Value.Number) > 15 {
		t.Errorf("account number %s is beyond 2^53", acc.Account.Value.Number)
	}
	if out := ask("query", "provider", "providers", "--page-limit", "5"); !strings.Contains(out, `"providers"`) {
		t.Errorf("providers: %s", out)
	}
	if out, err := try(append([]string{"query", "provider", "provider", "--owner", addr["val"]}, n...)...); err == nil || !strings.Contains(err.Error(), "address not found") {
		t.Errorf("an unknown provider: %v %s", err, out)
	}
	stop()
	if out := process(t, append([]string{"export"}, h...)...); !strings.Contains(out, addr["friend"]) {
		t.Errorf("the export doesn't name %s", addr["friend"])
	}
	// Repairs of a stopped node. A snapshot is of a state that a restart is well from.
	process(t, append([]string{"rollback"}, h...)...)
	process(t, append([]string{"snapshots", "export"}, h...)...)
	taken := process(t, append([]string{"snapshots", "list"}, h...)...)
	var height, format, chunks int
	if _, err := fmt.Sscanf(taken, "height: %d format: %d chunks: %d", &height, &format, &chunks); err != nil || height < 1 || chunks < 1 {
		t.Errorf("snapshots list says %q: %v", taken, err)
	}
	process(t, append([]string{"snapshots", "dump", fmt.Sprint(height), fmt.Sprint(format), "--output", home + "/snapshot.tar.gz"}, h...)...)
	if f, err := os.Stat(home + "/snapshot.tar.gz"); err != nil || f.Size() == 0 {
		t.Errorf("the packed snapshot: %v", err)
	}
	process(t, append([]string{"snapshots", "delete", fmt.Sprint(height), fmt.Sprint(format)}, h...)...)
	if left := process(t, append([]string{"snapshots", "list"}, h...)...); strings.Contains(left, "height:") {
		t.Errorf("after delete: %s", left)
	}
	process(t, append([]string{"prune", "everything"}, h...)...)
	if out := process(t, append([]string{"export"}, h...)...); !strings.Contains(out, addr["val"]) {
		t.Error("the pruned state isn't whole")
	}
	if out := process(t, append([]string{"export", "--for-zero-height"}, h...)...); !strings.Contains(out, `"initial_height":0`) && !strings.Contains(out, `"initial_height": 0`) && !strings.Contains(out, `"initial_height":"0"`) && !strings.Contains(out, `"initial_height":1`) {
		t.Errorf("export for height zero: %.300s", out)
	}
	if id := in("comet", "show-node-id"); len(strings.TrimSpace(id)) != 40 {
		t.Errorf("node id %q", id)
	}
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s didn't come within 30 s", what)
}

// TestCollect makes networks of 4 and of 64 validators, each with a gentx of its own, by the commands.
func TestCollect(t *testing.T) {
	for _, n := range []int{4, 64} {
		home, dir := t.TempDir(), t.TempDir()
		h := []string{"--home", home}
		run(t, append([]string{"genesis", "init", "coordinator", "--preset", "mainnet", "--chain-id", "many-1"}, h...)...)
		enc := app.NewEncoding()
		kr := keyring.NewInMemory(enc.Codec)
		var accounts []genesis.Account
		for i := range n {
			name := fmt.Sprintf("validator-%02d", i)
			k, _, err := kr.NewMnemonic(name, keyring.English, sdk.FullFundraiserPath, "", hd.Secp256k1)
			if err != nil {
				t.Fatal(err)
			}
			a, err := k.GetAddress()
			if err != nil {
				t.Fatal(err)
			}
			accounts = append(accounts, genesis.Account{Address: a.String(), Coins: sdk.NewCoins(sdk.NewInt64Coin("uakt", 2_000_000))})
			msg, err := stakingtypes.NewMsgCreateValidator(sdk.ValAddress(a).String(), ed25519.GenPrivKeyFromSecret([]byte(name)).PubKey(), sdk.NewInt64Coin("uakt", 1_000_000),
				stakingtypes.NewDescription(name, "", "", "", ""), stakingtypes.NewCommissionRates(math.LegacyNewDecWithPrec(5, 2), math.LegacyOneDec(), math.LegacyNewDecWithPrec(1, 2)), math.OneInt())
			if err != nil {
				t.Fatal(err)
			}
			b := enc.TxConfig.NewTxBuilder()
			if err := b.SetMsgs(msg); err != nil {
				t.Fatal(err)
			}
			b.SetGasLimit(400_000)
			b.SetMemo(fmt.Sprintf("%040x@127.0.0.1:%d", i, 20000+i))
			f := tx.Factory{}.WithChainID("many-1").WithKeybase(kr).WithTxConfig(enc.TxConfig).WithSignMode(signing.SignMode_SIGN_MODE_DIRECT)
			if err := tx.Sign(context.Background(), f, name, b, true); err != nil {
				t.Fatal(err)
			}
			text, err := enc.TxConfig.TxJSONEncoder()(b.GetTx())
			if err == nil {
				err = os.WriteFile(fmt.Sprintf("%s/%s.json", dir, name), text, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if out, err := try(append([]string{"genesis", "collect", "--gentx-dir", dir}, h...)...); err == nil || !strings.Contains(err.Error(), "validator-00.json: validator-00 stakes 1000000uakt, but its account") {
			t.Errorf("gentxs without accounts: %v %s", err, out)
		}
		path := home + "/config/genesis.json"
		doc, err := genesis.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		var state map[string]json.RawMessage
		if err := json.Unmarshal(doc.AppState, &state); err != nil {
			t.Fatal(err)
		}
		if err := genesis.Fund(enc.Codec, state, accounts); err != nil {
			t.Fatal(err)
		}
		if doc.AppState, err = json.Marshal(state); err != nil {
			t.Fatal(err)
		}
		if err := doc.SaveAs(path); err != nil {
			t.Fatal(err)
		}
		if _, err := try(append([]string{"genesis", "validate"}, h...)...); err == nil || !strings.Contains(err.Error(), "there is no validator") {
			t.Errorf("a genesis without validators: %v", err)
		}
		run(t, append([]string{"genesis", "collect", "--gentx-dir", dir}, h...)...)
		run(t, append([]string{"genesis", "complete"}, h...)...)
		run(t, append([]string{"genesis", "validate", "--supply-of", "mainnet"}, h...)...)
		if doc, err = genesis.Read(path); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(string(doc.AppState), "MsgCreateValidator"); got != n {
			t.Errorf("%d validators in the genesis, want %d", got, n)
		}
	}
}
