// Package ledger is the arithmetic of escrow: an account that depositors fill with one
// denomination, and payments that run from it by the block. It is pure; nothing here
// reads a store or a clock.
//
// The rules:
//
//   - Money moves in whole units (millionths of a coin). A payment's rate may have 18
//     decimals; what a payment has earned beyond the last whole unit is carried along,
//     exactly, and becomes money when it completes a unit. So over its life a payment gets
//     floor(rate × blocks), however often anybody settles or withdraws, and the fraction of
//     a unit that is left when it closes was never taken from the depositors.
//   - Deposits are spent in the order they came. Whatever isn't spent goes back to who paid it.
//   - An account that runs dry is closed, or paused: its payments end, what is left of the
//     money stays, and for a number of blocks a deposit opens it again.
//   - A block is paid to all open payments or to none. The last block that the money is
//     good for is known whenever a rate or a balance changes (DryAt). Settling never goes
//     past it, so there is no debt; less than a block's cost is left and goes back.
//
// What always holds: money in (deposits) = funds + dues of payments + money out (payouts,
// refunds), to the unit.
package ledger

import (
	"errors"
	"math/big"
	"slices"

	"cosmossdk.io/math"
)

// State of an account or a payment; the numbers are those of the wire.
type State uint8

const (
	// Open accounts take deposits and pay; open payments earn.
	Open State = 1
	// Closed by somebody's wish.
	Closed State = 2
	// Overdrawn: closed because the next block couldn't be paid; or, while an account has
	// Grace, paused for that reason.
	Overdrawn State = 3
)

// Source is where a deposit's money came from; the numbers are those of the wire.
type Source uint8

const (
	// Balance is the depositor's own balance.
	Balance Source = 1
	// Grant is the balance of somebody who allowed the account's owner to spend it here.
	Grant Source = 2
)

const (
	// Never is the dry block of an account that no payment empties.
	Never int64 = 1 << 62
	// MaxDeposits bounds how many deposits of different people an account holds. The
	// account's owner isn't bound by it.
	MaxDeposits = 50
	// MaxPayments bounds how many payments are open at a time.
	MaxPayments = 500
	// maxRateBits bounds a rate (in 10^-18 units) so that no product overflows.
	maxRateBits = 180
	maxFundBits = 220
)

// Errors of changes that the rules don't allow. The account is unchanged then.
var (
	ErrNotOpen         = errors.New("the account isn't open")
	ErrDry             = errors.New("the account has no money for one more block")
	ErrPaymentExists   = errors.New("there is such a payment already")
	ErrPaymentNotFound = errors.New("there is no such open payment")
	ErrRate            = errors.New("the rate has to be positive and of a sane size")
	ErrAmount          = errors.New("the amount has to be positive and of a sane size")
	ErrTooMany         = errors.New("the account holds as much of these as it may")
	ErrBroken          = errors.New("the account's own figures don't add up")
)

// Deposit is money of one depositor that isn't spent yet.
type Deposit struct {
	// Owner is the address (bytes) that gets back what isn't spent.
	Owner  string
	Source Source
	// Height is the block of the first deposit that is part of this one.
	Height int64
	// Amount is what is left, in whole units, always positive.
	Amount math.Int
}

// Payment runs from an account to one owner.
type Payment struct {
	// ID tells the account's payments apart.
	ID string
	// Owner is the address (bytes) that is paid.
	Owner string
	State State
	// Rate is what a block costs, in units, up to 18 decimals.
	Rate math.LegacyDec
	// Due is earned and taken from the deposits, but not yet paid out.
	Due math.Int
	// Carry is earned beyond Due: below one unit, and still among the deposits.
	Carry math.LegacyDec
	// Withdrawn is what was paid out in all.
	Withdrawn math.Int
}

// Account is what depositors paid for one purpose, and the open payments that live on it.
// In a closed account the payments that ended with it stay listed.
type Account struct {
	Denom string
	State State
	// SettledAt is the last block that all payments have been paid for.
	SettledAt int64
	Deposits  []Deposit
	// Transferred is what all payments ever took from the deposits.
	Transferred math.Int
	Payments    []Payment
	// Grace is the last block in which a deposit opens a paused account again; 0 in accounts
	// that aren't paused.
	Grace int64
}

// Transfer is money that leaves the account.
type Transfer struct {
	// To is the address (bytes) that gets it.
	To     string
	Source Source // of refunds: where it came from
	Amount math.Int
}

// New returns an open, empty account.
func New(denom string, height int64) Account {
	return Account{Denom: denom, State: Open, SettledAt: height, Transferred: math.ZeroInt()}
}

// Clone returns a copy that can be changed without changing a.
func (a *Account) Clone() Account {
	c := *a
	c.Deposits = slices.Clone(a.Deposits)
	c.Payments = slices.Clone(a.Payments)
	return c
}

// Funds is what the deposits hold, in whole units.
func (a *Account) Funds() math.Int {
	switch len(a.Deposits) {
	case 0:
		return math.ZeroInt()
	case 1:
		return a.Deposits[0].Amount
	}
	sum := math.ZeroInt()
	for i := range a.Deposits {
		sum = sum.Add(a.Deposits[i].Amount)
	}
	return sum
}

// Dues is what was taken from the deposits and waits for payout.
func (a *Account) Dues() math.Int {
	sum := math.ZeroInt()
	for i := range a.Payments {
		sum = sum.Add(a.Payments[i].Due)
	}
	return sum
}

var unit = new(big.Int).Exp(big.NewInt(10), big.NewInt(math.LegacyPrecision), nil)

// DryAt returns the last block that the money is good for if nothing changes: that block
// is paid in full to everybody, the next couldn't be. Never, if no payment runs.
func (a *Account) DryAt() int64 {
	if a.State != Open || len(a.Payments) == 0 {
		return Never
	}
	// In 10^-18 units: rates and carries of all payments, and the funds.
	rates, carries := new(big.Int), new(big.Int)
	for i := range a.Payments {
		rates.Add(rates, a.Payments[i].Rate.BigIntMut())
		carries.Add(carries, a.Payments[i].Carry.BigIntMut())
	}
	if rates.Sign() <= 0 {
		return Never
	}
	funds := a.Funds().BigIntMut()
	exact := new(big.Int).Mul(funds, unit)

	// n blocks cost the sum of floor(carry + rate·n), which is at most carries + rates·n and
	// more than that less one unit a payment.
	hi := new(big.Int).Mul(big.NewInt(int64(len(a.Payments))), unit)
	hi.Add(hi, exact).Sub(hi, carries).Sub(hi, big.NewInt(1)).Quo(hi, rates)
	most := blocks(hi)
	if len(a.Payments) > 1 {
		// The bounds are some payments' units apart, so they meet within a few halvings
		// unless rates are tiny.
		least := blocks(exact.Sub(exact, carries).Quo(exact, rates))
		var cost, one big.Int
		for least < most {
			mid := least + (most-least+1)/2
			if a.cost(mid, &cost, &one).Cmp(funds) <= 0 {
				least = mid
			} else {
				most = mid - 1
			}
		}
	}
	if most >= maxBlocks {
		return Never
	}
	return a.SettledAt + most
}

const maxBlocks int64 = 1 << 60

// blocks clips a number of blocks to 0…maxBlocks.
func blocks(n *big.Int) int64 {
	if n.Sign() <= 0 {
		return 0
	}
	if !n.IsInt64() || n.Int64() > maxBlocks {
		return maxBlocks
	}
	return n.Int64()
}

// cost returns what n blocks take from the deposits, in whole units.
func (a *Account) cost(n int64, sum, one *big.Int) *big.Int {
	sum.SetInt64(0)
	for i := range a.Payments {
		p := &a.Payments[i]
		one.SetInt64(n)
		one.Mul(one, p.Rate.BigIntMut()).Add(one, p.Carry.BigIntMut()).Quo(one, unit)
		sum.Add(sum, one)
	}
	return sum
}

// Settle pays all blocks up to height, or up to DryAt if that comes first.
func (a *Account) Settle(height int64) error { return a.settle(height, a.DryAt()) }

func (a *Account) settle(height, dry int64) error {
	if a.State != Open || height <= a.SettledAt {
		return nil
	}
	last := min(height, dry)
	n := last - a.SettledAt
	a.SettledAt = last
	if n <= 0 {
		return nil
	}
	for i := range a.Payments {
		p := &a.Payments[i]
		earned := new(big.Int).SetInt64(n)
		earned.Mul(earned, p.Rate.BigIntMut()).Add(earned, p.Carry.BigIntMut())
		rest := new(big.Int)
		earned.QuoRem(earned, unit, rest)
		p.Carry = math.LegacyNewDecFromBigIntWithPrec(rest, math.LegacyPrecision)
		if earned.Sign() == 0 {
			continue
		}
		whole := math.NewIntFromBigIntMut(earned)
		p.Due = p.Due.Add(whole)
		if err := a.spend(whole); err != nil {
			return err
		}
	}
	return nil
}

// spend takes amount from the deposits, oldest first.
func (a *Account) spend(amount math.Int) error {
	a.Transferred = a.Transferred.Add(amount)
	for len(a.Deposits) > 0 {
		d := &a.Deposits[0]
		if d.Amount.GT(amount) {
			d.Amount = d.Amount.Sub(amount)
			return nil
		}
		amount = amount.Sub(d.Amount)
		a.Deposits = a.Deposits[1:]
		if amount.IsZero() {
			return nil
		}
	}
	return ErrBroken // DryAt keeps this from happening
}

// Overdue reports that blocks up to height should have been paid and weren't, for want of
// money: the account waits to be closed.
func (a *Account) Overdue(height int64) bool { return a.DryAt() < height }

// Deposit settles to height and adds money, which opens a paused account again. A depositor's money of one source is one deposit: more of it joins
// what is left of the earlier one. The account's own people (own) aren't bound by
// MaxDeposits.
func (a *Account) Deposit(d Deposit, height int64, own bool) error {
	if a.State != Open && a.Grace == 0 {
		return ErrNotOpen
	}
	dry := a.DryAt()
	if dry < height || (a.Grace != 0 && a.Grace < height) {
		return ErrDry
	}
	if d.Amount.IsNil() || !d.Amount.IsPositive() || a.Funds().BigIntMut().BitLen() > maxFundBits || d.Amount.BigIntMut().BitLen() > maxFundBits {
		return ErrAmount
	}
	// Whether there is something left to join depends on what was spent until now.
	if err := a.settle(height, dry); err != nil {
		return err
	}
	for i := range a.Deposits {
		if e := &a.Deposits[i]; e.Owner == d.Owner && e.Source == d.Source {
			e.Amount = e.Amount.Add(d.Amount)
			a.reopen(height)
			return nil
		}
	}
	if len(a.Deposits) >= MaxDeposits && !own {
		return ErrTooMany
	}
	d.Height = height
	a.Deposits = append(a.Deposits, d)
	a.reopen(height)
	return nil
}

// reopen makes a paused account open.
func (a *Account) reopen(height int64) {
	if a.Grace != 0 {
		a.State, a.Grace, a.SettledAt = Open, 0, height
	}
}

// Pause settles to height and ends all payments as overdrawn, but leaves what isn't spent
// where it is: a deposit up to block until opens the account again. It returns the payments
// as they ended, with what each is to be paid, in the payments' order.
func (a *Account) Pause(height, until int64) (ended []Payment, payouts []Transfer, err error) {
	if a.State != Open {
		return nil, nil, ErrNotOpen
	}
	if err := a.Settle(height); err != nil {
		return nil, nil, err
	}
	ended, a.Payments = a.Payments, nil
	for i := range ended {
		p := &ended[i]
		payouts = append(payouts, Transfer{To: p.Owner, Amount: p.end(Overdrawn)})
	}
	a.State, a.Grace = Overdrawn, max(until, 1)
	return ended, payouts, nil
}

// OpenPayment starts a payment with the block after height. It fails with ErrDry when the
// money wouldn't be enough for one block of all payments.
func (a *Account) OpenPayment(id, owner string, rate math.LegacyDec, height int64) error {
	if a.State != Open {
		return ErrNotOpen
	}
	if rate.IsNil() || !rate.IsPositive() || rate.BigIntMut().BitLen() > maxRateBits {
		return ErrRate
	}
	if _, err := a.find(id); err == nil {
		return ErrPaymentExists
	}
	if len(a.Payments) >= MaxPayments {
		return ErrTooMany
	}
	dry := a.DryAt()
	if dry < height {
		return ErrDry
	}
	c := a.Clone()
	if err := c.settle(height, dry); err != nil {
		return err
	}
	c.Payments = append(c.Payments, Payment{
		ID: id, Owner: owner, State: Open, Rate: rate, Due: math.ZeroInt(), Carry: math.LegacyZeroDec(), Withdrawn: math.ZeroInt(),
	})
	if c.DryAt() <= height {
		return ErrDry
	}
	*a = c
	return nil
}

// Payment returns the open payment id.
func (a *Account) Payment(id string) (Payment, error) {
	i, err := a.find(id)
	if err != nil {
		return Payment{}, err
	}
	return a.Payments[i], nil
}

func (a *Account) find(id string) (int, error) {
	for i := range a.Payments {
		if a.Payments[i].ID == id {
			return i, nil
		}
	}
	return 0, ErrPaymentNotFound
}

// Withdraw settles to height and pays out what is due to payment id. The amount may be zero.
func (a *Account) Withdraw(id string, height int64) (math.Int, error) {
	if a.State != Open {
		return math.Int{}, ErrNotOpen
	}
	i, err := a.find(id)
	if err != nil {
		return math.Int{}, err
	}
	if err := a.Settle(height); err != nil {
		return math.Int{}, err
	}
	return a.Payments[i].payout(), nil
}

func (p *Payment) payout() math.Int {
	due := p.Due
	p.Withdrawn = p.Withdrawn.Add(due)
	p.Due = math.ZeroInt()
	return due
}

func (p *Payment) end(state State) math.Int {
	p.State = state
	p.Carry = math.LegacyZeroDec()
	return p.payout()
}

// ClosePayment settles to height, takes payment id off the account and returns it as it
// ended, with what is to be paid out.
func (a *Account) ClosePayment(id string, height int64) (Payment, math.Int, error) {
	if a.State != Open {
		return Payment{}, math.Int{}, ErrNotOpen
	}
	i, err := a.find(id)
	if err != nil {
		return Payment{}, math.Int{}, err
	}
	if err := a.Settle(height); err != nil {
		return Payment{}, math.Int{}, err
	}
	p := a.Payments[i]
	due := p.end(Closed)
	a.Payments = slices.Delete(slices.Clone(a.Payments), i, i+1)
	return p, due, nil
}

// Close settles to height and ends the account, open or paused, and its payments in the given state. It
// returns what each payment is to be paid, in the payments' order, and what goes back to
// depositors, in the deposits' order; afterwards the account holds nothing.
func (a *Account) Close(state State, height int64) (payouts, refunds []Transfer, err error) {
	if a.State != Open && a.Grace == 0 {
		return nil, nil, ErrNotOpen
	}
	if err := a.Settle(height); err != nil {
		return nil, nil, err
	}
	a.State, a.Grace = state, 0
	for i := range a.Payments {
		p := &a.Payments[i]
		payouts = append(payouts, Transfer{To: p.Owner, Amount: p.end(state)})
	}
	for i := range a.Deposits {
		d := &a.Deposits[i]
		refunds = append(refunds, Transfer{To: d.Owner, Source: d.Source, Amount: d.Amount})
	}
	a.Deposits = nil
	return payouts, refunds, nil
}

// Check returns an error if the account's figures can't be right by themselves.
func (a *Account) Check() error {
	if a.Grace < 0 || (a.Grace > 0 && (a.State != Overdrawn || len(a.Payments) > 0)) {
		return ErrBroken
	}
	if a.Denom == "" || a.State < Open || a.State > Overdrawn || a.SettledAt < 0 || a.Transferred.IsNil() || a.Transferred.IsNegative() {
		return ErrBroken
	}
	for _, d := range a.Deposits {
		if (a.State != Open && a.Grace == 0) || d.Amount.IsNil() || !d.Amount.IsPositive() || d.Owner == "" || (d.Source != Balance && d.Source != Grant) {
			return ErrBroken
		}
	}
	seen := make(map[string]bool, len(a.Payments))
	for i := range a.Payments {
		p := &a.Payments[i]
		if err := p.Check(); err != nil || p.State != a.State || seen[p.ID] {
			return ErrBroken
		}
		seen[p.ID] = true
	}
	return nil
}

// Check returns an error if the payment's figures can't be right by themselves.
func (p *Payment) Check() error {
	if p.ID == "" || p.Owner == "" || p.State < Open || p.State > Overdrawn ||
		p.Rate.IsNil() || !p.Rate.IsPositive() || p.Rate.BigIntMut().BitLen() > maxRateBits ||
		p.Due.IsNil() || p.Due.IsNegative() || p.Withdrawn.IsNil() || p.Withdrawn.IsNegative() ||
		p.Carry.IsNil() || p.Carry.IsNegative() || p.Carry.GTE(math.LegacyOneDec()) ||
		(p.State != Open && (!p.Due.IsZero() || !p.Carry.IsZero())) {
		return ErrBroken
	}
	return nil
}
