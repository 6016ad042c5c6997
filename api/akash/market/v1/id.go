// Package v1 is the wire form of what the market is about: identifiers of orders,
// bids and leases, the lease record, close reasons and events. Generated from
// proto/akash/market/v1; this file adds conversions and the text form of identifiers.
package v1

import (
	"fmt"
	"strconv"
	"strings"

	deployment "github.com/akash-supercloud/akash/api/akash/deployment/v1"
)

// MakeOrderID returns the id of order number oseq (from 1) of group id.
func MakeOrderID(id deployment.GroupID, oseq uint32) OrderID {
	return OrderID{Owner: id.Owner, DSeq: id.DSeq, GSeq: id.GSeq, OSeq: oseq}
}

// GroupID returns the id of the group that the order is for.
func (id OrderID) GroupID() deployment.GroupID {
	return deployment.GroupID{Owner: id.Owner, DSeq: id.DSeq, GSeq: id.GSeq}
}

// String returns the text form "owner/dseq/gseq/oseq".
func (id OrderID) String() string {
	return fmt.Sprintf("%s/%d/%d/%d", id.Owner, id.DSeq, id.GSeq, id.OSeq)
}

// MakeBidID returns the id of provider's bid on order id.
func MakeBidID(id OrderID, provider string) BidID {
	return BidID{Owner: id.Owner, DSeq: id.DSeq, GSeq: id.GSeq, OSeq: id.OSeq, Provider: provider}
}

// OrderID returns the id of the order that the bid is for.
func (id BidID) OrderID() OrderID {
	return OrderID{Owner: id.Owner, DSeq: id.DSeq, GSeq: id.GSeq, OSeq: id.OSeq}
}

// GroupID returns the id of the group that the bid is for.
func (id BidID) GroupID() deployment.GroupID { return id.OrderID().GroupID() }

// DeploymentID returns the id of the deployment that the bid is for.
func (id BidID) DeploymentID() deployment.DeploymentID { return id.GroupID().DeploymentID() }

// LeaseID returns the id of the lease that the bid becomes when it wins.
func (id BidID) LeaseID() LeaseID { return LeaseID(id) }

// String returns the text form "owner/dseq/gseq/oseq/provider"; bseq isn't part of it.
func (id BidID) String() string { return id.OrderID().String() + "/" + id.Provider }

// BidID returns the id of the bid that won the lease.
func (id LeaseID) BidID() BidID { return BidID(id) }

// OrderID returns the id of the order that the lease serves.
func (id LeaseID) OrderID() OrderID { return id.BidID().OrderID() }

// GroupID returns the id of the group that the lease serves.
func (id LeaseID) GroupID() deployment.GroupID { return id.BidID().GroupID() }

// DeploymentID returns the id of the deployment that the lease serves.
func (id LeaseID) DeploymentID() deployment.DeploymentID { return id.BidID().DeploymentID() }

// String returns the text form "owner/dseq/gseq/oseq/provider"; bseq isn't part of it.
func (id LeaseID) String() string { return id.BidID().String() }

// ParseLeaseID reads the form that LeaseID.String and BidID.String write. It fails
// on any other number of parts, on empty parts and on sequences that are zero or
// not numbers.
func ParseLeaseID(text string) (LeaseID, error) {
	bad := fmt.Errorf("%q is not a lease id; use owner/dseq/gseq/oseq/provider", text)
	part := strings.Split(text, "/")
	if len(part) != 5 || part[0] == "" || part[4] == "" {
		return LeaseID{}, bad
	}
	dseq, err := strconv.ParseUint(part[1], 10, 64)
	if err != nil || dseq == 0 {
		return LeaseID{}, bad
	}
	var seq [2]uint32
	for i := range seq {
		n, err := strconv.ParseUint(part[2+i], 10, 32)
		if err != nil || n == 0 {
			return LeaseID{}, bad
		}
		seq[i] = uint32(n)
	}
	return LeaseID{Owner: part[0], DSeq: dseq, GSeq: seq[0], OSeq: seq[1], Provider: part[4]}, nil
}
