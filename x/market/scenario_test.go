package market

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	errorsmod "cosmossdk.io/errors"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/x/authz"

	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	depositv1 "github.com/akash-supercloud/akash/api/akash/base/deposit/v1"
	resources "github.com/akash-supercloud/akash/api/akash/base/resources/v1beta4"
	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	escrowid "github.com/akash-supercloud/akash/api/akash/escrow/id/v1"
	escrowv1 "github.com/akash-supercloud/akash/api/akash/escrow/v1"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	types "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	providerv1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	tradev1 "github.com/akash-supercloud/akash/api/akash/trade/v1"
	"github.com/akash-supercloud/akash/x/deployment"
	"github.com/akash-supercloud/akash/x/market/internal/script"
)

var rewrite = flag.Bool("rewrite", false, "write what the scenarios print into their files")

// TestScenarios runs testdata/*.txt: commands, a line of dashes, and what they print. See
// testdata/README for the commands. After every message the invariants are checked; at the
// end of each file a chain started from its exported genesis exports the same.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			old, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := &scenario{chain: newChain(t)}
			got := script.Run(string(old), s.command)
			if got != string(old) {
				if *rewrite {
					if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				} else {
					t.Errorf("%s prints something else; if that is right, run with -rewrite\n%s", file, script.Diff(string(old), got))
				}
			}
			roundTrip(t, s.chain)
		})
	}
}

type scenario struct{ *chain }

// args are a command's words: positional ones, and key=value.
type args struct {
	words []string
	opt   map[string]string
}

func (a args) at(i int) string {
	if i < len(a.words) {
		return a.words[i]
	}
	return ""
}

func (a args) get(key, otherwise string) string {
	if v, ok := a.opt[key]; ok {
		return v
	}
	return otherwise
}

// parse makes a command's message.
func (s *scenario) parse(line string) sdk.Msg {
	name, a := split(line)
	return s.message(name, a)
}

func split(line string) (string, args) {
	a := args{opt: map[string]string{}}
	for _, w := range strings.Fields(line) {
		if k, v, ok := strings.Cut(w, "="); ok {
			a.opt[k] = v
		} else {
			a.words = append(a.words, w)
		}
	}
	name := a.at(0)
	a.words = a.words[1:]
	return name, a
}

func (s *scenario) command(line string) string {
	name, a := split(line)
	msg := s.message(name, a)
	if msg != nil {
		return s.outcome(s.send(msg))
	}
	switch name {
	case "fund":
		s.fund(a.at(0), coins(a.at(1)))
		return ""
	case "block":
		n := 1
		if a.at(0) != "" {
			n, _ = strconv.Atoi(a.at(0))
		}
		var out []string
		for range n {
			h := s.ctx.BlockHeight()
			s.block()
			for _, l := range s.eventLines() {
				out = append(out, fmt.Sprintf("%d: %s", h, l))
			}
		}
		return strings.Join(append(out, fmt.Sprintf("height %d", s.ctx.BlockHeight())), "\n")
	case "wait":
		d, _ := time.ParseDuration(a.at(0))
		s.ctx = s.ctx.WithBlockTime(s.ctx.BlockTime().Add(d))
		return ""
	case "balance":
		var out []string
		for _, n := range a.words {
			out = append(out, n+" "+s.bank.GetAllBalances(s.ctx, s.addr(n)).String())
		}
		return strings.Join(out, "\n")
	case "limit":
		g, _ := s.authz.GetAuthorization(s.ctx, s.addr(a.at(1)), s.addr(a.at(0)), escrowv1.DepositMsgType)
		if d, ok := g.(*escrowv1.DepositAuthorization); ok {
			return d.Limits().String()
		}
		return "none"
	case "show":
		return s.show(a)
	case "funding":
		id := s.deployment(a.at(0))
		f, err := NewTradeQueryServer(s.market).Funding(s.ctx, &tradev1.QueryFundingRequest{Owner: id.Owner, Dseq: id.DSeq})
		if err != nil {
			return s.outcome(err)
		}
		return fmt.Sprintf("%s %s spends %s%s, %d blocks, last %d, %d s, grace ends %d", f.State, f.Balance, short(f.Spent.Amount), f.Spent.Denom, f.BlocksLeft, f.LastBlock, f.SecondsLeft, f.GraceEnds)
	case "denials":
		r, err := NewTradeQueryServer(s.market).Denials(s.ctx, &tradev1.QueryDenialsRequest{Owner: s.addr(a.at(0)).String()})
		if err != nil {
			return s.outcome(err)
		}
		return s.rename(strings.Join(r.Providers, "\n"))
	}
	return "no such command: " + name
}

// outcome is "ok" with the events, or the error with its code.
func (s *scenario) outcome(err error) string {
	if err == nil {
		return strings.Join(append([]string{"ok"}, s.eventLines()...), "\n")
	}
	var coded *errorsmod.Error
	if errors.As(err, &coded) {
		return s.rename(fmt.Sprintf("error %s/%d (%s): %s", coded.Codespace(), coded.ABCICode(), coded.GRPCStatus().Code(), err))
	}
	return s.rename("error: " + err.Error())
}

func coins(s string) sdk.Coins {
	c, err := sdk.ParseCoinsNormalized(s)
	if err != nil {
		return sdk.Coins{}
	}
	return c
}

// coin reads an amount; what isn't one becomes a coin without a number, as a bad client sends.
func coin(s string) sdk.Coin {
	c, err := sdk.ParseCoinNormalized(s)
	if err != nil {
		return sdk.Coin{Denom: s, Amount: sdkmath.ZeroInt()}
	}
	return c
}

func decCoin(s string) sdk.DecCoin {
	i := strings.IndexFunc(s, func(r rune) bool { return r >= 'a' && r <= 'z' })
	if i < 0 {
		return sdk.DecCoin{Denom: s}
	}
	d, err := sdkmath.LegacyNewDecFromStr(s[:i])
	if err != nil {
		return sdk.DecCoin{Denom: s[i:], Amount: sdkmath.LegacyZeroDec()}
	}
	return sdk.DecCoin{Denom: s[i:], Amount: d}
}

func depositOf(a args, otherwise string) depositv1.Deposit {
	d := depositv1.Deposit{Amount: coin(a.get("deposit", otherwise))}
	for _, n := range strings.Split(a.get("from", "balance"), ",") {
		d.Sources = append(d.Sources, depositv1.Source(depositv1.Source_value[n]))
	}
	return d
}

func duration(s string) *time.Duration {
	if s == "" {
		return nil
	}
	d, _ := time.ParseDuration(s)
	return &d
}

func (s *scenario) deployment(text string) deploymentv1.DeploymentID {
	part := strings.Split(text, "/")
	dseq, _ := strconv.ParseUint(part[1], 10, 64)
	return deploymentv1.DeploymentID{Owner: s.addr(part[0]).String(), DSeq: dseq}
}

func number(s string) uint32 { n, _ := strconv.ParseUint(s, 10, 32); return uint32(n) }

func (s *scenario) group(text string) deploymentv1.GroupID {
	return deploymentv1.MakeGroupID(s.deployment(text), number(strings.Split(text, "/")[2]))
}

func (s *scenario) order(text string) marketv1.OrderID {
	return marketv1.MakeOrderID(s.group(text), number(strings.Split(text, "/")[3]))
}

func (s *scenario) bidID(order, provider string) marketv1.BidID {
	return marketv1.MakeBidID(s.order(order), s.addr(provider).String())
}

// groupSpec is a small group: one unit with a price for each.
func groupSpec(name string, price sdk.DecCoin) deploymentv1beta4.GroupSpec {
	value := func(n uint64) resources.ResourceValue {
		return resources.ResourceValue{Val: sdkmath.NewIntFromUint64(n)}
	}
	return deploymentv1beta4.GroupSpec{Name: name, Resources: []deploymentv1beta4.ResourceUnit{{
		Resources: resources.Resources{
			ID: 1, CPU: &resources.CPU{Units: value(100)}, Memory: &resources.Memory{Quantity: value(64 << 20)}, GPU: &resources.GPU{Units: value(0)},
			Storage: []resources.Storage{{Name: "default", Quantity: value(512 << 20)}},
		},
		Count: 1, Price: price,
	}}}
}

func hashOf(text string) []byte {
	if text == "none" {
		return nil
	}
	h := make([]byte, deployment.HashSize)
	copy(h, text)
	if text == "short" {
		return h[:31]
	}
	return h
}

// message makes the message of a command; nil if the command isn't a message.
func (s *scenario) message(name string, a args) sdk.Msg {
	switch name {
	case "register":
		var attrs []attributesv1.Attribute
		for _, k := range []string{"region", "tier"} {
			if v, ok := a.opt[k]; ok {
				attrs = append(attrs, attributesv1.Attribute{Key: k, Value: v})
			}
		}
		return &providerv1beta4.MsgCreateProvider{Owner: s.addr(a.at(0)).String(), HostURI: "https://" + a.at(0) + ".example.com:8443", Attributes: attrs}
	case "create":
		m := &deploymentv1beta4.MsgCreateDeployment{ID: s.deployment(a.at(0)), Hash: hashOf(a.get("hash", "v1")), Deposit: depositOf(a, "500000uact")}
		for i, p := range strings.Split(a.get("price", "100uact"), ",") {
			if p == "" {
				break
			}
			g := groupSpec(a.get("name", fmt.Sprintf("g%d", i+1)), decCoin(p))
			if v, ok := a.opt["region"]; ok {
				g.Requirements.Attributes = []attributesv1.Attribute{{Key: "region", Value: v}}
			}
			m.Groups = append(m.Groups, g)
		}
		if w := duration(a.get("reclaim", "")); w != nil {
			m.Reclamation = &deploymentv1.DeploymentReclamation{MinWindow: *w}
		}
		return m
	case "update":
		return &deploymentv1beta4.MsgUpdateDeployment{ID: s.deployment(a.at(0)), Hash: hashOf(a.get("hash", "v2"))}
	case "close":
		return &deploymentv1beta4.MsgCloseDeployment{ID: s.deployment(a.at(0))}
	case "close-group":
		return &deploymentv1beta4.MsgCloseGroup{ID: s.group(a.at(0))}
	case "pause-group":
		return &deploymentv1beta4.MsgPauseGroup{ID: s.group(a.at(0))}
	case "start-group":
		return &deploymentv1beta4.MsgStartGroup{ID: s.group(a.at(0))}
	case "bid":
		return &types.MsgCreateBid{
			ID: s.bidID(a.at(1), a.at(0)), Price: decCoin(a.get("price", "100uact")), Deposit: depositOf(a, "500000uact"), ReclamationWindow: duration(a.get("window", "")),
		}
	case "unbid":
		return &types.MsgCloseBid{ID: s.bidID(a.at(1), a.at(0)), Reason: marketv1.LeaseClosedReason(number(a.get("reason", "10002")))}
	case "lease":
		return &types.MsgCreateLease{BidID: s.bidID(a.at(0), a.at(1))}
	case "unlease":
		return &types.MsgCloseLease{ID: s.bidID(a.at(0), a.at(1)).LeaseID(), Reason: marketv1.LeaseClosedReasonOwner}
	case "withdraw":
		return &types.MsgWithdrawLease{ID: s.bidID(a.at(0), a.at(1)).LeaseID()}
	case "reclaim":
		return &types.MsgLeaseStartReclaim{ID: s.bidID(a.at(0), a.at(1)).LeaseID(), Reason: marketv1.LeaseClosedReason(number(a.get("reason", "10001")))}
	case "deposit":
		id := s.deployment(a.at(1))
		return &escrowv1.MsgAccountDeposit{
			Signer: s.addr(a.at(0)).String(), ID: escrowid.Account{Scope: escrowid.ScopeDeployment, XID: id.String()}, Deposit: depositOf(args{opt: a.opt}, a.at(2)),
		}
	case "grant":
		g := &escrowv1.DepositAuthorization{SpendLimit: sdk.Coin{Amount: sdkmath.ZeroInt()}, SpendLimits: coins(a.at(2))}
		for _, n := range strings.Split(a.get("scope", "deployment"), ",") {
			g.Scopes = append(g.Scopes, escrowv1.DepositAuthorization_Scope(escrowv1.DepositAuthorization_Scope_value[n]))
		}
		var until *time.Time
		if d := duration(a.get("for", "")); d != nil {
			at := s.ctx.BlockTime().Add(*d)
			until = &at
		}
		m, err := authz.NewMsgGrant(s.addr(a.at(0)), s.addr(a.at(1)), g, until)
		if err != nil {
			s.t.Fatal(err)
		}
		return m
	case "revoke":
		m := authz.NewMsgRevoke(s.addr(a.at(0)), s.addr(a.at(1)), escrowv1.DepositMsgType)
		return &m
	case "max-bids":
		p := DefaultParams()
		p.OrderMaxBids = number(a.at(0))
		return &types.MsgUpdateParams{Authority: a.get("by", s.authority), Params: p}
	case "withdraw-many":
		m := &tradev1.MsgWithdrawLeases{Provider: s.addr(a.at(0)).String()}
		for _, o := range a.words[1:] {
			m.Leases = append(m.Leases, s.bidID(o, a.get("of", a.at(0))).LeaseID())
		}
		return m
	case "deny", "allow":
		var list []string
		for _, p := range a.words[1:] {
			list = append(list, s.addr(p).String())
		}
		if name == "deny" {
			return &tradev1.MsgDenyProviders{Owner: s.addr(a.at(0)).String(), Providers: list}
		}
		return &tradev1.MsgAllowProviders{Owner: s.addr(a.at(0)).String(), Providers: list}
	case "rules":
		p := tradev1.Params{GraceBlocks: int64(number(a.get("grace", "0")))}
		if d := duration(a.get("orders", "")); d != nil {
			p.OrderLifetime = *d
		}
		return &tradev1.MsgUpdateParams{Authority: a.get("by", s.authority), Params: p}
	case "min-deposits":
		return &deploymentv1beta4.MsgUpdateParams{Authority: a.get("by", s.authority), Params: deploymentv1beta4.Params{MinDeposits: coins(a.at(0))}}
	}
	return nil
}

// show prints a deployment and all that belongs to it, as the queries tell it.
func (s *scenario) show(a args) string {
	id := s.deployment(a.at(0))
	var out []string
	add := func(f string, v ...any) { out = append(out, fmt.Sprintf(f, v...)) }
	d, err := deployment.NewQueryServer(s.chain.deployment).Deployment(s.ctx, &deploymentv1beta4.QueryDeploymentRequest{ID: id})
	if err != nil {
		return s.outcome(err)
	}
	e := d.EscrowAccount.State
	add("deployment %s", d.Deployment.State)
	add("escrow %s funds=%s%s transferred=%s settled=%d", e.State, short(e.Funds[0].Amount), e.Funds[0].Denom, e.Transferred, e.SettledAt)
	for _, x := range e.Deposits {
		add("  deposit %s %s %s%s", x.Owner, x.Source, short(x.Balance.Amount), x.Balance.Denom)
	}
	for _, g := range d.Groups {
		add("group %d %s", g.ID.GSeq, g.State)
	}
	q := NewQueryServer(s.market)
	orders, err := q.Orders(s.ctx, &types.QueryOrdersRequest{Filters: types.OrderFilters{Owner: id.Owner, DSeq: id.DSeq}})
	if err != nil {
		return s.outcome(err)
	}
	for _, o := range orders.Orders {
		add("order %d/%d %s", o.ID.GSeq, o.ID.OSeq, o.State)
	}
	bids, err := q.Bids(s.ctx, &types.QueryBidsRequest{Filters: types.BidFilters{Owner: id.Owner, DSeq: id.DSeq}})
	if err != nil {
		return s.outcome(err)
	}
	for _, b := range bids.Bids {
		add("bid %d/%d/%s %s %s%s deposit %s %s%s", b.Bid.ID.GSeq, b.Bid.ID.OSeq, b.Bid.ID.Provider, b.Bid.State, short(b.Bid.Price.Amount), b.Bid.Price.Denom,
			b.EscrowAccount.State.State, short(b.EscrowAccount.State.Funds[0].Amount), b.EscrowAccount.State.Funds[0].Denom)
	}
	leases, err := q.Leases(s.ctx, &types.QueryLeasesRequest{Filters: marketv1.LeaseFilters{Owner: id.Owner, DSeq: id.DSeq}})
	if err != nil {
		return s.outcome(err)
	}
	for _, l := range leases.Leases {
		p := l.EscrowPayment.State
		add("lease %d/%d/%s %s closed=%d %s payment %s rate=%s balance=%s withdrawn=%s", l.Lease.ID.GSeq, l.Lease.ID.OSeq, l.Lease.ID.Provider, l.Lease.State, l.Lease.ClosedOn,
			l.Lease.Reason, p.State, short(p.Rate.Amount), short(p.Balance.Amount), p.Withdrawn)
	}
	return s.rename(strings.Join(out, "\n"))
}

func short(d sdkmath.LegacyDec) string {
	return strings.TrimSuffix(strings.TrimRight(d.String(), "0"), ".")
}
