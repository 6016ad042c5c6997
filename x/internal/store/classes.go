package store

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"
)

// Classes is a map that is split by class: what of a record's state lists can be filtered
// by. Each class has a key range of its own, so a list reads only records that match,
// however many others there are. A record is in one class at a time.
type Classes[V any] []collections.Map[[]byte, V]

// None is the class of a record that isn't there yet.
const None = -1

// NewClasses returns a split map of one class for each name, at prefix and those after it.
func NewClasses[V any](sb *collections.SchemaBuilder, prefix uint8, value interface {
	Encode(V) ([]byte, error)
	Decode([]byte) (V, error)
	EncodeJSON(V) ([]byte, error)
	DecodeJSON([]byte) (V, error)
	Stringify(V) string
	ValueType() string
}, names ...string,
) Classes[V] {
	var c Classes[V]
	for i, n := range names {
		c = append(c, collections.NewMap(sb, collections.NewPrefix([]byte{prefix + uint8(i)}), n, collections.BytesKey, value))
	}
	return c
}

// Find returns a record and its class. It looks in the classes given, in that order; in
// all, if none is. A record that isn't there is collections.ErrNotFound.
func (c Classes[V]) Find(ctx context.Context, key []byte, classes ...int) (v V, class int, err error) {
	if len(classes) == 0 {
		for class = range c {
			if v, err = c[class].Get(ctx, key); !errors.Is(err, collections.ErrNotFound) {
				return v, class, err
			}
		}
	}
	for _, class = range classes {
		if v, err = c[class].Get(ctx, key); !errors.Is(err, collections.ErrNotFound) {
			return v, class, err
		}
	}
	return v, None, fmt.Errorf("%w: key %x", collections.ErrNotFound, key)
}

// Has reports whether a record is in one of the classes given; in any, if none is.
func (c Classes[V]) Has(ctx context.Context, key []byte, classes ...int) (bool, error) {
	if len(classes) == 0 {
		for class := range c {
			if has, err := c[class].Has(ctx, key); err != nil || has {
				return has, err
			}
		}
	}
	for _, class := range classes {
		if has, err := c[class].Has(ctx, key); err != nil || has {
			return has, err
		}
	}
	return false, nil
}

// Move stores a record that was in class from, or None, in class to.
func (c Classes[V]) Move(ctx context.Context, key []byte, from, to int, v V) error {
	if from != None && from != to {
		if err := c[from].Remove(ctx, key); err != nil {
			return err
		}
	}
	return c[to].Set(ctx, key, v)
}

// Each calls fn for every record, class by class, in order of the keys.
func (c Classes[V]) Each(ctx context.Context, fn func(class int, key []byte, v V) error) error {
	for class := range c {
		if err := Each(ctx, c[class], func(key []byte, v V) error { return fn(class, key, v) }); err != nil {
			return err
		}
	}
	return nil
}
