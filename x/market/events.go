package market

import (
	"context"

	"github.com/cosmos/gogoproto/proto"

	sdk "github.com/cosmos/cosmos-sdk/types"

	eventsv1 "github.com/akash-supercloud/akash/api/akash/events/v1"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	types "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
)

func emit(ctx context.Context, event proto.Message) error {
	return sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(event)
}

func emitBidEnded(ctx context.Context, id marketv1.BidID, state types.Bid_State) error {
	if state == types.BidLost {
		return emit(ctx, &eventsv1.EventBidLost{ID: id})
	}
	return emit(ctx, &marketv1.EventBidClosed{ID: id})
}
