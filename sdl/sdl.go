// Package sdl reads the Stack Definition Language, versions 2.0 and 2.1: the file in which a
// person says what to run and what to buy. From it come the groups for the chain, the manifest
// for the provider, and the hash that ties the two together.
//
// What always holds: a file is read whole or refused with every error found, each with its
// place and what would be right; what is read keeps the manifest's rules and the chain's
// limits, and the manifest fits the groups; the same text gives the same bytes and the same
// hash as today's tools give. Nothing but the text is read; work is bounded; no text makes it
// panic.
//
// Where today's parser ignores what a file says (unknown keys, a second document), so do we,
// with a warning.
package sdl

import (
	"slices"

	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	"github.com/akash-supercloud/akash/manifest"
	"github.com/akash-supercloud/akash/match"
)

// SDL is a file that was read. Its values are shared with the callers, who don't change them.
type SDL struct {
	version     string
	groups      []deploymentv1beta4.GroupSpec
	manifest    manifest.Manifest
	hash        []byte
	reclamation *deploymentv1.DeploymentReclamation
	warnings    Errors
}

// Parse reads an SDL file. name is what errors call it. The error, if any, is an Errors.
func Parse(name string, data []byte) (*SDL, error) {
	r := &reader{file: name}
	root, ok := r.load(data)
	if !ok {
		return nil, sorted(r.errs)
	}
	d := r.document(root)
	r.check(d)
	if len(r.errs) > 0 {
		return nil, sorted(r.errs)
	}
	s := r.build(d)
	if len(r.errs) > 0 {
		return nil, sorted(r.errs)
	}
	s.warnings = sorted(r.warns)
	return s, nil
}

// Version is "2.0" or "2.1": whose rules the file was read by.
func (s *SDL) Version() string { return s.version }

// Groups are what to buy, sorted by name.
func (s *SDL) Groups() []deploymentv1beta4.GroupSpec { return slices.Clip(s.groups) }

// Manifest is what to run.
func (s *SDL) Manifest() manifest.Manifest { return slices.Clip(s.manifest) }

// Hash is the manifest's hash, 32 bytes: the deployment's version on the chain.
func (s *SDL) Hash() []byte { return slices.Clone(s.hash) }

// Reclamation is what the deployment asks of a provider that wants the machine back; nil where
// the file says nothing.
func (s *SDL) Reclamation() *deploymentv1.DeploymentReclamation { return s.reclamation }

// Warnings are what the file says that is ignored or likely not meant, in its order.
func (s *SDL) Warnings() Errors { return s.warnings }

// verify holds the promise of the package on what was built. What the checks missed ends here,
// without a place more exact than the deployment.
func (r *reader) verify(s *SDL, at value) {
	if err := s.manifest.Validate(); err != nil {
		r.fail(at, err.Error(), "")
		return
	}
	if err := match.DeploymentLimits(s.groups); err != nil {
		r.fail(at, err.Error(), "ask for less, or use smaller counts")
		return
	}
	if err := s.manifest.CheckGroups(s.groups); err != nil {
		r.fail(at, err.Error(), "")
	}
}
