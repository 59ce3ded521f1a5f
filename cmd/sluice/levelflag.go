package main

import (
	"fmt"
	"log/slog"
	"math"
	"strings"

	"sluice/gateway/config"
)

// levelOff is above every level that is logged.
const levelOff = slog.Level(math.MaxInt32)

// A levelFlag is a log level by MOSN's names. It implements pflag.Value.
type levelFlag struct {
	text  string
	level *slog.Level // nil when none was given
}

func (f *levelFlag) String() string { return f.text }

// Type implements pflag.Value.
func (f *levelFlag) Type() string { return "level" }

// Set implements pflag.Value.
func (f *levelFlag) Set(text string) error {
	var level slog.Level
	switch strings.ToLower(text) {
	case "":
		f.text, f.level = "", nil
		return nil
	case "trace":
		level = config.LevelTrace
	case "debug":
		level = slog.LevelDebug
	case "info":
		level = slog.LevelInfo
	case "warning", "warn":
		level = slog.LevelWarn
	case "error":
		level = slog.LevelError
	case "critical", "fatal":
		level = config.LevelFatal
	case "off":
		level = levelOff
	default:
		return fmt.Errorf("unknown level %q; known are trace, debug, info, warning, error, critical and off", text)
	}
	f.text, f.level = text, &level
	return nil
}
