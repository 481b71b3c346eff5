package main

import (
	"context"
	"fmt"

	"postern/internal/config"
)

func runBundlePresets(_ context.Context, inv *invocation, args []string) error {
	_, err := parse(inv.flags("bundle presets"), args, 0, 0)
	if err != nil {
		return err
	}
	cfg, err := inv.loadConfig()
	if err != nil {
		return err
	}
	presets := cfg.Presets.List()
	if inv.json {
		return printPresetsJSON(inv, presets)
	}
	for _, p := range presets {
		fmt.Fprintf(inv.stdout, "%s  %s  %s\n  %s\n", p.Name, p.Direction, p.URL, p.Doc)
	}
	fmt.Fprintln(inv.stdout, "none is fetched or believed before postern bundle add --preset NAME")
	return nil
}

func printPresetsJSON(inv *invocation, presets []config.Preset) error {
	type preset struct {
		Name      string `json:"name"`
		URL       string `json:"url"`
		Direction string `json:"direction"`
		Role      string `json:"role"`
	}
	all := []preset{}
	for _, p := range presets {
		all = append(all, preset{p.Name, p.URL, p.Direction, p.Doc})
	}
	return inv.printJSON(all)
}

func (inv *invocation) preset(name string) (config.Preset, error) {
	cfg, err := inv.loadConfig()
	if err != nil {
		return config.Preset{}, err
	}
	for _, p := range cfg.Presets.List() {
		if p.Name == name {
			return p, nil
		}
	}
	return config.Preset{}, usagef("postern bundle presets lists them", "there is no preset %q", name)
}
