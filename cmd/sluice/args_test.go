package main

import (
	"slices"
	"strings"
	"testing"
)

func TestMosnArgs(t *testing.T) {
	for _, c := range []struct{ give, want string }{
		{"", ""},
		{"start", "start"},
		{"-c f", "start --config f"}, // flags without a command start, as in MOSN
		{"--config=f", "start --config=f"},
		{"-c=f", "start --config=f"},
		{"start -config f -log-level=debug", "start --config f --log-level=debug"}, // one dash
		{"start -sm a=b -sm c=d", "start --service-meta a=b --service-meta c=d"},
		{"start -sl a -domain b -pns c -pn d -pi e -lf f -lc g", "start --service-lables a --cluster-domain b --pod-namespace c --pod-name d --pod-ip e --log-format f --component-log-level g"},
		{"start -s a -n b -p c -f d -l e", "start --service-cluster a --service-node b --service-type c --feature-gates d --log-level e"},
		{"start -pn=-pi", "start --pod-name=-pi"},
		{"start -c -sm", "start --config -sm"}, // a value is not an alias
		{"start --disable-hot-restart -c f", "start --disable-hot-restart --config f"},
		{"start --disable-hot-restart=false", "start --disable-hot-restart=false"},
		{"start -unknown x", "start -unknown x"}, // left for the error message
		{"start -- -sm", "start -- -sm"},
		{"start - -c", "start - --config"},
		{"stop -config f", "stop --config f"},
		{"proxy -pn x", "proxy -pn x"}, // MOSN has no proxy
		{"-h", "-h"},
		{"--help", "--help"},
		{"-v", "-v"},
		{"--version", "--version"},
	} {
		t.Run(c.give, func(t *testing.T) {
			give := strings.Fields(c.give)
			kept := slices.Clone(give)
			if got := strings.Join(mosnArgs(give), " "); got != c.want {
				t.Errorf("mosnArgs(%s) = %s, want %s", c.give, got, c.want)
			}
			if !slices.Equal(give, kept) {
				t.Errorf("the argument was changed: %v", give)
			}
		})
	}
}
