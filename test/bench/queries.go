package main

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cosmos/cosmos-sdk/codec"
	pagination "github.com/cosmos/cosmos-sdk/types/query"

	certv1 "github.com/akash-supercloud/akash/api/akash/cert/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	escrowv1 "github.com/akash-supercloud/akash/api/akash/escrow/v1"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	providerv1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	"github.com/akash-supercloud/akash/app"
)

// query is what one list query takes.
type query struct {
	Name    string  `json:"name"`
	Runs    int     `json:"runs"`
	Median  float64 `json:"ms_median"`
	P99     float64 `json:"ms_p99"`
	Records int     `json:"records"`
	More    bool    `json:"more"`
}

// ask asks for one page and returns how many records it has and where the next one begins.
type ask func(ctx context.Context, page *pagination.PageRequest) (int, *pagination.PageResponse, error)

// queries measures every list query, filtered each way, first page, second page and backwards: 100 times each, at most 10 s.
func queries(ctx context.Context, addr string) ([]query, error) {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(codec.NewProtoCodec(app.NewEncoding().Registry).GRPCCodec())))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	big, small, busy, idle := fillAddress('o', 0).String(), fillAddress('o', 1).String(), fillAddress('p', 0).String(), fillAddress('p', fillProviders-1).String()
	d, m, e := deploymentv1beta4.NewQueryClient(conn), marketv1beta5.NewQueryClient(conn), escrowv1.NewQueryClient(conn)
	deployments := func(f deploymentv1beta4.DeploymentFilters) ask {
		return func(ctx context.Context, p *pagination.PageRequest) (int, *pagination.PageResponse, error) {
			r, err := d.Deployments(ctx, &deploymentv1beta4.QueryDeploymentsRequest{Filters: f, Pagination: p})
			if err != nil {
				return 0, nil, err
			}
			return len(r.Deployments), r.Pagination, nil
		}
	}
	orders := func(f marketv1beta5.OrderFilters) ask {
		return func(ctx context.Context, p *pagination.PageRequest) (int, *pagination.PageResponse, error) {
			r, err := m.Orders(ctx, &marketv1beta5.QueryOrdersRequest{Filters: f, Pagination: p})
			if err != nil {
				return 0, nil, err
			}
			return len(r.Orders), r.Pagination, nil
		}
	}
	bids := func(f marketv1beta5.BidFilters) ask {
		return func(ctx context.Context, p *pagination.PageRequest) (int, *pagination.PageResponse, error) {
			r, err := m.Bids(ctx, &marketv1beta5.QueryBidsRequest{Filters: f, Pagination: p})
			if err != nil {
				return 0, nil, err
			}
			return len(r.Bids), r.Pagination, nil
		}
	}
	leases := func(f marketv1.LeaseFilters) ask {
		return func(ctx context.Context, p *pagination.PageRequest) (int, *pagination.PageResponse, error) {
			r, err := m.Leases(ctx, &marketv1beta5.QueryLeasesRequest{Filters: f, Pagination: p})
			if err != nil {
				return 0, nil, err
			}
			return len(r.Leases), r.Pagination, nil
		}
	}
	accounts := func(state, xid string) ask {
		return func(ctx context.Context, p *pagination.PageRequest) (int, *pagination.PageResponse, error) {
			r, err := e.Accounts(ctx, &escrowv1.QueryAccountsRequest{State: state, XID: xid, Pagination: p})
			if err != nil {
				return 0, nil, err
			}
			return len(r.Accounts), r.Pagination, nil
		}
	}
	payments := func(state, xid string) ask {
		return func(ctx context.Context, p *pagination.PageRequest) (int, *pagination.PageResponse, error) {
			r, err := e.Payments(ctx, &escrowv1.QueryPaymentsRequest{State: state, XID: xid, Pagination: p})
			if err != nil {
				return 0, nil, err
			}
			return len(r.Payments), r.Pagination, nil
		}
	}
	registry := func(ctx context.Context, p *pagination.PageRequest) (int, *pagination.PageResponse, error) {
		r, err := providerv1beta4.NewQueryClient(conn).Providers(ctx, &providerv1beta4.QueryProvidersRequest{Pagination: p})
		if err != nil {
			return 0, nil, err
		}
		return len(r.Providers), r.Pagination, nil
	}
	certs := func(f certv1.CertificateFilter) ask {
		return func(ctx context.Context, p *pagination.PageRequest) (int, *pagination.PageResponse, error) {
			r, err := certv1.NewQueryClient(conn).Certificates(ctx, &certv1.QueryCertificatesRequest{Filter: f, Pagination: p})
			if err != nil {
				return 0, nil, err
			}
			return len(r.Certificates), r.Pagination, nil
		}
	}
	type D = deploymentv1beta4.DeploymentFilters
	type O = marketv1beta5.OrderFilters
	type B = marketv1beta5.BidFilters
	type L = marketv1.LeaseFilters
	var out []query
	for _, q := range []struct {
		name string
		ask  ask
	}{
		{"deployments", deployments(D{})},
		{"deployments active", deployments(D{State: "active"})},
		{"deployments closed", deployments(D{State: "closed"})},
		{"deployments of an owner of 1,000", deployments(D{Owner: big})},
		{"deployments of an owner of 50", deployments(D{Owner: small})},
		{"deployments of an owner, active", deployments(D{Owner: big, State: "active"})},
		{"orders", orders(O{})},
		{"orders open", orders(O{State: "open"})},
		{"orders active", orders(O{State: "active"})},
		{"orders of an owner", orders(O{Owner: big})},
		{"bids", bids(B{})},
		{"bids open", bids(B{State: "open"})},
		{"bids lost", bids(B{State: "lost"})},
		{"bids of an owner", bids(B{Owner: big})},
		{"bids of one order of an owner of 1,000", bids(B{Owner: big, DSeq: 11, GSeq: 1, OSeq: 1})},
		{"bids of the busiest provider", bids(B{Provider: busy})},
		{"bids of the busiest provider, open", bids(B{Provider: busy, State: "open"})},
		{"bids of an idle provider", bids(B{Provider: idle})},
		{"leases", leases(L{})},
		{"leases active", leases(L{State: "active"})},
		{"leases closed", leases(L{State: "closed"})},
		{"leases of an owner", leases(L{Owner: big})},
		{"leases of an owner, active", leases(L{Owner: big, State: "active"})},
		{"leases of the busiest provider", leases(L{Provider: busy})},
		{"leases of the busiest provider, active", leases(L{Provider: busy, State: "active"})},
		{"leases of an idle provider, active", leases(L{Provider: idle, State: "active"})},
		{"escrow accounts", accounts("", "")},
		{"escrow accounts open", accounts("open", "")},
		{"escrow accounts closed", accounts("closed", "")},
		{"escrow accounts of an owner", accounts("open", "deployment/"+big)},
		{"escrow payments", payments("", "")},
		{"escrow payments open", payments("open", "")},
		{"escrow payments closed", payments("closed", "")},
		{"providers", registry},
		{"certificates", certs(certv1.CertificateFilter{})},
		{"certificates of an owner", certs(certv1.CertificateFilter{Owner: big})},
	} {
		first := &pagination.PageRequest{Limit: 100}
		r, next, err := measure(ctx, q.name, q.ask, first)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
		if len(next) > 0 {
			if r, _, err = measure(ctx, q.name+", next page", q.ask, &pagination.PageRequest{Limit: 100, Key: next}); err != nil {
				return nil, err
			}
			out = append(out, r)
		}
		if r, _, err = measure(ctx, q.name+", backwards", q.ask, &pagination.PageRequest{Limit: 100, Reverse: true}); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

func measure(ctx context.Context, name string, ask ask, page *pagination.PageRequest) (q query, next []byte, err error) {
	q.Name = name
	var times []float64
	for end := time.Now().Add(10 * time.Second); q.Runs < 100 && time.Now().Before(end); q.Runs++ {
		began := time.Now()
		n, res, err := ask(ctx, page)
		if err != nil {
			return q, nil, fmt.Errorf("%s: %w", name, err)
		}
		times = append(times, float64(time.Since(began).Microseconds())/1000)
		q.Records = n
		if res != nil {
			next = res.NextKey
		}
	}
	q.More = len(next) > 0
	q.Median, q.P99 = percentile(times, 50), percentile(times, 99)
	return q, next, nil
}
