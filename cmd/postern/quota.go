package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"postern/internal/control"
	"postern/mime"
	"postern/store"
)

func runAccountQuota(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("account quota")
	rest, err := parse(fs, args, 2, 2)
	if err != nil {
		return err
	}
	address, err := mime.ParseAddress(rest[0])
	if err != nil {
		return err
	}
	bytes, ok := parseQuota(rest[1])
	if !ok {
		return wrongUse(fs, "%q is no size: a number of bytes, or of KiB, MiB, GiB or TiB, or none or default", rest[1])
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		order := control.QuotaOrder{Address: address.String(), Bytes: bytes}
		err := c.SetQuota(ctx, order)
		if err != nil {
			return err
		}
		return inv.answer(order, "%s has the quota %s", address, rest[1])
	})
}

// A unit is one of sizes.
type unit struct {
	name string
	size int64
}

// units are all, from the largest.
func units() []unit {
	return []unit{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}}
}

// parseQuota reads a size such as 5GiB, none or default.
func parseQuota(text string) (int64, bool) {
	switch text {
	case "none":
		return store.NoQuota, true
	case "default":
		return 0, true
	}
	for _, u := range units() {
		number, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(number, 10, 64)
		const most = 1 << 62
		return n * u.size, err == nil && n > 0 && n <= most/u.size
	}
	return 0, false
}

// writeSize writes a number of bytes for people, in the largest unit that leaves a
// whole, or rounded to a tenth.
func writeSize(bytes int64) string {
	for _, u := range units() {
		switch {
		case bytes < u.size || u.name == "":
			continue
		case bytes%u.size == 0:
			return fmt.Sprintf("%d %s", bytes/u.size, u.name)
		}
		return fmt.Sprintf("%.1f %s", float64(bytes)/float64(u.size), u.name)
	}
	return fmt.Sprintf("%d bytes", bytes)
}

// fill says how full the mailboxes of an account are.
func fill(a control.AccountInfo) string {
	switch {
	case a.Quota == 0:
		return writeSize(a.Used) + " of any number"
	case a.Standard:
		return fmt.Sprintf("%s of %s", writeSize(a.Used), writeSize(a.Quota))
	}
	return fmt.Sprintf("%s of %s, a quota of its own", writeSize(a.Used), writeSize(a.Quota))
}
