package accesslog

import (
	"testing"

	"sluice/protocols"
)

func TestRPCVariables(t *testing.T) {
	head := func(fields ...string) *protocols.Header {
		h := &protocols.Header{}
		h.Reset()
		h.Proto = protocols.ProtocolBolt
		for i := 0; i < len(fields); i += 2 {
			h.AddString(fields[i], fields[i+1])
		}
		return h
	}
	f, warnings := Compile("%x-mosn-rpc-service% %x-mosn-rpc-method% %request_class% %response_class% %bolt_status%")
	if len(warnings) > 0 {
		t.Fatal(warnings)
	}
	classed := head("service", "com.example.Shop", "sofa_head_method_name", "buy", "sofa_head_target_service", "other")
	classed.SetClass([]byte("com.example.Request"))
	answer := head()
	answer.SetClass([]byte("com.example.Answer"))
	answer.Code = 4
	for _, tc := range []struct {
		r    Record
		want string
	}{
		{Record{Request: classed, Response: answer}, "com.example.Shop buy com.example.Request com.example.Answer 4\n"},
		{Record{Request: head("sofa_head_target_service", "com.example.Shop:1.0")}, "com.example.Shop:1.0 - - - -\n"},
		{Record{}, "- - - - -\n"},
	} {
		if got := string(f.Append(nil, &tc.r)); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}
