package deployment

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	types "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
)

// Record is a deployment as it is stored: with its groups, and for each group the number
// of orders that it has had, which is the number of its latest.
type Record struct {
	types.GenesisDeployment
	Orders []uint32
	// Dry are the groups, as bits from gseq 1 on, that were paused because the money had
	// ended: a deposit starts them again.
	Dry uint32
}

func (r *Record) dry(gseq uint32) bool { return r.Dry>>(gseq-1)&1 == 1 }

// recordCodec stores the numbers of orders and the dry groups in front of the deployment in wire form.
type recordCodec struct{}

func (recordCodec) Encode(r Record) ([]byte, error) {
	b := make([]byte, 0, 8+r.GenesisDeployment.Size())
	b = binary.AppendUvarint(b, uint64(len(r.Orders)))
	for _, n := range r.Orders {
		b = binary.AppendUvarint(b, uint64(n))
	}
	b = binary.AppendUvarint(b, uint64(r.Dry))
	raw, err := r.GenesisDeployment.Marshal()
	return append(b, raw...), err
}

func (recordCodec) Decode(b []byte) (r Record, err error) {
	next := func() uint64 {
		n, w := binary.Uvarint(b)
		if w <= 0 {
			err, b = errors.New("a stored deployment can't be read"), nil
			return 0
		}
		b = b[w:]
		return n
	}
	n := next()
	if n > uint64(len(b)) {
		return r, errors.New("a stored deployment can't be read")
	}
	for range n {
		r.Orders = append(r.Orders, uint32(next()))
	}
	r.Dry = uint32(next())
	if err == nil {
		err = r.GenesisDeployment.Unmarshal(b)
	}
	if err == nil && len(r.Orders) != len(r.Groups) {
		err = errors.New("a stored deployment can't be read")
	}
	return r, err
}

// The rest of collections' codec interface, for people who look at a store by hand.

func (recordCodec) EncodeJSON(r Record) ([]byte, error) { return json.Marshal(r) }
func (recordCodec) DecodeJSON(b []byte) (r Record, err error) {
	err = json.Unmarshal(b, &r)
	return r, err
}
func (recordCodec) Stringify(r Record) string { return fmt.Sprintf("%+v", r) }
func (recordCodec) ValueType() string         { return "deployment.record" }
