package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"postern/mime"
)

// Limits of what is read. The TOML reader's work grows with the square of the
// parts of a dotted key and of the depth of inline tables, so that the size of
// the file alone bounds neither.
const (
	MaxFile   = 64 << 10 // bytes
	MaxLine   = 512      // bytes
	MaxBraces = 16       // opening braces; the keys have use for one
)

// Default returns a configuration in which every key has its default. It does
// not pass Check before it has a Hostname.
func Default() *Config {
	c := &Config{}
	for _, f := range keysOf(c) {
		text, ok := f.tag.Lookup("default")
		if !ok {
			continue
		}
		err := setText(f.value, text)
		if err != nil { // the tags are constants: a test calls Default
			panic("config: default of " + f.path + ": " + err.Error())
		}
	}
	return c
}

// Load reads and checks the file at path. A missing file wraps fs.ErrNotExist.
func Load(path string) (*Config, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("config: %s: %w (\"postern init\" writes one)", path, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return Parse(data, path)
}

// Parse reads and checks the text of a file. The name is that of the file: it
// is in errors, and relative paths in the text are relative to its folder.
func Parse(data []byte, name string) (*Config, error) {
	c, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("config: %s: %w", name, err)
	}
	c.resolve(filepath.Dir(name))
	return c, nil
}

func parse(data []byte) (*Config, error) {
	err := checkBounds(data)
	if err != nil {
		return nil, err
	}
	var raw map[string]any
	_, err = toml.NewDecoder(bytes.NewReader(data)).Decode(&raw)
	if err != nil {
		return nil, syntaxError(err)
	}
	c := Default()
	err = setTable("", raw, reflect.ValueOf(c).Elem())
	if err != nil {
		return nil, err
	}
	err = c.normalize()
	if err != nil {
		return nil, err
	}
	return c, c.Check()
}

func checkBounds(data []byte) error {
	if len(data) > MaxFile {
		return fmt.Errorf("larger than %d bytes", MaxFile)
	}
	if bytes.Count(data, []byte("{")) > MaxBraces {
		return fmt.Errorf("more than %d braces (write tables as [name] on a line of its own)", MaxBraces)
	}
	number := 0
	for line := range bytes.Lines(data) {
		number++
		if len(line) > MaxLine {
			return fmt.Errorf("line %d: longer than %d bytes (write lists and tables over several lines)", number, MaxLine)
		}
	}
	return nil
}

// syntaxError puts what the TOML reader says on one line, with its place.
func syntaxError(err error) error {
	var syntax toml.ParseError
	if !errors.As(err, &syntax) {
		return errors.New(oneLine(err.Error()))
	}
	message := syntax.Message
	if message == "" { // for some errors only the text as a whole has it
		message = strings.TrimPrefix(syntax.Error(), "toml: ")
	}
	return fmt.Errorf("line %d: %s", syntax.Position.Line, oneLine(message))
}

func oneLine(s string) string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
}

// setTable puts the keys of raw into the struct v. It asks for the exact
// spelling and type of each key: toml's own decoding into structs forgives
// another case, and a value where a table is due.
func setTable(prefix string, raw map[string]any, v reflect.Value) error {
	fields := fieldsOf(prefix, v)
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
		if i < 0 {
			return unknownKey(prefix + name)
		}
		err := setField(fields[i], raw[name])
		if err != nil {
			return err
		}
	}
	return nil
}

func unknownKey(path string) error {
	if near := nearest(path); near != "" {
		return fmt.Errorf("key %q is not known (did you mean %q?)", path, near)
	}
	return fmt.Errorf("key %q is not known (\"postern config describe\" lists all keys)", path)
}

func setField(f field, raw any) error {
	if f.isTable() {
		table, ok := raw.(map[string]any)
		if !ok {
			return fmt.Errorf("key %q is a table: write [%s] on a line of its own and its keys below", f.path, f.path)
		}
		return setTable(f.path+".", table, f.value)
	}
	if !setValue(f.value, raw) {
		return fmt.Errorf("key %q must be %s", f.path, kindName(f.value))
	}
	return nil
}

// setValue puts what the TOML reader gave into v, and reports whether it is of
// v's kind and fits.
func setValue(v reflect.Value, raw any) bool {
	switch target := v.Addr().Interface().(type) {
	case *time.Duration:
		text, ok := raw.(string)
		return ok && setText(v, text) == nil
	case *[]string:
		list, ok := stringsOf(raw)
		*target = list
		return ok
	case *map[mime.Domain]string:
		routes, ok := domainsOf(raw)
		*target = routes
		return ok
	}
	switch value := raw.(type) {
	case string:
		if v.Kind() == reflect.String {
			v.SetString(value)
			return true
		}
	case int64:
		if v.CanInt() && !v.OverflowInt(value) {
			v.SetInt(value)
			return true
		}
	case bool:
		if v.Kind() == reflect.Bool {
			v.SetBool(value)
			return true
		}
	}
	return false
}

func stringsOf(raw any) ([]string, bool) {
	items, ok := raw.([]any)
	if !ok {
		return nil, false
	}
	var list []string
	for _, item := range items {
		text, ok := item.(string)
		if !ok {
			return nil, false
		}
		list = append(list, text)
	}
	return list, true
}

func domainsOf(raw any) (map[mime.Domain]string, bool) {
	table, ok := raw.(map[string]any)
	if !ok {
		return nil, false
	}
	routes := make(map[mime.Domain]string, len(table))
	for name, target := range table {
		text, ok := target.(string)
		if !ok {
			return nil, false
		}
		routes[mime.Domain(name)] = text
	}
	return routes, true
}

// setText puts a value in the notation of a default tag into v.
func setText(v reflect.Value, text string) error {
	var err error
	switch target := v.Addr().Interface().(type) {
	case *time.Duration:
		*target, err = time.ParseDuration(text)
	case *bool:
		*target, err = strconv.ParseBool(text)
	case *int, *int64:
		var n int64
		n, err = strconv.ParseInt(text, 10, v.Type().Bits())
		v.SetInt(n)
	case *string:
		*target = text
	default:
		err = fmt.Errorf("a %s has no notation", v.Type())
	}
	return err
}

// kindName says in an error what a key wants.
func kindName(v reflect.Value) string {
	switch v.Interface().(type) {
	case time.Duration:
		return `a duration in quotes, as "90s", "5m" or "72h"`
	case []string:
		return `a list of texts, as ["127.0.0.1:53"]`
	case map[mime.Domain]string:
		return `a table with its domains in quotes, as { "b.example" = "TEXT" }`
	case int, int64:
		return "a whole number"
	case bool:
		return "true or false"
	}
	return "a text in quotes"
}

// normalize folds names to the form in which they are compared.
func (c *Config) normalize() error {
	if c.Hostname != "" {
		name, err := mime.ParseDomain(string(c.Hostname))
		if err != nil {
			return fmt.Errorf("key \"hostname\": %q is not a fully qualified name, as \"mail.b.example\"", c.Hostname)
		}
		c.Hostname = name
	}
	for _, f := range keysOf(c) {
		table, ok := f.value.Addr().Interface().(*map[mime.Domain]string)
		if !ok {
			continue
		}
		err := normalizeDomains(f.path, table)
		if err != nil {
			return err
		}
	}
	return nil
}

// normalizeDomains folds the domains that a table is by.
func normalizeDomains(path string, table *map[mime.Domain]string) error {
	folded := make(map[mime.Domain]string, len(*table))
	for _, written := range slices.Sorted(maps.Keys(*table)) {
		name, err := mime.ParseDomain(string(written))
		if err != nil {
			return fmt.Errorf("key %q: %q is not a domain, as \"b.example\"", path, written)
		}
		if _, twice := folded[name]; twice {
			return fmt.Errorf("key %q: the domain %q is there twice", path, name)
		}
		folded[name] = (*table)[written]
	}
	*table = nil
	if len(folded) > 0 {
		*table = folded
	}
	return nil
}

// resolve makes relative paths relative to the folder of the file.
func (c *Config) resolve(folder string) {
	for _, path := range []*string{&c.Dir, &c.TLS.Cert, &c.TLS.Key, &c.Network.CA, &c.ACME.BindingKeyFile, &c.Backup.Dir} {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(folder, *path)
		}
	}
}
