// Package postern holds no code: the command is cmd/postern. Its tests keep
// the house in order: who may import whom.
package postern
