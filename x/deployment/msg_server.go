package deployment

import (
	"bytes"
	"context"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"

	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	types "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	"github.com/akash-supercloud/akash/x/escrow"
)

type msgServer struct{ k *Keeper }

// NewMsgServer returns the handlers of the module's messages.
func NewMsgServer(k *Keeper) types.MsgServer { return msgServer{k} }

// CreateDeployment records what a tenant asks for, takes the deposit into escrow and opens
// an order for each group.
func (s msgServer) CreateDeployment(ctx context.Context, m *types.MsgCreateDeployment) (*types.MsgCreateDeploymentResponse, error) {
	id, err := parseID(&m.ID)
	if err != nil {
		return nil, err
	}
	if err := validateCreate(m); err != nil {
		return nil, err
	}
	has, err := s.k.deployments.Has(ctx, id.Key())
	if err != nil {
		return nil, err
	}
	if has {
		return nil, ErrDeploymentExists.Wrapf("%s; use another dseq", m.ID)
	}
	params, err := s.k.Params(ctx)
	if err != nil {
		return nil, err
	}
	denom := m.Deposit.Amount.Denom
	found, least := params.MinDeposits.Find(denom)
	if !found {
		return nil, ErrInvalidPrice.Wrapf("%s isn't among the denominations that the market settles in: %s", denom, params.MinDeposits)
	}
	if m.Deposit.Amount.Amount.LT(least.Amount) {
		return nil, ErrInvalidDeposit.Wrapf("%s is less than the least deposit, %s", m.Deposit.Amount, least)
	}
	if m.Reclamation != nil {
		lo, hi, err := s.k.market.ReclamationBounds(ctx)
		if err != nil {
			return nil, err
		}
		if w := m.Reclamation.MinWindow; w < lo || w > hi {
			return nil, ErrInvalidReclamation.Wrapf("min_window %s; use %s to %s", w, lo, hi)
		}
	}

	height := sdk.UnwrapSDKContext(ctx).BlockHeight()
	d := Record{Orders: make([]uint32, len(m.Groups))}
	d.Deployment = deploymentv1.Deployment{State: deploymentv1.DeploymentActive, Hash: m.Hash, CreatedAt: height, Reclamation: m.Reclamation}
	d.Groups = make([]types.Group, len(m.Groups))
	for i := range m.Groups {
		d.Orders[i] = 1
		d.Groups[i] = types.Group{State: types.GroupOpen, GroupSpec: m.Groups[i], CreatedAt: height}
	}
	if err := s.k.set(ctx, id, d); err != nil {
		return nil, err
	}
	if err := emit(ctx, &deploymentv1.EventDeploymentCreated{ID: m.ID, Hash: m.Hash}); err != nil {
		return nil, err
	}
	for i := range m.Groups {
		if err := s.k.market.OpenOrder(ctx, id, uint32(i+1), d.Orders[i], d.Size()); err != nil {
			return nil, err
		}
	}
	if err := s.k.escrow.Open(ctx, id.Account(), id.Owner, m.Deposit); err != nil {
		return nil, err
	}
	return &types.MsgCreateDeploymentResponse{}, nil
}

// UpdateDeployment stores the hash of a changed manifest. Groups can't be changed.
func (s msgServer) UpdateDeployment(ctx context.Context, m *types.MsgUpdateDeployment) (*types.MsgUpdateDeploymentResponse, error) {
	id, err := parseID(&m.ID)
	if err != nil {
		return nil, err
	}
	if err := validateHash(m.Hash); err != nil {
		return nil, err
	}
	d, err := s.k.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if d.Deployment.State != deploymentv1.DeploymentActive {
		return nil, ErrDeploymentClosed
	}
	if bytes.Equal(d.Deployment.Hash, m.Hash) {
		return nil, ErrInvalidHash.Wrap("it is the hash that the deployment has already")
	}
	d.Deployment.Hash = m.Hash
	if err := s.k.set(ctx, id, d); err != nil {
		return nil, err
	}
	return &types.MsgUpdateDeploymentResponse{}, emit(ctx, &deploymentv1.EventDeploymentUpdated{ID: m.ID, Hash: m.Hash})
}

// CloseDeployment ends a deployment with all that belongs to it, and refunds what is left.
func (s msgServer) CloseDeployment(ctx context.Context, m *types.MsgCloseDeployment) (*types.MsgCloseDeploymentResponse, error) {
	id, err := parseID(&m.ID)
	if err != nil {
		return nil, err
	}
	d, err := s.k.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if d.Deployment.State != deploymentv1.DeploymentActive {
		return nil, ErrDeploymentClosed
	}
	// Money that ended before this block ends the leases as it would have then.
	if ended, err := s.k.EndIfOverdue(ctx, id); err != nil {
		return nil, err
	} else if ended {
		if d, err = s.k.Get(ctx, id); err != nil || d.Deployment.State != deploymentv1.DeploymentActive {
			return &types.MsgCloseDeploymentResponse{}, err
		}
	}
	return &types.MsgCloseDeploymentResponse{}, s.k.close(ctx, id, d, false)
}

// CloseGroup ends a group for good. The deployment and its escrow account stay.
func (s msgServer) CloseGroup(ctx context.Context, m *types.MsgCloseGroup) (*types.MsgCloseGroupResponse, error) {
	err := s.stop(ctx, &m.ID, types.GroupClosed)
	return &types.MsgCloseGroupResponse{}, err
}

// PauseGroup ends a group's lease or order. The group can be started again.
func (s msgServer) PauseGroup(ctx context.Context, m *types.MsgPauseGroup) (*types.MsgPauseGroupResponse, error) {
	err := s.stop(ctx, &m.ID, types.GroupPaused)
	return &types.MsgPauseGroupResponse{}, err
}

func (s msgServer) stop(ctx context.Context, wire *deploymentv1.GroupID, state types.Group_State) error {
	id, gseq, err := parseGroupID(wire)
	if err != nil {
		return err
	}
	g, d, err := s.k.Group(ctx, id, gseq)
	if err != nil {
		return err
	}
	switch {
	case g.State == types.GroupClosed || g.State == types.GroupInsufficientFunds:
		return ErrGroupClosed
	case g.State == types.GroupPaused && state == types.GroupPaused:
		return ErrGroupPaused
	}
	if ended, err := s.k.EndIfOverdue(ctx, id); err != nil {
		return err
	} else if ended {
		if g, d, err = s.k.Group(ctx, id, gseq); err != nil || d.Deployment.State != deploymentv1.DeploymentActive {
			return err
		}
		if g.State == types.GroupPaused && state == types.GroupPaused { // by its owner's wish: it stays so
			d.Dry &^= 1 << (gseq - 1)
			return s.k.set(ctx, id, d)
		}
	}
	if err := s.k.setGroup(ctx, id, d, gseq, state); err != nil {
		return err
	}
	return s.k.market.CloseOrder(ctx, id, gseq, d.Orders[gseq-1], End{Lease: marketv1.LeaseClosed, Reason: marketv1.LeaseClosedReasonOwner})
}

// StartGroup opens a paused group again, with a new order.
func (s msgServer) StartGroup(ctx context.Context, m *types.MsgStartGroup) (*types.MsgStartGroupResponse, error) {
	id, gseq, err := parseGroupID(&m.ID)
	if err != nil {
		return nil, err
	}
	g, d, err := s.k.Group(ctx, id, gseq)
	if err != nil {
		return nil, err
	}
	switch {
	case g.State == types.GroupClosed || g.State == types.GroupInsufficientFunds:
		return nil, ErrGroupClosed
	case g.State == types.GroupOpen:
		return nil, ErrGroupOpen
	case d.Deployment.State != deploymentv1.DeploymentActive:
		return nil, ErrDeploymentClosed
	}
	ended, err := s.k.EndIfOverdue(ctx, id)
	if err != nil {
		return nil, err
	}
	if until, err := s.k.escrow.Grace(ctx, id.Account()); err != nil {
		return nil, err
	} else if until != 0 {
		return nil, escrow.ErrAccountOverdrawn.Wrap("deposit first, to the deployment's account; that starts the groups again that had to stop")
	}
	if ended {
		return &types.MsgStartGroupResponse{}, nil
	}
	d.Orders[gseq-1]++
	if err := s.k.setGroup(ctx, id, d, gseq, types.GroupOpen); err != nil {
		return nil, err
	}
	return &types.MsgStartGroupResponse{}, s.k.market.OpenOrder(ctx, id, gseq, d.Orders[gseq-1], d.Size())
}

// UpdateParams changes the parameters; only the authority (governance) may.
func (s msgServer) UpdateParams(ctx context.Context, m *types.MsgUpdateParams) (*types.MsgUpdateParamsResponse, error) {
	if m.Authority != s.k.authority {
		return nil, sdkerrors.ErrUnauthorized.Wrapf("%s may not change parameters, only %s", m.Authority, s.k.authority)
	}
	if err := ValidateParams(m.Params); err != nil {
		return nil, err
	}
	m.Params.MinDeposits = m.Params.MinDeposits.Sort()
	return &types.MsgUpdateParamsResponse{}, s.k.params.Set(ctx, m.Params)
}
