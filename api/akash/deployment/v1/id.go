// Package v1 is the wire form of deployments: their identifiers, the deployment
// record and its events. Generated from proto/akash/deployment/v1; this file adds
// the text form of identifiers.
package v1

import (
	"fmt"
	"strconv"
	"strings"
)

// String returns the text form "owner/dseq".
func (id DeploymentID) String() string {
	return id.Owner + "/" + strconv.FormatUint(id.DSeq, 10)
}

// ParseDeploymentID reads the form that String writes. It fails on any other
// number of parts, on an empty owner and on a dseq that is zero or not a number.
func ParseDeploymentID(text string) (DeploymentID, error) {
	owner, seq, ok := strings.Cut(text, "/")
	dseq, err := strconv.ParseUint(seq, 10, 64)
	if !ok || owner == "" || err != nil || dseq == 0 {
		return DeploymentID{}, fmt.Errorf("%q is not a deployment id; use owner/dseq", text)
	}
	return DeploymentID{Owner: owner, DSeq: dseq}, nil
}

// String returns the text form "owner/dseq/gseq".
func (id GroupID) String() string {
	return id.DeploymentID().String() + "/" + strconv.FormatUint(uint64(id.GSeq), 10)
}

// DeploymentID returns the id of the deployment that the group belongs to.
func (id GroupID) DeploymentID() DeploymentID {
	return DeploymentID{Owner: id.Owner, DSeq: id.DSeq}
}

// MakeGroupID returns the id of the group number gseq (from 1) of deployment id.
func MakeGroupID(id DeploymentID, gseq uint32) GroupID {
	return GroupID{Owner: id.Owner, DSeq: id.DSeq, GSeq: gseq}
}
