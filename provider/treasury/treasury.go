// Package treasury brings what leases earn into the provider's account.
//
// What always holds:
//   - Withdrawals of many leases go together, in one message where the chain has such a one; one that the chain refuses doesn't hold back others.
//   - A lease whose account is empty is settled at once, so that it doesn't run unpaid on a chain
//     that doesn't close it by itself.
//   - Nothing is withdrawn that is worth less than its fee is reckoned to be.
package treasury

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"cosmossdk.io/math"
	sdk "github.com/cosmos/cosmos-sdk/types"

	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	tradev1 "github.com/akash-supercloud/akash/api/akash/trade/v1"
	"github.com/akash-supercloud/akash/client/tx"
)

// Chain is what the treasury asks of the chain.
type Chain interface {
	Leases(ctx context.Context) ([]marketv1.Lease, error)
	Deployment(ctx context.Context, id deploymentv1.DeploymentID) (deploymentv1beta4.QueryDeploymentResponse, error)
	Send(ctx context.Context, msgs ...sdk.Msg) error
	// WithdrawsMany says whether the chain takes akash.trade.v1's MsgWithdrawLeases.
	WithdrawsMany(ctx context.Context) (bool, error)
}

// Options configure a Treasury. Chain and Height are needed.
type Options struct {
	Chain Chain
	// Height is that of the last block read; Synced says whether it is the chain's present.
	Height func() int64
	Synced func() bool
	// Every is how often each lease's earnings are withdrawn; 0: 24 hours.
	Every time.Duration
	// Check is how often accounts are looked at; 0: 5 minutes.
	Check time.Duration
	// Minimum is the least that is withdrawn from a lease, in millionths of its coin; 0: 10000.
	Minimum int64
	// Batch is how many leases one transaction withdraws from, at most 100; 0: 50.
	Batch int
	Log   *slog.Logger
	Now   func() time.Time
}

// Treasury withdraws. Run is its only goroutine.
type Treasury struct {
	opt  Options
	last map[string]mark
}

// mark is when a lease was last withdrawn from.
type mark struct {
	at     time.Time
	height int64
}

// New returns a treasury that does nothing before Run.
func New(opt Options) *Treasury {
	if opt.Every == 0 {
		opt.Every = 24 * time.Hour
	}
	if opt.Check == 0 {
		opt.Check = 5 * time.Minute
	}
	if opt.Minimum == 0 {
		opt.Minimum = 10_000
	}
	if opt.Batch == 0 {
		opt.Batch = 50
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Synced == nil {
		opt.Synced = func() bool { return true }
	}
	return &Treasury{opt: opt, last: map[string]mark{}}
}

// Run looks and withdraws until ctx ends.
func (t *Treasury) Run(ctx context.Context) error {
	tick := time.NewTicker(min(t.opt.Check, t.opt.Every))
	defer tick.Stop()
	for {
		if err := t.Look(ctx); err != nil && ctx.Err() == nil {
			t.opt.Log.Warn("can't withdraw now; trying again later", "err", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// Look withdraws from the leases that are due.
func (t *Treasury) Look(ctx context.Context) error {
	if !t.opt.Synced() {
		return nil
	}
	leases, err := t.opt.Chain.Leases(ctx)
	if err != nil {
		return fmt.Errorf("list the provider's leases: %w", err)
	}
	height, now := t.opt.Height(), t.opt.Now()
	open := map[string]bool{}
	rates := map[string]math.LegacyDec{} // of our leases, by deployment
	for _, l := range leases {
		d := l.ID.DeploymentID().String()
		if rates[d].IsNil() {
			rates[d] = math.LegacyZeroDec()
		}
		rates[d] = rates[d].Add(l.Price.Amount)
	}
	dry := map[string]bool{}
	var due []marketv1.LeaseID
	for _, l := range leases {
		id, d := l.ID.String(), l.ID.DeploymentID().String()
		open[id] = true
		if _, ok := t.last[id]; !ok {
			t.last[id] = mark{at: now, height: max(height, l.CreatedAt)}
		}
		if _, asked := dry[d]; !asked {
			dry[d] = t.dry(ctx, l, rates[d], height)
		}
		m := t.last[id]
		earned := l.Price.Amount.MulInt64(max(height-m.height, 0))
		if dry[d] || (now.Sub(m.at) >= t.opt.Every && earned.GTE(math.LegacyNewDec(t.opt.Minimum))) {
			due = append(due, l.ID)
		}
	}
	for id := range t.last {
		if !open[id] {
			delete(t.last, id)
		}
	}
	many := false
	if len(due) > 1 {
		if many, err = t.opt.Chain.WithdrawsMany(ctx); err != nil {
			return fmt.Errorf("ask whether many leases go in one message: %w", err)
		}
	}
	for len(due) > 0 {
		n := min(len(due), t.opt.Batch)
		if err := t.withdraw(ctx, due[:n], many, mark{at: now, height: height}); err != nil {
			return err
		}
		due = due[n:]
	}
	return nil
}

// dry says whether the deployment's account can't pay our leases up to this block any more. An
// account that can't be read isn't dry.
func (t *Treasury) dry(ctx context.Context, l marketv1.Lease, rate math.LegacyDec, height int64) bool {
	if !rate.IsPositive() {
		return false
	}
	d, err := t.opt.Chain.Deployment(ctx, l.ID.DeploymentID())
	if err != nil {
		return false
	}
	account := d.EscrowAccount.State
	funds := math.LegacyZeroDec()
	for _, f := range account.Funds {
		if f.Denom == l.Price.Denom && !f.Amount.IsNil() {
			funds = funds.Add(f.Amount)
		}
	}
	return funds.LT(rate.MulInt64(max(height-account.SettledAt, 0)))
}

func (t *Treasury) withdraw(ctx context.Context, ids []marketv1.LeaseID, many bool, m mark) error {
	msgs := make([]sdk.Msg, len(ids))
	for i, id := range ids {
		msgs[i] = &marketv1beta5.MsgWithdrawLease{ID: id}
	}
	if many && len(ids) > 1 {
		msgs = []sdk.Msg{&tradev1.MsgWithdrawLeases{Provider: ids[0].Provider, Leases: ids}}
	}
	err := t.opt.Chain.Send(ctx, msgs...)
	var refused *tx.Error
	switch {
	case err == nil:
		for _, id := range ids {
			t.last[id.String()] = m
		}
		t.opt.Log.Info("withdrew", "leases", len(ids))
	case errors.As(err, &refused) && len(ids) > 1:
		// One of them is the reason; the others are still due.
		half := len(ids) / 2
		if err := t.withdraw(ctx, ids[:half], many, m); err != nil {
			return err
		}
		return t.withdraw(ctx, ids[half:], many, m)
	case errors.As(err, &refused):
		t.opt.Log.Warn("the chain refused a withdrawal", "lease", ids[0].String(), "err", err)
		t.last[ids[0].String()] = m // not again before the next period
	default:
		return fmt.Errorf("withdraw: %w", err)
	}
	return nil
}
