// Package basic is what every module of ours says to the application in the same way: its
// name, its version, and how its genesis is read, checked, filled in and written.
package basic

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/cosmos/gogoproto/proto"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"
)

// Message is a pointer to a generated message.
type Message[T any] interface {
	*T
	proto.Message
}

// Module is embedded by a module whose genesis state is G.
type Module[G any, P Message[G]] struct {
	// ModuleName is the name of the module.
	ModuleName string
	// Default returns the state of a new chain.
	Default func() P
	// Validate checks a state without the other modules' state.
	Validate func(P) error
	// Init fills the store from a state, Export returns the store's.
	Init   func(context.Context, P) error
	Export func(context.Context) (P, error)
}

// Name returns the module's name.
func (m Module[G, P]) Name() string { return m.ModuleName }

// IsOnePerModuleType marks the module for the SDK.
func (Module[G, P]) IsOnePerModuleType() {}

// IsAppModule marks the module for the SDK.
func (Module[G, P]) IsAppModule() {}

// ConsensusVersion is the version of the module's state.
func (Module[G, P]) ConsensusVersion() uint64 { return 1 }

// DefaultGenesis returns the state of a new chain.
func (m Module[G, P]) DefaultGenesis(cdc codec.JSONCodec) json.RawMessage {
	return cdc.MustMarshalJSON(m.Default())
}

// ValidateGenesis checks a genesis state without the other modules' state.
func (m Module[G, P]) ValidateGenesis(cdc codec.JSONCodec, _ client.TxEncodingConfig, data json.RawMessage) error {
	g := P(new(G))
	if err := cdc.UnmarshalJSON(data, g); err != nil {
		return fmt.Errorf("genesis of %s: %w", m.ModuleName, err)
	}
	if err := m.Validate(g); err != nil {
		return fmt.Errorf("genesis of %s: %w", m.ModuleName, err)
	}
	return nil
}

// InitGenesis fills the store from a genesis state. A state that can't be right stops the
// node before its first block.
func (m Module[G, P]) InitGenesis(ctx sdk.Context, cdc codec.JSONCodec, data json.RawMessage) {
	g := P(new(G))
	cdc.MustUnmarshalJSON(data, g)
	if err := m.Init(ctx, g); err != nil {
		panic(fmt.Errorf("genesis of %s: %w", m.ModuleName, err))
	}
}

// ExportGenesis returns the module's whole state.
func (m Module[G, P]) ExportGenesis(ctx sdk.Context, cdc codec.JSONCodec) json.RawMessage {
	g, err := m.Export(ctx)
	if err != nil {
		panic(fmt.Errorf("export of %s: %w", m.ModuleName, err))
	}
	return cdc.MustMarshalJSON(g)
}
