package deployment

import (
	"bytes"
	"testing"

	types "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
)

// FuzzDecodeRecord: whatever bytes are read never panic, and what was read is written the same.
func FuzzDecodeRecord(f *testing.F) {
	r := Record{Orders: []uint32{1, 300}}
	r.Groups = make([]types.Group, 2)
	b, err := recordCodec{}.Encode(r)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := recordCodec{}.Decode(b)
		if err != nil {
			return
		}
		first, err := recordCodec{}.Encode(r)
		if err != nil {
			return // figures that no message can bring
		}
		r, err = recordCodec{}.Decode(first)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := (recordCodec{}).Encode(r); err != nil || !bytes.Equal(first, again) {
			t.Fatalf("%x was written as %x (%v)", first, again, err)
		}
	})
}
