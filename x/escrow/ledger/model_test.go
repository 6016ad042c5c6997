package ledger

import (
	"math/big"
	"slices"
)

// model is the slow, obvious escrow: it goes through every block, one by one, keeps what
// each payment earned as a fraction, and takes money unit by unit from a list of deposits.
// It shares no arithmetic with the ledger.
type model struct {
	state    State
	height   int64 // the block that the world is in
	paid     int64 // the last block paid to everybody
	dead     bool  // a block couldn't be paid
	paused   bool  // dead, payments ended, waits for money
	until    int64 // while paused: the last block in which money helps
	deposits []modelDeposit
	payments []*modelPayment
	in, out  *big.Int
}

type modelDeposit struct {
	owner  string
	source Source
	left   *big.Int
}

type modelPayment struct {
	id, owner string
	rate      *big.Rat
	earned    *big.Rat // all its life
	taken     *big.Int // whole units of it that were taken from the deposits
	withdrawn *big.Int
}

func newModel(height int64) *model {
	return &model{state: Open, height: height, paid: height, in: new(big.Int), out: new(big.Int)}
}

func floor(r *big.Rat) *big.Int { return new(big.Int).Quo(r.Num(), r.Denom()) } // r ≥ 0

func (m *model) funds() *big.Int {
	sum := new(big.Int)
	for _, d := range m.deposits {
		sum.Add(sum, d.left)
	}
	return sum
}

// block lets one block pass.
func (m *model) block() {
	m.height++
	if m.state != Open || m.dead {
		return
	}
	need := new(big.Int)
	for _, p := range m.payments {
		after := floor(new(big.Rat).Add(p.earned, p.rate))
		need.Add(need, after.Sub(after, p.taken))
	}
	if need.Cmp(m.funds()) > 0 {
		m.dead = true
		return
	}
	m.paid = m.height
	for _, p := range m.payments {
		p.earned = new(big.Rat).Add(p.earned, p.rate)
		whole := floor(p.earned)
		m.take(new(big.Int).Sub(whole, p.taken))
		p.taken = whole
	}
}

func (m *model) take(n *big.Int) {
	for n.Sign() > 0 {
		d := &m.deposits[0]
		if d.left.Cmp(n) > 0 {
			d.left = new(big.Int).Sub(d.left, n)
			return
		}
		n = new(big.Int).Sub(n, d.left)
		m.deposits = m.deposits[1:]
	}
}

// pause ends all payments, pays them out, and keeps the deposits.
func (m *model) pause(until int64) ([]*big.Int, error) {
	if m.state != Open {
		return nil, ErrNotOpen
	}
	var payouts []*big.Int
	for _, p := range m.payments {
		payouts = append(payouts, m.payout(p))
	}
	m.payments = nil
	m.state, m.dead, m.paused, m.until = Overdrawn, false, true, until
	return payouts, nil
}

func (m *model) deposit(owner string, source Source, amount *big.Int, own bool) error {
	switch {
	case m.state != Open && !m.paused:
		return ErrNotOpen
	case m.dead, m.paused && m.height > m.until:
		return ErrDry
	}
	full := true
	for i := range m.deposits {
		if m.deposits[i].owner == owner && m.deposits[i].source == source {
			full = false
		}
	}
	if full && len(m.deposits) >= MaxDeposits && !own {
		return ErrTooMany
	}
	if m.paused {
		m.state, m.paused, m.paid = Open, false, m.height
	}
	for i := range m.deposits {
		if d := &m.deposits[i]; d.owner == owner && d.source == source {
			d.left = new(big.Int).Add(d.left, amount)
			m.in.Add(m.in, amount)
			return nil
		}
	}
	m.deposits = append(m.deposits, modelDeposit{owner, source, amount})
	m.in.Add(m.in, amount)
	return nil
}

func (m *model) open(id, owner string, rate *big.Rat) error {
	if m.state != Open {
		return ErrNotOpen
	}
	if m.find(id) != nil {
		return ErrPaymentExists
	}
	if m.dead {
		return ErrDry
	}
	need := floor(rate)
	for _, p := range m.payments {
		after := floor(new(big.Rat).Add(p.earned, p.rate))
		need.Add(need, after.Sub(after, p.taken))
	}
	if need.Cmp(m.funds()) > 0 {
		return ErrDry
	}
	m.payments = append(m.payments, &modelPayment{id, owner, rate, new(big.Rat), new(big.Int), new(big.Int)})
	return nil
}

func (m *model) find(id string) *modelPayment {
	for _, p := range m.payments {
		if p.id == id {
			return p
		}
	}
	return nil
}

func (m *model) withdraw(id string) (*big.Int, error) {
	if m.state != Open {
		return nil, ErrNotOpen
	}
	p := m.find(id)
	if p == nil {
		return nil, ErrPaymentNotFound
	}
	return m.payout(p), nil
}

func (m *model) payout(p *modelPayment) *big.Int {
	due := new(big.Int).Sub(p.taken, p.withdrawn)
	p.withdrawn = p.taken
	m.out.Add(m.out, due)
	return due
}

func (m *model) closePayment(id string) (*big.Int, error) {
	due, err := m.withdraw(id)
	if err == nil {
		m.payments = slices.DeleteFunc(m.payments, func(p *modelPayment) bool { return p.id == id })
		// The others may go on, unless a block was missed already.
	}
	return due, err
}

func (m *model) close(state State) (payouts, refunds []*big.Int, err error) {
	if m.state != Open && !m.paused {
		return nil, nil, ErrNotOpen
	}
	m.state, m.paused = state, false
	for _, p := range m.payments {
		payouts = append(payouts, m.payout(p))
	}
	for _, d := range m.deposits {
		refunds = append(refunds, d.left)
		m.out.Add(m.out, d.left)
	}
	m.deposits = nil
	return payouts, refunds, nil
}
