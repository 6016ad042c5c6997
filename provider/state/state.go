// Package state is the provider's memory: one bbolt file under its home. It owns the
// height of the last block handled, the orders being bid on, the leases with their
// accepted manifests, and which lease answers to which host name and host port.
//
// What always holds:
//   - An Update is on the disk (fsynced) before it returns, whole or not at all; what a
//     block caused is written together with the block's height.
//   - Nothing here is the truth about leases: the chain is. The file may be deleted; then
//     everything but the manifests comes back from the chain.
package state

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"
	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
)

var (
	bucketMeta   = []byte("meta")
	bucketOrders = []byte("orders")
	bucketLeases = []byte("leases")
	bucketHosts  = []byte("hosts")
	bucketPorts  = []byte("ports")

	keyHeight  = []byte("height")
	keyChainID = []byte("chain-id")
)

// ErrLocked is returned by Open when another process has the file.
var ErrLocked = errors.New("state: another provider runs with this home")

// OrderState is how far the provider is with an order.
type OrderState string

// The states of an order. An order that is lost, closed or won has no record.
const (
	OrderSeen     OrderState = "seen"     // its creation was read, nothing decided
	OrderSending  OrderState = "sending"  // a bid was decided; whether it reached the chain isn't known
	OrderBid      OrderState = "bid"      // the bid is on the chain
	OrderClosing  OrderState = "closing"  // the bid must be closed
	OrderDeclined OrderState = "declined" // can't be served now, may be once resources are free
)

// Order is an open order that the provider looks at or has bid on.
type Order struct {
	ID    marketv1.OrderID
	State OrderState
	// Spec is the group that the order asks for, as protobuf; empty until it was read.
	Spec  []byte
	Price sdk.DecCoin
	// BidAt is when the bid was decided.
	BidAt time.Time
}

// GroupSpec decodes Spec.
func (o Order) GroupSpec() (deploymentv1beta4.GroupSpec, error) { return decodeSpec(o.Spec) }

// Lease is a lease that the provider serves, or is tearing down.
type Lease struct {
	ID    marketv1.LeaseID
	Price sdk.DecCoin
	// Spec is the group that was bought, as protobuf.
	Spec  []byte
	WonAt time.Time

	// Manifest is the lease's group of the accepted manifest, as JSON; empty until one came.
	Manifest json.RawMessage `json:",omitempty"`
	// Hash is the SHA-256 of the manifest as the chain knows it.
	Hash []byte
	// Generation grows by one with every manifest accepted.
	Generation uint64
	AcceptedAt time.Time

	// UnhealthyFor sums the time that the tenant's own workload was seen not ready since it was
	// last seen ready.
	UnhealthyFor time.Duration
	// Close is why the provider wants the lease closed; it is sent until the chain says closed.
	Close marketv1.LeaseClosedReason
	// Closed says that the chain has closed the lease; the record goes when nothing runs any more.
	Closed bool
}

// GroupSpec decodes Spec.
func (l Lease) GroupSpec() (deploymentv1beta4.GroupSpec, error) { return decodeSpec(l.Spec) }

func decodeSpec(b []byte) (deploymentv1beta4.GroupSpec, error) {
	var spec deploymentv1beta4.GroupSpec
	if err := spec.Unmarshal(b); err != nil {
		return spec, fmt.Errorf("state: group spec: %w", err)
	}
	return spec, nil
}

// Port is a port of the host that is forwarded to a service of a lease.
type Port struct {
	HostPort uint16
	Lease    string
	Service  string
	// Port is where the container listens; External is the port the manifest names; Proto is TCP or UDP.
	Port, External uint32
	Proto          string
}

// Store is the open file. It is safe for use by several goroutines.
type Store struct{ db *bolt.DB }

// Open opens the file at path, making it when it isn't there, with mode 0600. It returns
// ErrLocked when another process holds it.
func Open(path string) (*Store, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: 2 * time.Second, FreelistType: bolt.FreelistMapType})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("%w (%s is locked); stop it first", ErrLocked, path)
	}
	if err != nil {
		return nil, fmt.Errorf("state: open %s: %w", path, err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{bucketMeta, bucketOrders, bucketLeases, bucketHosts, bucketPorts} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("state: prepare %s: %w", path, err)
	}
	return &Store{db: db}, nil
}

// Close closes the file once running transactions have ended.
func (s *Store) Close() error { return s.db.Close() }

// View runs fn in a read transaction.
func (s *Store) View(fn func(*Tx) error) error {
	return s.db.View(func(tx *bolt.Tx) error { return fn(&Tx{tx}) })
}

// Update runs fn in a write transaction; what fn wrote is on the disk when Update returns nil,
// and nowhere when it returns an error.
func (s *Store) Update(fn func(*Tx) error) error {
	return s.db.Update(func(tx *bolt.Tx) error { return fn(&Tx{tx}) })
}

// Tx is a transaction; it is valid only inside the function it was given to.
type Tx struct{ tx *bolt.Tx }

// Height returns the height of the last block handled; 0 when there was none.
func (t *Tx) Height() int64 {
	b := t.tx.Bucket(bucketMeta).Get(keyHeight)
	if len(b) != 8 {
		return 0
	}
	return int64(binary.BigEndian.Uint64(b))
}

// SetHeight records that the block at height was handled.
func (t *Tx) SetHeight(height int64) error {
	return t.tx.Bucket(bucketMeta).Put(keyHeight, binary.BigEndian.AppendUint64(nil, uint64(height)))
}

// ChainID returns the chain that the file belongs to; empty when new.
func (t *Tx) ChainID() string { return string(t.tx.Bucket(bucketMeta).Get(keyChainID)) }

// SetChainID records the chain that the file belongs to.
func (t *Tx) SetChainID(id string) error {
	return t.tx.Bucket(bucketMeta).Put(keyChainID, []byte(id))
}

// Order returns the record of an order; false when there is none.
func (t *Tx) Order(id marketv1.OrderID) (Order, bool, error) {
	return get[Order](t, bucketOrders, id.String())
}

// PutOrder writes the record of an order.
func (t *Tx) PutOrder(o Order) error { return put(t, bucketOrders, o.ID.String(), o) }

// DeleteOrder forgets an order.
func (t *Tx) DeleteOrder(id marketv1.OrderID) error {
	return t.tx.Bucket(bucketOrders).Delete([]byte(id.String()))
}

// Orders returns every order's record.
func (t *Tx) Orders() ([]Order, error) { return all[Order](t, bucketOrders) }

// Lease returns the record of a lease; false when there is none.
func (t *Tx) Lease(id marketv1.LeaseID) (Lease, bool, error) {
	return get[Lease](t, bucketLeases, id.String())
}

// PutLease writes the record of a lease.
func (t *Tx) PutLease(l Lease) error { return put(t, bucketLeases, l.ID.String(), l) }

// DeleteLease forgets a lease.
func (t *Tx) DeleteLease(id marketv1.LeaseID) error {
	return t.tx.Bucket(bucketLeases).Delete([]byte(id.String()))
}

// Leases returns every lease's record.
func (t *Tx) Leases() ([]Lease, error) { return all[Lease](t, bucketLeases) }

// Host returns the lease, in text form, that answers to a host name; empty: none.
func (t *Tx) Host(name string) string { return string(t.tx.Bucket(bucketHosts).Get([]byte(name))) }

// PutHost gives a host name to a lease.
func (t *Tx) PutHost(name, lease string) error {
	return t.tx.Bucket(bucketHosts).Put([]byte(name), []byte(lease))
}

// DeleteHost frees a host name.
func (t *Tx) DeleteHost(name string) error { return t.tx.Bucket(bucketHosts).Delete([]byte(name)) }

// Hosts returns every host name with the lease that it belongs to.
func (t *Tx) Hosts() map[string]string {
	out := map[string]string{}
	_ = t.tx.Bucket(bucketHosts).ForEach(func(k, v []byte) error {
		out[string(k)] = string(v)
		return nil
	})
	return out
}

func portKey(proto string, port uint16) string { return fmt.Sprintf("%s/%05d", proto, port) }

// Ports returns every forwarded port.
func (t *Tx) Ports() ([]Port, error) { return all[Port](t, bucketPorts) }

// PutPort records a forwarded port.
func (t *Tx) PutPort(p Port) error { return put(t, bucketPorts, portKey(p.Proto, p.HostPort), p) }

// DeletePort frees a forwarded port.
func (t *Tx) DeletePort(proto string, port uint16) error {
	return t.tx.Bucket(bucketPorts).Delete([]byte(portKey(proto, port)))
}

func get[T any](t *Tx, bucket []byte, key string) (T, bool, error) {
	var v T
	b := t.tx.Bucket(bucket).Get([]byte(key))
	if b == nil {
		return v, false, nil
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return v, false, fmt.Errorf("state: %s %s: %w", bucket, key, err)
	}
	return v, true, nil
}

func put(t *Tx, bucket []byte, key string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("state: %s %s: %w", bucket, key, err)
	}
	return t.tx.Bucket(bucket).Put([]byte(key), b)
}

func all[T any](t *Tx, bucket []byte) ([]T, error) {
	var out []T
	err := t.tx.Bucket(bucket).ForEach(func(k, b []byte) error {
		var v T
		if err := json.Unmarshal(b, &v); err != nil {
			return fmt.Errorf("state: %s %s: %w", bucket, k, err)
		}
		out = append(out, v)
		return nil
	})
	return out, err
}
