package deployment

import (
	"math"
	"slices"

	sdk "github.com/cosmos/cosmos-sdk/types"

	depositv1 "github.com/akash-supercloud/akash/api/akash/base/deposit/v1"
	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	types "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	"github.com/akash-supercloud/akash/match"
	"github.com/akash-supercloud/akash/x/escrow"
)

// MaxGroups is how many groups a deployment may have: closing one is work for the chain
// that its owner doesn't pay for when its money runs out.
const MaxGroups = 20

// HashSize is the size of a manifest's hash in bytes.
const HashSize = 32

// parseID checks an id, and makes its owner's text the one way to write it.
func parseID(id *deploymentv1.DeploymentID) (ID, error) {
	owner, err := sdk.AccAddressFromBech32(id.Owner)
	if err != nil {
		return ID{}, ErrInvalidDeploymentID.Wrapf("owner %q: %s", id.Owner, err)
	}
	if id.DSeq == 0 {
		return ID{}, ErrInvalidDeploymentID.Wrap("dseq can't be 0")
	}
	id.Owner = owner.String()
	return ID{owner, id.DSeq}, nil
}

func parseGroupID(id *deploymentv1.GroupID) (ID, uint32, error) {
	d := id.DeploymentID()
	p, err := parseID(&d)
	if err != nil {
		return p, 0, ErrInvalidGroupID.Wrap(err.Error())
	}
	if id.GSeq == 0 {
		return p, 0, ErrInvalidGroupID.Wrap("gseq can't be 0")
	}
	id.Owner = d.Owner
	return p, id.GSeq, nil
}

func validateHash(hash []byte) error {
	if len(hash) == 0 {
		return ErrEmptyHash
	}
	if len(hash) != HashSize {
		return ErrInvalidHash.Wrapf("%d bytes; it has to be the %d bytes of the manifest's SHA-256", len(hash), HashSize)
	}
	return nil
}

// validateCreate checks all of a MsgCreateDeployment that needs no state.
func validateCreate(m *types.MsgCreateDeployment) error {
	if err := validateDeposit(m.Deposit); err != nil {
		return err
	}
	if len(m.Groups) == 0 || len(m.Groups) > MaxGroups {
		return ErrInvalidGroups.Wrapf("%d groups; use 1 to %d", len(m.Groups), MaxGroups)
	}
	if err := validateHash(m.Hash); err != nil {
		return err
	}
	if m.Reclamation != nil && m.Reclamation.MinWindow < 0 {
		return ErrInvalidReclamation.Wrapf("min_window %s is negative", m.Reclamation.MinWindow)
	}
	for i := range m.Groups {
		if slices.ContainsFunc(m.Groups[:i], func(g types.GroupSpec) bool { return g.Name == m.Groups[i].Name }) {
			return ErrDuplicateGroupName.Wrapf("%q", m.Groups[i].Name)
		}
	}
	if err := match.DeploymentLimits(m.Groups); err != nil {
		return ErrGroupSpecInvalid.Wrap(err.Error())
	}
	if denom := m.Groups[0].Resources[0].Price.Denom; denom != m.Deposit.Amount.Denom {
		return ErrInvalidDeposit.Wrapf("the deposit is in %s, but the groups' prices are in %s", m.Deposit.Amount.Denom, denom)
	}
	return nil
}

func validateDeposit(d depositv1.Deposit) error {
	if err := escrow.ValidateDeposit(d); err != nil {
		return ErrInvalidDeposit.Wrap(err.Error())
	}
	return nil
}

// ValidateParams checks parameters by themselves: min_deposits lists the denominations that
// the market settles in, each once, with the least deposit.
func ValidateParams(p types.Params) error {
	if len(p.MinDeposits) == 0 {
		return ErrInvalidParam.Wrap("min_deposits: name at least one denomination")
	}
	for i, c := range p.MinDeposits {
		if c.Amount.IsNil() || c.Validate() != nil || !c.Amount.IsInt64() || c.Amount.Int64() >= math.MaxInt32 {
			return ErrInvalidParam.Wrapf("min_deposits[%d]: use an amount below 2^31-1 of a denomination", i)
		}
		if slices.ContainsFunc(p.MinDeposits[:i], func(o sdk.Coin) bool { return o.Denom == c.Denom }) {
			return ErrInvalidParam.Wrapf("min_deposits: %s is there twice", c.Denom)
		}
	}
	return nil
}
