package market

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Chain asks the market's chain over its REST routes, as a stranger's client would.
type Chain struct{ rest string }

// Chain returns the market's chain.
func (m *Market) Chain(t TB) Chain { return Chain{m.State(t).REST} }

func (c Chain) get(into any, path string, query url.Values) error {
	code, body, err := Get(c.rest + path + "?" + query.Encode())
	if err != nil {
		return err
	}
	if code != http.StatusOK {
		return fmt.Errorf("%s: %d %s", path, code, body)
	}
	return json.Unmarshal([]byte(body), into)
}

type coin struct{ Denom, Amount string }

// Balance is what an account has of a coin.
func (c Chain) Balance(t TB, address, denom string) int64 {
	t.Helper()
	var r struct{ Balance coin }
	if err := c.get(&r, "/cosmos/bank/v1beta1/balances/"+address+"/by_denom", url.Values{"denom": {denom}}); err != nil {
		t.Fatalf("%v", err)
	}
	return whole(t, r.Balance.Amount)
}

// whole reads a number of coins; a fraction, or none, fails the test.
func whole(t TB, s string) int64 {
	t.Helper()
	n, frac, _ := strings.Cut(s, ".")
	v, err := strconv.ParseInt(n, 10, 64)
	if err != nil || strings.Trim(frac, "0") != "" {
		t.Fatalf("%q is not a whole number of coins", s)
	}
	return v
}

// Fees is the sum of the fees, in uakt, that an account paid for all its transactions, and their number.
func (c Chain) Fees(t TB, address string) (sum int64, n int) {
	t.Helper()
	const atOnce = 100
	for page := 1; ; page++ {
		var r struct {
			TxResponses []struct {
				Tx struct {
					AuthInfo struct {
						Fee struct{ Amount []coin }
					} `json:"auth_info"`
				}
			} `json:"tx_responses"`
			Total string
		}
		err := c.get(&r, "/cosmos/tx/v1beta1/txs", url.Values{
			"query": {"tx.acc_seq CONTAINS '" + address + "/'"}, "page": {strconv.Itoa(page)}, "limit": {strconv.Itoa(atOnce)}})
		if err != nil {
			t.Fatalf("%v", err)
		}
		for _, tx := range r.TxResponses {
			n++
			for _, f := range tx.Tx.AuthInfo.Fee.Amount {
				if f.Denom == "uakt" {
					sum += whole(t, f.Amount)
				}
			}
		}
		if len(r.TxResponses) < atOnce {
			return sum, n
		}
	}
}

// Height is the height of the last block.
func (c Chain) Height() (int64, error) {
	var r struct {
		Block struct {
			Header struct{ Height string }
		}
	}
	if err := c.get(&r, "/cosmos/base/tendermint/v1beta1/blocks/latest", nil); err != nil {
		return 0, err
	}
	return strconv.ParseInt(r.Block.Header.Height, 10, 64)
}

// Lease is what the chain holds of a lease and its payment.
type Lease struct {
	Provider  string
	State     string // active, closed, insufficient_funds
	Created   int64  // block
	Closed    int64  // block; 0 while it is active
	Rate      string // per block
	Withdrawn int64  // by the provider, so far
	Denom     string
}

// Leases are the leases of a deployment, whatever their state.
func (c Chain) Leases(t TB, owner string, dseq uint64) []Lease {
	t.Helper()
	var r struct {
		Leases []struct {
			Lease struct {
				ID        struct{ Provider string } `json:"id"`
				State     string
				CreatedAt string `json:"created_at"`
				ClosedOn  string `json:"closed_on"`
			}
			EscrowPayment struct {
				State struct {
					Rate      coin
					Withdrawn coin
				}
			} `json:"escrow_payment"`
		}
	}
	err := c.get(&r, "/akash/market/v1beta5/leases/list", url.Values{
		"filters.owner": {owner}, "filters.dseq": {strconv.FormatUint(dseq, 10)}})
	if err != nil {
		t.Fatalf("%v", err)
	}
	var out []Lease
	for _, l := range r.Leases {
		created, _ := strconv.ParseInt(l.Lease.CreatedAt, 10, 64)
		closed, _ := strconv.ParseInt(l.Lease.ClosedOn, 10, 64)
		out = append(out, Lease{l.Lease.ID.Provider, l.Lease.State, created, closed,
			l.EscrowPayment.State.Rate.Amount, whole(t, l.EscrowPayment.State.Withdrawn.Amount), l.EscrowPayment.State.Rate.Denom})
	}
	return out
}

// Deployment returns a deployment's state (active, closed) and its escrow's balance in uact; an error if
// the chain doesn't know it.
func (c Chain) Deployment(owner string, dseq uint64) (state, balance string, err error) {
	var r struct {
		Deployment    struct{ State string }
		EscrowAccount struct {
			State struct{ Funds []coin }
		} `json:"escrow_account"`
	}
	err = c.get(&r, "/akash/deployment/v1beta4/deployments/info", url.Values{
		"id.owner": {owner}, "id.dseq": {strconv.FormatUint(dseq, 10)}})
	for _, f := range r.EscrowAccount.State.Funds {
		if f.Denom == "uact" {
			balance = f.Amount
		}
	}
	return r.Deployment.State, balance, err
}

// Deployments is how many deployments of an owner are active.
func (c Chain) Deployments(t TB, owner string) int {
	t.Helper()
	var r struct{ Deployments []json.RawMessage }
	err := c.get(&r, "/akash/deployment/v1beta4/deployments/list", url.Values{
		"filters.owner": {owner}, "filters.state": {"active"}})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return len(r.Deployments)
}

// NextBlocks returns once n more blocks were made.
func (c Chain) NextBlocks(t TB, n int64) {
	t.Helper()
	var from int64
	Eventually(t, time.Minute, fmt.Sprintf("%d more blocks", n), func() error {
		h, err := c.Height()
		if err != nil {
			return err
		}
		if from == 0 {
			from = h
		}
		if h < from+n {
			return fmt.Errorf("block %d", h)
		}
		return nil
	})
}
