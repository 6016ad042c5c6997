package ledger

import (
	"errors"
	"flag"
	"fmt"
	"math/big"
	"testing"

	"cosmossdk.io/math"
	"pgregory.net/rapid"
)

var ops = flag.Int("ops", 50_000, "random operations to compare the ledger with its model by")

const opsPerCheck = 200

var pauses, reopened int // counted by TestModel

func dec(s string) math.LegacyDec { return math.LegacyMustNewDecFromStr(s) }

// TestModel compares the ledger with the block-by-block model under random operations.
// More of them: go test ./x/escrow/ledger -run TestModel -ops 1000000
func TestModel(t *testing.T) {
	done := 0
	for done < *ops {
		checkModel(t, &done)
		if t.Failed() {
			break
		}
	}
	t.Logf("%d operations, %d pauses, %d reopened", done, pauses, reopened)
	if pauses == 0 || reopened == 0 {
		t.Error("no account was paused and opened again: the test tests less than it should")
	}
}

func checkModel(t *testing.T, done *int) { rapid.Check(t, modelOps(done)) }

// FuzzModel is TestModel, with operations that reach new code.
func FuzzModel(f *testing.F) { f.Fuzz(rapid.MakeFuzz(modelOps(new(int)))) }

func modelOps(done *int) func(*rapid.T) {
	return func(t *rapid.T) {
		start := rapid.Int64Range(0, 1000).Draw(t, "start")
		a, m := New("uact", start), newModel(start)
		height := start
		owners := []string{"alice", "bob", "carol"}
		ids := []string{"1", "2", "3", "4"}
		for range opsPerCheck {
			*done++
			switch op := rapid.IntRange(0, 21).Draw(t, "op"); op {
			case 0, 1, 2:
				owner := rapid.SampledFrom(owners).Draw(t, "owner")
				source := Source(rapid.IntRange(1, 2).Draw(t, "source"))
				amount := rapid.Int64Range(1, 3000).Draw(t, "amount")
				paused := m.paused
				got := a.Deposit(Deposit{Owner: owner, Source: source, Amount: math.NewInt(amount)}, height, owner == "alice")
				same(t, "deposit", got, m.deposit(owner, source, big.NewInt(amount), owner == "alice"))
				if paused && got == nil {
					reopened++
				}
			case 3, 4, 5:
				id := rapid.SampledFrom(ids).Draw(t, "id")
				rate := dec(rapid.SampledFrom([]string{"1", "7", "0.1", "0.333333333333333333", "12.5", "2.000000000000000001", "0.000000000000000001", "0.999999999999999999", "100.75"}).Draw(t, "rate"))
				exact := new(big.Rat).SetFrac(rate.BigInt(), unit)
				same(t, "open", a.OpenPayment(id, "p"+id, rate, height), m.open(id, "p"+id, exact))
			case 6, 7, 8, 9, 10, 11:
				n := rapid.IntRange(0, 60).Draw(t, "blocks")
				for range n {
					m.block()
				}
				height += int64(n)
			case 12, 13, 14:
				if err := a.Settle(height); err != nil {
					t.Fatal(err)
				}
			case 15, 16:
				id := rapid.SampledFrom(ids).Draw(t, "id")
				got, err := a.Withdraw(id, height)
				want, wantErr := m.withdraw(id)
				same(t, "withdraw", err, wantErr)
				if err == nil && got.BigInt().Cmp(want) != 0 {
					t.Fatalf("withdrew %s, want %s", got, want)
				}
			case 17, 18:
				if m.dead {
					continue // an overdue account closes as a whole
				}
				id := rapid.SampledFrom(ids).Draw(t, "id")
				_, got, err := a.ClosePayment(id, height)
				want, wantErr := m.closePayment(id)
				same(t, "close payment", err, wantErr)
				if err == nil && got.BigInt().Cmp(want) != 0 {
					t.Fatalf("closing paid %s, want %s", got, want)
				}
			case 20, 21:
				// As the chain does when the money has ended, and sometimes before.
				if a.State == Open && !m.dead && a.DryAt() > height && rapid.IntRange(0, 9).Draw(t, "really") > 0 {
					continue
				}
				until := height + rapid.Int64Range(1, 200).Draw(t, "grace")
				ended, payouts, err := a.Pause(height, until)
				want, wantErr := m.pause(until)
				same(t, "pause", err, wantErr)
				sameMoney(t, "payouts", payouts, want)
				for _, p := range ended {
					if p.State != Overdrawn || p.Check() != nil {
						t.Fatalf("payment %v ended wrongly", p)
					}
				}
				if err == nil {
					pauses++
				}
			case 19:
				if !m.dead && rapid.IntRange(0, 9).Draw(t, "really") > 0 {
					continue
				}
				payouts, refunds, err := a.Close(Closed, height)
				wantPay, wantBack, wantErr := m.close(Closed)
				same(t, "close", err, wantErr)
				sameMoney(t, "payouts", payouts, wantPay)
				sameMoney(t, "refunds", refunds, wantBack)
			}
			compare(t, &a, m, height)
			if a.State != Open && a.Grace == 0 {
				return
			}
		}
	}
}

func same(t *rapid.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
}

func sameMoney(t *rapid.T, what string, got []Transfer, want []*big.Int) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
	for i := range got {
		if got[i].Amount.BigInt().Cmp(want[i]) != 0 {
			t.Fatalf("%s: %v, want %v", what, got, want)
		}
	}
}

// compare looks at the account settled to height, without settling it.
func compare(t *rapid.T, a *Account, m *model, height int64) {
	t.Helper()
	if err := a.Check(); err != nil {
		t.Fatal(err)
	}
	live := a.Clone()
	if err := live.Settle(height); err != nil {
		t.Fatal(err)
	}
	if live.Overdue(height) != m.dead && m.state == Open {
		t.Fatalf("overdue %v at %d, want %v", live.Overdue(height), height, m.dead)
	}
	if (live.Grace != 0) != m.paused || live.State != m.state || (m.paused && live.Grace != m.until) {
		t.Fatalf("state %d with grace until %d, want %d, paused %v until %d", live.State, live.Grace, m.state, m.paused, m.until)
	}
	if m.state == Open && live.SettledAt != m.paid {
		t.Fatalf("settled at %d, want %d", live.SettledAt, m.paid)
	}
	if live.DryAt() != a.DryAt() {
		t.Fatalf("settling moved the dry block from %d to %d", a.DryAt(), live.DryAt())
	}
	if len(live.Deposits) != len(m.deposits) {
		t.Fatalf("deposits %v, want %v", live.Deposits, m.deposits)
	}
	for i, d := range live.Deposits {
		if w := m.deposits[i]; d.Owner != w.owner || d.Source != w.source || d.Amount.BigInt().Cmp(w.left) != 0 {
			t.Fatalf("deposit %d: %v, want %v", i, d, w)
		}
	}
	for i := range m.payments {
		p, w := live.Payments[i], m.payments[i]
		if due := new(big.Int).Sub(w.taken, w.withdrawn); p.ID != w.id || p.Due.BigInt().Cmp(due) != 0 || p.Withdrawn.BigInt().Cmp(w.withdrawn) != 0 {
			t.Fatalf("payment %s: due %s withdrawn %s, want %s %s", p.ID, p.Due, p.Withdrawn, due, w.withdrawn)
		}
	}
	// Nothing is made, nothing is lost.
	held := live.Funds().Add(live.Dues()).BigInt()
	if held.Add(held, m.out).Cmp(m.in) != 0 {
		t.Fatalf("in %s, out %s, held %s", m.in, m.out, live.Funds().Add(live.Dues()))
	}
	if m.state != Open || m.dead || len(m.payments) == 0 {
		return
	}
	// The model, left alone, dies exactly after the dry block (looked at when it is near).
	if dry := a.DryAt(); dry < height {
		t.Fatalf("dry at %d, but block %d was paid", dry, height)
	} else if dry-height < 30 {
		f := *m
		f.deposits = append([]modelDeposit(nil), m.deposits...)
		f.payments = nil
		for _, p := range m.payments {
			q := *p
			f.payments = append(f.payments, &q)
		}
		f.in, f.out = new(big.Int), new(big.Int)
		for !f.dead && f.height <= dry+1 {
			f.block()
		}
		if !f.dead || f.paid != dry {
			t.Fatalf("dry at %d, but the last block paid is %d", dry, f.paid)
		}
	}
}

func TestSettlingOftenLosesNothing(t *testing.T) {
	a := New("uact", 0)
	must(t, a.Deposit(Deposit{Owner: "o", Source: Balance, Amount: math.NewInt(1000)}, 0, true))
	must(t, a.OpenPayment("p", "prov", dec("0.4"), 0))
	b := a.Clone()
	for h := int64(1); h <= 100; h++ {
		must(t, a.Settle(h))
	}
	must(t, b.Settle(100))
	if a.Payments[0].Due != b.Payments[0].Due && !a.Payments[0].Due.Equal(b.Payments[0].Due) || !a.Payments[0].Due.Equal(math.NewInt(40)) {
		t.Fatalf("settled each block: %s, at once: %s, want 40", a.Payments[0].Due, b.Payments[0].Due)
	}
}

func TestDryIsFairToAll(t *testing.T) {
	a := New("uact", 10)
	must(t, a.Deposit(Deposit{Owner: "o", Source: Balance, Amount: math.NewInt(100)}, 10, true))
	must(t, a.OpenPayment("a", "pa", dec("7"), 10))
	must(t, a.OpenPayment("b", "pb", dec("4"), 10))
	if got := a.DryAt(); got != 19 { // 9 blocks of 11 = 99
		t.Fatalf("dry at %d, want 19", got)
	}
	payouts, refunds, err := a.Close(Overdrawn, 500)
	must(t, err)
	if payouts[0].Amount.Int64() != 63 || payouts[1].Amount.Int64() != 36 || refunds[0].Amount.Int64() != 1 {
		t.Fatalf("paid %v, refunded %v; want 63, 36 and 1", payouts, refunds)
	}
}

func TestTinyRatesAndHugeFunds(t *testing.T) {
	huge := math.NewIntFromBigInt(new(big.Int).Lsh(big.NewInt(1), 200))
	a := New("uact", 0)
	must(t, a.Deposit(Deposit{Owner: "o", Source: Balance, Amount: huge}, 0, true))
	for i := range 50 {
		must(t, a.OpenPayment(fmt.Sprint(i), "p", math.LegacySmallestDec(), 0))
	}
	if a.DryAt() != Never {
		t.Fatalf("dry at %d, want never", a.DryAt())
	}
	must(t, a.Settle(1<<61))
	if !errors.Is(a.OpenPayment("x", "p", math.LegacyNewDecFromInt(math.NewIntFromBigInt(new(big.Int).Lsh(big.NewInt(1), 200))), 0), ErrRate) {
		t.Fatal("an absurd rate was accepted")
	}
	if !errors.Is(a.OpenPayment("x", "p", math.LegacyNewDec(-1), 0), ErrRate) || !errors.Is(a.OpenPayment("x", "p", math.LegacyDec{}, 0), ErrRate) {
		t.Fatal("a negative or nil rate was accepted")
	}
}

func TestStrangersCantFillAnAccount(t *testing.T) {
	a := New("uact", 0)
	for i := range MaxDeposits {
		must(t, a.Deposit(Deposit{Owner: fmt.Sprint(i), Source: Balance, Amount: math.OneInt()}, 0, false))
	}
	if err := a.Deposit(Deposit{Owner: "x", Source: Balance, Amount: math.OneInt()}, 0, false); !errors.Is(err, ErrTooMany) {
		t.Fatal(err)
	}
	must(t, a.Deposit(Deposit{Owner: "0", Source: Balance, Amount: math.OneInt()}, 0, false)) // joins
	must(t, a.Deposit(Deposit{Owner: "owner", Source: Balance, Amount: math.OneInt()}, 0, true))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func BenchmarkSettle(b *testing.B) {
	a := New("uact", 0)
	if err := a.Deposit(Deposit{Owner: "o", Source: Balance, Amount: math.NewInt(1 << 60)}, 0, true); err != nil {
		b.Fatal(err)
	}
	if err := a.OpenPayment("p", "prov", dec("12.34"), 0); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := a.Settle(int64(i)); err != nil {
			b.Fatal(err)
		}
	}
}
