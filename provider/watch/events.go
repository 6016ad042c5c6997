package watch

import (
	"encoding/json"
	"fmt"
	"strings"

	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/cosmos/gogoproto/jsonpb"
	"github.com/cosmos/gogoproto/proto"

	auditv1 "github.com/akash-supercloud/akash/api/akash/audit/v1"
	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	providerv1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
)

// known are the events a provider acts on, by their type on the wire.
var known = map[string]func() proto.Message{
	"akash.deployment.v1.EventDeploymentUpdated":  func() proto.Message { return new(deploymentv1.EventDeploymentUpdated) },
	"akash.deployment.v1.EventDeploymentClosed":   func() proto.Message { return new(deploymentv1.EventDeploymentClosed) },
	"akash.market.v1.EventOrderCreated":           func() proto.Message { return new(marketv1.EventOrderCreated) },
	"akash.market.v1.EventOrderClosed":            func() proto.Message { return new(marketv1.EventOrderClosed) },
	"akash.market.v1.EventBidCreated":             func() proto.Message { return new(marketv1.EventBidCreated) },
	"akash.market.v1.EventBidClosed":              func() proto.Message { return new(marketv1.EventBidClosed) },
	"akash.market.v1.EventLeaseCreated":           func() proto.Message { return new(marketv1.EventLeaseCreated) },
	"akash.market.v1.EventLeaseClosed":            func() proto.Message { return new(marketv1.EventLeaseClosed) },
	"akash.market.v1.EventLeaseReclaimStarted":    func() proto.Message { return new(marketv1.EventLeaseReclaimStarted) },
	"akash.provider.v1beta4.EventProviderUpdated": func() proto.Message { return new(providerv1beta4.EventProviderUpdated) },
	"akash.audit.v1.EventTrustedAuditorCreated":   func() proto.Message { return new(auditv1.EventTrustedAuditorCreated) },
	"akash.audit.v1.EventTrustedAuditorDeleted":   func() proto.Message { return new(auditv1.EventTrustedAuditorDeleted) },
}

// ParseEvent decodes a typed event of the chain. It returns nil, nil for events a provider has
// no use for, and an error when one it knows can't be decoded.
func ParseEvent(e abci.Event) (proto.Message, error) {
	fresh, ok := known[e.Type]
	if !ok {
		return nil, nil
	}
	fields := attributes(e.Attributes)
	raw, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("watch: event %s: %w", e.Type, err)
	}
	msg := fresh()
	un := jsonpb.Unmarshaler{AllowUnknownFields: true}
	if err := un.Unmarshal(strings.NewReader(string(raw)), msg); err != nil {
		return nil, fmt.Errorf("watch: event %s: %w", e.Type, err)
	}
	return msg, nil
}

// attributes collects the attributes that are fields of the event. The SDK adds "mode" and "msg_index",
// whose values aren't JSON or aren't fields.
func attributes(attrs []abci.EventAttribute) map[string]json.RawMessage {
	fields := map[string]json.RawMessage{}
	for _, a := range attrs {
		if a.Key == "mode" || a.Key == "msg_index" || !json.Valid([]byte(a.Value)) {
			continue
		}
		fields[a.Key] = json.RawMessage(a.Value)
	}
	return fields
}

// ParseEvents decodes the events of a block in the order they happened: those of each successful
// transaction, then the block's own. An event that can't be decoded is given to bad and left out.
func ParseEvents(txs []*abci.ExecTxResult, block []abci.Event, bad func(error)) []proto.Message {
	var out []proto.Message
	add := func(events []abci.Event) {
		for _, e := range events {
			msg, err := ParseEvent(e)
			switch {
			case err != nil:
				bad(err)
			case msg != nil:
				out = append(out, msg)
			}
		}
	}
	for _, tx := range txs {
		if tx != nil && tx.Code == 0 {
			add(tx.Events)
		}
	}
	add(block)
	return out
}
