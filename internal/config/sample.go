package config

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"postern/mime"
)

// wrapAt is the length of comment lines.
const wrapAt = 78

// Describe writes every key with its meaning, default and range, in the form of
// a file in which nothing is set.
func Describe(w io.Writer) error { return Sample(w, Default()) }

// Sample writes c as a file that Parse reads back as c. Every key is there with
// its meaning; those that c leaves at their default are commented out.
// A value too long for one line of the file is an error.
func Sample(w io.Writer, c *Config) error {
	var b bytes.Buffer
	b.WriteString("# Configuration of Postern. A key behind a # is at its default, or not set and\n" +
		"# shown with an example. Unknown keys are errors. Relative paths are relative\n" +
		"# to the folder of this file.\n")
	standard := Default()
	fields := fieldsOf("", reflect.ValueOf(c).Elem())
	defaults := fieldsOf("", reflect.ValueOf(standard).Elem())
	for i, f := range fields { // in order: TOML wants the keys outside of tables first, as Config has them
		write := writeKey
		if f.isTable() {
			write = writeTable
		}
		err := write(&b, f, defaults[i])
		if err != nil {
			return err
		}
	}
	err := checkBounds(b.Bytes())
	if err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	_, err = w.Write(b.Bytes())
	if err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	return nil
}

func writeTable(b *bytes.Buffer, table, standard field) error {
	b.WriteString("\n")
	writeComment(b, table.tag.Get("doc"))
	fmt.Fprintf(b, "[%s]\n", table.path)
	defaults := fieldsOf(table.path+".", standard.value)
	for i, f := range fieldsOf(table.path+".", table.value) {
		err := writeKey(b, f, defaults[i])
		if err != nil {
			return err
		}
	}
	return nil
}

func writeKey(b *bytes.Buffer, f, standard field) error {
	b.WriteString("\n")
	writeComment(b, docOf(f.tag))
	if !reflect.DeepEqual(f.value.Interface(), standard.value.Interface()) {
		return writeValue(b, f)
	}
	text, err := usualText(standard)
	if err != nil {
		return fmt.Errorf("writing the key %q: %w", f.path, err)
	}
	fmt.Fprintf(b, "#%s = %s\n", f.name, text)
	return nil
}

func writeValue(b *bytes.Buffer, f field) error {
	if routes, ok := f.value.Interface().(map[mime.Domain]string); ok {
		return writeRoutes(b, f.name, routes)
	}
	text, err := valueText(f.value)
	if err != nil {
		return fmt.Errorf("writing the key %q: %w", f.path, err)
	}
	fmt.Fprintf(b, "%s = %s\n", f.name, text)
	return nil
}

// writeRoutes writes a line for each route, since one line for all has no bound.
func writeRoutes(b *bytes.Buffer, name string, routes map[mime.Domain]string) error {
	for _, domain := range slices.Sorted(maps.Keys(routes)) {
		pair, err := quoteAll([]string{string(domain), routes[domain]})
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "%s.%s = %s\n", name, pair[0], pair[1])
	}
	return nil
}

// docOf joins a key's meaning, range and whether it has a default.
func docOf(tag reflect.StructTag) string {
	doc := tag.Get("doc")
	if text, ok := tag.Lookup("range"); ok {
		low, high, _ := strings.Cut(text, "..")
		doc += fmt.Sprintf(" From %s to %s.", low, high)
	}
	if text, ok := tag.Lookup("oneof"); ok {
		doc += fmt.Sprintf(" One of: %s.", strings.Join(strings.Fields(text), ", "))
	}
	if text, ok := tag.Lookup("default"); ok {
		return doc + fmt.Sprintf(" Default: %s.", text)
	}
	return doc + " Not set by default."
}

// usualText is a key's default, or its example when it has none.
func usualText(standard field) (string, error) {
	example, ok := standard.tag.Lookup("example")
	if !ok {
		return valueText(standard.value)
	}
	if standard.value.Kind() == reflect.String {
		return quote(example)
	}
	return example, nil
}

// valueText writes v in TOML.
func valueText(v reflect.Value) (string, error) {
	switch value := v.Interface().(type) {
	case time.Duration:
		return quote(durationText(value))
	case int, int64:
		return strconv.FormatInt(v.Int(), 10), nil
	case bool:
		return strconv.FormatBool(value), nil
	case []string:
		items, err := quoteAll(value)
		return "[\n\t" + strings.Join(items, ",\n\t") + ",\n]", err
	}
	return quote(v.String())
}

func quoteAll(list []string) ([]string, error) {
	quoted := make([]string, 0, len(list))
	for _, s := range list {
		q, err := quote(s)
		if err != nil {
			return nil, err
		}
		quoted = append(quoted, q)
	}
	return quoted, nil
}

// quote writes s as a TOML string, by TOML's own escapes.
func quote(s string) (string, error) {
	line, err := toml.Marshal(map[string]string{"s": s})
	if err != nil {
		return "", fmt.Errorf("quoting a text: %w", err)
	}
	return strings.TrimSpace(strings.TrimPrefix(string(line), "s = ")), nil
}

// writeComment writes s behind hashes, broken between words.
func writeComment(b *bytes.Buffer, s string) {
	line := "#"
	for _, word := range strings.Fields(s) {
		if len(line)+1+len(word) > wrapAt {
			b.WriteString(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
}
