// Package store goes through a whole collection: for genesis, invariants and nothing that a
// user's message or query reaches; those go by page.
package store

import (
	"context"

	"cosmossdk.io/collections"
)

// Each calls fn for every record in order of the keys, until it returns an error.
func Each[K, V any](ctx context.Context, m collections.Map[K, V], fn func(K, V) error) error {
	it, err := m.Iterate(ctx, nil)
	if err != nil {
		return err
	}
	defer it.Close()
	for ; it.Valid(); it.Next() {
		kv, err := it.KeyValue()
		if err != nil {
			return err
		}
		if err := fn(kv.Key, kv.Value); err != nil {
			return err
		}
	}
	return nil
}
