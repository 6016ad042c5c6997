package market

import (
	"context"
	"slices"
	"strings"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"

	auditv1 "github.com/akash-supercloud/akash/api/akash/audit/v1"
	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	types "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	"github.com/akash-supercloud/akash/match"
	"github.com/akash-supercloud/akash/x/deployment"
	"github.com/akash-supercloud/akash/x/internal/store"
)

type msgServer struct{ k *Keeper }

// NewMsgServer returns the handlers of the module's messages.
func NewMsgServer(k *Keeper) types.MsgServer { return msgServer{k} }

// CreateBid offers to serve an open order, with a deposit.
func (s msgServer) CreateBid(ctx context.Context, m *types.MsgCreateBid) (*types.MsgCreateBidResponse, error) {
	k := s.k
	id, err := parseBidID(&m.ID)
	if err != nil {
		return nil, err
	}
	if err := validateCreateBid(m); err != nil {
		return nil, err
	}
	params, err := k.Params(ctx)
	if err != nil {
		return nil, err
	}
	found, least := params.BidMinDeposits.Find(m.Deposit.Amount.Denom)
	if !found {
		return nil, ErrInvalidDeposit.Wrapf("%s isn't taken; use one of %s", m.Deposit.Amount.Denom, params.BidMinDeposits)
	}
	if m.Deposit.Amount.Amount.LT(least.Amount) {
		return nil, ErrInvalidDeposit.Wrapf("%s is less than the least deposit, %s", m.Deposit.Amount, least)
	}
	o, err := k.order(ctx, id.orderID)
	if err != nil {
		return nil, err
	}
	switch {
	case o.State == types.OrderActive:
		return nil, ErrOrderActive
	case o.State != types.OrderOpen:
		return nil, ErrOrderClosed
	case o.expired(now(ctx)):
		return nil, errExpired(&o)
	case slices.Contains(o.Bids, string(id.provider)):
		return nil, ErrBidExists
	case len(o.Bids) >= int(params.OrderMaxBids):
		return nil, ErrInvalidBid.Wrapf("the order has as many open bids as it may, %d", params.OrderMaxBids)
	}
	if denied, err := k.denied.Has(ctx, deniedKey(id.Owner, id.provider)); err != nil {
		return nil, err
	} else if denied {
		return nil, ErrProviderDenied.Wrapf("%s doesn't want bids of %s", m.ID.Owner, m.ID.Provider)
	}
	g, d, err := k.deployment.Group(ctx, id.ID, id.gseq)
	if err != nil {
		return nil, err
	}
	if err := k.checkOffer(ctx, id, m, &g.GroupSpec); err != nil {
		return nil, err
	}
	if err := checkWindow(m, d.Deployment.Reclamation, &params); err != nil {
		return nil, err
	}
	// An open order's bids that have ended are closed; the open ones it lists.
	if has, err := k.entries.Has(ctx, id.Key(), bidClosed); err != nil {
		return nil, err
	} else if has {
		return nil, ErrBidExists
	}

	prepay(ctx, GasBidEnd, "closing the bid and refunding its deposit")
	e := entry{Bid: types.Bid{
		ID: m.ID, State: types.BidOpen, Price: m.Price, CreatedAt: height(ctx), ResourcesOffer: m.ResourcesOffer, ReclamationWindow: m.ReclamationWindow,
	}, stored: store.None}
	if err := k.setEntry(ctx, id, e); err != nil {
		return nil, err
	}
	o.Bids = append(o.Bids, string(id.provider))
	if err := k.setOrder(ctx, id.orderID, orderOpen, o); err != nil {
		return nil, err
	}
	if err := emit(ctx, &marketv1.EventBidCreated{ID: m.ID, Price: m.Price}); err != nil {
		return nil, err
	}
	return &types.MsgCreateBidResponse{}, k.escrow.Open(ctx, id.account(), id.provider, m.Deposit)
}

// checkOffer checks that a bid fits its order and that its provider may serve it.
func (k *Keeper) checkOffer(ctx context.Context, id bidID, m *types.MsgCreateBid, spec *deploymentv1beta4.GroupSpec) error {
	most := orderPrice(spec)
	if m.Price.Denom != most.Denom {
		return ErrBidInvalidPrice.Wrapf("the order is priced in %s, not %s", most.Denom, m.Price.Denom)
	}
	if m.Price.Amount.GT(most.Amount) {
		return ErrBidInvalidPrice.Wrapf("%s is more than %s", m.Price, most)
	}
	if err := validateOffer(m.ResourcesOffer, spec); err != nil {
		return err
	}
	provider, found, err := k.provider.Provider(ctx, id.provider)
	if err != nil {
		return err
	}
	if !found {
		return ErrUnknownProvider.Wrapf("%s isn't registered", m.ID.Provider)
	}
	var audited []auditv1.AuditedProvider
	if by := spec.Requirements.SignedBy; len(by.AllOf)+len(by.AnyOf) > 0 {
		if audited, err = k.audit.Audited(ctx, id.provider); err != nil {
			return err
		}
	}
	if why := match.Attributes(spec.Requirements, provider.Attributes, audited); len(why) > 0 {
		return ErrAttributeMismatch.Wrap(reasons(why))
	}
	if why := match.Capabilities(spec.Resources, provider.Attributes); len(why) > 0 {
		return ErrCapabilitiesMismatch.Wrap(reasons(why))
	}
	return nil
}

// reasons is a few of the reasons in one line.
func reasons(why []match.Reason) string {
	var text []string
	for _, r := range why[:min(len(why), 5)] {
		text = append(text, r.String())
	}
	return strings.Join(text, "; ")
}

func checkWindow(m *types.MsgCreateBid, asked *deploymentv1.DeploymentReclamation, params *types.Params) error {
	if m.ReclamationWindow == nil {
		return errIf(asked != nil, ErrReclamationRequired)
	}
	w := *m.ReclamationWindow
	if asked != nil && w < asked.MinWindow {
		return ErrReclamationWindowTooShort.Wrapf("%s is shorter than %s", w, asked.MinWindow)
	}
	if w < params.MinReclamationWindow || w > params.MaxReclamationWindow {
		return ErrReclamationWindowInvalid.Wrapf("%s; use %s to %s", w, params.MinReclamationWindow, params.MaxReclamationWindow)
	}
	return nil
}

// CloseBid lets a provider take back an open bid, or end the lease that the bid became.
// Ending a lease pauses its group.
func (s msgServer) CloseBid(ctx context.Context, m *types.MsgCloseBid) (*types.MsgCloseBidResponse, error) {
	k := s.k
	id, err := parseBidID(&m.ID)
	if err != nil {
		return nil, err
	}
	if err := providerReason(m.Reason); err != nil {
		return nil, err
	}
	e, found, err := k.entry(ctx, id)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, ErrUnknownBid
	}
	o, err := k.order(ctx, id.orderID)
	if err != nil {
		return nil, ErrUnknownOrderForBid.Wrap(err.Error())
	}
	if e.Bid.State == types.BidOpen {
		o.remove(id.provider)
		if err := k.setOrder(ctx, id.orderID, orderOpen, o); err != nil {
			return nil, err
		}
		return &types.MsgCloseBidResponse{}, k.endBid(ctx, id, types.BidClosed)
	}
	if e.Lease == nil {
		return nil, ErrUnknownLeaseForBid
	}
	if e.Bid.State != types.BidActive {
		return nil, ErrBidNotActive
	}
	if ended, err := k.deployment.EndIfOverdue(ctx, id.ID); err != nil || ended {
		return &types.MsgCloseBidResponse{}, err
	}
	if r := e.Lease.Reclamation; r != nil {
		switch {
		case e.Lease.State != marketv1.LeaseReclaiming:
			return nil, ErrReclamationNotStarted
		case sdk.UnwrapSDKContext(ctx).BlockTime().Unix() < r.Deadline:
			return nil, ErrReclamationWindowNotElapsed.Wrapf("it ends at %d (Unix seconds)", r.Deadline)
		}
	}
	if err := k.deployment.PauseGroup(ctx, id.ID, id.gseq); err != nil {
		return nil, err
	}
	return &types.MsgCloseBidResponse{}, k.closeActiveOrder(ctx, id.orderID, o, deployment.End{Lease: marketv1.LeaseClosed, Reason: m.Reason})
}

// CreateLease takes one of an order's bids. All others have lost, and get their deposits
// back in the same transaction.
func (s msgServer) CreateLease(ctx context.Context, m *types.MsgCreateLease) (*types.MsgCreateLeaseResponse, error) {
	k := s.k
	id, err := parseBidID(&m.BidID)
	if err != nil {
		return nil, err
	}
	e, found, err := k.entry(ctx, id)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, ErrBidNotFound
	}
	if e.Bid.State != types.BidOpen {
		return nil, ErrBidNotOpen
	}
	o, err := k.order(ctx, id.orderID)
	if err != nil {
		return nil, err
	}
	if o.State != types.OrderOpen {
		return nil, ErrOrderNotOpen
	}
	if o.expired(now(ctx)) {
		return nil, errExpired(&o)
	}
	g, d, err := k.deployment.Group(ctx, id.ID, id.gseq)
	if err != nil {
		return nil, ErrGroupNotFound.Wrap(err.Error())
	}
	if g.State != deploymentv1beta4.GroupOpen {
		return nil, ErrGroupNotOpen
	}
	if err := k.escrow.OpenPayment(ctx, id.Account(), id.payment(), e.Bid.Price); err != nil {
		return nil, err
	}

	prepay(ctx, GasLeaseEnd+GasPerByte*uint64(d.Size()), "closing the lease when its money ends")
	e.Bid.State = types.BidActive
	e.Lease = &marketv1.Lease{State: marketv1.LeaseActive, CreatedAt: height(ctx)}
	if w := e.Bid.ReclamationWindow; w != nil {
		e.Lease.Reclamation = &marketv1.Reclamation{Window: *w}
	}
	if err := k.setEntry(ctx, id, e); err != nil {
		return nil, err
	}
	bids := o.Bids
	o.State, o.Bids, o.EndsAt = types.OrderActive, []string{string(id.provider)}, 0
	if err := k.setOrder(ctx, id.orderID, orderOpen, o); err != nil {
		return nil, err
	}
	if err := emit(ctx, &marketv1.EventLeaseCreated{ID: m.BidID.LeaseID(), Price: e.Bid.Price}); err != nil {
		return nil, err
	}
	for _, p := range bids {
		if p == string(id.provider) {
			continue
		}
		if err := k.endBid(ctx, bidID{id.orderID, sdk.AccAddress(p)}, types.BidLost); err != nil {
			return nil, err
		}
	}
	return &types.MsgCreateLeaseResponse{}, nil
}

// CloseLease lets the owner end a lease. If its group is open, a new order is.
func (s msgServer) CloseLease(ctx context.Context, m *types.MsgCloseLease) (*types.MsgCloseLeaseResponse, error) {
	k := s.k
	id, err := parseLeaseID(&m.ID)
	if err != nil {
		return nil, err
	}
	o, err := k.order(ctx, id.orderID)
	if err != nil {
		return nil, err
	}
	if o.State != types.OrderActive {
		return nil, ErrOrderClosed.Wrapf("it is %s", o.State)
	}
	e, found, err := k.entry(ctx, id)
	if err != nil {
		return nil, err
	}
	switch {
	case !found:
		return nil, ErrBidNotFound
	case e.Bid.State != types.BidActive:
		return nil, ErrBidNotActive
	case e.Lease == nil:
		return nil, ErrLeaseNotFound
	case e.Lease.State != marketv1.LeaseActive && e.Lease.State != marketv1.LeaseReclaiming:
		return nil, ErrLeaseNotActive
	}
	if ended, err := k.deployment.EndIfOverdue(ctx, id.ID); err != nil || ended {
		return &types.MsgCloseLeaseResponse{}, err
	}
	if err := k.closeActiveOrder(ctx, id.orderID, o, deployment.End{Lease: marketv1.LeaseClosed, Reason: marketv1.LeaseClosedReasonOwner}); err != nil {
		return nil, err
	}
	g, d, err := k.deployment.Group(ctx, id.ID, id.gseq)
	if err != nil || g.State != deploymentv1beta4.GroupOpen {
		return &types.MsgCloseLeaseResponse{}, err
	}
	oseq, err := k.deployment.NextOrder(ctx, id.ID, id.gseq)
	if err == nil {
		err = k.OpenOrder(ctx, id.ID, id.gseq, oseq, d.Size())
	}
	return &types.MsgCloseLeaseResponse{}, err
}

// WithdrawLease pays a provider what its lease has earned until now.
func (s msgServer) WithdrawLease(ctx context.Context, m *types.MsgWithdrawLease) (*types.MsgWithdrawLeaseResponse, error) {
	k := s.k
	id, err := parseLeaseID(&m.ID)
	if err != nil {
		return nil, err
	}
	e, _, err := k.entry(ctx, id)
	if err != nil {
		return nil, err
	}
	if e.Lease == nil {
		return nil, ErrUnknownLease
	}
	if e.Bid.State == types.BidActive {
		if ended, err := k.deployment.EndIfOverdue(ctx, id.ID); err != nil || ended {
			return &types.MsgWithdrawLeaseResponse{}, err
		}
	}
	_, err = k.escrow.Withdraw(ctx, id.Account(), id.payment())
	return &types.MsgWithdrawLeaseResponse{}, err
}

// LeaseStartReclaim starts the time after which a provider may end a lease that has a
// reclamation window.
func (s msgServer) LeaseStartReclaim(ctx context.Context, m *types.MsgLeaseStartReclaim) (*types.MsgLeaseStartReclaimResponse, error) {
	k := s.k
	id, err := parseLeaseID(&m.ID)
	if err != nil {
		return nil, err
	}
	if err := providerReason(m.Reason); err != nil {
		return nil, err
	}
	e, _, err := k.entry(ctx, id)
	if err != nil {
		return nil, err
	}
	switch {
	case e.Lease == nil:
		return nil, ErrLeaseNotFound
	case e.Lease.State == marketv1.LeaseReclaiming:
		return nil, ErrLeaseAlreadyReclaiming
	case e.Lease.State != marketv1.LeaseActive:
		return nil, ErrLeaseNotActive
	case e.Lease.Reclamation == nil:
		return nil, ErrLeaseNotReclamable
	}
	if ended, err := k.deployment.EndIfOverdue(ctx, id.ID); err != nil || ended {
		return &types.MsgLeaseStartReclaimResponse{}, err
	}
	r := e.Lease.Reclamation
	e.Lease.State = marketv1.LeaseReclaiming
	r.StartedAt = height(ctx)
	r.Deadline = sdk.UnwrapSDKContext(ctx).BlockTime().Add(r.Window).Unix()
	r.Reason = m.Reason
	if err := k.setEntry(ctx, id, e); err != nil {
		return nil, err
	}
	return &types.MsgLeaseStartReclaimResponse{}, emit(ctx, &marketv1.EventLeaseReclaimStarted{ID: m.ID, Reason: m.Reason, Deadline: r.Deadline})
}

// UpdateParams changes the parameters; only the authority (governance) may.
func (s msgServer) UpdateParams(ctx context.Context, m *types.MsgUpdateParams) (*types.MsgUpdateParamsResponse, error) {
	if m.Authority != s.k.authority {
		return nil, sdkerrors.ErrUnauthorized.Wrapf("%s may not change parameters, only %s", m.Authority, s.k.authority)
	}
	return &types.MsgUpdateParamsResponse{}, s.k.setParams(ctx, m.Params)
}

func (k *Keeper) setParams(ctx context.Context, p types.Params) error {
	if err := ValidateParams(p); err != nil {
		return err
	}
	p.BidMinDeposits = slices.Clone(p.BidMinDeposits).Sort() // looked up by bisection
	return k.params.Set(ctx, p)
}
