package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"postern/internal/config"
)

// A default stands in brackets behind the key that it is of.
var defaultShown = regexp.MustCompile("`limits\\.([a-z_]+)` \\(([0-9][0-9,]*(?: [A-Za-z]+)?)")

// What the pages say is the default of a limit is so, and those that say what a client
// may have leave none out.
func TestLimitsInTheDocsAreTrue(t *testing.T) {
	want := limitDefaults(t)
	said := map[string]map[string]bool{}
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(page)
		said[name] = map[string]bool{}
		for _, found := range defaultShown.FindAllStringSubmatch(string(text), -1) {
			key, value := found[1], found[2]
			said[name][key] = true
			if value != want[key] {
				t.Errorf("%s says that limits.%s is %s, and it is %q", name, key, value, want[key])
			}
		}
	}
	for key := range want {
		if !said["limits.md"][key] {
			t.Errorf("limits.md says no default of limits.%s", key)
		}
	}
	for _, key := range strings.Fields("message_bytes recipients command_idle data_time connections_per_ip peer_connections account_messages account_recipients") {
		if !said["submission.md"][key] {
			t.Errorf("submission.md says no default of limits.%s", key)
		}
	}
}

// limitDefaults are the defaults of [limits] by their keys, as the pages write them.
func limitDefaults(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	limits := reflect.ValueOf(config.Default().Limits)
	for i := range limits.NumField() {
		key := limits.Type().Field(i).Tag.Get("toml")
		switch v := limits.Field(i).Interface().(type) {
		case time.Duration:
			all[key] = fmt.Sprintf("%d minutes", int(v.Minutes()))
		case int64:
			all[key] = fmt.Sprintf("%d MiB", v>>20)
			if v%(1<<30) == 0 {
				all[key] = fmt.Sprintf("%d GiB", v>>30)
			}
		case int:
			all[key] = thousands(v)
		default:
			t.Fatalf("limits.%s is a %T", key, v)
		}
	}
	return all
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
