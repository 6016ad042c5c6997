// Package audit is the registry of what auditors vouch for: attributes of a provider, signed by an account
// that tenants may trust.
//
// One record a pair (provider, auditor). There is no index by auditor: records are few, and a list looks at a bounded
// number of them a page. What always holds: a record's attributes are
// sorted by key, none twice, at least one; a record that would become empty is removed.
package audit

import (
	"cmp"
	"context"
	stderrors "errors"
	"fmt"
	"slices"

	"cosmossdk.io/collections"
	"cosmossdk.io/core/store"
	"cosmossdk.io/errors"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	auditv1 "github.com/akash-supercloud/akash/api/akash/audit/v1"
	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	"github.com/akash-supercloud/akash/x/internal/key"
	"github.com/akash-supercloud/akash/x/provider"
)

const (
	// ModuleName is the module's name and error codespace.
	ModuleName = "audit"
	// StoreKey is the name of the module's store.
	StoreKey = ModuleName
)

// at is the key of a record: the provider's owner and the auditor.
func at(owner, auditor sdk.AccAddress) []byte { return key.Addr(key.Addr(nil, owner), auditor) }

// record puts a key and its value together.
func record(b []byte, attrs auditv1.AuditedAttributesStore) (auditv1.AuditedProvider, error) {
	r := key.Read(b)
	owner, auditor := sdk.AccAddress(r.Addr()), sdk.AccAddress(r.Addr())
	if err := r.Err(); err != nil {
		return auditv1.AuditedProvider{}, fmt.Errorf("key %x in the store of %s: %w", b, ModuleName, err)
	}
	return auditv1.AuditedProvider{Owner: owner.String(), Auditor: auditor.String(), Attributes: attrs.Attributes}, nil
}

// Keeper reads and writes the registry.
type Keeper struct {
	records collections.Map[[]byte, auditv1.AuditedAttributesStore]
}

// NewKeeper returns a Keeper over the store.
func NewKeeper(cdc codec.BinaryCodec, storeService store.KVStoreService) *Keeper {
	sb := collections.NewSchemaBuilder(storeService)
	k := &Keeper{
		records: collections.NewMap(sb, collections.NewPrefix(1), "audited", collections.BytesKey, codec.CollValue[auditv1.AuditedAttributesStore](cdc)),
	}
	if _, err := sb.Build(); err != nil {
		panic(err)
	}
	return k
}

// Get returns what auditor vouches for of the provider owner, and whether there is a record.
func (k *Keeper) Get(ctx context.Context, owner, auditor sdk.AccAddress) (auditv1.AuditedProvider, bool, error) {
	v, err := k.records.Get(ctx, at(owner, auditor))
	if stderrors.Is(err, collections.ErrNotFound) {
		return auditv1.AuditedProvider{}, false, nil
	}
	if err != nil {
		return auditv1.AuditedProvider{}, false, err
	}
	r, err := record(at(owner, auditor), v)
	return r, err == nil, err
}

// Audited returns what all auditors vouch for of the provider owner, by auditor's address.
func (k *Keeper) Audited(ctx context.Context, owner sdk.AccAddress) ([]auditv1.AuditedProvider, error) {
	var out []auditv1.AuditedProvider
	err := k.records.Walk(ctx, new(collections.Range[[]byte]).Prefix(key.Addr(nil, owner)),
		func(b []byte, v auditv1.AuditedAttributesStore) (bool, error) {
			r, err := record(b, v)
			out = append(out, r)
			return false, err
		})
	return out, err
}

// Sign merges attrs into what auditor vouches for of owner; a key that is there already gets the new value.
func (k *Keeper) Sign(ctx context.Context, owner, auditor sdk.AccAddress, attrs []attributesv1.Attribute) error {
	old, _, err := k.Get(ctx, owner, auditor)
	if err != nil {
		return err
	}
	all := slices.Clone(old.Attributes)
	for _, a := range attrs {
		if i := slices.IndexFunc(all, func(b attributesv1.Attribute) bool { return a.Key == b.Key }); i >= 0 {
			all[i].Value = a.Value
		} else {
			all = append(all, a)
		}
	}
	slices.SortFunc(all, func(a, b attributesv1.Attribute) int { return cmp.Compare(a.Key, b.Key) })
	if problem := provider.CheckAttributes(all); problem != "" {
		return errors.Wrap(ErrAttributes, problem)
	}
	return k.records.Set(ctx, at(owner, auditor), auditv1.AuditedAttributesStore{Attributes: all})
}

// Delete takes keys out of what auditor vouches for of owner; no keys takes out all.
func (k *Keeper) Delete(ctx context.Context, owner, auditor sdk.AccAddress, keys []string) error {
	old, ok, err := k.Get(ctx, owner, auditor)
	if err != nil {
		return err
	}
	if !ok {
		return errors.Wrapf(ErrProviderNotFound, "%s by %s", owner, auditor)
	}
	left := old.Attributes
	for _, name := range keys {
		i := slices.IndexFunc(left, func(a attributesv1.Attribute) bool { return a.Key == name })
		if i < 0 {
			return errors.Wrapf(ErrAttributeNotFound, "%.140q", name)
		}
		left = slices.Delete(left, i, i+1)
	}
	if len(keys) == 0 || len(left) == 0 {
		return k.records.Remove(ctx, at(owner, auditor))
	}
	return k.records.Set(ctx, at(owner, auditor), auditv1.AuditedAttributesStore{Attributes: left})
}

func parseAddress(what, text string) (sdk.AccAddress, error) {
	addr, err := sdk.AccAddressFromBech32(text)
	if err != nil {
		return nil, errors.Wrapf(ErrInvalidAddress, "%s %.80q", what, text)
	}
	return addr, nil
}

func checkGenesis(state *auditv1.GenesisState) error {
	seen := map[string]bool{}
	for _, p := range state.Providers {
		if _, err := parseAddress("owner", p.Owner); err != nil {
			return err
		}
		if _, err := parseAddress("auditor", p.Auditor); err != nil {
			return err
		}
		if problem := provider.CheckAttributes(p.Attributes); problem != "" || len(p.Attributes) == 0 {
			return errors.Wrapf(ErrAttributes, "%s by %s: %s", p.Owner, p.Auditor, cmp.Or(problem, "none"))
		}
		id := p.Owner + "/" + p.Auditor
		if seen[id] {
			return errors.Wrapf(ErrAttributes, "%s by %s is there twice", p.Owner, p.Auditor)
		}
		seen[id] = true
	}
	return nil
}

// InitGenesis saves the records of state.
func (k *Keeper) InitGenesis(ctx context.Context, state *auditv1.GenesisState) error {
	if err := checkGenesis(state); err != nil {
		return err
	}
	for _, p := range state.Providers {
		owner, err := parseAddress("owner", p.Owner)
		if err != nil {
			return err
		}
		auditor, err := parseAddress("auditor", p.Auditor)
		if err != nil {
			return err
		}
		if err := k.Sign(ctx, owner, auditor, p.Attributes); err != nil {
			return err
		}
	}
	return nil
}

// ExportGenesis returns all records by provider and auditor.
func (k *Keeper) ExportGenesis(ctx context.Context) (*auditv1.GenesisState, error) {
	state := &auditv1.GenesisState{Providers: []auditv1.AuditedProvider{}}
	err := k.records.Walk(ctx, nil, func(b []byte, v auditv1.AuditedAttributesStore) (bool, error) {
		r, err := record(b, v)
		state.Providers = append(state.Providers, r)
		return false, err
	})
	return state, err
}
