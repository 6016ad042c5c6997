// Package match answers whether a provider can serve a group of a deployment: which node
// takes which replica, or every reason why not and the nearest change that would fit.
// Provider, chain, CLI and console ask the same code.
//
// It is pure: the same input gives the same answer, nothing is read or written, arithmetic
// saturates instead of wrapping, and no result depends on map order.
package match

// Inventory is what a provider's nodes have.
type Inventory struct {
	Nodes []Node
	// Storage are the pools persistent volumes are taken from, by class.
	Storage []StoragePool
	// LeasedIPs is how many addresses can still be leased.
	LeasedIPs uint64
}

// Node is one machine.
type Node struct {
	Name        string
	Allocatable Resources
	Available   Resources
	// GPUs are the GPUs present; Available.GPU says how many are free in all.
	GPUs []GPU
	// StorageClasses are the persistent classes that the node can mount.
	StorageClasses []string
	CPU            CPUInfo
	// Arch is the architecture in Go's words: amd64, arm64.
	Arch string
}

// CPUInfo describes a node's processor.
type CPUInfo struct {
	Vendor, Model string
	Cores         uint32
}

// Resources are amounts: CPU in thousandths of a core, the others in bytes or pieces.
type Resources struct {
	CPU              uint64
	Memory           uint64
	GPU              uint64
	EphemeralStorage uint64
}

// GPU is one kind of GPU on a node.
type GPU struct {
	Vendor, Model string
	RAM           string // "80Gi"; empty: not known
	Interface     string // "pcie", "sxm"; empty: not known
	Count         uint64
}

// StoragePool is the capacity for persistent volumes of one class, in bytes.
type StoragePool struct {
	Class                  string
	Allocatable, Available uint64
}
