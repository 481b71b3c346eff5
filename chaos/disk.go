package main

// A disk is what a house's files are on, and may be full.
type disk interface {
	full(h *house)
	free(h *house)
}
