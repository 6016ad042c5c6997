package sdl

import _ "embed"

//go:embed schema.json
var schema []byte

// Schema is a JSON Schema (draft-07) of the language for editors. It is stricter than Parse in
// what Parse only warns of: it refuses keys that mean nothing, GPU vendors that are ignored,
// versions other than "2.0" and "2.1", and permissions that grant nothing. It can't say what
// holds between two places of a file, such as that a profile exists.
func Schema() []byte { return append([]byte(nil), schema...) }
