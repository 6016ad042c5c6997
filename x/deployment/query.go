package deployment

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	types "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	"github.com/akash-supercloud/akash/x/internal/key"
	"github.com/akash-supercloud/akash/x/internal/page"
)

type queryServer struct{ k *Keeper }

// NewQueryServer returns the module's queries.
func NewQueryServer(k *Keeper) types.QueryServer { return queryServer{k} }

var errEmpty = status.Error(codes.InvalidArgument, "empty request")

// Deployments lists deployments with their groups and escrow accounts, by owner and dseq,
// active ones first.
func (s queryServer) Deployments(ctx context.Context, req *types.QueryDeploymentsRequest) (*types.QueryDeploymentsResponse, error) {
	if req == nil {
		return nil, errEmpty
	}
	f := req.Filters
	p, err := page.New(req.Pagination, &f, func() bool { return f.State != "" })
	if err != nil {
		return nil, err
	}
	state, err := page.State(f.State, deploymentv1.Deployment_State_value)
	if err != nil {
		return nil, err
	}
	prefix, err := page.Owner(f.Owner)
	if err != nil {
		return nil, err
	}
	if f.DSeq != 0 && len(prefix) > 0 {
		prefix = key.U64(prefix, f.DSeq)
	}
	res := &types.QueryDeploymentsResponse{Deployments: []types.QueryDeploymentResponse{}}
	match := func(b []byte, value func() (Record, error)) (func() error, error) {
		id, err := readID(b)
		if err != nil || (f.DSeq != 0 && id.DSeq != f.DSeq) {
			return nil, err
		}
		return func() error {
			d, err := value()
			if err != nil {
				return err
			}
			one, err := s.response(ctx, id, d)
			if err == nil {
				res.Deployments = append(res.Deployments, *one)
			}
			return err
		}, nil
	}
	err = page.Classes(ctx, p, 0, s.k.deployments, prefix, func(class int) bool {
		return state == 0 || (state == int32(deploymentv1.DeploymentActive)) == (class == active)
	}, match)
	if err != nil {
		return nil, err
	}
	res.Pagination = p.Response()
	return res, nil
}

func (s queryServer) response(ctx context.Context, id ID, d Record) (*types.QueryDeploymentResponse, error) {
	name(&d, id)
	a, err := s.k.escrow.Account(ctx, id.Account())
	if err != nil {
		return nil, err
	}
	return &types.QueryDeploymentResponse{Deployment: d.Deployment, Groups: d.Groups, EscrowAccount: a}, nil
}

// Deployment returns one deployment.
func (s queryServer) Deployment(ctx context.Context, req *types.QueryDeploymentRequest) (*types.QueryDeploymentResponse, error) {
	if req == nil {
		return nil, errEmpty
	}
	id, err := parseID(&req.ID)
	if err != nil {
		return nil, err
	}
	d, err := s.k.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.response(ctx, id, d)
}

// Group returns one group.
func (s queryServer) Group(ctx context.Context, req *types.QueryGroupRequest) (*types.QueryGroupResponse, error) {
	if req == nil {
		return nil, errEmpty
	}
	id, gseq, err := parseGroupID(&req.ID)
	if err != nil {
		return nil, err
	}
	g, _, err := s.k.Group(ctx, id, gseq)
	if err != nil {
		return nil, err
	}
	return &types.QueryGroupResponse{Group: g}, nil
}

// Params returns the parameters.
func (s queryServer) Params(ctx context.Context, _ *types.QueryParamsRequest) (*types.QueryParamsResponse, error) {
	p, err := s.k.Params(ctx)
	if err != nil {
		return nil, err
	}
	return &types.QueryParamsResponse{Params: p}, nil
}
