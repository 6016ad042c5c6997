package deployment

import (
	"context"
	"errors"
	"fmt"

	sdk "github.com/cosmos/cosmos-sdk/types"

	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	types "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	escrowtypes "github.com/akash-supercloud/akash/api/akash/escrow/types/v1"
	"github.com/akash-supercloud/akash/x/internal/key"
)

// DefaultParams settles in uact and uakt, with deposits of at least half a coin.
func DefaultParams() types.Params {
	return types.Params{MinDeposits: sdk.NewCoins(sdk.NewInt64Coin("uact", 500_000), sdk.NewInt64Coin("uakt", 500_000))}
}

// DefaultGenesis returns the state of a new chain.
func DefaultGenesis() *types.GenesisState {
	return &types.GenesisState{Deployments: []types.GenesisDeployment{}, Params: DefaultParams()}
}

// ValidateGenesis checks a genesis state by itself.
func ValidateGenesis(g *types.GenesisState) error {
	if err := ValidateParams(g.Params); err != nil {
		return err
	}
	seen := map[string]bool{}
	for i := range g.Deployments {
		id, err := validateGenesisDeployment(&g.Deployments[i])
		if err != nil {
			return fmt.Errorf("deployments[%d]: %w", i, err)
		}
		if k := string(id.Key()); seen[k] {
			return fmt.Errorf("deployments[%d]: %w", i, ErrDeploymentExists)
		} else {
			seen[k] = true
		}
	}
	return nil
}

func validateGenesisDeployment(d *types.GenesisDeployment) (ID, error) {
	id, err := parseID(&d.Deployment.ID)
	if err != nil {
		return id, err
	}
	if s := d.Deployment.State; s != deploymentv1.DeploymentActive && s != deploymentv1.DeploymentClosed {
		return id, ErrInvalidDeployment.Wrapf("state %s", s)
	}
	if err := validateHash(d.Deployment.Hash); err != nil {
		return id, err
	}
	if len(d.Groups) == 0 || len(d.Groups) > MaxGroups {
		return id, ErrInvalidGroups.Wrapf("%d groups", len(d.Groups))
	}
	for i := range d.Groups {
		g := &d.Groups[i]
		if g.ID != deploymentv1.MakeGroupID(d.Deployment.ID, uint32(i+1)) {
			return id, ErrInvalidGroupID.Wrapf("groups[%d] is %s", i, g.ID)
		}
		switch g.State {
		case types.GroupOpen, types.GroupPaused:
			if d.Deployment.State != deploymentv1.DeploymentActive {
				return id, ErrInvalidDeployment.Wrapf("groups[%d] is %s in a closed deployment", i, g.State)
			}
		case types.GroupClosed, types.GroupInsufficientFunds:
		default:
			return id, ErrInvalidDeployment.Wrapf("groups[%d]: state %s", i, g.State)
		}
	}
	return id, nil
}

// InitGenesis fills the store from a genesis state.
func (k *Keeper) InitGenesis(ctx context.Context, g *types.GenesisState) error {
	if err := ValidateGenesis(g); err != nil {
		return err
	}
	if err := k.params.Set(ctx, g.Params); err != nil {
		return err
	}
	for i := range g.Deployments {
		id, err := parseID(&g.Deployments[i].Deployment.ID)
		if err != nil {
			return err
		}
		// How many orders each group has had the market knows, and says.
		d := Record{GenesisDeployment: g.Deployments[i], Orders: make([]uint32, len(g.Deployments[i].Groups))}
		d.Groups = append([]types.Group(nil), d.Groups...)
		if err := k.set(ctx, id, d); err != nil {
			return err
		}
	}
	return nil
}

// ExportGenesis returns the module's whole state.
func (k *Keeper) ExportGenesis(ctx context.Context) (*types.GenesisState, error) {
	g := DefaultGenesis()
	p, err := k.Params(ctx)
	if err != nil {
		return nil, err
	}
	g.Params = p
	err = k.Each(ctx, func(_ ID, d Record) error {
		g.Deployments = append(g.Deployments, d.GenesisDeployment)
		return nil
	})
	return g, err
}

// Each calls fn for every deployment, active ones first, in order of their ids.
func (k *Keeper) Each(ctx context.Context, fn func(ID, Record) error) error {
	return k.each(ctx, func(_ int, id ID, d Record) error { return fn(id, d) })
}

func (k *Keeper) each(ctx context.Context, fn func(int, ID, Record) error) error {
	return k.deployments.Each(ctx, func(class int, b []byte, d Record) error {
		id, err := readID(b)
		if err != nil {
			return err
		}
		name(&d, id)
		return fn(class, id, d)
	})
}

func readID(b []byte) (ID, error) {
	r := key.Read(b)
	id := ID{Owner: r.Addr(), DSeq: r.U64()}
	return id, r.Err()
}

// Invariants returns every way in which the deployments' state is broken; nil if none.
// It reads all of the module's state.
func (k *Keeper) Invariants(ctx context.Context) error {
	var broken []error
	err := k.each(ctx, func(class int, id ID, d Record) error {
		wire := id.Wire()
		if _, err := validateGenesisDeployment(&d.GenesisDeployment); err != nil {
			broken = append(broken, fmt.Errorf("deployment %s: %w", wire, err))
		}
		a, err := k.escrow.Account(ctx, id.Account())
		if err != nil {
			broken = append(broken, fmt.Errorf("deployment %s: its escrow account: %w", wire, err))
			return nil
		}
		if twice, err := k.deployments.Has(ctx, id.Key(), active+closed-class); err != nil || twice || class != d.class() {
			broken = append(broken, fmt.Errorf("deployment %s is %s, but stored among others (%v)", wire, d.Deployment.State, err))
		}
		until, dry, err := k.Grace(ctx, id, &d)
		if err != nil {
			return err
		}
		for _, g := range d.Groups {
			if until != 0 && g.State == types.GroupOpen || until == 0 && len(dry) > 0 || d.dry(g.ID.GSeq) && g.State != types.GroupPaused {
				broken = append(broken, fmt.Errorf("deployment %s is in grace until %d, its group %d %s, paused for want of money %v", wire, until, g.ID.GSeq, g.State, dry))
			}
		}
		overdue, err := k.escrow.Overdue(ctx, id.Account())
		if err != nil {
			return err
		}
		if runs := d.Deployment.State == deploymentv1.DeploymentActive; runs != (a.State.State == escrowtypes.StateOpen || until != 0 || overdue) {
			broken = append(broken, fmt.Errorf("deployment %s is %s, but its escrow account is %s", wire, d.Deployment.State, a.State.State))
		}
		return nil
	})
	return errors.Join(err, errors.Join(broken...))
}
