package market

import (
	"math"
	"slices"
	"time"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	types "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	"github.com/akash-supercloud/akash/x/deployment"
	"github.com/akash-supercloud/akash/x/escrow"
)

// MaxOrderMaxBids is the most that the parameter order_max_bids may be: the lease's
// transaction refunds all bids that lose.
const MaxOrderMaxBids = 500

func parseOrderID(id *marketv1.OrderID, bad func(string, ...any) error) (orderID, error) {
	owner, err := sdk.AccAddressFromBech32(id.Owner)
	if err != nil {
		return orderID{}, bad("owner %q: %s", id.Owner, err)
	}
	if id.DSeq == 0 || id.GSeq == 0 || id.OSeq == 0 {
		return orderID{}, bad("dseq, gseq and oseq start with 1, got %d, %d and %d", id.DSeq, id.GSeq, id.OSeq)
	}
	id.Owner = owner.String()
	return orderID{deployment.ID{Owner: owner, DSeq: id.DSeq}, id.GSeq, id.OSeq}, nil
}

// parseBidID checks the id of a bid or lease, and makes the text of its addresses the one
// way to write them.
func parseBidID(id *marketv1.BidID) (bidID, error) {
	oid := id.OrderID()
	o, err := parseOrderID(&oid, func(f string, a ...any) error { return ErrInvalidBid.Wrapf(f, a...) })
	if err != nil {
		return bidID{}, err
	}
	if id.Provider == "" {
		return bidID{}, ErrEmptyProvider
	}
	provider, err := sdk.AccAddressFromBech32(id.Provider)
	if err != nil {
		return bidID{}, ErrInvalidBid.Wrapf("provider %q: %s", id.Provider, err)
	}
	if o.Owner.Equals(provider) {
		return bidID{}, ErrSameAccount
	}
	if id.BSeq != 0 {
		return bidID{}, ErrInvalidBid.Wrapf("bseq %d; it has to be 0", id.BSeq)
	}
	id.Owner, id.Provider = oid.Owner, provider.String()
	return bidID{o, provider}, nil
}

func parseLeaseID(id *marketv1.LeaseID) (bidID, error) {
	b := id.BidID()
	p, err := parseBidID(&b)
	*id = b.LeaseID()
	return p, err
}

// validateCreateBid checks all of a MsgCreateBid that needs no state.
func validateCreateBid(m *types.MsgCreateBid) error {
	if err := escrow.ValidateDeposit(m.Deposit); err != nil {
		return ErrInvalidDeposit.Wrap(err.Error())
	}
	switch p := m.Price; {
	case p.Amount.IsNil() || sdk.ValidateDenom(p.Denom) != nil || p.Amount.IsNegative():
		return ErrBidInvalidPrice.Wrapf("%q is not an amount of a denomination", p.Denom)
	case p.Amount.IsZero():
		return ErrBidZeroPrice
	}
	if m.ReclamationWindow != nil && *m.ReclamationWindow < 0 {
		return ErrReclamationWindowInvalid.Wrapf("%s is negative", *m.ReclamationWindow)
	}
	return nil
}

// orderPrice is the most that an order's owner pays a block.
func orderPrice(spec *deploymentv1beta4.GroupSpec) sdk.DecCoin {
	sum := sdkmath.LegacyZeroDec()
	for i := range spec.Resources {
		r := &spec.Resources[i]
		sum = sum.Add(r.Price.Amount.MulInt64(int64(r.Count)))
	}
	return sdk.DecCoin{Denom: spec.Resources[0].Price.Denom, Amount: sum}
}

// validateOffer checks that an offer, if there is one, is for all units of the group.
func validateOffer(offer []types.ResourceOffer, spec *deploymentv1beta4.GroupSpec) error {
	if len(offer) == 0 {
		return nil
	}
	if len(offer) > len(spec.Resources) {
		return ErrCapabilitiesMismatch.Wrapf("the offer has %d resources, the group %d", len(offer), len(spec.Resources))
	}
	for i := range spec.Resources {
		want := &spec.Resources[i]
		n := slices.IndexFunc(offer, func(o types.ResourceOffer) bool { return o.Resources.ID == want.ID })
		if n < 0 {
			return ErrCapabilitiesMismatch.Wrapf("the offer lacks resource %d", want.ID)
		}
		if offer[n].Count != want.Count {
			return ErrCapabilitiesMismatch.Wrapf("the offer has %d of resource %d, the group asks for %d", offer[n].Count, want.ID, want.Count)
		}
	}
	return nil
}

// providerReason checks that a reason is one that providers may give.
func providerReason(r marketv1.LeaseClosedReason) error {
	if r < 10000 || r > 19999 {
		return ErrInvalidLeaseClosedReason.Wrapf("%d; a provider's reasons are 10000 to 19999", r)
	}
	return nil
}

// ValidateParams checks parameters by themselves.
func ValidateParams(p types.Params) error {
	if p.OrderMaxBids == 0 || p.OrderMaxBids > MaxOrderMaxBids {
		return ErrInvalidParam.Wrapf("order_max_bids %d; use 1 to %d", p.OrderMaxBids, MaxOrderMaxBids)
	}
	if len(p.BidMinDeposits) == 0 {
		return ErrInvalidParam.Wrap("bid_min_deposits: name at least one denomination")
	}
	for i, c := range p.BidMinDeposits {
		if c.Amount.IsNil() || c.Validate() != nil || !c.Amount.IsInt64() || c.Amount.Int64() >= math.MaxInt32 {
			return ErrInvalidParam.Wrapf("bid_min_deposits[%d]: use an amount below 2^31-1 of a denomination", i)
		}
		if slices.ContainsFunc(p.BidMinDeposits[:i], func(o sdk.Coin) bool { return o.Denom == c.Denom }) {
			return ErrInvalidParam.Wrapf("bid_min_deposits: %s is there twice", c.Denom)
		}
	}
	if !p.BidMinDeposit.Amount.IsNil() && p.BidMinDeposit.Denom != "" && p.BidMinDeposit.Validate() != nil {
		return ErrInvalidParam.Wrap("bid_min_deposit")
	}
	if p.MinReclamationWindow < 0 || p.MaxReclamationWindow < p.MinReclamationWindow {
		return ErrInvalidParam.Wrapf("reclamation windows %s to %s", p.MinReclamationWindow, p.MaxReclamationWindow)
	}
	return nil
}

// DefaultParams are those of a new chain.
func DefaultParams() types.Params {
	return types.Params{
		BidMinDeposit:        sdk.NewInt64Coin("uakt", 500_000),
		BidMinDeposits:       sdk.NewCoins(sdk.NewInt64Coin("uact", 500_000), sdk.NewInt64Coin("uakt", 500_000)),
		OrderMaxBids:         20,
		MinReclamationWindow: time.Hour,
		MaxReclamationWindow: 720 * time.Hour,
	}
}
