// Package config is the one model that every configuration front end produces (config/mosn reads MOSN's files) and the
// gateway compiles to a snapshot. A Config is a value: nobody changes it after it was validated.
package config
