// Package cert is the registry of X.509 certificates by which tenants and providers prove to each other who
// they are.
//
// One record a certificate, under (owner, serial number). What always holds: a certificate in the store was
// signed by the key beside it and names its owner; a revoked one never becomes valid again; a serial number is
// used once by an owner; each certificate made or revoked has an event.
package cert

import (
	"context"
	stderrors "errors"
	"fmt"

	"cosmossdk.io/collections"
	"cosmossdk.io/core/store"
	"cosmossdk.io/errors"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	certv1 "github.com/akash-supercloud/akash/api/akash/cert/v1"
	eventsv1 "github.com/akash-supercloud/akash/api/akash/events/v1"
	"github.com/akash-supercloud/akash/x/internal/event"
	"github.com/akash-supercloud/akash/x/internal/key"
)

const (
	// ModuleName is the module's name and error codespace.
	ModuleName = "cert"
	// StoreKey is the name of the module's store.
	StoreKey = ModuleName
)

// at is the key of a certificate: its owner's address and its serial number.
func at(owner sdk.AccAddress, serial []byte) []byte { return append(key.Addr(nil, owner), serial...) }

// readAt takes a key apart.
func readAt(b []byte) (owner sdk.AccAddress, serial []byte, err error) {
	r := key.Read(b)
	owner, serial = r.Addr(), r.Rest()
	if err := r.Err(); err != nil {
		return nil, nil, fmt.Errorf("key %x in the store of %s: %w", b, ModuleName, err)
	}
	return owner, serial, nil
}

// Keeper reads and writes the registry.
type Keeper struct {
	certs collections.Map[[]byte, certv1.Certificate]
}

// NewKeeper returns a Keeper over the store.
func NewKeeper(cdc codec.BinaryCodec, storeService store.KVStoreService) *Keeper {
	sb := collections.NewSchemaBuilder(storeService)
	k := &Keeper{
		certs: collections.NewMap(sb, collections.NewPrefix(1), "certificates", collections.BytesKey, codec.CollValue[certv1.Certificate](cdc)),
	}
	if _, err := sb.Build(); err != nil {
		panic(err)
	}
	return k
}

// Get returns the certificate that id names. It fails with ErrCertificateNotFound, ErrInvalidAddress or
// ErrInvalidSerialNumber.
func (k *Keeper) Get(ctx context.Context, id certv1.ID) (certv1.Certificate, error) {
	_, crt, err := k.get(ctx, id)
	return crt, err
}

func (k *Keeper) get(ctx context.Context, id certv1.ID) ([]byte, certv1.Certificate, error) {
	owner, err := parseOwner(id.Owner)
	if err != nil {
		return nil, certv1.Certificate{}, err
	}
	serial, err := parseSerial(id.Serial)
	if err != nil {
		return nil, certv1.Certificate{}, err
	}
	where := at(owner, serial)
	crt, err := k.certs.Get(ctx, where)
	if stderrors.Is(err, collections.ErrNotFound) {
		err = errors.Wrapf(ErrCertificateNotFound, "%s/%s", id.Owner, id.Serial)
	}
	return where, crt, err
}

// Create publishes a certificate of owner; see Check for what it must be.
func (k *Keeper) Create(ctx context.Context, owner string, certPEM, pubPEM []byte) error {
	addr, err := parseOwner(owner)
	if err != nil {
		return err
	}
	serial, raw, err := Check(addr.String(), certPEM, pubPEM) // an address may be written in capitals too
	if err != nil {
		return err
	}
	where := at(addr, raw)
	if there, err := k.certs.Has(ctx, where); err != nil {
		return err
	} else if there {
		return errors.Wrapf(ErrCertificateExists, "%s/%s", owner, serial)
	}
	if err := k.certs.Set(ctx, where, certv1.Certificate{State: certv1.CertificateValid, Cert: certPEM, Pubkey: pubPEM}); err != nil {
		return err
	}
	return event.Emit(ctx, &eventsv1.EventCertificateCreated{ID: certv1.ID{Owner: addr.String(), Serial: serial}})
}

// Revoke makes the certificate that id names invalid for good.
func (k *Keeper) Revoke(ctx context.Context, id certv1.ID) error {
	where, crt, err := k.get(ctx, id)
	if err != nil {
		return err
	}
	if crt.State == certv1.CertificateRevoked {
		return errors.Wrapf(ErrCertificateAlreadyRevoked, "%s/%s", id.Owner, id.Serial)
	}
	crt.State = certv1.CertificateRevoked
	if err := k.certs.Set(ctx, where, crt); err != nil {
		return err
	}
	owner, serial, err := readAt(where)
	if err != nil {
		return err
	}
	return event.Emit(ctx, &eventsv1.EventCertificateRevoked{ID: certv1.ID{Owner: owner.String(), Serial: serialText(serial)}})
}

func checkGenesis(state *certv1.GenesisState) error {
	seen := map[string]bool{}
	for _, g := range state.Certificates {
		if _, err := parseOwner(g.Owner); err != nil {
			return err
		}
		serial, _, err := Check(g.Owner, g.Certificate.Cert, g.Certificate.Pubkey)
		if err != nil {
			return fmt.Errorf("certificate of %s: %w", g.Owner, err)
		}
		if s := g.Certificate.State; s != certv1.CertificateValid && s != certv1.CertificateRevoked {
			return errors.Wrapf(ErrInvalidState, "certificate %s/%s", g.Owner, serial)
		}
		if id := g.Owner + "/" + serial; seen[id] {
			return errors.Wrap(ErrCertificateExists, id)
		} else {
			seen[id] = true
		}
	}
	return nil
}

// InitGenesis saves the certificates of state.
func (k *Keeper) InitGenesis(ctx context.Context, state *certv1.GenesisState) error {
	if err := checkGenesis(state); err != nil {
		return err
	}
	for _, g := range state.Certificates {
		addr, err := parseOwner(g.Owner)
		if err != nil {
			return err
		}
		_, raw, err := Check(g.Owner, g.Certificate.Cert, g.Certificate.Pubkey)
		if err != nil {
			return err
		}
		if err := k.certs.Set(ctx, at(addr, raw), g.Certificate); err != nil {
			return err
		}
	}
	return nil
}

// ExportGenesis returns all certificates by owner and serial number.
func (k *Keeper) ExportGenesis(ctx context.Context) (*certv1.GenesisState, error) {
	state := &certv1.GenesisState{Certificates: []certv1.GenesisCertificate{}}
	err := k.certs.Walk(ctx, nil, func(b []byte, c certv1.Certificate) (bool, error) {
		owner, _, err := readAt(b)
		state.Certificates = append(state.Certificates, certv1.GenesisCertificate{Owner: owner.String(), Certificate: c})
		return false, err
	})
	return state, err
}
