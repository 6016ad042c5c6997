package provider

import (
	"net/url"
	"regexp"

	"cosmossdk.io/errors"

	sdk "github.com/cosmos/cosmos-sdk/types"

	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	v1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
)

// Limits of one registration; the wire sets none, and unbounded records would make every bid dearer.
const (
	maxText       = 512 // bytes of a URI, an e-mail or a website
	maxAttributes = 512
	maxValue      = 512 // bytes of an attribute's value
)

var attributeKey = regexp.MustCompile(`^[a-zA-Z][\w/.\-]{1,126}\w?$`)

// CheckAttributes tells whether attrs may describe a provider: well-formed keys, none twice.
// It returns a plain sentence, or "" if all is well.
func CheckAttributes(attrs []attributesv1.Attribute) string {
	if len(attrs) > maxAttributes {
		return "more than 512 attributes"
	}
	seen := make(map[string]bool, len(attrs))
	for _, a := range attrs {
		switch {
		case !attributeKey.MatchString(a.Key):
			return "attribute key " + quote(a.Key) + " is not a letter followed by up to 127 letters, digits, '_', '/', '.' or '-'"
		case seen[a.Key]:
			return "attribute key " + quote(a.Key) + " is there twice"
		case len(a.Value) > maxValue:
			return "value of attribute " + quote(a.Key) + " is longer than 512 bytes"
		}
		seen[a.Key] = true
	}
	return ""
}

// checkRecord is what create and update check alike; it returns the owner's address.
func checkRecord(owner, hostURI string, attrs []attributesv1.Attribute, info v1beta4.Info) (sdk.AccAddress, error) {
	addr, err := sdk.AccAddressFromBech32(owner)
	if err != nil {
		return nil, errors.Wrapf(ErrInvalidAddress, "owner %s", quote(owner))
	}
	if err := checkHostURI(hostURI); err != nil {
		return nil, err
	}
	if problem := CheckAttributes(attrs); problem != "" {
		return nil, errors.Wrap(ErrAttributes, problem)
	}
	if len(info.EMail) > maxText {
		return nil, errors.Wrap(ErrInvalidInfoWebsite, "e-mail is longer than 512 bytes")
	}
	if info.Website != "" {
		if _, err := url.Parse(info.Website); err != nil || len(info.Website) > maxText {
			return nil, errors.Wrap(ErrInvalidInfoWebsite, quote(info.Website))
		}
	}
	return addr, nil
}

func checkHostURI(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || len(text) > maxText:
		return errors.Wrap(ErrInvalidProviderURI, quote(text))
	case !u.IsAbs():
		return errors.Wrapf(ErrNotAbsProviderURI, "%s has no scheme; use https://host:8443", quote(text))
	case u.Scheme != "https":
		return errors.Wrapf(ErrInvalidProviderURI, "%s isn't https; use https://host:8443", quote(text))
	case u.Host == "":
		return errors.Wrapf(ErrInvalidProviderURI, "%s has no host; use https://host:8443", quote(text))
	case u.Path != "":
		return errors.Wrapf(ErrInvalidProviderURI, "%s has a path; use https://host:8443", quote(text))
	}
	return nil
}

// quote shortens what a stranger sent before it goes into an error.
func quote(s string) string {
	if len(s) > 80 {
		s = s[:80] + "…"
	}
	return `"` + s + `"`
}
