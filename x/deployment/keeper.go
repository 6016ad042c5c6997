// Package deployment keeps what tenants ask for: deployments and their groups.
//
// It owns the record of each deployment, its groups included, under one key, active ones
// apart from closed ones (store.Classes). What always
// holds (Invariants): an active deployment has an open escrow account of its own, or one that
// waits for money, when none of its groups is open; a closed
// one an ended account; the groups of a closed deployment are closed or out of funds.
// Specs of groups never change, so orders don't repeat them.
package deployment

import (
	"context"
	"errors"
	"time"

	"cosmossdk.io/collections"
	corestore "cosmossdk.io/core/store"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	types "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	"github.com/akash-supercloud/akash/x/escrow"
	"github.com/akash-supercloud/akash/x/internal/key"
	"github.com/akash-supercloud/akash/x/internal/store"
)

// ID names a deployment.
type ID struct {
	Owner sdk.AccAddress
	DSeq  uint64
}

// Key is the id in stores: owner | dseq.
func (id ID) Key() []byte { return key.U64(key.Addr(nil, id.Owner), id.DSeq) }

// Wire is the id as clients know it.
func (id ID) Wire() deploymentv1.DeploymentID {
	return deploymentv1.DeploymentID{Owner: id.Owner.String(), DSeq: id.DSeq}
}

// Account is the id of the escrow account that the deployment's leases are paid from.
func (id ID) Account() escrow.AccountID { return escrow.DeploymentAccount(id.Owner, id.DSeq) }

// End is how what belongs to a group ends.
type End struct {
	// Lease is the state that a running lease gets, Reason its reason.
	Lease  marketv1.Lease_State
	Reason marketv1.LeaseClosedReason
	// Account says that the escrow account ends too, and all payments with it.
	Account bool
}

// Market is what deployments ask of the market.
type Market interface {
	// OpenOrder opens order number oseq of an open group, of a deployment whose record has size bytes.
	OpenOrder(ctx context.Context, id ID, gseq, oseq uint32, size int) error
	// CloseOrder ends order number oseq of a group, if it is open or active, with its bids and
	// its lease.
	CloseOrder(ctx context.Context, id ID, gseq, oseq uint32, end End) error
	// GraceBlocks returns for how many blocks a deployment that has run out of money waits for
	// more; 0: it is closed at once.
	GraceBlocks(ctx context.Context) (int64, error)
	// ReclamationBounds returns the shortest and the longest window allowed.
	ReclamationBounds(ctx context.Context) (least, most time.Duration, err error)
}

// Keeper holds deployments and their groups.
type Keeper struct {
	cdc       codec.Codec
	escrow    *escrow.Keeper
	market    Market
	authority string

	schema      collections.Schema
	deployments store.Classes[Record] // active, closed
	params      collections.Item[types.Params]
}

// NewKeeper returns the keeper of deployments, and tells escrow that it closes what runs
// dry. Authority is the address that may change the parameters.
func NewKeeper(cdc codec.Codec, storeService corestore.KVStoreService, escrow *escrow.Keeper, authority string) *Keeper {
	sb := collections.NewSchemaBuilder(storeService)
	k := &Keeper{
		cdc: cdc, escrow: escrow, authority: authority,
		deployments: store.NewClasses(sb, 1, recordCodec{}, "active", "closed"),
		params:      collections.NewItem(sb, collections.NewPrefix(0), "params", codec.CollValue[types.Params](cdc)),
	}
	schema, err := sb.Build()
	if err != nil {
		panic(err)
	}
	k.schema = schema
	escrow.SetHooks(k)
	return k
}

// SetMarket says who keeps the groups' orders. The market's keeper calls it.
func (k *Keeper) SetMarket(m Market) { k.market = m }

// Get returns a deployment with its groups, ids filled in.
func (k *Keeper) Get(ctx context.Context, id ID) (Record, error) {
	d, _, err := k.deployments.Find(ctx, id.Key())
	if errors.Is(err, collections.ErrNotFound) {
		return d, ErrDeploymentNotFound
	}
	if err == nil {
		name(&d, id)
	}
	return d, err
}

// name fills in the ids, which are part of the key and so aren't stored again.
func name(d *Record, id ID) {
	d.Deployment.ID = id.Wire()
	for i := range d.Groups {
		d.Groups[i].ID = deploymentv1.MakeGroupID(d.Deployment.ID, uint32(i+1))
	}
}

// Deployments are stored by class: their state.
const (
	active = iota
	closed
)

func (r *Record) class() int {
	if r.Deployment.State == deploymentv1.DeploymentActive {
		return active
	}
	return closed
}

// set stores a deployment whose state hasn't changed. Afterwards its ids are blank.
func (k *Keeper) set(ctx context.Context, id ID, d Record) error {
	return k.move(ctx, id, store.None, d)
}

// move stores a deployment that was in class from. Afterwards its ids are blank.
func (k *Keeper) move(ctx context.Context, id ID, from int, d Record) error {
	d.Deployment.ID = deploymentv1.DeploymentID{}
	for i := range d.Groups {
		d.Groups[i].ID = deploymentv1.GroupID{}
	}
	return k.deployments.Move(ctx, id.Key(), from, d.class(), d)
}

// Group returns a group and the deployment that it is part of.
func (k *Keeper) Group(ctx context.Context, id ID, gseq uint32) (types.Group, Record, error) {
	d, err := k.Get(ctx, id)
	if errors.Is(err, ErrDeploymentNotFound) {
		return types.Group{}, d, ErrGroupNotFound.Wrap("there is no such deployment")
	} else if err != nil {
		return types.Group{}, d, err
	}
	if gseq == 0 || int(gseq) > len(d.Groups) {
		return types.Group{}, d, ErrGroupNotFound
	}
	return d.Groups[gseq-1], d, nil
}

// NextOrder returns the number of the next order of a group, which the caller opens.
func (k *Keeper) NextOrder(ctx context.Context, id ID, gseq uint32) (uint32, error) {
	_, d, err := k.Group(ctx, id, gseq)
	if err != nil {
		return 0, err
	}
	d.Orders[gseq-1]++
	return d.Orders[gseq-1], k.set(ctx, id, d)
}

// SetOrders says how many orders a group has had, when a chain starts from a genesis state.
func (k *Keeper) SetOrders(ctx context.Context, id ID, gseq, orders uint32) error {
	_, d, err := k.Group(ctx, id, gseq)
	if err != nil {
		return err
	}
	d.Orders[gseq-1] = max(orders, d.Orders[gseq-1])
	return k.set(ctx, id, d)
}

// PauseGroup pauses an open group whose lease its provider has ended.
func (k *Keeper) PauseGroup(ctx context.Context, id ID, gseq uint32) error {
	g, d, err := k.Group(ctx, id, gseq)
	if err != nil || g.State != types.GroupOpen {
		return err
	}
	return k.setGroup(ctx, id, d, gseq, types.GroupPaused)
}

// setGroup stores a group's new state and emits its event.
func (k *Keeper) setGroup(ctx context.Context, id ID, d Record, gseq uint32, state types.Group_State) error {
	gid := d.Groups[gseq-1].ID
	d.Groups[gseq-1].State = state
	d.Dry &^= 1 << (gseq - 1)
	if err := k.set(ctx, id, d); err != nil {
		return err
	}
	return emitGroup(ctx, gid, state)
}

func ofAccount(aid escrow.AccountID) (ID, error) {
	r := key.Read(aid)
	r.Byte()
	id := ID{Owner: r.Addr(), DSeq: r.U64()}
	return id, r.Err()
}

// AccountDry pauses a deployment whose escrow account has no money for the next block, and
// closes one whose grace has ended.
func (k *Keeper) AccountDry(ctx context.Context, aid escrow.AccountID) error {
	id, err := ofAccount(aid)
	if err != nil {
		return err
	}
	return k.dry(ctx, id)
}

func (k *Keeper) dry(ctx context.Context, id ID) error {
	d, err := k.Get(ctx, id)
	if err != nil {
		return err
	}
	until, err := k.escrow.Grace(ctx, id.Account())
	if err != nil {
		return err
	}
	grace, err := k.market.GraceBlocks(ctx)
	if err != nil {
		return err
	}
	if until != 0 || grace == 0 {
		return k.close(ctx, id, d, true)
	}
	return k.pause(ctx, id, d, sdk.UnwrapSDKContext(ctx).BlockHeight()+grace)
}

// EndIfOverdue pauses or closes the deployment if its money ended before this block, which is
// so only while more accounts have run dry than a block may end. It reports whether it did.
func (k *Keeper) EndIfOverdue(ctx context.Context, id ID) (bool, error) {
	overdue, err := k.escrow.Overdue(ctx, id.Account())
	if err != nil || !overdue {
		return false, err
	}
	return true, k.dry(ctx, id)
}

// pause ends what a deployment's money can't pay for any more. The deployment goes on, and
// until block until a deposit starts its groups again.
func (k *Keeper) pause(ctx context.Context, id ID, d Record, until int64) error {
	if d.Deployment.State != deploymentv1.DeploymentActive {
		return ErrDeploymentClosed
	}
	var ended []uint32
	for i := range d.Groups {
		if d.Groups[i].State == types.GroupOpen {
			d.Groups[i].State = types.GroupPaused
			d.Dry |= 1 << i
			ended = append(ended, uint32(i+1))
		}
	}
	if err := k.set(ctx, id, d); err != nil {
		return err
	}
	wire := id.Wire()
	end := End{Lease: marketv1.LeaseInsufficientFunds, Reason: marketv1.LeaseClosedReasonInsufficientFunds, Account: true}
	for _, gseq := range ended {
		if err := emitGroup(ctx, deploymentv1.MakeGroupID(wire, gseq), types.GroupPaused); err != nil {
			return err
		}
		if err := k.market.CloseOrder(ctx, id, gseq, d.Orders[gseq-1], end); err != nil {
			return err
		}
	}
	return k.escrow.PauseAccount(ctx, id.Account(), until)
}

// AccountReopened starts the groups again that were paused because the money had ended.
func (k *Keeper) AccountReopened(ctx context.Context, aid escrow.AccountID) error {
	id, err := ofAccount(aid)
	if err != nil {
		return err
	}
	d, err := k.Get(ctx, id)
	if err != nil {
		return err
	}
	var started []uint32
	for i := range d.Groups {
		if gseq := uint32(i + 1); d.dry(gseq) && d.Groups[i].State == types.GroupPaused {
			d.Groups[i].State = types.GroupOpen
			d.Orders[i]++
			started = append(started, gseq)
		}
	}
	d.Dry = 0
	if err := k.set(ctx, id, d); err != nil {
		return err
	}
	for _, gseq := range started {
		if err := emitGroup(ctx, deploymentv1.MakeGroupID(id.Wire(), gseq), types.GroupOpen); err != nil {
			return err
		}
		if err := k.market.OpenOrder(ctx, id, gseq, d.Orders[gseq-1], d.Size()); err != nil {
			return err
		}
	}
	return nil
}

// SetGrace says which paused groups a deposit starts again, and until when, when a chain
// starts from a genesis state.
func (k *Keeper) SetGrace(ctx context.Context, id ID, until int64, groups []uint32) error {
	d, err := k.Get(ctx, id)
	if err != nil {
		return err
	}
	for _, gseq := range groups {
		if gseq == 0 || int(gseq) > len(d.Groups) || d.Groups[gseq-1].State != types.GroupPaused {
			return ErrInvalidGroupID.Wrapf("group %d isn't a paused one", gseq)
		}
		d.Dry |= 1 << (gseq - 1)
	}
	if err := k.set(ctx, id, d); err != nil {
		return err
	}
	return k.escrow.SetGrace(ctx, id.Account(), until)
}

// Grace returns until when a deployment that has run out of money waits for more, and which
// of its groups a deposit starts again; 0: it isn't in grace.
func (k *Keeper) Grace(ctx context.Context, id ID, d *Record) (until int64, groups []uint32, err error) {
	if d.Deployment.State != deploymentv1.DeploymentActive {
		return 0, nil, nil
	}
	until, err = k.escrow.Grace(ctx, id.Account())
	for i := range d.Groups {
		if gseq := uint32(i + 1); d.dry(gseq) {
			groups = append(groups, gseq)
		}
	}
	return until, groups, err
}

// close ends a deployment and all that belongs to it. Dry: its money has run out.
func (k *Keeper) close(ctx context.Context, id ID, d Record, dry bool) error {
	if d.Deployment.State != deploymentv1.DeploymentActive {
		return ErrDeploymentClosed
	}
	end := End{Lease: marketv1.LeaseClosed, Reason: marketv1.LeaseClosedReasonOwner, Account: true}
	state := types.GroupClosed
	if dry {
		end.Lease, end.Reason = marketv1.LeaseInsufficientFunds, marketv1.LeaseClosedReasonInsufficientFunds
		state = types.GroupInsufficientFunds
	}
	d.Deployment.State, d.Dry = deploymentv1.DeploymentClosed, 0
	var ended []uint32
	for i := range d.Groups {
		if s := d.Groups[i].State; s == types.GroupOpen || s == types.GroupPaused {
			d.Groups[i].State = state
			ended = append(ended, uint32(i+1))
		}
	}
	if err := k.move(ctx, id, active, d); err != nil {
		return err
	}
	wire := id.Wire()
	if err := emit(ctx, &deploymentv1.EventDeploymentClosed{ID: wire}); err != nil {
		return err
	}
	for _, gseq := range ended {
		if err := emitGroup(ctx, deploymentv1.MakeGroupID(wire, gseq), state); err != nil {
			return err
		}
		if err := k.market.CloseOrder(ctx, id, gseq, d.Orders[gseq-1], end); err != nil {
			return err
		}
	}
	return k.escrow.CloseAccount(ctx, id.Account(), dry)
}

// Params returns the parameters.
func (k *Keeper) Params(ctx context.Context) (types.Params, error) {
	p, err := k.params.Get(ctx)
	if errors.Is(err, collections.ErrNotFound) {
		return DefaultParams(), nil
	}
	return p, err
}
