package main

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	depositv1 "github.com/akash-supercloud/akash/api/akash/base/deposit/v1"
	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	escrowid "github.com/akash-supercloud/akash/api/akash/escrow/id/v1"
	escrowtypes "github.com/akash-supercloud/akash/api/akash/escrow/types/v1"
	escrowv1 "github.com/akash-supercloud/akash/api/akash/escrow/v1"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	"github.com/akash-supercloud/akash/app"
	"github.com/akash-supercloud/akash/x/deployment"
	"github.com/akash-supercloud/akash/x/market"
)

// The filler's market. Lease i belongs to an owner and a provider by its number alone, so any chunk can be made by itself.
const (
	perOwner      = 50   // leases of most owners
	bigOwner      = 1000 // leases of every 40th owner's, who has as many deployments
	fillProviders = 300  // of which the first have most leases
	everyActive   = 10   // one lease in so many is active, all others are closed
	everyLost     = 2    // one order in so many had a second bid, which lost
	everyOpen     = 100  // one lease in so many has an open order with a bid beside it
	perChunk      = 4000 // leases of one block
	fillDeposit   = 50_000_000
	fillBid       = 500_000
)

func fillAddress(role byte, i int) sdk.AccAddress {
	b := make([]byte, 20)
	// In order of i, so that chunks touch few parts of the trees; a real chain's tenants come in any order.
	binary.BigEndian.PutUint32(b, uint32(i))
	b[4], b[5] = role, 0xbe
	return b
}

// owner returns the owner of lease i and the deployment's number.
func owner(i int) (sdk.AccAddress, uint64) {
	const cycle = bigOwner + 39*perOwner
	round, at := i/cycle, i%cycle
	if at < bigOwner {
		return fillAddress('o', round*40), uint64(1 + at)
	}
	at -= bigOwner
	return fillAddress('o', round*40+1+at/perOwner), uint64(1 + at%perOwner)
}

// fillProvider returns the provider of lease i: provider p has about 1/(p+1) of what the first has.
func fillProvider(i int) sdk.AccAddress {
	h := uint32(i) * 2654435761
	x := float64(h) / (1 << 32)
	return fillAddress('p', int(x*x*x*fillProviders))
}

// chunk is one part of a genesis: it can be imported by itself.
type chunk struct {
	deployment deploymentv1beta4.GenesisState
	market     marketv1beta5.GenesisState
	escrow     escrowv1.GenesisState
}

// newChunk is the state of leases from to to-1.
func newChunk(from, to int) chunk {
	c := chunk{deployment: *deployment.DefaultGenesis(), market: *market.DefaultGenesis()}
	spec := group()
	hash := make([]byte, 32)
	dec := func(n int64) sdk.DecCoin { return sdk.NewInt64DecCoin(app.CreditDenom, n) }
	for i := from; i < to; i++ {
		own, dseq := owner(i)
		provider := fillProvider(i)
		active := i%everyActive == 0
		id := deploymentv1.DeploymentID{Owner: own.String(), DSeq: dseq}
		gid := deploymentv1.MakeGroupID(id, 1)
		oid := marketv1.MakeOrderID(gid, 1)
		bid := marketv1beta5.Bid{ID: marketv1.MakeBidID(oid, provider.String()), State: marketv1beta5.BidClosed, Price: dec(77), CreatedAt: 1}
		d := deploymentv1beta4.GenesisDeployment{
			Deployment: deploymentv1.Deployment{ID: id, State: deploymentv1.DeploymentClosed, Hash: hash, CreatedAt: 1},
			Groups:     []deploymentv1beta4.Group{{ID: gid, State: deploymentv1beta4.GroupClosed, GroupSpec: spec, CreatedAt: 1}},
		}
		order := marketv1beta5.Order{ID: oid, State: marketv1beta5.OrderClosed, Spec: spec, CreatedAt: 1}
		lease := marketv1.Lease{ID: bid.ID.LeaseID(), State: marketv1.LeaseClosed, Price: bid.Price, CreatedAt: 1, ClosedOn: 1, Reason: marketv1.LeaseClosedReasonOwner}
		account := account(escrowid.ScopeDeployment, id.Owner+"/"+strconv.FormatUint(id.DSeq, 10), id.Owner)
		payment := escrowtypes.Payment{
			ID: escrowid.Payment{AID: account.ID, XID: "1/1/" + bid.ID.Provider},
			State: escrowtypes.PaymentState{
				Owner: bid.ID.Provider, State: escrowtypes.StateClosed, Rate: dec(77), Balance: sdk.DecCoin{Denom: app.CreditDenom, Amount: math.LegacyZeroDec()},
				Unsettled: sdk.DecCoin{Denom: app.CreditDenom, Amount: math.LegacyZeroDec()}, Withdrawn: sdk.NewInt64Coin(app.CreditDenom, 1000),
			},
		}
		held := int64(0)
		if active {
			d.Deployment.State, d.Groups[0].State = deploymentv1.DeploymentActive, deploymentv1beta4.GroupOpen
			order.State, bid.State = marketv1beta5.OrderActive, marketv1beta5.BidActive
			lease.State, lease.ClosedOn, lease.Reason = marketv1.LeaseActive, 0, 0
			account = openAccount(account, id.Owner, fillDeposit)
			payment.State.State = escrowtypes.StateOpen
			held = fillBid
		}
		deposit := bidAccount(bid.ID, held)
		c.deployment.Deployments = append(c.deployment.Deployments, d)
		c.market.Orders = append(c.market.Orders, order)
		c.market.Bids = append(c.market.Bids, bid)
		c.market.Leases = append(c.market.Leases, lease)
		c.escrow.Accounts = append(c.escrow.Accounts, account, deposit)
		c.escrow.Payments = append(c.escrow.Payments, payment)

		if other := fillProvider(i + 1); i%everyLost == 1 && !other.Equals(provider) {
			lost := marketv1beta5.Bid{ID: marketv1.MakeBidID(oid, other.String()), State: marketv1beta5.BidLost, Price: dec(88), CreatedAt: 1}
			c.market.Bids = append(c.market.Bids, lost)
			c.escrow.Accounts = append(c.escrow.Accounts, bidAccount(lost.ID, 0))
		}
		if i%everyOpen == 1 {
			id.DSeq += 1 << 20
			gid := deploymentv1.MakeGroupID(id, 1)
			oid := marketv1.MakeOrderID(gid, 1)
			open := marketv1beta5.Bid{ID: marketv1.MakeBidID(oid, provider.String()), State: marketv1beta5.BidOpen, Price: dec(77), CreatedAt: 1}
			c.deployment.Deployments = append(c.deployment.Deployments, deploymentv1beta4.GenesisDeployment{
				Deployment: deploymentv1.Deployment{ID: id, State: deploymentv1.DeploymentActive, Hash: hash, CreatedAt: 1},
				Groups:     []deploymentv1beta4.Group{{ID: gid, State: deploymentv1beta4.GroupOpen, GroupSpec: spec, CreatedAt: 1}},
			})
			c.market.Orders = append(c.market.Orders, marketv1beta5.Order{ID: oid, State: marketv1beta5.OrderOpen, Spec: spec, CreatedAt: 1})
			c.market.Bids = append(c.market.Bids, open)
			a := account
			a.ID = escrowid.Account{Scope: escrowid.ScopeDeployment, XID: id.Owner + "/" + strconv.FormatUint(id.DSeq, 10)}
			c.escrow.Accounts = append(c.escrow.Accounts, openAccount(a, id.Owner, fillDeposit), bidAccount(open.ID, fillBid))
		}
	}
	return c
}

// escrowed is what newChunk's accounts hold for n leases.
func escrowed(n int) int64 {
	active := int64((n + everyActive - 1) / everyActive)
	open := int64((n + everyOpen - 2) / everyOpen)
	return (active + open) * (fillDeposit + fillBid)
}

func account(scope escrowid.Scope, xid, owner string) escrowtypes.Account {
	return escrowtypes.Account{
		ID: escrowid.Account{Scope: scope, XID: xid},
		State: escrowtypes.AccountState{
			Owner: owner, State: escrowtypes.StateClosed, SettledAt: 1, Transferred: sdk.DecCoins{},
			Funds:    []escrowtypes.Balance{{Denom: app.CreditDenom, Amount: math.LegacyZeroDec()}},
			Deposits: []escrowtypes.Depositor{},
		},
	}
}

func openAccount(a escrowtypes.Account, owner string, amount int64) escrowtypes.Account {
	d := math.LegacyNewDec(amount)
	a.State.State = escrowtypes.StateOpen
	a.State.Funds = []escrowtypes.Balance{{Denom: app.CreditDenom, Amount: d}}
	a.State.Deposits = []escrowtypes.Depositor{{Owner: owner, Height: 1, Source: depositv1.SourceBalance, Balance: sdk.DecCoin{Denom: app.CreditDenom, Amount: d}}}
	return a
}

func bidAccount(id marketv1.BidID, amount int64) escrowtypes.Account {
	a := account(escrowid.ScopeBid, fmt.Sprintf("%s/%d/%d/%d/%s", id.Owner, id.DSeq, id.GSeq, id.OSeq, id.Provider), id.Provider)
	if amount > 0 {
		a = openAccount(a, id.Provider, amount)
	}
	return a
}
