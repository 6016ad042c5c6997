// Package inproc is the whole chain in a test: the real App over a database in memory, whose blocks the test makes
// itself. No consensus, no network, no clock.
//
// What always holds: the same calls give the same bytes, app hashes included. Keys come from names, block times from
// heights.
package inproc

import (
	"context"
	"encoding/json"
	"net"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	dbm "github.com/cosmos/cosmos-db"
	"github.com/cosmos/gogoproto/proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"cosmossdk.io/log/v2"
	"cosmossdk.io/math"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/tx"
	"github.com/cosmos/cosmos-sdk/codec"
	"github.com/cosmos/cosmos-sdk/crypto/keys/ed25519"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	serverconfig "github.com/cosmos/cosmos-sdk/server/config"
	servergrpc "github.com/cosmos/cosmos-sdk/server/grpc"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
	authsigning "github.com/cosmos/cosmos-sdk/x/auth/signing"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	"github.com/akash-supercloud/akash/app"
	"github.com/akash-supercloud/akash/app/genesis"
)

// ChainID is the network's name.
const ChainID = "localakash"

// Funds is what each account of Options.Names has at genesis, of uakt and of uact.
const Funds = 1_000_000_000_000

// Fee is what a transaction of Sign offers, in uakt, and Gas its limit.
const (
	Fee = 100_000
	Gas = 4_000_000
)

// Start is the time of genesis; each block is BlockTime later than the one before.
var Start = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// BlockTime is the time between two blocks.
const BlockTime = 5 * time.Second

// Options are what may differ from a chain of the preset "local" with one validator.
type Options struct {
	// Names are accounts that have funds; see Key.
	Names []string
	// State changes the genesis before the chain starts.
	State func(cdc codec.Codec, state map[string]json.RawMessage)
	// App are options of the App, e.g. the block executor.
	App map[string]any
	// Genesis starts from this state, an export, in place of all above.
	Genesis []byte
	// Height is the first block; default 1.
	Height int64
	// Time of genesis; default Start.
	Time time.Time
	// Consensus changes the consensus parameters of the genesis.
	Consensus func(*cmtproto.ConsensusParams)
	// Log takes the App's log; default none.
	Log log.Logger
}

// Chain is one App. Height and Time are those of its last block.
type Chain struct {
	t      testing.TB
	App    *app.App
	Height int64
	Time   time.Time
	// Last is the last block's result.
	Last *abci.ResponseFinalizeBlock

	sequence map[string]uint64 // of names, to sign several transactions for one block
	conn     *grpc.ClientConn
}

type appOptions map[string]any

func (o appOptions) Get(name string) any { return o[name] }

// Key is the private key of a name.
func Key(name string) *secp256k1.PrivKey {
	return secp256k1.GenPrivKeyFromSecret([]byte("inproc " + name))
}

// Addr is the address of a name.
func Addr(name string) sdk.AccAddress { return sdk.AccAddress(Key(name).PubKey().Address()) }

// ValidatorKey is the validator's consensus key.
func ValidatorKey() *ed25519.PrivKey { return ed25519.GenPrivKeyFromSecret([]byte("inproc validator")) }

// Operator is the name that the validator's operator goes by.
const Operator = "operator"

// New starts a chain and makes its first block, an empty one: before it there is no state to read.
func New(t testing.TB, o Options) *Chain {
	t.Helper()
	if o.Log == nil {
		o.Log = log.NewNopLogger()
	}
	c := &Chain{t: t, sequence: map[string]uint64{}, Time: o.Time, Height: max(o.Height, 1) - 1}
	if c.Time.IsZero() {
		c.Time = Start
	}
	if o.App == nil {
		o.App = map[string]any{}
	}
	c.App = app.New(o.Log, dbm.NewMemDB(), appOptions(o.App), baseapp.SetChainID(ChainID), baseapp.SetMinGasPrices(app.MinGasPrices))
	t.Cleanup(func() { _ = c.App.Close() })
	preset, err := genesis.Find("local")
	must(t, err)
	state := o.Genesis
	if state == nil {
		state = makeGenesis(t, preset, o)
	}
	wire := preset.ConsensusParams().ToProto()
	if o.Consensus != nil {
		o.Consensus(&wire)
	}
	_, err = c.App.InitChain(&abci.RequestInitChain{ChainId: ChainID, AppStateBytes: state, ConsensusParams: &wire, InitialHeight: c.Height + 1, Time: c.Time})
	must(t, err)
	c.Block()
	return c
}

func makeGenesis(t testing.TB, preset genesis.Preset, o Options) []byte {
	t.Helper()
	chain := app.NewOffline()
	enc := chain.Encoding
	state := preset.State(enc.Codec, chain.DefaultGenesis())
	coins := func(n int64) sdk.Coins {
		return sdk.NewCoins(sdk.NewInt64Coin(app.BondDenom, n), sdk.NewInt64Coin(app.CreditDenom, n))
	}
	accounts := []genesis.Account{{Address: Addr(Operator).String(), Coins: coins(2 * Funds)}}
	for _, name := range o.Names {
		accounts = append(accounts, genesis.Account{Address: Addr(name).String(), Coins: coins(Funds)})
	}
	must(t, genesis.Fund(enc.Codec, state, accounts))
	create, err := stakingtypes.NewMsgCreateValidator(sdk.ValAddress(Addr(Operator)).String(), ValidatorKey().PubKey(), sdk.NewInt64Coin(app.BondDenom, Funds),
		stakingtypes.NewDescription("validator", "", "", "", ""),
		stakingtypes.NewCommissionRates(math.LegacyNewDecWithPrec(5, 2), math.LegacyOneDec(), math.LegacyNewDecWithPrec(1, 2)), math.OneInt())
	must(t, err)
	raw := sign(t, enc.TxConfig, TxOptions{Name: Operator, NoFee: true}, 0, 0, create)
	decoded, err := enc.TxConfig.TxDecoder()(raw)
	must(t, err)
	text, err := enc.TxConfig.TxJSONEncoder()(decoded)
	must(t, err)
	genutiltypes.SetGenesisStateInAppState(enc.Codec, state, genutiltypes.NewGenesisState([]json.RawMessage{text}))
	if o.State != nil {
		o.State(enc.Codec, state)
	}
	must(t, chain.BasicManager().ValidateGenesis(enc.Codec, enc.TxConfig, state))
	out, err := json.Marshal(state)
	must(t, err)
	return out
}

// TxOptions say how a transaction is signed.
type TxOptions struct {
	// Name signs.
	Name string
	// Mode of signing; default direct.
	Mode signing.SignMode
	// Gas limit; default Gas.
	Gas uint64
	// NoFee offers none.
	NoFee bool
	// Granter pays the fee.
	Granter sdk.AccAddress
	// Sequence, if not nil, is used in place of the right one.
	Sequence *uint64
	// Change may alter what is signed; After the transaction that has been signed.
	Change, After func(client.TxBuilder)
}

// Sign makes a transaction of name's next sequence. The sequence counts on, so that several can be in one block.
func (c *Chain) Sign(name string, msgs ...sdk.Msg) []byte {
	c.t.Helper()
	return c.SignWith(TxOptions{Name: name}, msgs...)
}

// SignWith is Sign with options.
func (c *Chain) SignWith(o TxOptions, msgs ...sdk.Msg) []byte {
	c.t.Helper()
	acc := c.App.Account.GetAccount(c.Ctx(), Addr(o.Name))
	if acc == nil {
		c.t.Fatalf("%s has no account", o.Name)
	}
	seq := max(acc.GetSequence(), c.sequence[o.Name])
	if o.Sequence != nil {
		seq = *o.Sequence
	} else {
		c.sequence[o.Name] = seq + 1
	}
	return sign(c.t, c.App.TxConfig, o, acc.GetAccountNumber(), seq, msgs...)
}

func sign(t testing.TB, cfg client.TxConfig, o TxOptions, number, sequence uint64, msgs ...sdk.Msg) []byte {
	t.Helper()
	b := cfg.NewTxBuilder()
	must(t, b.SetMsgs(msgs...))
	if o.Gas == 0 {
		o.Gas = Gas
	}
	b.SetGasLimit(o.Gas)
	if !o.NoFee {
		b.SetFeeAmount(sdk.NewCoins(sdk.NewInt64Coin(app.BondDenom, Fee)))
	}
	if o.Granter != nil {
		b.SetFeeGranter(o.Granter)
	}
	if o.Mode == signing.SignMode_SIGN_MODE_UNSPECIFIED {
		o.Mode = signing.SignMode_SIGN_MODE_DIRECT
	}
	if o.Change != nil {
		o.Change(b)
	}
	key := Key(o.Name)
	empty := signing.SignatureV2{PubKey: key.PubKey(), Data: &signing.SingleSignatureData{SignMode: o.Mode}, Sequence: sequence}
	must(t, b.SetSignatures(empty)) // direct signs the signer infos too
	data := authsigning.SignerData{Address: Addr(o.Name).String(), ChainID: ChainID, AccountNumber: number, Sequence: sequence, PubKey: key.PubKey()}
	sig, err := tx.SignWithPrivKey(context.Background(), o.Mode, data, b, key, cfg, sequence)
	must(t, err)
	must(t, b.SetSignatures(sig))
	if o.After != nil {
		o.After(b)
	}
	raw, err := cfg.TxEncoder()(b.GetTx())
	must(t, err)
	return raw
}

// Block makes a block of transactions and returns their results.
func (c *Chain) Block(txs ...[]byte) []*abci.ExecTxResult {
	c.t.Helper()
	return c.BlockWith(&abci.RequestFinalizeBlock{Txs: txs})
}

// BlockWith makes a block of which the test chooses more than the transactions; height and time are filled in.
func (c *Chain) BlockWith(req *abci.RequestFinalizeBlock) []*abci.ExecTxResult {
	c.t.Helper()
	req.Height = c.Height + 1
	if req.Time.IsZero() {
		req.Time = c.Time.Add(BlockTime)
	}
	res, err := c.App.FinalizeBlock(req)
	if err != nil {
		c.t.Fatalf("block %d: the chain would halt: %v", req.Height, err)
	}
	if _, err := c.App.Commit(); err != nil {
		c.t.Fatalf("block %d: %v", req.Height, err)
	}
	c.Height, c.Time, c.Last = req.Height, req.Time, res
	clear(c.sequence)
	return res.TxResults
}

// Blocks makes n empty blocks.
func (c *Chain) Blocks(n int) {
	c.t.Helper()
	for range n {
		c.Block()
	}
}

// Send makes a block of one transaction and returns its result.
func (c *Chain) Send(name string, msgs ...sdk.Msg) *abci.ExecTxResult {
	c.t.Helper()
	return c.Block(c.Sign(name, msgs...))[0]
}

// Must is Send of what has to succeed.
func (c *Chain) Must(name string, msgs ...sdk.Msg) *abci.ExecTxResult {
	c.t.Helper()
	res := c.Send(name, msgs...)
	if res.Code != 0 {
		c.t.Fatalf("%T by %s: %s/%d: %s", msgs[0], name, res.Codespace, res.Code, res.Log)
	}
	return res
}

// Check is the mempool's check of a transaction.
func (c *Chain) Check(raw []byte) *abci.ResponseCheckTx {
	c.t.Helper()
	res, err := c.App.CheckTx(&abci.RequestCheckTx{Tx: raw})
	must(c.t, err)
	return res
}

// Query asks by ABCI, as CometBFT does.
func (c *Chain) Query(path string, req proto.Message) *abci.ResponseQuery {
	c.t.Helper()
	raw, err := proto.Marshal(req)
	must(c.t, err)
	res, err := c.App.Query(context.Background(), &abci.RequestQuery{Path: path, Data: raw})
	must(c.t, err)
	return res
}

// Ctx reads the state after the last block.
func (c *Chain) Ctx() sdk.Context { return c.App.NewContext(true) }

// Invariants fails the test if the state after the last block breaks one.
func (c *Chain) Invariants() {
	c.t.Helper()
	if err := c.App.Invariants(c.Ctx()); err != nil {
		c.t.Fatalf("after block %d: %v", c.Height, err)
	}
}

// Balance is what a name has of a coin.
func (c *Chain) Balance(name, denom string) int64 {
	return c.App.Bank.GetBalance(c.Ctx(), Addr(name), denom).Amount.Int64()
}

// Export is the state after the last block as a genesis.
func (c *Chain) Export() servertypes.ExportedApp {
	c.t.Helper()
	out, err := c.App.ExportState(c.App.NewContextLegacy(true, cmtproto.Header{Height: c.App.LastBlockHeight()}), nil)
	must(c.t, err)
	return out
}

// Conn is a connection to the chain's gRPC server, with all its services.
func (c *Chain) Conn() *grpc.ClientConn {
	c.t.Helper()
	if c.conn != nil {
		return c.conn
	}
	enc := c.App.Encoding
	ctx := client.Context{}.WithCodec(enc.Codec).WithInterfaceRegistry(enc.Registry).WithLegacyAmino(enc.Amino).WithTxConfig(enc.TxConfig).WithChainID(ChainID)
	c.App.RegisterTxService(ctx)
	srv, err := servergrpc.NewGRPCServer(ctx, c.App, serverconfig.DefaultConfig().GRPC)
	must(c.t, err)
	l := bufconn.Listen(1 << 20)
	go func() { _ = srv.Serve(l) }()
	c.conn, err = grpc.NewClient("passthrough:///inproc", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(codec.NewProtoCodec(enc.Registry).GRPCCodec())))
	must(c.t, err)
	c.t.Cleanup(func() {
		_ = c.conn.Close()
		srv.Stop()
	})
	return c.conn
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
