package market

import (
	"context"

	"github.com/cosmos/gogoproto/proto"

	eventsv1 "github.com/akash-supercloud/akash/api/akash/events/v1"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	types "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	"github.com/akash-supercloud/akash/x/internal/event"
)

func emit(ctx context.Context, m proto.Message) error { return event.Emit(ctx, m) }

func emitBidEnded(ctx context.Context, id marketv1.BidID, state types.Bid_State) error {
	if state == types.BidLost {
		return emit(ctx, &eventsv1.EventBidLost{ID: id})
	}
	return emit(ctx, &marketv1.EventBidClosed{ID: id})
}
