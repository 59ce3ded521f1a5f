package config

import _ "embed" // default.json

// DefaultSource is the Source of the configuration that is used when no file is named.
const DefaultSource = "embedded default"

// DemoAddress is where the upstream of the embedded default is expected; the command serves a small demo there.
const DemoAddress = "127.0.0.1:8080"

//go:embed default.json
var defaultJSON string

// DefaultJSON is the embedded default configuration, in MOSN's form.
func DefaultJSON() []byte { return []byte(defaultJSON) }
