// Package examples owns the deployments that ship with akash: two small programs (web, backend),
// the SDL files that run them, and the names of their images. The images hold nothing but the
// programs, built without cgo from this module.
package examples

import _ "embed"

// Web is examples/web/deploy.yaml: one web server that answers on a URL of its own.
//
//go:embed web/deploy.yaml
var Web []byte

// TwoServices is examples/two-services/deploy.yaml: the web server and a private backend.
//
//go:embed two-services/deploy.yaml
var TwoServices []byte

// Images maps each program of this folder to the image name that the SDL files use.
// akash.local is no real registry: on one machine the local registry stands in for it.
var Images = map[string]string{
	"web":     "akash.local/examples/web:1",
	"backend": "akash.local/examples/backend:1",
}
