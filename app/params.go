package app

import (
	"os"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/version"
)

const (
	// Name is the name of the application and of its binary.
	Name = "akash"
	// Bech32Prefix begins every address: akash1…, akashvaloper1…, akashvalcons1….
	Bech32Prefix = "akash"
	// BondDenom is the coin for stake, fees and votes: a millionth of an AKT.
	BondDenom = "uakt"
	// CreditDenom is the coin that leases are paid in by default: a millionth of an ACT (1 ACT = 1 US dollar).
	CreditDenom = "uact"
	// MinGasPrices is the lowest gas price that a node takes unless its operator says otherwise. A lease's
	// whole life (create, bid, lease, close: under a million gas) then costs a quarter of a cent of AKT, while
	// a flood of transactions costs its sender. Zero would be kinder to newcomers but leave a chain without
	// any price on its work, and clients that are only ever tested without fees.
	MinGasPrices = "0.0025uakt"
)

func init() {
	// The SDK looks up its config anew for each address that it reads or writes, by the program's path and the machine's
	// name unless this is set: three system calls, 6 % of a loaded node's time.
	if os.Getenv(sdk.EnvConfigScope) == "" {
		_ = os.Setenv(sdk.EnvConfigScope, Name)
	}
	SetAddressPrefixes()
	version.Name, version.AppName = Name, Name
}

// SetAddressPrefixes makes the Cosmos SDK print and read akash addresses. Importing this package has done
// it already; doing it again changes nothing.
func SetAddressPrefixes() {
	c := sdk.GetConfig()
	if c.GetBech32AccountAddrPrefix() == Bech32Prefix {
		return
	}
	c.SetBech32PrefixForAccount(Bech32Prefix, Bech32Prefix+"pub")
	c.SetBech32PrefixForValidator(Bech32Prefix+"valoper", Bech32Prefix+"valoperpub")
	c.SetBech32PrefixForConsensusNode(Bech32Prefix+"valcons", Bech32Prefix+"valconspub")
	sdk.DefaultBondDenom = BondDenom
}
