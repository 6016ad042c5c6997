// Package page is the one way in which list queries of the chain go through a store: by
// prefix, filtered, in either direction, a page at a time.
//
// A next_key holds the filters and the direction of the list that it continues, so a
// request with a key needs, and heeds, nothing else. It names the next record to look at;
// records that come or go between two pages are neither repeated nor skipped. A record
// that changes its class (store.Classes) meanwhile is listed where it is when its turn comes.
//
// A request looks at no more than MaxScan records. When none or few of them match, the
// page is short and has a next_key all the same: it ends only where next_key is empty.
package page

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/query"

	"github.com/akash-supercloud/akash/x/internal/key"
	"github.com/akash-supercloud/akash/x/internal/store"
)

const (
	// DefaultLimit is the page's size where the request names none.
	DefaultLimit = 100
	// MaxLimit is the largest page.
	MaxLimit = 1000
	// MaxScan is how many records a request looks at.
	MaxScan = 10_000
)

// Filters are a list's filters in wire form.
type Filters interface {
	Reset()
	Marshal() ([]byte, error)
	Unmarshal([]byte) error
}

// Pager decides for each record that a query meets whether it belongs on the page.
type Pager struct {
	// Reverse is the direction.
	Reverse bool
	// Pos is the key of the record to go on with; empty: the first. Its first byte is the
	// section: see Walk.
	Pos []byte

	filters              []byte
	limit, skip, scanned uint64
	taken, total         uint64
	counting, done       bool
	next                 []byte
}

// New reads a request. If it has a key, filters is overwritten by what the key says.
// Stateful says that the filters name a state: without it an offset isn't allowed.
func New(req *query.PageRequest, filters Filters, stateful func() bool) (*Pager, error) {
	if req == nil {
		req = &query.PageRequest{}
	}
	p := &Pager{Reverse: req.Reverse, limit: req.Limit, skip: req.Offset, counting: req.CountTotal}
	if p.limit == 0 {
		p.limit = DefaultLimit
	}
	p.limit = min(p.limit, MaxLimit)
	if len(req.Key) > 0 {
		if req.Offset > 0 {
			return nil, status.Error(codes.InvalidArgument, "pagination: give either a key or an offset, not both")
		}
		reverse, raw, pos, ok := parse(req.Key)
		filters.Reset() // Unmarshal adds to what is there
		if !ok || filters.Unmarshal(raw) != nil {
			return nil, status.Error(codes.InvalidArgument, "pagination.key is not one that this query gave")
		}
		p.Reverse, p.Pos, p.counting = reverse, pos, false
	} else if req.Offset > 0 && !stateful() {
		return nil, status.Error(codes.InvalidArgument, "pagination.offset needs filters.state")
	}
	raw, err := filters.Marshal()
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	p.filters = raw
	return p, nil
}

func parse(k []byte) (reverse bool, filters, pos []byte, ok bool) {
	if len(k) < 6 || binary.BigEndian.Uint32(k) != crc32.ChecksumIEEE(k[4:]) || k[4] > 1 {
		return
	}
	n, w := binary.Uvarint(k[5:])
	if w <= 0 || n > uint64(len(k)-5-w) {
		return
	}
	rest := k[5+w:]
	return k[4] == 1, rest[:n], rest[n:], len(rest) > int(n)
}

// look counts a record that is looked at; false: enough for this request.
func (p *Pager) look(pos []byte) bool {
	if p.scanned++; p.scanned <= MaxScan {
		return true
	}
	p.stop(pos)
	return false
}

func (p *Pager) stop(pos []byte) {
	if p.next == nil {
		p.next = pos
	}
	p.done = true
}

// offer says whether a record that matches belongs on the page.
func (p *Pager) offer(pos []byte) bool {
	p.total++
	switch {
	case p.skip > 0:
		p.skip--
	case p.taken < p.limit:
		p.taken++
		return true
	case p.counting:
		if p.next == nil {
			p.next = pos
		}
	default:
		p.stop(pos)
	}
	return false
}

// Response is the page's end: where to go on, and if asked for how many match in all (of
// those looked at).
func (p *Pager) Response() *query.PageResponse {
	r := &query.PageResponse{}
	if p.counting {
		r.Total = p.total
	}
	if p.next != nil {
		b := make([]byte, 4, 16+len(p.filters)+len(p.next))
		var reverse byte
		if p.Reverse {
			reverse = 1
		}
		b = append(b, reverse)
		b = binary.AppendUvarint(b, uint64(len(p.filters)))
		b = append(append(b, p.filters...), p.next...)
		binary.BigEndian.PutUint32(b, crc32.ChecksumIEEE(b[4:]))
		r.NextKey = b
	}
	return r
}

type span struct{ start, end *collections.RangeKey[[]byte] }

type ranger struct {
	span
	order collections.Order
}

func (r ranger) RangeValues() (start, end *collections.RangeKey[[]byte], order collections.Order, err error) {
	return r.start, r.end, r.order, nil
}

// Walk goes through the records of m whose key begins with prefix. A list may be made of
// several stores, each a section with a number of its own, walked in order of (or, in
// reverse, against) the numbers; the pager's position tells in which section to go on.
//
// Match looks at a record and returns what to do if it is part of the list and belongs on
// the page; nil: not part of the list. Value is read only when match calls for it.
func Walk[V any](ctx context.Context, p *Pager, section byte, m collections.Map[[]byte, V], prefix []byte,
	match func(key []byte, value func() (V, error)) (emit func() error, err error),
) error {
	return walk(ctx, p, section, m, prefix, func(k []byte, value func() (V, error)) error {
		emit, err := match(k, value)
		if err != nil || emit == nil {
			return err
		}
		if p.offer(append([]byte{section}, k...)) {
			return emit()
		}
		return nil
	}, func(k []byte) []byte { return append([]byte{section}, k...) })
}

func walk[V any](ctx context.Context, p *Pager, section byte, m collections.Map[[]byte, V], prefix []byte,
	visit func(key []byte, value func() (V, error)) error, position func(key []byte) []byte,
) error {
	if p.done {
		return nil
	}
	var resume []byte
	if len(p.Pos) > 0 {
		if later := p.Pos[0] > section; p.Pos[0] != section {
			if later != p.Reverse { // this section was on earlier pages
				return nil
			}
		} else {
			resume = p.Pos[1:]
		}
	}
	var r ranger
	if len(prefix) > 0 {
		r.start, r.end = collections.RangeKeyExact(prefix), collections.RangeKeyPrefixEnd(prefix)
	}
	if resume != nil {
		if p.Reverse {
			r.end = collections.RangeKeyNext(resume)
		} else {
			r.start = collections.RangeKeyExact(resume)
		}
	}
	if p.Reverse {
		r.order = collections.OrderDescending
	}
	it, err := m.Iterate(ctx, r)
	if errors.Is(err, collections.ErrInvalidIterator) {
		return status.Error(codes.InvalidArgument, "pagination.key is not one that this query gave")
	} else if err != nil {
		return err
	}
	defer it.Close()
	for ; it.Valid() && !p.done; it.Next() {
		k, err := it.Key()
		if err != nil {
			return err
		}
		if !p.look(position(k)) {
			return nil
		}
		if err := visit(k, it.Value); err != nil {
			return err
		}
	}
	return nil
}

// State reads a states filter: the lower-case name of a state in values, or nothing (0).
func State(name string, values map[string]int32) (int32, error) {
	if name == "" {
		return 0, nil
	}
	if n := values[name]; n != 0 {
		return n, nil
	}
	return 0, status.Errorf(codes.InvalidArgument, "invalid state value %q", name)
}

// Owner reads an address filter into the key prefix of what the address owns; empty: all.
func Owner(address string) ([]byte, error) {
	if address == "" {
		return nil, nil
	}
	addr, err := sdk.AccAddressFromBech32(address)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "%q is not an address: %s", address, err)
	}
	return key.Addr(nil, addr), nil
}

// Part is one of several items of a list that are stored in one record.
type Part struct {
	// Key orders the parts of a record.
	Key  []byte
	Emit func() error
}

// WalkParts is Walk for records that hold several items each. Parts returns those items of
// a record that are part of the list, in order of their keys.
func WalkParts[V any](ctx context.Context, p *Pager, section byte, m collections.Map[[]byte, V], prefix []byte,
	parts func(key []byte, value V) ([]Part, error),
) error {
	var within []byte // the part to go on with, in the first record
	if len(p.Pos) > 2 && p.Pos[0] == section {
		// section | length of the record's key | record's key | part's key
		n := int(p.Pos[1])<<8 | int(p.Pos[2])
		if len(p.Pos) < 3+n {
			return status.Error(codes.InvalidArgument, "pagination.key is not one that this query gave")
		}
		within = p.Pos[3+n:]
		p.Pos = append([]byte{section}, p.Pos[3:3+n]...)
	}
	first := p.Pos
	position := func(k, part []byte) []byte {
		b := append([]byte{section, byte(len(k) >> 8), byte(len(k))}, k...)
		return append(b, part...)
	}
	return walk(ctx, p, section, m, prefix, func(k []byte, value func() (V, error)) error {
		v, err := value()
		if err != nil {
			return err
		}
		list, err := parts(k, v)
		if err != nil {
			return err
		}
		if p.Reverse {
			slices.Reverse(list)
		}
		resumed := len(within) > 0 && len(first) > 0 && bytes.Equal(first[1:], k)
		for _, one := range list {
			if c := bytes.Compare(one.Key, within); resumed && (c < 0 && !p.Reverse || c > 0 && p.Reverse) {
				continue
			}
			if p.offer(position(k, one.Key)) {
				if err := one.Emit(); err != nil {
					return err
				}
			}
			if p.done {
				return nil
			}
		}
		return nil
	}, func(k []byte) []byte { return position(k, nil) })
}

// Classes is Walk for a map that is split by class, each class a section from first on: the
// classes that are wanted.
func Classes[V any](ctx context.Context, p *Pager, first byte, m store.Classes[V], prefix []byte, wanted func(class int) bool,
	match func(key []byte, value func() (V, error)) (emit func() error, err error),
) error {
	var walks []func() error
	for class := range m {
		if wanted(class) {
			walks = append(walks, func() error { return Walk(ctx, p, first+byte(class), m[class], prefix, match) })
		}
	}
	return p.Sections(walks...)
}

// Sections walks the sections of a list, given in order, in the direction of the request.
func (p *Pager) Sections(walks ...func() error) error {
	if p.Reverse {
		slices.Reverse(walks)
	}
	for _, w := range walks {
		if err := w(); err != nil {
			return err
		}
	}
	return nil
}
