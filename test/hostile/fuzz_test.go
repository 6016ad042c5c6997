package hostile

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"strings"
	"testing"

	abci "github.com/cometbft/cometbft/abci/types"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/query"
	"github.com/cosmos/cosmos-sdk/x/authz"

	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	"github.com/akash-supercloud/akash/test/inproc"
)

// market is a chain with something of each kind in it.
func market(t testing.TB) *inproc.Chain {
	c := inproc.New(t, inproc.Options{Names: []string{"alice", "bob", "carol", "p", "q"}})
	register(c, "p", "q")
	for d := range uint64(3) {
		c.Must("alice", create("alice", d+1, 5_000_000, group("a", 100), group("b", 100)))
		for _, p := range []string{"p", "q"} {
			c.Must(p, &marketv1beta5.MsgCreateBid{ID: bidID("alice", d+1, 1, p), Price: sdk.NewInt64DecCoin("uact", 7), Deposit: coins(500_000)})
		}
	}
	c.Must("alice", &marketv1beta5.MsgCreateLease{BidID: bidID("alice", 1, 1, "p")})
	return c
}

// FuzzTx gives the chain transactions that are a little broken: none may panic, not even caught, nor stop a block.
func FuzzTx(f *testing.F) {
	c := market(f)
	exec := authz.NewMsgExec(inproc.Addr("alice"), []sdk.Msg{send("bob", "carol", one)})
	for _, m := range []struct {
		who string
		msg sdk.Msg
	}{
		{"alice", send("alice", "bob", one)}, {"alice", create("alice", 77, 500_000, group("g", 1))}, {"alice", &exec},
		{"p", &marketv1beta5.MsgCreateBid{ID: bidID("alice", 2, 2, "p"), Price: sdk.NewInt64DecCoin("uact", 7), Deposit: coins(500_000)}},
		{"alice", &marketv1beta5.MsgCreateLease{BidID: bidID("alice", 2, 1, "q")}}, {"alice", &marketv1beta5.MsgCloseLease{ID: bidID("alice", 1, 1, "p").LeaseID()}},
	} {
		f.Add(c.Sign(m.who, m.msg))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 1<<16 {
			return
		}
		check, err := c.App.CheckTx(&abci.RequestCheckTx{Tx: raw})
		if err != nil {
			t.Fatal(err)
		}
		notPanic(t, "mempool", check.Codespace, check.Code, check.Log)
		if _, _, err := c.App.Simulate(raw); err != nil {
			notPanic(t, "simulation", "", 1, err.Error())
		}
		req := &abci.RequestFinalizeBlock{Height: c.Height + 1, Time: c.Time.Add(inproc.BlockTime), Txs: [][]byte{raw}}
		if _, err := c.App.ProcessProposal(&abci.RequestProcessProposal{Height: req.Height, Time: req.Time, Txs: req.Txs}); err != nil {
			t.Fatal(err)
		}
		res, err := c.App.FinalizeBlock(req)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.App.Commit(); err != nil {
			t.Fatal(err)
		}
		c.Height, c.Time = req.Height, req.Time
		notPanic(t, "block", res.TxResults[0].Codespace, res.TxResults[0].Code, res.TxResults[0].Log)
	})
}

// FuzzQuery gives every query of the market requests that are broken: all are answered, none panics.
func FuzzQuery(f *testing.F) {
	c := market(f)
	for i := range queries {
		f.Add(uint8(i), []byte{})
		f.Add(uint8(i), field(1, field(1, []byte(addr("alice")))))
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		path := queries[int(which)%len(queries)]
		res, err := c.App.Query(context.Background(), &abci.RequestQuery{Path: path, Data: data})
		if err != nil {
			t.Fatal(err)
		}
		notPanic(t, path, res.Codespace, res.Code, res.Log)
	})
}

// FuzzPageKey gives every list a page key that it may have made itself: the checksum is right.
func FuzzPageKey(f *testing.F) {
	c := market(f)
	// Real ones first.
	for i, path := range lists {
		page, err := (&query.PageRequest{Limit: 1}).Marshal()
		if err != nil {
			f.Fatal(err)
		}
		res, err := c.App.Query(context.Background(), &abci.RequestQuery{Path: path.path, Data: field(path.page, page)})
		if err != nil || res.Code != 0 {
			f.Fatal(path, err, res)
		}
		f.Add(uint8(i), []byte{0, 0, 0})
		f.Add(uint8(i), bytes.Repeat([]byte{1}, 30))
	}
	f.Fuzz(func(t *testing.T, which uint8, rest []byte) {
		one := lists[int(which)%len(lists)]
		key := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(rest))
		page, err := (&query.PageRequest{Key: append(key, rest...), Limit: 3}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.App.Query(context.Background(), &abci.RequestQuery{Path: one.path, Data: field(one.page, page)})
		if err != nil {
			t.Fatal(err)
		}
		notPanic(t, one.path, res.Codespace, res.Code, res.Log)
		if strings.Contains(res.Log, "store of") && res.Code == 0 {
			t.Error(res.Log)
		}
	})
}

type list struct {
	path string
	page int // the field that holds the page
}

var lists = []list{
	{"/akash.deployment.v1beta4.Query/Deployments", 2}, {"/akash.market.v1beta5.Query/Orders", 2}, {"/akash.market.v1beta5.Query/Bids", 2}, {"/akash.market.v1beta5.Query/Leases", 2},
	{"/akash.escrow.v1.Query/Accounts", 3}, {"/akash.escrow.v1.Query/Payments", 3}, {"/akash.provider.v1beta4.Query/Providers", 1},
	{"/akash.cert.v1.Query/Certificates", 2}, {"/akash.audit.v1.Query/AllProvidersAttributes", 1},
}

var queries = []string{
	"/akash.deployment.v1beta4.Query/Deployments", "/akash.deployment.v1beta4.Query/Deployment", "/akash.deployment.v1beta4.Query/Group",
	"/akash.market.v1beta5.Query/Orders", "/akash.market.v1beta5.Query/Order", "/akash.market.v1beta5.Query/Bids", "/akash.market.v1beta5.Query/Bid",
	"/akash.market.v1beta5.Query/Leases", "/akash.market.v1beta5.Query/Lease", "/akash.escrow.v1.Query/Accounts", "/akash.escrow.v1.Query/Payments",
	"/akash.provider.v1beta4.Query/Providers", "/akash.provider.v1beta4.Query/Provider", "/akash.cert.v1.Query/Certificates",
	"/akash.audit.v1.Query/AllProvidersAttributes", "/akash.audit.v1.Query/ProviderAttributes", "/akash.audit.v1.Query/ProviderAuditorAttributes", "/akash.audit.v1.Query/AuditorAttributes",
	"/cosmos.bank.v1beta1.Query/AllBalances", "/cosmos.gov.v1.Query/Proposals", "/cosmos.authz.v1beta1.Query/Grants", "/cosmos.feegrant.v1beta1.Query/Allowances",
	"/cosmos.staking.v1beta1.Query/Delegation", "/cosmos.auth.v1beta1.Query/Accounts", "/akash.discovery.v1.Discovery/GetInfo",
}
