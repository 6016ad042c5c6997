// Package floors has no code; its test holds the shape of the house: who may import whom, what consensus code may
// not do, how long main is, and that every package says what it is.
package floors
