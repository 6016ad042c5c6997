package v1

import (
	"testing"

	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
)

// FuzzParseID holds that what is read as an id is written as it was read, but for leading zeros.
func FuzzParseID(f *testing.F) {
	for _, s := range []string{"a/1", "a/1/2/3/b", "a/01/2/3/b", "//", "a/1/2/3/4/5", "a/18446744073709551616/1/1/b", "a/+1/1/1/b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := ParseLeaseID(s); err == nil {
			again, err := ParseLeaseID(id.BidID().String())
			if err != nil || again != id || id.DSeq == 0 || id.GSeq == 0 || id.OSeq == 0 {
				t.Errorf("%q: %+v, %+v, %v", s, id, again, err)
			}
		}
		if id, err := deploymentv1.ParseDeploymentID(s); err == nil {
			again, err := deploymentv1.ParseDeploymentID(id.String())
			if err != nil || again != id || id.DSeq == 0 {
				t.Errorf("%q: %+v, %+v, %v", s, id, again, err)
			}
		}
	})
}
