package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"cosmossdk.io/math"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/query"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	providerrpc "github.com/akash-supercloud/akash/api/akash/provider/v1"
	providerv1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	"github.com/akash-supercloud/akash/client/auth"
	"github.com/akash-supercloud/akash/client/gateway"
)

// Deployment returns a deployment with its groups and escrow account.
func (c *Client) Deployment(ctx context.Context, id deploymentv1.DeploymentID) (*deploymentv1beta4.QueryDeploymentResponse, error) {
	res, err := deploymentv1beta4.NewQueryClient(c.conn).Deployment(ctx, &deploymentv1beta4.QueryDeploymentRequest{ID: id})
	if status.Code(err) == codes.NotFound {
		return nil, notFound(fmt.Sprintf("%s has no deployment %d; see `akash ls`", id.Owner, id.DSeq))
	}
	return res, err
}

// ErrNotFound is what errors of look-ups that found nothing are.
var ErrNotFound = errors.New("not found")

type notFound string

func (e notFound) Error() string        { return string(e) }
func (e notFound) Is(target error) bool { return target == ErrNotFound }

// Deployments returns the owner's deployments in a state ("active", "closed"; "": all),
// newest last; at most limit, 0 meaning 1000.
func (c *Client) Deployments(ctx context.Context, owner, state string, limit uint64) ([]deploymentv1beta4.QueryDeploymentResponse, error) {
	if limit == 0 {
		limit = 1000
	}
	var out []deploymentv1beta4.QueryDeploymentResponse
	page := &query.PageRequest{Limit: min(limit, 100)}
	for {
		res, err := deploymentv1beta4.NewQueryClient(c.conn).Deployments(ctx, &deploymentv1beta4.QueryDeploymentsRequest{
			Filters: deploymentv1beta4.DeploymentFilters{Owner: owner, State: state}, Pagination: page,
		})
		if err != nil {
			return nil, err
		}
		out = append(out, res.Deployments...)
		if uint64(len(out)) >= limit || res.Pagination == nil || len(res.Pagination.NextKey) == 0 {
			return out[:min(uint64(len(out)), limit)], nil
		}
		page = &query.PageRequest{Key: res.Pagination.NextKey, Limit: page.Limit}
	}
}

// Leases returns the leases of a deployment (dseq 0: all of the owner's) in a state
// ("active", …; "": all), at most 1000.
func (c *Client) Leases(ctx context.Context, owner string, dseq uint64, state string) ([]marketv1beta5.QueryLeaseResponse, error) {
	var out []marketv1beta5.QueryLeaseResponse
	page := &query.PageRequest{Limit: 100}
	for len(out) < 1000 {
		res, err := marketv1beta5.NewQueryClient(c.conn).Leases(ctx, &marketv1beta5.QueryLeasesRequest{
			Filters: marketv1.LeaseFilters{Owner: owner, DSeq: dseq, State: state}, Pagination: page,
		})
		if err != nil {
			return nil, err
		}
		out = append(out, res.Leases...)
		if res.Pagination == nil || len(res.Pagination.NextKey) == 0 {
			break
		}
		page = &query.PageRequest{Key: res.Pagination.NextKey, Limit: page.Limit}
	}
	return out, nil
}

// Bids returns the open bids on a deployment's orders, at most 500.
func (c *Client) Bids(ctx context.Context, id deploymentv1.DeploymentID) ([]marketv1beta5.Bid, error) {
	res, err := marketv1beta5.NewQueryClient(c.conn).Bids(ctx, &marketv1beta5.QueryBidsRequest{
		Filters:    marketv1beta5.BidFilters{Owner: id.Owner, DSeq: id.DSeq, State: "open"},
		Pagination: &query.PageRequest{Limit: 500},
	})
	if err != nil {
		return nil, err
	}
	out := make([]marketv1beta5.Bid, 0, len(res.Bids))
	for _, b := range res.Bids {
		out = append(out, b.Bid)
	}
	return out, nil
}

// Providers returns the registered providers, at most limit (0: 1000).
func (c *Client) Providers(ctx context.Context, limit uint64) ([]providerv1beta4.Provider, error) {
	if limit == 0 {
		limit = 1000
	}
	var out []providerv1beta4.Provider
	page := &query.PageRequest{Limit: min(limit, 200)}
	for {
		res, err := providerv1beta4.NewQueryClient(c.conn).Providers(ctx, &providerv1beta4.QueryProvidersRequest{Pagination: page})
		if err != nil {
			return nil, err
		}
		out = append(out, res.Providers...)
		if uint64(len(out)) >= limit || res.Pagination == nil || len(res.Pagination.NextKey) == 0 {
			return out[:min(uint64(len(out)), limit)], nil
		}
		page = &query.PageRequest{Key: res.Pagination.NextKey, Limit: page.Limit}
	}
}

// Provider returns one registered provider.
func (c *Client) Provider(ctx context.Context, address string) (providerv1beta4.Provider, error) {
	res, err := providerv1beta4.NewQueryClient(c.conn).Provider(ctx, &providerv1beta4.QueryProviderRequest{Owner: address})
	if status.Code(err) == codes.NotFound {
		return providerv1beta4.Provider{}, notFound(address + " isn't a registered provider; see `akash query provider list`")
	}
	if err != nil {
		return providerv1beta4.Provider{}, err
	}
	return res.Provider, nil
}

// AuthType says how a provider is shown who its caller is.
type AuthType string

// The ways: a token signed by the key (nothing to prepare), the certificate in the key file,
// or nothing.
const (
	AuthJWT  AuthType = "jwt"
	AuthMTLS AuthType = "mtls"
	AuthNone AuthType = "none"
)

// Gateway returns a client of a registered provider's gateway, in the name of key (empty:
// Config.From).
func (c *Client) Gateway(ctx context.Context, provider, key string, how AuthType) (*gateway.Client, error) {
	p, err := c.Provider(ctx, provider)
	if err != nil {
		return nil, err
	}
	return c.GatewayAt(p.HostURI, provider, key, how)
}

// GatewayAt is Gateway for a known address of the gateway.
func (c *Client) GatewayAt(hostURI, provider, key string, how AuthType) (*gateway.Client, error) {
	if key == "" {
		key = c.cfg.From
	}
	a := gateway.Auth{Lookup: c.Certificate}
	switch how {
	case AuthNone:
	case AuthMTLS:
		cert, err := auth.ReadKeyFile(c.keys, key, c.cfg.Home)
		if err != nil {
			return nil, fmt.Errorf("%w; make one with `akash tx cert generate client` and `akash tx cert publish client`", err)
		}
		a.Certificate = &cert
	case AuthJWT, "":
		a.Token = auth.NewTokens(c.keys, key).Get
	default:
		return nil, fmt.Errorf("%q is no way to authenticate; use %s or %s", how, AuthJWT, AuthMTLS)
	}
	return gateway.New(hostURI, provider, a)
}

// Screen asks a provider whether it would bid on a group, without an order. The gRPC port of
// a provider is the one after its gateway's.
func (c *Client) Screen(ctx context.Context, p providerv1beta4.Provider, group deploymentv1beta4.GroupSpec) (*providerrpc.BidScreeningResponse, error) {
	gw, err := c.GatewayAt(p.HostURI, p.Owner, "", AuthNone)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(p.HostURI)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		port = 8443
	}
	conn, err := grpc.NewClient("passthrough:///"+net.JoinHostPort(u.Hostname(), strconv.Itoa(port+1)),
		grpc.WithTransportCredentials(credentials.NewTLS(gw.TLSConfig())),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(grpcCodec(c.enc.Registry))),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return Dial(ctx, "tcp", addr) }),
	)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return providerrpc.NewProviderRPCClient(conn).BidScreening(ctx, &providerrpc.BidScreeningRequest{GroupSpec: &group})
}

// BlockTime is how long a block takes: the median of the last ones, up to 20, so that a node
// that stood still for a while doesn't count. It is 6 s for a chain too young to tell.
func (c *Client) BlockTime(ctx context.Context) (time.Duration, error) {
	_, blockTime, err := c.Pace(ctx)
	return blockTime, err
}

// Pace returns the height of the last block and BlockTime, which the node tells in one answer.
func (c *Client) Pace(ctx context.Context) (height int64, blockTime time.Duration, err error) {
	res, err := c.rpc.BlockchainInfo(ctx, 0, 0) // the newest 20
	if err != nil {
		return 0, 0, err
	}
	times := make([]time.Time, 0, len(res.BlockMetas))
	for _, m := range res.BlockMetas { // the newest first
		if m.Header.Height > 1 { // the first block's time is the genesis file's
			times = append(times, m.Header.Time)
		}
	}
	return res.LastHeight, medianGap(times), nil
}

// medianGap returns the median of the gaps between times, the newest first.
func medianGap(times []time.Time) time.Duration {
	var gaps []time.Duration
	for i := 1; i < len(times); i++ {
		if gap := times[i-1].Sub(times[i]); gap > 0 {
			gaps = append(gaps, gap)
		}
	}
	if len(gaps) < 2 {
		return 6 * time.Second
	}
	slices.Sort(gaps)
	return gaps[len(gaps)/2]
}

// Month is an average month.
const Month = 365 * 24 * time.Hour / 12

// PerMonth turns a price a block into what it costs a month at a block time, in whole coins
// ("3.52 ACT"): uact is a millionth of an ACT, uakt of an AKT.
func PerMonth(price sdk.DecCoin, blockTime time.Duration) string {
	if blockTime <= 0 || price.Amount.IsNil() {
		return "?"
	}
	total := price.Amount.MulInt64(int64(Month)).QuoInt64(int64(blockTime))
	return Coins(sdk.DecCoin{Denom: price.Denom, Amount: total})
}

// Coins writes an amount for people: millionths of a coin ("u…") as coins, to four digits
// that count.
func Coins(c sdk.DecCoin) string {
	denom, amount := c.Denom, c.Amount
	if name, ok := strings.CutPrefix(denom, "u"); ok && len(name) >= 3 {
		denom, amount = strings.ToUpper(name), amount.QuoInt64(1_000_000)
	}
	return decimal(amount) + " " + denom
}

func decimal(d math.LegacyDec) string {
	digits := 2
	for small := math.LegacyOneDec(); digits < 6 && !d.IsZero() && d.Abs().LT(small); digits++ {
		small = small.QuoInt64(10)
	}
	text := d.String() // 18 decimals
	whole, frac, _ := strings.Cut(text, ".")
	if len(frac) > digits {
		// Round half up on the last digit that stays.
		unit := math.LegacyNewDecWithPrec(5, int64(digits)+1)
		if d.IsNegative() {
			unit = unit.Neg()
		}
		whole, frac, _ = strings.Cut(d.Add(unit).String(), ".")
		frac = frac[:digits]
	}
	return whole + "." + frac
}
