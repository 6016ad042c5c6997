// Package event emits the market's typed events. What it emits is what the SDK's
// EmitTypedEvent makes of the same message, byte for byte (a test compares them), without
// going through reflection and JSON twice: events were most of a message's cost.
package event

import (
	"context"
	"encoding/base64"
	"strconv"
	"strings"

	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/cosmos/gogoproto/proto"

	"cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	escrowid "github.com/akash-supercloud/akash/api/akash/escrow/id/v1"
	eventsv1 "github.com/akash-supercloud/akash/api/akash/events/v1"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
)

// Emit emits a typed event in the current context.
func Emit(ctx context.Context, m proto.Message) error {
	em := sdk.UnwrapSDKContext(ctx).EventManager()
	if e, ok := fast(m); ok {
		em.EmitEvent(e)
		return nil
	}
	return em.EmitTypedEvent(m)
}

// fast writes the events that it knows. Attributes are in order of their names.
func fast(m proto.Message) (sdk.Event, bool) {
	switch e := m.(type) {
	case *deploymentv1.EventDeploymentCreated:
		return event("akash.deployment.v1.EventDeploymentCreated", "hash", bytes(e.Hash), "id", deployment(e.ID))
	case *deploymentv1.EventDeploymentUpdated:
		return event("akash.deployment.v1.EventDeploymentUpdated", "hash", bytes(e.Hash), "id", deployment(e.ID))
	case *deploymentv1.EventDeploymentClosed:
		return event("akash.deployment.v1.EventDeploymentClosed", "id", deployment(e.ID))
	case *deploymentv1.EventGroupStarted:
		return event("akash.deployment.v1.EventGroupStarted", "id", group(e.ID))
	case *deploymentv1.EventGroupPaused:
		return event("akash.deployment.v1.EventGroupPaused", "id", group(e.ID))
	case *deploymentv1.EventGroupClosed:
		return event("akash.deployment.v1.EventGroupClosed", "id", group(e.ID))
	case *marketv1.EventOrderCreated:
		return event("akash.market.v1.EventOrderCreated", "id", order(e.ID))
	case *marketv1.EventOrderClosed:
		return event("akash.market.v1.EventOrderClosed", "id", order(e.ID))
	case *marketv1.EventBidCreated:
		return event("akash.market.v1.EventBidCreated", "id", bid(e.ID), "price", decCoin(e.Price))
	case *marketv1.EventBidClosed:
		return event("akash.market.v1.EventBidClosed", "id", bid(e.ID))
	case *eventsv1.EventBidLost:
		return event("akash.events.v1.EventBidLost", "id", bid(e.ID))
	case *marketv1.EventLeaseCreated:
		return event("akash.market.v1.EventLeaseCreated", "id", bid(marketv1.BidID(e.ID)), "price", decCoin(e.Price))
	case *marketv1.EventLeaseClosed:
		return event("akash.market.v1.EventLeaseClosed", "id", bid(marketv1.BidID(e.ID)), "reason", quote(e.Reason.String()))
	case *eventsv1.EventDeposited:
		return event("akash.events.v1.EventDeposited", "amount", coin(e.Amount), "depositor", quote(e.Depositor), "id", account(e.ID), "source", quote(e.Source.String()))
	case *eventsv1.EventRefunded:
		return event("akash.events.v1.EventRefunded", "amount", coin(e.Amount), "depositor", quote(e.Depositor), "id", account(e.ID), "source", quote(e.Source.String()))
	case *eventsv1.EventAccountClosed:
		return event("akash.events.v1.EventAccountClosed", "id", account(e.ID), "state", quote(e.State.String()))
	case *eventsv1.EventPaymentSettled:
		return event("akash.events.v1.EventPaymentSettled", "amount", coin(e.Amount), "id", `{"aid":`+account(e.ID.AID)+`,"xid":`+quote(e.ID.XID)+`}`,
			"provider", quote(e.Provider), "state", quote(e.State.String()), "withdrawn", coin(e.Withdrawn))
	}
	return sdk.Event{}, false
}

func event(name string, kv ...string) (sdk.Event, bool) {
	attrs := make([]abci.EventAttribute, len(kv)/2)
	for i := range attrs {
		attrs[i] = abci.EventAttribute{Key: kv[2*i], Value: kv[2*i+1]}
	}
	return sdk.Event{Type: name, Attributes: attrs}, true
}

// quote writes text that has nothing to escape: addresses, names, numbers, denominations.
func quote(s string) string { return `"` + s + `"` }

func bytes(b []byte) string { return quote(base64.StdEncoding.EncodeToString(b)) }

func u64(n uint64) string { return strconv.FormatUint(n, 10) }

func deployment(id deploymentv1.DeploymentID) string {
	return `{"owner":"` + id.Owner + `","dseq":"` + u64(id.DSeq) + `"}`
}

func group(id deploymentv1.GroupID) string {
	return `{"owner":"` + id.Owner + `","dseq":"` + u64(id.DSeq) + `","gseq":` + u64(uint64(id.GSeq)) + `}`
}

func order(id marketv1.OrderID) string {
	return `{"owner":"` + id.Owner + `","dseq":"` + u64(id.DSeq) + `","gseq":` + u64(uint64(id.GSeq)) + `,"oseq":` + u64(uint64(id.OSeq)) + `}`
}

func bid(id marketv1.BidID) string {
	return `{"owner":"` + id.Owner + `","dseq":"` + u64(id.DSeq) + `","gseq":` + u64(uint64(id.GSeq)) + `,"oseq":` + u64(uint64(id.OSeq)) +
		`,"provider":"` + id.Provider + `","bseq":` + u64(uint64(id.BSeq)) + `}`
}

func account(id escrowid.Account) string {
	return `{"scope":"` + id.Scope.String() + `","xid":"` + id.XID + `"}`
}

func coin(c sdk.Coin) string {
	return `{"denom":"` + c.Denom + `","amount":"` + c.Amount.String() + `"}`
}

func decCoin(c sdk.DecCoin) string {
	return `{"denom":"` + c.Denom + `","amount":"` + dec(c.Amount) + `"}`
}

// dec is LegacyDec.String, which is costly, for numbers that aren't negative.
func dec(d math.LegacyDec) string {
	s := d.BigIntMut().String()
	if len(s) <= math.LegacyPrecision {
		s = strings.Repeat("0", math.LegacyPrecision+1-len(s)) + s
	}
	n := len(s) - math.LegacyPrecision
	return s[:n] + "." + s[n:]
}
