package account

import (
	"context"

	"google.golang.org/grpc"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/x/auth/vesting"
	vestingtypes "github.com/cosmos/cosmos-sdk/x/auth/vesting/types"
)

// VestingModule is x/auth/vesting with account numbers of the sequence. The SDK's message server takes
// its account keeper as a struct, so the number is put right after it has made the account.
type VestingModule struct {
	vesting.AppModule
	k  Keeper
	bk vestingtypes.BankKeeper
}

// NewVestingModule returns the vesting module over k and bk.
func NewVestingModule(k Keeper, bk vestingtypes.BankKeeper) VestingModule {
	return VestingModule{AppModule: vesting.NewAppModule(k.AccountKeeper, bk), k: k, bk: bk}
}

// RegisterServices registers the message server.
func (m VestingModule) RegisterServices(r grpc.ServiceRegistrar) error {
	vestingtypes.RegisterMsgServer(r, vestingServer{inner: vesting.NewMsgServerImpl(m.k.AccountKeeper, m.bk), k: m.k})
	return nil
}

type vestingServer struct {
	inner vestingtypes.MsgServer
	k     Keeper
}

func (s vestingServer) renumber(ctx context.Context, to string, err error) error {
	if err != nil {
		return err
	}
	addr, err := sdk.AccAddressFromBech32(to)
	if err != nil {
		return err
	}
	s.k.Renumber(ctx, addr)
	return nil
}

func (s vestingServer) CreateVestingAccount(ctx context.Context, msg *vestingtypes.MsgCreateVestingAccount) (*vestingtypes.MsgCreateVestingAccountResponse, error) {
	res, err := s.inner.CreateVestingAccount(ctx, msg)
	if err := s.renumber(ctx, msg.ToAddress, err); err != nil {
		return nil, err
	}
	return res, nil
}

func (s vestingServer) CreatePermanentLockedAccount(ctx context.Context, msg *vestingtypes.MsgCreatePermanentLockedAccount) (*vestingtypes.MsgCreatePermanentLockedAccountResponse, error) {
	res, err := s.inner.CreatePermanentLockedAccount(ctx, msg)
	if err := s.renumber(ctx, msg.ToAddress, err); err != nil {
		return nil, err
	}
	return res, nil
}

func (s vestingServer) CreatePeriodicVestingAccount(ctx context.Context, msg *vestingtypes.MsgCreatePeriodicVestingAccount) (*vestingtypes.MsgCreatePeriodicVestingAccountResponse, error) {
	res, err := s.inner.CreatePeriodicVestingAccount(ctx, msg)
	if err := s.renumber(ctx, msg.ToAddress, err); err != nil {
		return nil, err
	}
	return res, nil
}
