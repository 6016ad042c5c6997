// Package localnet owns a whole market on one machine: a validator, a provider, an image registry and
// funded accounts, all below one home folder.
//
// What always holds:
//   - Everything it makes is below the home folder, or named after it, so Reset removes all of it and
//     nothing of anyone else.
//   - The node and the provider are processes of their own, started again when they end. Killing any
//     one, this one too, stops nothing but that one: leases go on.
//   - Up with the same home goes on where the last one ended.
package localnet
