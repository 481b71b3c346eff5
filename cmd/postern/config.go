package main

import (
	"context"
	"fmt"

	"postern/internal/config"
	"postern/internal/gateway"
	"postern/internal/gateway/care"
)

// runConfigCheck reads what serve would read before it opens the store.
func runConfigCheck(_ context.Context, inv *invocation, args []string) error {
	_, err := parse(inv.flags("config check"), args, 0, 0)
	if err != nil {
		return err
	}
	cfg, err := inv.loadConfig()
	if err != nil {
		return err
	}
	err = gateway.CheckFiles(cfg)
	if err != nil {
		return err
	}
	for _, w := range care.BackupWarnings(cfg.Dir, cfg.Backup.Dir) {
		fmt.Fprintf(inv.stderr, "postern: warning: %s\n", oneLine(w))
	}
	return inv.answer(map[string]string{"config": inv.config, "verdict": "ok"}, "%s is good", inv.config)
}

func runConfigDescribe(_ context.Context, inv *invocation, args []string) error {
	_, err := parse(inv.flags("config describe"), args, 0, 0)
	if err != nil {
		return err
	}
	return config.Describe(inv.stdout)
}
