// Package upgrades lists what this program knows of the chain's upgrades: which stores come and go with each, and what is
// done beside the modules' own migrations.
//
// An upgrade begins with a proposal (MsgSoftwareUpgrade) that names it and a height. At that height a program without
// the name stops; the one that has it migrates the state in that very block and goes on.
//
// What always holds: a name stays here as long as a chain has carried it out last, else the program takes itself for an
// older one and stops; what an upgrade does is deterministic, like any block.
package upgrades

import (
	"context"
	"fmt"

	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	"github.com/cosmos/cosmos-sdk/types/module"
)

// Upgrade is one step from a version of the chain to the next.
type Upgrade struct {
	// Name is the proposal's plan name.
	Name string
	// Stores come, go or change their names before the block.
	Stores storetypes.StoreUpgrades
	// Change, if not nil, runs after the migrations of the modules, whose versions before the upgrade were from.
	Change func(ctx context.Context, from module.VersionMap) error
}

// All are the upgrades of this program, oldest first. The first version of the chain has none.
func All() []Upgrade { return nil }

// Needed is why a node stops at an upgrade that its program lacks.
type Needed struct {
	// Name, Height and Info are those of the plan.
	Name   string
	Height int64
	Info   string
	// Version is the program's.
	Version string
}

// Error says what to do.
func (e *Needed) Error() string {
	text := fmt.Sprintf("the chain upgrades to %q at height %d and this program (%s) doesn't have that upgrade; "+
		"install the version that has it and start the node again, its state stays", e.Name, e.Height, e.Version)
	if e.Info != "" {
		text += " (" + e.Info + ")"
	}
	return text
}

// Wrong is why a node stops whose program is for a later or an earlier chain than this one.
type Wrong struct{ text string }

// Wrongf makes one.
func Wrongf(format string, args ...any) error { return &Wrong{fmt.Sprintf(format, args...)} }

func (e *Wrong) Error() string { return e.text }
