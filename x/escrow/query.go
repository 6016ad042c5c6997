package escrow

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	sdk "github.com/cosmos/cosmos-sdk/types"

	escrowid "github.com/akash-supercloud/akash/api/akash/escrow/id/v1"
	escrowtypes "github.com/akash-supercloud/akash/api/akash/escrow/types/v1"
	types "github.com/akash-supercloud/akash/api/akash/escrow/v1"
	"github.com/akash-supercloud/akash/x/escrow/ledger"
	"github.com/akash-supercloud/akash/x/internal/key"
	"github.com/akash-supercloud/akash/x/internal/page"
)

type queryServer struct{ k *Keeper }

// NewQueryServer returns the module's queries. Balances are those of the current block.
func NewQueryServer(k *Keeper) types.QueryServer { return queryServer{k} }

var errEmpty = status.Error(codes.InvalidArgument, "empty request")

// Accounts lists accounts, open ones first, by state and by xid: scope/owner/dseq…, or its
// first parts.
func (s queryServer) Accounts(ctx context.Context, req *types.QueryAccountsRequest) (*types.QueryAccountsResponse, error) {
	if req == nil {
		return nil, errEmpty
	}
	f := &types.QueryAccountsRequest{State: req.State, XID: req.XID}
	p, err := page.New(req.Pagination, f, func() bool { return f.State != "" })
	if err != nil {
		return nil, err
	}
	state, err := page.State(f.State, escrowtypes.State_value)
	if err != nil {
		return nil, err
	}
	prefix, rest, err := parsePrefix(f.XID)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return nil, status.Errorf(codes.InvalidArgument, "xid %q has more parts than an account's", f.XID)
	}
	res := &types.QueryAccountsResponse{Accounts: []escrowtypes.Account{}}
	err = page.Classes(ctx, p, 0, s.k.accounts, prefix, ofState(state), func(id []byte, value func() (record, error)) (func() error, error) {
		r, err := value()
		if err != nil {
			return nil, err
		}
		if err := r.view(height(ctx)); err != nil {
			return nil, err
		}
		if state != 0 && int32(r.State) != state {
			return nil, nil // an open account that the chain is about to end
		}
		return func() error {
			a, err := wireAccount(id, &r)
			res.Accounts = append(res.Accounts, a)
			return err
		}, nil
	})
	if err != nil {
		return nil, err
	}
	res.Pagination = p.Response()
	return res, nil
}

// Payments lists payments, by state and by xid: scope/owner/dseq/gseq/oseq/provider, or
// its first parts. Those that live or ended with their account come first, open ones
// before the others.
func (s queryServer) Payments(ctx context.Context, req *types.QueryPaymentsRequest) (*types.QueryPaymentsResponse, error) {
	if req == nil {
		return nil, errEmpty
	}
	f := &types.QueryPaymentsRequest{State: req.State, XID: req.XID}
	p, err := page.New(req.Pagination, f, func() bool { return f.State != "" })
	if err != nil {
		return nil, err
	}
	state, err := page.State(f.State, escrowtypes.State_value)
	if err != nil {
		return nil, err
	}
	prefix, pid, err := parsePrefix(f.XID)
	if err != nil {
		return nil, err
	}
	res := &types.QueryPaymentsResponse{Payments: []escrowtypes.Payment{}}
	add := func(id AccountID, denom string, one ledger.Payment) error {
		w, err := wirePayment(id, denom, one)
		res.Payments = append(res.Payments, w)
		return err
	}
	if len(prefix) == 0 {
		prefix = []byte{byte(escrowid.ScopeDeployment)} // accounts of bids pay nobody
	}
	running := func(class int) error {
		return page.WalkParts(ctx, p, byte(class), s.k.accounts[class], prefix, func(id []byte, r record) ([]page.Part, error) {
			if err := r.view(height(ctx)); err != nil {
				return nil, err
			}
			if state != 0 && int32(r.State) != state {
				return nil, nil
			}
			payments := slices.Clone(r.Payments)
			slices.SortFunc(payments, func(a, b ledger.Payment) int { return cmp.Compare(a.ID, b.ID) })
			var parts []page.Part
			for _, one := range payments {
				if bytes.HasPrefix([]byte(one.ID), pid) {
					parts = append(parts, page.Part{Key: []byte(one.ID), Emit: func() error { return add(id, r.Denom, one) }})
				}
			}
			return parts, nil
		})
	}
	ended := func(class int) error {
		return page.Walk(ctx, p, byte(len(s.k.accounts)+class), s.k.ended[class], append(prefix, pid...), func(b []byte, value func() (ledger.Payment, error)) (func() error, error) {
			return func() error {
				one, err := value()
				if err != nil {
					return err
				}
				id := AccountID(b[:len(b)-len(one.ID)])
				r, err := s.k.load(ctx, id)
				if err != nil {
					return err
				}
				return add(id, r.Denom, one)
			}, nil
		})
	}
	wanted := ofState(state)
	var walks []func() error
	for class := range s.k.accounts {
		if wanted(class) {
			walks = append(walks, func() error { return running(class) })
		}
	}
	for class := range s.k.ended {
		if wanted(closed + class) {
			walks = append(walks, func() error { return ended(class) })
		}
	}
	if err := p.Sections(walks...); err != nil {
		return nil, err
	}
	res.Pagination = p.Response()
	return res, nil
}

// ofState says which classes hold what is in a state; all, where it is 0.
func ofState(state int32) func(class int) bool {
	return func(class int) bool { return state == 0 || int(state)-int(ledger.Open) == class }
}

// parsePrefix reads the first parts of an account's or payment's text form into the key
// of the account, as far as it goes, and that of the payment. The scope may be left out
// where the parts tell: two for a deployment, five for a bid.
func parsePrefix(xid string) (account, payment []byte, err error) {
	if xid == "" {
		return nil, nil, nil
	}
	bad := func(what string) ([]byte, []byte, error) {
		return nil, nil, status.Errorf(codes.InvalidArgument, "xid %q: %s; use deployment/owner/dseq or bid/owner/dseq/gseq/oseq/provider, or the first parts", xid, what)
	}
	part := strings.Split(strings.Trim(xid, "/"), "/")
	scope := escrowid.Scope(escrowid.Scope_value[part[0]])
	if scope == escrowid.ScopeDeployment || scope == escrowid.ScopeBid {
		part = part[1:]
	} else if len(part) == 5 {
		scope = escrowid.ScopeBid
	} else {
		scope = escrowid.ScopeDeployment
	}
	if len(part) > 5 {
		return bad("too many parts")
	}
	account = []byte{byte(scope)}
	for i, text := range part {
		var b []byte
		switch i {
		case 0, 4:
			addr, err := sdk.AccAddressFromBech32(text)
			if err != nil {
				return bad(err.Error())
			}
			b = key.Addr(nil, addr)
			if i == 4 && scope == escrowid.ScopeDeployment {
				b = addr
			}
		default:
			bits := 32
			if i == 1 {
				bits = 64
			}
			n, err := strconv.ParseUint(text, 10, bits)
			if err != nil {
				return bad(strconv.Quote(text) + " is not a number")
			}
			if i == 1 {
				b = key.U64(nil, n)
			} else {
				b = key.U32(nil, uint32(n))
			}
		}
		if i >= 2 && scope == escrowid.ScopeDeployment {
			payment = append(payment, b...)
		} else {
			account = append(account, b...)
		}
	}
	return account, payment, nil
}
