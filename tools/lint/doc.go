// Package lint pins the linter: staticcheck, as a tool of this module. It is apart from the gVisor module
// beside it, so that neither changes the versions the other is built with.
package lint
