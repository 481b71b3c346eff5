package config

import (
	"reflect"
	"strings"
)

// A field is one key or one table of the file.
type field struct {
	name  string // the last part of path
	path  string // as "relay.port"
	tag   reflect.StructTag
	value reflect.Value
}

// isTable reports whether f is a table of the file; relay.routes is a key.
func (f field) isTable() bool { return f.value.Kind() == reflect.Struct }

// fieldsOf lists the keys and tables directly in v, in order of definition.
func fieldsOf(prefix string, v reflect.Value) []field {
	fields := make([]field, 0, v.NumField())
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		name := tag.Get("toml")
		fields = append(fields, field{name: name, path: prefix + name, tag: tag, value: v.Field(i)})
	}
	return fields
}

// keysOf lists every key of c, the keys of tables included.
func keysOf(c *Config) []field {
	var keys []field
	for _, f := range fieldsOf("", reflect.ValueOf(c).Elem()) {
		if !f.isTable() {
			keys = append(keys, f)
			continue
		}
		keys = append(keys, fieldsOf(f.path+".", f.value)...)
	}
	return keys
}

// nearest returns the key or table that the unknown path was likely meant to
// be, or "" when none is near enough.
func nearest(path string) string {
	if len(path) > 64 { // the edit distance is quadratic
		return ""
	}
	path = strings.ToLower(path)
	best, bestDistance := "", 3
	for _, known := range knownPaths() {
		d := distance(path, known)
		if lastPart(path) == lastPart(known) { // the right key in the wrong table
			d = min(d, 1)
		}
		if d < bestDistance {
			best, bestDistance = known, d
		}
	}
	return best
}

func lastPart(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

func knownPaths() []string {
	c := &Config{}
	var paths []string
	for _, f := range fieldsOf("", reflect.ValueOf(c).Elem()) {
		if f.isTable() {
			paths = append(paths, f.path)
		}
	}
	for _, f := range keysOf(c) {
		paths = append(paths, f.path)
	}
	return paths
}

// distance is the Levenshtein distance of a and b in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substituted := diagonal
			if a[i] != b[j] {
				substituted++
			}
			diagonal = row[j+1]
			row[j+1] = min(substituted, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
