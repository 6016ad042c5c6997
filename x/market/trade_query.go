package market

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"cosmossdk.io/collections"

	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"

	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	tradev1 "github.com/akash-supercloud/akash/api/akash/trade/v1"
	"github.com/akash-supercloud/akash/x/deployment"
	"github.com/akash-supercloud/akash/x/internal/key"
	"github.com/akash-supercloud/akash/x/internal/page"
)

type tradeQueries struct{ k *Keeper }

// NewTradeQueryServer returns the queries of akash.trade.v1.
func NewTradeQueryServer(k *Keeper) tradev1.QueryServer { return tradeQueries{k} }

// AllowInvariantsQuery lets this node check the whole state for whoever asks, which is much work.
func (k *Keeper) AllowInvariantsQuery() { k.allowInvariants = true }

// Params returns the parameters.
func (s tradeQueries) Params(ctx context.Context, _ *tradev1.QueryParamsRequest) (*tradev1.QueryParamsResponse, error) {
	p, err := s.k.TradeParams(ctx)
	if err != nil {
		return nil, err
	}
	return &tradev1.QueryParamsResponse{Params: p}, nil
}

// Denials lists the providers that an owner denies.
func (s tradeQueries) Denials(ctx context.Context, req *tradev1.QueryDenialsRequest) (*tradev1.QueryDenialsResponse, error) {
	if req == nil {
		return nil, errEmpty
	}
	f := &tradev1.QueryDenialsRequest{Owner: req.Owner}
	p, err := page.New(req.Pagination, f, func() bool { return true })
	if err != nil {
		return nil, err
	}
	prefix, err := page.Owner(f.Owner)
	if err != nil {
		return nil, err
	}
	if len(prefix) == 0 {
		return nil, status.Error(codes.InvalidArgument, "owner is missing")
	}
	res := &tradev1.QueryDenialsResponse{Providers: []string{}}
	set := collections.Map[[]byte, collections.NoValue](s.k.denied)
	err = page.Walk(ctx, p, 0, set, prefix, func(b []byte, _ func() (collections.NoValue, error)) (func() error, error) {
		return func() error {
			res.Providers = append(res.Providers, sdk.AccAddress(b[len(prefix):]).String())
			return nil
		}, nil
	})
	if err != nil {
		return nil, err
	}
	res.Pagination = p.Response()
	return res, nil
}

// Funding tells what a deployment's account holds and how long that lasts.
func (s tradeQueries) Funding(ctx context.Context, req *tradev1.QueryFundingRequest) (*tradev1.QueryFundingResponse, error) {
	if req == nil {
		return nil, errEmpty
	}
	owner, err := sdk.AccAddressFromBech32(req.Owner)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "owner %q: %s", req.Owner, err)
	}
	id := deployment.ID{Owner: owner, DSeq: req.Dseq}
	f, err := s.k.escrow.Funding(ctx, id.Account())
	if err != nil {
		return nil, err
	}
	res := &tradev1.QueryFundingResponse{
		Height: height(ctx), State: f.State.String(), Balance: f.Balance, Spent: f.Spent, LastBlock: f.LastBlock, GraceEnds: f.Grace,
		BlocksLeft: -1, SecondsLeft: -1,
	}
	if f.LastBlock == 0 {
		return res, nil
	}
	res.BlocksLeft = max(0, f.LastBlock-res.Height)
	if mean := s.k.pace.mean(); mean > 0 {
		res.SecondsLeft = min(res.BlocksLeft, 1<<40) * min(mean.Milliseconds(), 1<<20) / 1000
	}
	return res, nil
}

// Invariants checks the state of escrow, deployments and the market at the queried height.
func (s tradeQueries) Invariants(ctx context.Context, _ *tradev1.QueryInvariantsRequest) (*tradev1.QueryInvariantsResponse, error) {
	k := s.k
	if !k.allowInvariants {
		return nil, status.Error(codes.PermissionDenied, "this node doesn't check the whole state for others; its operator can allow it by query-invariants = true in app.toml")
	}
	if !k.checking.TryLock() {
		return nil, status.Error(codes.ResourceExhausted, "this node checks its state already; try again when it is done")
	}
	defer k.checking.Unlock()
	res := &tradev1.QueryInvariantsResponse{Height: height(ctx), Breaches: []string{}}
	ctx = sdk.UnwrapSDKContext(ctx).WithGasMeter(storetypes.NewInfiniteGasMeter())
	for _, check := range []func(context.Context) error{k.escrow.Invariants, k.deployment.Invariants, k.Invariants} {
		res.Breaches = append(res.Breaches, sentences(check(ctx))...)
	}
	return res, nil
}

// sentences takes joined errors apart.
func sentences(err error) []string {
	if err == nil {
		return nil
	}
	var many interface{ Unwrap() []error }
	if !errors.As(err, &many) {
		return []string{err.Error()}
	}
	var out []string
	for _, e := range many.Unwrap() {
		out = append(out, sentences(e)...)
	}
	return out
}

// DefaultTradeGenesis returns the state of a new chain.
func DefaultTradeGenesis() *tradev1.GenesisState {
	return &tradev1.GenesisState{Params: DefaultTradeParams(), Orders: []tradev1.OrderEnd{}, Grace: []tradev1.Grace{}, Denials: []tradev1.Denial{}}
}

// ValidateTradeGenesis checks a genesis state by itself.
func ValidateTradeGenesis(g *tradev1.GenesisState) error { return ValidateTradeParams(g.Params) }

// InitTradeGenesis fills the store from a genesis state, after the market's, the
// deployments' and escrow's.
func (k *Keeper) InitTradeGenesis(ctx context.Context, g *tradev1.GenesisState) error {
	if err := k.setTradeParams(ctx, g.Params); err != nil {
		return err
	}
	for i := range g.Orders {
		w := &g.Orders[i]
		id, err := parseOrderID(&w.ID, ErrOrderNotFound.Wrapf)
		if err != nil {
			return err
		}
		o, err := k.order(ctx, id)
		if err != nil {
			return err
		}
		if o.class() != orderOpen || w.EndsAt <= 0 {
			return ErrInvalidTradeParam.Wrapf("order %s is %s, so it can't expire at %d", w.ID, o.State, w.EndsAt)
		}
		o.EndsAt = w.EndsAt
		if err := k.setOrder(ctx, id, orderOpen, o); err != nil {
			return err
		}
	}
	for i := range g.Grace {
		w := &g.Grace[i]
		owner, err := sdk.AccAddressFromBech32(w.ID.Owner)
		if err != nil {
			return err
		}
		if err := k.deployment.SetGrace(ctx, deployment.ID{Owner: owner, DSeq: w.ID.DSeq}, w.EndsAt, w.Groups); err != nil {
			return err
		}
	}
	for _, w := range g.Denials {
		owner, err1 := sdk.AccAddressFromBech32(w.Owner)
		provider, err2 := sdk.AccAddressFromBech32(w.Provider)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		if err := k.denied.Set(ctx, deniedKey(owner, provider)); err != nil {
			return err
		}
	}
	if len(g.Sweep) > 0 {
		return k.sweep.Set(ctx, g.Sweep)
	}
	return nil
}

// ExportTradeGenesis returns what the market's state holds beyond the Akash protocol's
// genesis state.
func (k *Keeper) ExportTradeGenesis(ctx context.Context) (*tradev1.GenesisState, error) {
	g := DefaultTradeGenesis()
	p, err := k.TradeParams(ctx)
	if err != nil {
		return nil, err
	}
	g.Params = p
	err = k.eachOrder(ctx, func(id orderID, o order) error {
		if o.EndsAt != 0 {
			g.Orders = append(g.Orders, tradev1.OrderEnd{ID: id.wire(), EndsAt: o.EndsAt})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = k.deployment.Each(ctx, func(id deployment.ID, d deployment.Record) error {
		until, groups, err := k.deployment.Grace(ctx, id, &d)
		if err == nil && until != 0 {
			g.Grace = append(g.Grace, tradev1.Grace{ID: deploymentv1.DeploymentID{Owner: id.Owner.String(), DSeq: id.DSeq}, EndsAt: until, Groups: groups})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	err = k.denied.Walk(ctx, nil, func(b []byte) (bool, error) {
		r := key.Read(b)
		owner := sdk.AccAddress(r.Addr())
		g.Denials = append(g.Denials, tradev1.Denial{Owner: owner.String(), Provider: sdk.AccAddress(r.Rest()).String()})
		return false, r.Err()
	})
	if err != nil {
		return nil, err
	}
	g.Sweep, err = k.sweep.Get(ctx)
	if errors.Is(err, collections.ErrNotFound) {
		g.Sweep, err = nil, nil
	}
	return g, err
}
