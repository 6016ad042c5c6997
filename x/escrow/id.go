package escrow

import (
	"strconv"
	"strings"

	sdk "github.com/cosmos/cosmos-sdk/types"

	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	escrowid "github.com/akash-supercloud/akash/api/akash/escrow/id/v1"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	"github.com/akash-supercloud/akash/x/internal/key"
)

// AccountID is the key of an escrow account in the store:
//
//	scope | owner | dseq                               of a deployment
//	scope | owner | dseq | gseq | oseq | provider      of a bid
type AccountID []byte

// PaymentID is a payment's key within its account: gseq | oseq | provider.
type PaymentID []byte

// DeploymentAccount returns the id of the account that a deployment's leases are paid from.
func DeploymentAccount(owner sdk.AccAddress, dseq uint64) AccountID {
	return key.U64(key.Addr([]byte{byte(escrowid.ScopeDeployment)}, owner), dseq)
}

// BidAccount returns the id of the account that holds a bid's deposit.
func BidAccount(owner sdk.AccAddress, dseq uint64, gseq, oseq uint32, provider sdk.AccAddress) AccountID {
	b := key.U64(key.Addr([]byte{byte(escrowid.ScopeBid)}, owner), dseq)
	return key.Addr(key.U32(key.U32(b, gseq), oseq), provider)
}

// LeasePayment returns the id of the payment of a lease, in its deployment's account.
func LeasePayment(gseq, oseq uint32, provider sdk.AccAddress) PaymentID {
	return append(key.U32(key.U32(nil, gseq), oseq), provider...)
}

// account is what an AccountID says.
type account struct {
	scope      escrowid.Scope
	owner      sdk.AccAddress
	dseq       uint64
	gseq, oseq uint32
	provider   sdk.AccAddress
}

func (id AccountID) parts() (a account, err error) {
	r := key.Read(id)
	a.scope = escrowid.Scope(r.Byte())
	a.owner, a.dseq = r.Addr(), r.U64()
	switch a.scope {
	case escrowid.ScopeDeployment:
	case escrowid.ScopeBid:
		a.gseq, a.oseq, a.provider = r.U32(), r.U32(), r.Addr()
	default:
		return a, ErrMalformedKey
	}
	if r.Err() != nil {
		return a, ErrMalformedKey
	}
	return a, nil
}

// payer is whose account it is: who opened it, whose grants refill.
func (a account) payer() sdk.AccAddress {
	if a.scope == escrowid.ScopeBid {
		return a.provider
	}
	return a.owner
}

func (a account) xid() string {
	xid := a.owner.String() + "/" + strconv.FormatUint(a.dseq, 10)
	if a.scope == escrowid.ScopeBid {
		xid += "/" + strconv.FormatUint(uint64(a.gseq), 10) + "/" + strconv.FormatUint(uint64(a.oseq), 10) + "/" + a.provider.String()
	}
	return xid
}

// Wire returns the id as clients know it.
func (id AccountID) Wire() (escrowid.Account, error) {
	a, err := id.parts()
	if err != nil {
		return escrowid.Account{}, err
	}
	return escrowid.Account{Scope: a.scope, XID: a.xid()}, nil
}

// ParseAccountID reads an id as clients know it.
func ParseAccountID(id escrowid.Account) (AccountID, error) {
	switch id.Scope {
	case escrowid.ScopeDeployment:
		d, err := deploymentv1.ParseDeploymentID(id.XID)
		if err != nil {
			return nil, ErrInvalidID.Wrap(err.Error())
		}
		owner, err := sdk.AccAddressFromBech32(d.Owner)
		if err != nil {
			return nil, ErrInvalidID.Wrapf("%q: %s", id.XID, err)
		}
		return DeploymentAccount(owner, d.DSeq), nil
	case escrowid.ScopeBid:
		l, err := marketv1.ParseLeaseID(id.XID)
		if err != nil {
			return nil, ErrInvalidID.Wrap(err.Error())
		}
		owner, err := sdk.AccAddressFromBech32(l.Owner)
		if err != nil {
			return nil, ErrInvalidID.Wrapf("%q: %s", id.XID, err)
		}
		provider, err := sdk.AccAddressFromBech32(l.Provider)
		if err != nil {
			return nil, ErrInvalidID.Wrapf("%q: %s", id.XID, err)
		}
		return BidAccount(owner, l.DSeq, l.GSeq, l.OSeq, provider), nil
	}
	return nil, ErrInvalidID.Wrapf("scope %q; use deployment or bid", id.Scope)
}

// provider is who a payment is for.
func (id PaymentID) provider() sdk.AccAddress {
	if len(id) < 8 {
		return nil
	}
	return sdk.AccAddress(id[8:])
}

func (id PaymentID) xid() string {
	r := key.Read(id)
	gseq, oseq := r.U32(), r.U32()
	return strconv.FormatUint(uint64(gseq), 10) + "/" + strconv.FormatUint(uint64(oseq), 10) + "/" + id.provider().String()
}

func parsePaymentID(xid string) (PaymentID, error) {
	part := strings.Split(xid, "/")
	if len(part) != 3 {
		return nil, ErrInvalidID.Wrapf("%q is not a payment id; use gseq/oseq/provider", xid)
	}
	gseq, err1 := strconv.ParseUint(part[0], 10, 32)
	oseq, err2 := strconv.ParseUint(part[1], 10, 32)
	provider, err3 := sdk.AccAddressFromBech32(part[2])
	if err1 != nil || err2 != nil || err3 != nil || gseq == 0 || oseq == 0 {
		return nil, ErrInvalidID.Wrapf("%q is not a payment id; use gseq/oseq/provider", xid)
	}
	return LeasePayment(uint32(gseq), uint32(oseq), provider), nil
}
