package app

import (
	"maps"
	"slices"

	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
)

// ModuleQueries is a module's name and how its queries look on a command line.
type ModuleQueries struct {
	Module  string
	Options *autocliv1.ServiceCommandDescriptor
}

// QueryServices lists the modules that can be asked, by name.
func (a *App) QueryServices() []ModuleQueries {
	own := map[string]string{
		"audit": "akash.audit.v1.Query", "cert": "akash.cert.v1.Query", "deployment": "akash.deployment.v1beta4.Query",
		"escrow": "akash.escrow.v1.Query", "market": "akash.market.v1beta5.Query", "provider": "akash.provider.v1beta4.Query",
		"trade": "akash.trade.v1.Query",
		"authz": "cosmos.authz.v1beta1.Query", "feegrant": "cosmos.feegrant.v1beta1.Query",
	}
	var out []ModuleQueries
	for _, name := range slices.Sorted(maps.Keys(a.modules.Modules)) {
		if service, ok := own[name]; ok {
			out = append(out, ModuleQueries{name, &autocliv1.ServiceCommandDescriptor{Service: service}})
			continue
		}
		if m, ok := a.modules.Modules[name].(interface {
			AutoCLIOptions() *autocliv1.ModuleOptions
		}); ok {
			if q := m.AutoCLIOptions().GetQuery(); q != nil {
				out = append(out, ModuleQueries{name, q})
			}
		}
	}
	return out
}
