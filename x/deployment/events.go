package deployment

import (
	"context"

	"github.com/cosmos/gogoproto/proto"

	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	types "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	"github.com/akash-supercloud/akash/x/internal/event"
)

func emit(ctx context.Context, m proto.Message) error { return event.Emit(ctx, m) }

// emitGroup emits what a group's new state means to those who watch.
func emitGroup(ctx context.Context, id deploymentv1.GroupID, state types.Group_State) error {
	switch state {
	case types.GroupOpen:
		return emit(ctx, &deploymentv1.EventGroupStarted{ID: id})
	case types.GroupPaused:
		return emit(ctx, &deploymentv1.EventGroupPaused{ID: id})
	default:
		return emit(ctx, &deploymentv1.EventGroupClosed{ID: id})
	}
}
