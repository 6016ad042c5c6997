// Package resource is the wire form of Kubernetes' resource.Quantity. This file
// gives it the JSON that Kubernetes gives it: the bare text.
package resource

import "encoding/json"

// MarshalJSON writes the quantity as a JSON string.
func (m Quantity) MarshalJSON() ([]byte, error) { return json.Marshal(m.String_) }

// UnmarshalJSON reads a JSON string.
func (m *Quantity) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &m.String_) }
