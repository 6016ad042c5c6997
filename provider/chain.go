package provider

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"cosmossdk.io/math"
	rpchttp "github.com/cometbft/cometbft/rpc/client/http"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/query"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	auditv1 "github.com/akash-supercloud/akash/api/akash/audit/v1"
	certv1 "github.com/akash-supercloud/akash/api/akash/cert/v1"
	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	providerv1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	tradev1 "github.com/akash-supercloud/akash/api/akash/trade/v1"
	"github.com/akash-supercloud/akash/client"
	"github.com/akash-supercloud/akash/client/auth"
	"github.com/akash-supercloud/akash/provider/pricing"
	"github.com/akash-supercloud/akash/provider/watch"
)

// clientChain is every package's Chain, by a client. Each call ends after queryTimeout, but Send,
// which has its own patience.
type clientChain struct {
	c    *client.Client
	self string
	key  string
	log  *slog.Logger
}

const (
	queryTimeout = 20 * time.Second
	pageSize     = 500
	// maxOpenOrders bounds how many open orders one whole read takes up.
	maxOpenOrders = 100_000
)

func newClientChain(c *client.Client, self, key string, log *slog.Logger) *clientChain {
	return &clientChain{c: c, self: self, key: key, log: log}
}

func ask(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, queryTimeout)
}

// Head implements watch.Source.
func (k *clientChain) Head(ctx context.Context) (watch.Head, error) {
	ctx, cancel := ask(ctx)
	defer cancel()
	st, err := k.c.RPC().Status(ctx)
	if err != nil {
		return watch.Head{}, err
	}
	if id := st.NodeInfo.Network; id != k.c.ChainID() {
		return watch.Head{}, fmt.Errorf("the node is of chain %q now, not %q", id, k.c.ChainID())
	}
	i := st.SyncInfo
	return watch.Head{ChainID: st.NodeInfo.Network, Height: i.LatestBlockHeight, Earliest: i.EarliestBlockHeight, Time: i.LatestBlockTime, CatchingUp: i.CatchingUp}, nil
}

// Block implements watch.Source.
func (k *clientChain) Block(ctx context.Context, height int64) (watch.Block, error) {
	ctx, cancel := ask(ctx)
	defer cancel()
	// A node tells of a block a moment before it has stored the block's results. Results that don't
	// come within a second were never kept.
	for try := 0; ; try++ {
		res, err := k.c.RPC().BlockResults(ctx, &height)
		switch {
		case err == nil:
			events := watch.ParseEvents(res.TxsResults, res.FinalizeBlockEvents, func(err error) {
				k.log.Error("an event of the chain can't be read; it is left out", "height", height, "err", err)
			})
			return watch.Block{Height: height, Events: events}, nil
		case strings.Contains(err.Error(), "lowest height is"):
			return watch.Block{}, fmt.Errorf("%w: %v", watch.ErrPruned, err)
		case !strings.Contains(err.Error(), "could not find results"):
			return watch.Block{}, err
		case try == 40:
			return watch.Block{}, fmt.Errorf("%w: %v", watch.ErrPruned, err)
		}
		select {
		case <-ctx.Done():
			return watch.Block{}, ctx.Err()
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// NewBlocks implements watch.Source.
func (k *clientChain) NewBlocks(ctx context.Context) (<-chan struct{}, error) {
	// A connection of its own: it can be dropped and dialled anew whatever state it is in.
	rpc, err := rpchttp.New(k.c.RPC().Remote(), "/websocket")
	if err != nil {
		return nil, err
	}
	if err := rpc.Start(); err != nil {
		return nil, err
	}
	sctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	in, err := rpc.Subscribe(sctx, "provider", "tm.event='NewBlockHeader'", 16)
	if err != nil {
		_ = rpc.Stop()
		return nil, err
	}
	out := make(chan struct{}, 1)
	go func() {
		defer func() { _ = rpc.Stop() }()
		defer close(out)
		for {
			select {
			case <-ctx.Done():
				return
			case _, ok := <-in:
				if !ok {
					return
				}
				select {
				case out <- struct{}{}:
				default:
				}
			}
		}
	}()
	return out, nil
}

// BlockTime measures the chain's usual time between blocks.
func (k *clientChain) BlockTime(ctx context.Context) (time.Duration, error) {
	ctx, cancel := ask(ctx)
	defer cancel()
	head, err := k.Head(ctx)
	if err != nil {
		return 0, err
	}
	var times []time.Time
	for from := max(head.Height-59, head.Earliest, 1); from <= head.Height; from += 20 {
		info, err := k.c.RPC().BlockchainInfo(ctx, from, min(from+19, head.Height))
		if err != nil {
			return 0, err
		}
		for i := len(info.BlockMetas) - 1; i >= 0; i-- { // newest first
			times = append(times, info.BlockMetas[i].Header.Time)
		}
	}
	return pricing.BlockTime(times), nil
}

func (k *clientChain) market() marketv1beta5.QueryClient {
	return marketv1beta5.NewQueryClient(k.c.Conn())
}

// Order implements bid.Chain.
func (k *clientChain) Order(ctx context.Context, id marketv1.OrderID) (marketv1beta5.Order, error) {
	ctx, cancel := ask(ctx)
	defer cancel()
	res, err := k.market().Order(ctx, &marketv1beta5.QueryOrderRequest{ID: id})
	if err != nil {
		return marketv1beta5.Order{}, err
	}
	return res.Order, nil
}

// Bid implements bid.Chain.
func (k *clientChain) Bid(ctx context.Context, id marketv1.BidID) (marketv1beta5.Bid, error) {
	ctx, cancel := ask(ctx)
	defer cancel()
	res, err := k.market().Bid(ctx, &marketv1beta5.QueryBidRequest{ID: id})
	if err != nil {
		return marketv1beta5.Bid{}, err
	}
	return res.Bid, nil
}

// MarketParams implements bid.Chain.
func (k *clientChain) MarketParams(ctx context.Context) (marketv1beta5.Params, error) {
	ctx, cancel := ask(ctx)
	defer cancel()
	res, err := k.market().Params(ctx, &marketv1beta5.QueryParamsRequest{})
	if err != nil {
		return marketv1beta5.Params{}, err
	}
	return res.Params, nil
}

// WithdrawsMany implements treasury.Chain.
func (k *clientChain) WithdrawsMany(ctx context.Context) (bool, error) {
	ctx, cancel := ask(ctx)
	defer cancel()
	_, err := tradev1.NewQueryClient(k.c.Conn()).Params(ctx, &tradev1.QueryParamsRequest{})
	if status.Code(err) == codes.Unimplemented {
		return false, nil
	}
	return err == nil, err
}

// Record returns the provider's record; a NotFound error when there is none.
func (k *clientChain) Record(ctx context.Context) (providerv1beta4.Provider, error) {
	ctx, cancel := ask(ctx)
	defer cancel()
	res, err := providerv1beta4.NewQueryClient(k.c.Conn()).Provider(ctx, &providerv1beta4.QueryProviderRequest{Owner: k.self})
	if err != nil {
		return providerv1beta4.Provider{}, err
	}
	return res.Provider, nil
}

// Self implements bid.Chain.
func (k *clientChain) Self(ctx context.Context) (providerv1beta4.Provider, []auditv1.AuditedProvider, error) {
	self, err := k.Record(ctx)
	if err != nil {
		return self, nil, err
	}
	ctx, cancel := ask(ctx)
	defer cancel()
	res, err := auditv1.NewQueryClient(k.c.Conn()).ProviderAttributes(ctx, &auditv1.QueryProviderAttributesRequest{Owner: k.self})
	switch status.Code(err) {
	case codes.OK:
		return self, res.Providers, nil
	case codes.NotFound, codes.Unimplemented: // nobody has audited it, or the chain has no auditors
		return self, nil, nil
	}
	return self, nil, err
}

// Balance implements bid.Chain.
func (k *clientChain) Balance(ctx context.Context, denom string) (math.Int, error) {
	ctx, cancel := ask(ctx)
	defer cancel()
	res, err := banktypes.NewQueryClient(k.c.Conn()).SpendableBalanceByDenom(ctx, &banktypes.QuerySpendableBalanceByDenomRequest{Address: k.self, Denom: denom})
	if err != nil {
		return math.Int{}, err
	}
	if res.Balance == nil {
		return math.ZeroInt(), nil
	}
	return res.Balance.Amount, nil
}

// Send sends messages by the one pipeline and waits until they are in a block.
func (k *clientChain) Send(ctx context.Context, msgs ...sdk.Msg) error {
	_, err := k.c.Send(ctx, k.key, msgs...)
	return err
}

// Lease implements workload.Chain.
func (k *clientChain) Lease(ctx context.Context, id marketv1.LeaseID) (marketv1.Lease, error) {
	ctx, cancel := ask(ctx)
	defer cancel()
	res, err := k.market().Lease(ctx, &marketv1beta5.QueryLeaseRequest{ID: id})
	if err != nil {
		return marketv1.Lease{}, err
	}
	return res.Lease, nil
}

// Leases implements workload.Chain.
func (k *clientChain) Leases(ctx context.Context) ([]marketv1.Lease, error) {
	return k.leases(ctx, marketv1.LeaseFilters{Provider: k.self})
}

// OpenLeases implements gateway.Chain.
func (k *clientChain) OpenLeases(ctx context.Context, id deploymentv1.DeploymentID) ([]marketv1.Lease, error) {
	return k.leases(ctx, marketv1.LeaseFilters{Owner: id.Owner, DSeq: id.DSeq, Provider: k.self})
}

func (k *clientChain) leases(ctx context.Context, f marketv1.LeaseFilters) ([]marketv1.Lease, error) {
	var out []marketv1.Lease
	for _, state := range []string{"active", "reclaiming"} {
		f.State = state
		err := pages(ctx, func(ctx context.Context, page *query.PageRequest) (*query.PageResponse, error) {
			res, err := k.market().Leases(ctx, &marketv1beta5.QueryLeasesRequest{Filters: f, Pagination: page})
			if err != nil {
				return nil, err
			}
			for _, l := range res.Leases {
				if l.Lease.ID.Provider == k.self {
					out = append(out, l.Lease)
				}
			}
			return res.Pagination, nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// OpenBids are the provider's own bids that wait for an answer.
func (k *clientChain) OpenBids(ctx context.Context) ([]marketv1beta5.Bid, error) {
	var out []marketv1beta5.Bid
	err := pages(ctx, func(ctx context.Context, page *query.PageRequest) (*query.PageResponse, error) {
		res, err := k.market().Bids(ctx, &marketv1beta5.QueryBidsRequest{Filters: marketv1beta5.BidFilters{Provider: k.self, State: "open"}, Pagination: page})
		if err != nil {
			return nil, err
		}
		for _, b := range res.Bids {
			if b.Bid.ID.Provider == k.self {
				out = append(out, b.Bid)
			}
		}
		return res.Pagination, nil
	})
	return out, err
}

// OpenOrders are the orders that can be bid on.
func (k *clientChain) OpenOrders(ctx context.Context) ([]marketv1.OrderID, error) {
	var out []marketv1.OrderID
	err := pages(ctx, func(ctx context.Context, page *query.PageRequest) (*query.PageResponse, error) {
		res, err := k.market().Orders(ctx, &marketv1beta5.QueryOrdersRequest{Filters: marketv1beta5.OrderFilters{State: "open"}, Pagination: page})
		if err != nil {
			return nil, err
		}
		for _, o := range res.Orders {
			if o.State == marketv1beta5.OrderOpen {
				out = append(out, o.ID)
			}
		}
		if len(out) >= maxOpenOrders {
			return nil, nil
		}
		return res.Pagination, nil
	})
	return out, err
}

// pages asks for page after page.
func pages(ctx context.Context, ask1 func(context.Context, *query.PageRequest) (*query.PageResponse, error)) error {
	page := &query.PageRequest{Limit: pageSize}
	for {
		qctx, cancel := ask(ctx)
		res, err := ask1(qctx, page)
		cancel()
		if err != nil {
			return err
		}
		if res == nil || len(res.NextKey) == 0 {
			return nil
		}
		page = &query.PageRequest{Limit: pageSize, Key: res.NextKey}
	}
}

// GroupSpec implements workload.Chain.
func (k *clientChain) GroupSpec(ctx context.Context, id deploymentv1.GroupID) (deploymentv1beta4.GroupSpec, error) {
	ctx, cancel := ask(ctx)
	defer cancel()
	res, err := deploymentv1beta4.NewQueryClient(k.c.Conn()).Group(ctx, &deploymentv1beta4.QueryGroupRequest{ID: id})
	if err != nil {
		return deploymentv1beta4.GroupSpec{}, err
	}
	return res.Group.GroupSpec, nil
}

// Deployment implements gateway.Chain and treasury.Chain.
func (k *clientChain) Deployment(ctx context.Context, id deploymentv1.DeploymentID) (deploymentv1beta4.QueryDeploymentResponse, error) {
	ctx, cancel := ask(ctx)
	defer cancel()
	res, err := deploymentv1beta4.NewQueryClient(k.c.Conn()).Deployment(ctx, &deploymentv1beta4.QueryDeploymentRequest{ID: id})
	if err != nil {
		return deploymentv1beta4.QueryDeploymentResponse{}, err
	}
	return *res, nil
}

// PubKey implements gateway.Chain.
func (k *clientChain) PubKey(ctx context.Context, address string) (cryptotypes.PubKey, error) {
	ctx, cancel := ask(ctx)
	defer cancel()
	res, err := authtypes.NewQueryClient(k.c.Conn()).Account(ctx, &authtypes.QueryAccountRequest{Address: address})
	if status.Code(err) == codes.NotFound {
		return nil, auth.ErrUnknownIssuer
	}
	if err != nil {
		return nil, err
	}
	var acc sdk.AccountI
	if err := k.c.Encoding().Registry.UnpackAny(res.Account, &acc); err != nil {
		return nil, err
	}
	if key := acc.GetPubKey(); key != nil {
		return key, nil
	}
	return nil, auth.ErrUnknownIssuer // it never sent a transaction
}

// Certificate implements gateway.Chain.
func (k *clientChain) Certificate(ctx context.Context, owner, serial string) ([]byte, bool, error) {
	ctx, cancel := ask(ctx)
	defer cancel()
	res, err := certv1.NewQueryClient(k.c.Conn()).Certificates(ctx, &certv1.QueryCertificatesRequest{Filter: certv1.CertificateFilter{Owner: owner, Serial: serial}})
	if status.Code(err) == codes.NotFound {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	for _, c := range res.Certificates {
		if c.Serial == serial {
			return c.Certificate.Cert, c.Certificate.State == certv1.CertificateValid, nil
		}
	}
	return nil, false, nil
}
